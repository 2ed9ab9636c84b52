//! A moment as RFC 3339 writes it.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;
/// 400 years, after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;
/// From the 1st of March of the year 0, where leap days are the last of their years, to 1970.
const DAYS_BEFORE_1970: u64 = 719_468;

/// Writes `time` in UTC with six digits of its second; what is before 1970 as 1970.
pub(super) fn write(time: SystemTime, line: &mut String) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / SECONDS_PER_DAY, since.as_secs() % SECONDS_PER_DAY);
    let (year, month, day) = date(days);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (number, from, to) in [
        (year, 0, 4),
        (month, 5, 7),
        (day, 8, 10),
        (second / 3600, 11, 13),
        (second / 60 % 60, 14, 16),
        (second % 60, 17, 19),
        (u64::from(since.subsec_micros()), 20, 26),
    ] {
        let mut rest = number;
        for digit in text[from..to].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    line.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Year, month and day, so many days after the 1st of January 1970. The year is taken to begin in
/// March, so that a leap day moves no other.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let january_or_february = month >= 10;
    let year = era * 400 + year + u64::from(january_or_february);
    (year, if january_or_february { month - 9 } else { month + 3 }, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(micros: u64) -> String {
        let mut line = String::new();
        write(UNIX_EPOCH + Duration::from_micros(micros), &mut line);
        line
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(written(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(951_782_399_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(written(951_782_400_000_000), "2000-02-29T00:00:00.000000Z");
        assert_eq!(written(1_709_210_096_000_789), "2024-02-29T12:34:56.000789Z");
        assert_eq!(written(1_795_817_755_000_001), "2026-11-27T22:15:55.000001Z");
        assert_eq!(written(4_107_542_400_000_000), "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn every_day_of_130_years_is_the_one_a_library_names() {
        for day in 0..47_482 {
            let time = UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY);
            let (year, month, of_month) = date(day);
            let http = httpdate::fmt_http_date(time);
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let name = &months[(month as usize - 1) * 3..][..3];
            assert_eq!(http[5..16], format!("{of_month:02} {name} {year}"));
        }
    }
}

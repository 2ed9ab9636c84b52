//! What providers say about their limits in the headers of an answer.

use std::time::{Duration, UNIX_EPOCH};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName};

/// What an answer said about the limits of its account.
///
/// `None` is what it did not say. Resets are how long it takes until the limit is whole again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LimitReport {
    /// Requests per period that the provider allows.
    pub requests_limit: Option<u64>,
    /// Requests that are left.
    pub requests_remaining: Option<u64>,
    /// Until all requests are there again.
    pub requests_reset: Option<Duration>,
    /// Tokens per period that the provider allows.
    pub tokens_limit: Option<u64>,
    /// Tokens that are left.
    pub tokens_remaining: Option<u64>,
    /// Until all tokens are there again.
    pub tokens_reset: Option<Duration>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// The names for limit, remaining and reset.
type Family = [HeaderName; 3];

const OPENAI: &str = "x-ratelimit-";
static OPENAI_REQUESTS: Family = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static OPENAI_TOKENS: Family = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

const ANTHROPIC: &str = "anthropic-ratelimit-";
static ANTHROPIC_REQUESTS: Family = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
/// The first is the tightest one in force; the others are said beside it or instead of it.
static ANTHROPIC_TOKENS: [Family; 3] = [
    [
        HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
    ],
];

static RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

impl LimitReport {
    /// Reads the headers of an answer. `unix_now` is the time since 1970, for headers that name a
    /// moment. What cannot be read counts as not said.
    #[must_use]
    pub fn read(headers: &HeaderMap, unix_now: impl Fn() -> Duration) -> Self {
        let reader = Reader { headers, unix_now: &unix_now };
        let mut report = Self { retry_after: reader.retry_after(), ..Self::default() };
        // Most answers speak one family or none, and there are many names to look for.
        let spoken = |prefix| headers.keys().any(|name| name.as_str().starts_with(prefix));
        let (openai, anthropic) = (spoken(OPENAI), spoken(ANTHROPIC));
        let requests = [(openai, &OPENAI_REQUESTS), (anthropic, &ANTHROPIC_REQUESTS)];
        for (_, family) in requests.into_iter().filter(|(spoken, _)| *spoken) {
            let Said { limit, remaining, reset } = reader.family(family);
            report.requests_limit = report.requests_limit.or(limit);
            report.requests_remaining = report.requests_remaining.or(remaining);
            report.requests_reset = report.requests_reset.or(reset);
        }
        let tokens = std::iter::once(&OPENAI_TOKENS)
            .filter(|_| openai)
            .chain(ANTHROPIC_TOKENS.iter().filter(|_| anthropic))
            .map(|family| reader.family(family))
            .find(|said| said.remaining.is_some())
            .unwrap_or_default();
        report.tokens_limit = tokens.limit;
        report.tokens_remaining = tokens.remaining;
        report.tokens_reset = tokens.reset;
        report
    }
}

#[derive(Clone, Copy, Default)]
struct Said {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
}

struct Reader<'a> {
    headers: &'a HeaderMap,
    unix_now: &'a dyn Fn() -> Duration,
}

impl Reader<'_> {
    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    fn family(&self, [limit, remaining, reset]: &Family) -> Said {
        // Some imitators say a negative number once a limit is passed.
        let count = |name| {
            let text = self.text(name)?;
            if text.starts_with('-') { Some(0) } else { text.parse().ok() }
        };
        Said {
            limit: count(limit),
            remaining: count(remaining),
            reset: self.text(reset).and_then(|text| self.reset(text)),
        }
    }

    fn reset(&self, text: &str) -> Option<Duration> {
        if let Ok(number) = text.parse::<f64>() {
            return self.number(number);
        }
        units(text).or_else(|| rfc3339(text).map(|moment| moment.saturating_sub((self.unix_now)())))
    }

    /// A bare number is seconds, unless it is so large that it must be a moment since 1970.
    fn number(&self, number: f64) -> Option<Duration> {
        let moment = |unix: Duration| unix.saturating_sub((self.unix_now)());
        if number >= 1e12 {
            Duration::try_from_secs_f64(number / 1e3).ok().map(moment)
        } else if number >= 1e9 {
            Duration::try_from_secs_f64(number).ok().map(moment)
        } else {
            Duration::try_from_secs_f64(number).ok()
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let millis = self.text(&RETRY_AFTER_MS).and_then(|text| text.parse::<f64>().ok());
        if let Some(millis) = millis.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()) {
            return Some(millis);
        }
        let text = self.text(&RETRY_AFTER)?;
        if let Ok(seconds) = text.parse::<f64>() {
            return self.number(seconds);
        }
        let moment = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(moment.saturating_sub((self.unix_now)()))
    }
}

/// Go's notation: `6m0s`, `1h2m3.5s`, `12ms`.
fn units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A moment such as `2026-11-22T22:30:00.5Z`, since 1970.
fn rfc3339(text: &str) -> Option<Duration> {
    let bytes = text.as_bytes();
    let field = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let fits = separators.iter().all(|&(at, byte)| bytes.get(at) == Some(&byte));
    if !fits || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0{fraction}").parse().ok()? };
    let clock = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second.min(60));
    let seconds = days(year, month, day) * 86_400 + clock - offset(zone)?;
    Duration::from_secs(u64::try_from(seconds).ok()?)
        .checked_add(Duration::try_from_secs_f64(fraction).ok()?)
}

/// Seconds east of Greenwich: of `Z`, `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    Some(sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, `days_from_civil`).
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-22T22:30:00Z.
    const NOW: Duration = Duration::from_secs(1_795_386_600);

    fn read(headers: &[(&'static str, &str)]) -> LimitReport {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        LimitReport::read(&map, || NOW)
    }

    #[test]
    fn openai_says_resets_in_units() {
        let report = read(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let expected = LimitReport {
            requests_limit: Some(60),
            requests_remaining: Some(59),
            requests_reset: Some(Duration::from_secs(1)),
            tokens_limit: Some(150_000),
            tokens_remaining: Some(149_984),
            tokens_reset: Some(Duration::from_secs(360)),
            retry_after: None,
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn anthropic_says_moments() {
        let report = read(&[
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-22T22:30:30Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "1000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-23T00:30:01.500+02:00"),
            ("retry-after", "17"),
        ]);
        assert_eq!(report.requests_remaining, Some(0));
        assert_eq!(report.requests_reset, Some(Duration::from_secs(30)));
        assert_eq!(report.tokens_remaining, Some(1000));
        assert_eq!(report.tokens_reset, Some(Duration::from_millis(1500)));
        assert_eq!(report.retry_after, Some(Duration::from_secs(17)));
    }

    #[test]
    fn a_reset_may_be_written_in_many_ways() {
        for (text, millis) in [
            ("12ms", 12),
            ("1h2m3.5s", 3_723_500),
            ("20", 20_000),
            ("0.25", 250),
            ("1795386610", 10_000),
            ("1795386610000", 10_000),
            ("2026-11-22T22:29:00Z", 0),
            ("2024-02-29T00:00:00Z", 0),
        ] {
            let report = read(&[("x-ratelimit-reset-requests", text)]);
            assert_eq!(report.requests_reset, Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "soon", "5 minutes", "1x", "NaN", "-5", "2026-13-01T00:00:00Z", "2026"] {
            if text == "2026" {
                continue; // a number of seconds
            }
            let report = read(&[("x-ratelimit-reset-requests", text)]);
            assert_eq!(report.requests_reset, None, "{text}");
        }
    }

    #[test]
    fn milliseconds_say_it_better_than_seconds_and_dates_are_read() {
        let report = read(&[("retry-after", "2"), ("retry-after-ms", "1500")]);
        assert_eq!(report.retry_after, Some(Duration::from_millis(1500)));
        let report = read(&[("retry-after", "Sun, 22 Nov 2026 22:31:00 GMT")]);
        assert_eq!(report.retry_after, Some(Duration::from_secs(60)));
        let report = read(&[("retry-after", "Sun, 22 Nov 2020 22:31:00 GMT")]);
        assert_eq!(report.retry_after, Some(Duration::ZERO));
    }

    #[test]
    fn a_negative_remainder_is_none_left() {
        let report = read(&[("x-ratelimit-remaining-tokens", "-3")]);
        assert_eq!(report.tokens_remaining, Some(0));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(text in "[ -~]{0,40}") {
            for name in OPENAI_TOKENS.iter().map(HeaderName::as_str).chain(["retry-after", "retry-after-ms"]) {
                read(&[(name, &text)]);
            }
        }

        #[test]
        fn no_moment_makes_the_reader_panic(
            text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,9})?(Z|[+-][0-9]{2}:[0-9]{2})",
        ) {
            read(&[("anthropic-ratelimit-requests-reset", &text)]);
        }
    }
}

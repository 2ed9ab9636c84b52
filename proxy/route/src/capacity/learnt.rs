//! What a provider said is left of one of its limits.

use std::time::{Duration, Instant};

use super::part;

/// How long a provider's word is good when it names no end.
const NO_RESET: Duration = Duration::from_secs(1);
/// Beyond it a provider's word is old, whatever it says: better to ask again.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Requests or tokens that are left, by the provider's word and what was taken since.
///
/// Providers refill all the time and say when the bucket will be full, so between the word and
/// that moment the part that was missing comes back evenly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learnt(Option<Word>);

#[derive(Clone, Copy, Debug)]
struct Word {
    at: Instant,
    remaining: u64,
    /// Unknown for providers that do not say it: nothing comes back before `full`.
    limit: Option<u64>,
    full: Duration,
    taken: u64,
}

impl Learnt {
    pub(crate) fn hear(
        &mut self,
        remaining: Option<u64>,
        limit: Option<u64>,
        reset: Option<Duration>,
        now: Instant,
    ) {
        let Some(remaining) = remaining else { return };
        let full = reset.unwrap_or(NO_RESET).min(LONGEST);
        self.0 = Some(Word { at: now, remaining, limit, full, taken: 0 });
    }

    pub(crate) fn take(&mut self, amount: u64) {
        if let Some(word) = &mut self.0 {
            word.taken = word.taken.saturating_add(amount);
        }
    }

    pub(crate) fn give_back(&mut self, amount: u64) {
        if let Some(word) = &mut self.0 {
            word.taken = word.taken.saturating_sub(amount);
        }
    }

    /// When `amount` is there: `now` or later. More than the limit is there when it is full.
    pub(crate) fn room_at(&self, amount: u64, now: Instant) -> Instant {
        let Some(word) = self.current(now) else { return now };
        if word.left(now) >= amount {
            return now;
        }
        let end = word.at + word.full;
        let (Some(missing), Some(needed)) = (
            word.limit.map(|limit| limit.saturating_sub(word.remaining)).filter(|m| *m > 0),
            amount.checked_add(word.taken).and_then(|all| all.checked_sub(word.remaining)),
        ) else {
            return end;
        };
        (word.at + word.full.mul_f64(part(needed, missing).min(1.0))).max(now)
    }

    /// The part that is taken, 0 to 1; 0 if the limit is unknown.
    pub(crate) fn pressure(&self, now: Instant) -> f64 {
        let Some(word) = self.current(now) else { return 0.0 };
        word.limit.map_or(0.0, |limit| (1.0 - part(word.left(now), limit)).clamp(0.0, 1.0))
    }

    fn current(&self, now: Instant) -> Option<&Word> {
        self.0.as_ref().filter(|word| now.saturating_duration_since(word.at) < word.full)
    }
}

impl Word {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an estimate between 0 and `missing`"
    )]
    fn left(&self, now: Instant) -> u64 {
        let missing = self.limit.map_or(0, |limit| limit.saturating_sub(self.remaining));
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let part = passed / self.full.as_secs_f64().max(f64::MIN_POSITIVE);
        let back = (missing as f64 * part.min(1.0)) as u64;
        self.remaining.saturating_add(back).saturating_sub(self.taken)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_missing_comes_back_evenly() {
        let now = Instant::now();
        let mut learnt = Learnt::default();
        learnt.hear(Some(0), Some(60), Some(MINUTE), now);
        assert_eq!(learnt.room_at(1, now), now + Duration::from_secs(1));
        assert_eq!(learnt.room_at(30, now), now + Duration::from_secs(30));
        assert_eq!(learnt.room_at(99, now), now + MINUTE, "more than it ever holds");
        let later = now + Duration::from_secs(30);
        assert_eq!(learnt.room_at(30, later), later);
        assert!((learnt.pressure(later) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_taken_after_the_word_counts() {
        let now = Instant::now();
        let mut learnt = Learnt::default();
        learnt.hear(Some(2), None, Some(MINUTE), now);
        learnt.take(1);
        assert_eq!(learnt.room_at(1, now), now);
        learnt.take(1);
        assert_eq!(learnt.room_at(1, now), now + MINUTE, "nothing is known to come back earlier");
        learnt.give_back(1);
        assert_eq!(learnt.room_at(1, now), now);
    }

    #[test]
    fn a_word_is_good_until_its_reset_and_not_for_ever() {
        let now = Instant::now();
        let mut learnt = Learnt::default();
        learnt.hear(Some(0), None, Some(Duration::from_secs(u64::MAX)), now);
        assert_eq!(learnt.room_at(1, now + LONGEST), now + LONGEST);
        learnt.hear(Some(0), None, None, now);
        assert_eq!(learnt.room_at(1, now), now + NO_RESET);
        learnt.hear(None, Some(5), None, now);
        assert_eq!(learnt.room_at(1, now), now + NO_RESET, "no news changes nothing");
    }
}

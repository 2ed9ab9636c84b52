//! How much room an account has: what the configuration allows and what its provider says.
//!
//! Configured limits are hard: they are taken from at once, under one lock, and never exceeded.
//! What a provider says is soft: other users of the same key are not seen, so it steers, and the
//! provider's own 429 has the last word.

mod learnt;
mod report;

use std::time::{Duration, Instant};

use conf_schema::plan::AccountLimits;

pub use report::LimitReport;

pub(crate) use learnt::Learnt;

use crate::window::Window;

/// A minute and the second that is just passing.
const MINUTE: usize = 61;
/// When room for one more at the same time may come: whenever a request ends.
const SOON: Duration = Duration::from_secs(1);

/// What the configuration allows an account, and how much of it is taken.
#[derive(Debug)]
pub(crate) struct Allowance {
    limits: AccountLimits,
    requests: Window<MINUTE>,
    tokens: Window<MINUTE>,
}

impl Allowance {
    pub(crate) fn new(limits: AccountLimits, now: Instant) -> Self {
        Self { limits, requests: Window::new(now), tokens: Window::new(now) }
    }

    /// What was taken stays taken.
    pub(crate) fn change(&mut self, limits: AccountLimits) {
        self.limits = limits;
    }

    /// When a request of `tokens` has room beside `in_flight` others: `now` or later.
    pub(crate) fn room_at(&mut self, tokens: u64, in_flight: u32, now: Instant) -> Instant {
        let mut at = now;
        if self.limits.concurrent.is_some_and(|limit| in_flight >= limit.get()) {
            at = now + SOON;
        }
        if let Some(limit) = self.limits.requests_per_minute {
            at = at.max(self.requests.room_at(1, u64::from(limit.get()), now));
        }
        if let Some(limit) = self.limits.tokens_per_minute {
            at = at.max(self.tokens.room_at(tokens, limit.get(), now));
        }
        at
    }

    pub(crate) fn take(&mut self, tokens: u64, now: Instant) {
        self.requests.add(1, now);
        self.tokens.add(tokens, now);
    }

    /// The request never reached the provider.
    pub(crate) fn refund(&mut self, tokens: u64, taken: Instant, now: Instant) {
        self.requests.take_back(1, taken, now);
        self.tokens.take_back(tokens, taken, now);
    }

    /// The request used `used` tokens where `estimated` were taken.
    pub(crate) fn settle(&mut self, estimated: u64, used: u64, taken: Instant, now: Instant) {
        if used > estimated {
            self.tokens.add(used - estimated, now);
        } else {
            self.tokens.take_back(estimated - used, taken, now);
        }
    }

    /// The largest part of a limit that is taken, 0 to 1.
    pub(crate) fn pressure(&mut self, in_flight: u32, now: Instant) -> f64 {
        let AccountLimits { concurrent, requests_per_minute, tokens_per_minute } = self.limits;
        let concurrent = concurrent.map_or(0.0, |l| f64::from(in_flight) / f64::from(l.get()));
        let requests = requests_per_minute
            .map_or(0.0, |limit| part(self.requests.sum(now), u64::from(limit.get())));
        let tokens = tokens_per_minute.map_or(0.0, |limit| part(self.tokens.sum(now), limit.get()));
        concurrent.max(requests).max(tokens).min(1.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a fraction need not be exact")]
pub(crate) fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole.max(1) as f64
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use super::*;

    fn allowance(concurrent: u32, requests: u32, tokens: u64, now: Instant) -> Allowance {
        let limits = AccountLimits {
            concurrent: NonZeroU32::new(concurrent),
            requests_per_minute: NonZeroU32::new(requests),
            tokens_per_minute: NonZeroU64::new(tokens),
        };
        Allowance::new(limits, now)
    }

    #[test]
    fn the_tightest_limit_says_when_there_is_room() {
        let now = Instant::now();
        let mut allowance = allowance(2, 3, 100, now);
        assert_eq!(allowance.room_at(50, 2, now), now + SOON);
        allowance.take(60, now);
        let later = now + Duration::from_secs(30);
        assert_eq!(allowance.room_at(40, 1, later), later);
        assert_eq!(allowance.room_at(50, 1, later), now + Duration::from_secs(61));
        allowance.settle(60, 10, now, later);
        assert_eq!(allowance.room_at(50, 1, later), later, "it used less than estimated");
        allowance.settle(10, 90, now, later);
        assert_eq!(allowance.room_at(50, 1, later), now + Duration::from_secs(91), "and now more");
    }

    #[test]
    fn pressure_is_that_of_the_tightest_limit() {
        let now = Instant::now();
        let mut allowance = allowance(10, 4, 0, now);
        allowance.take(1_000_000, now);
        assert!((allowance.pressure(1, now) - 0.25).abs() < 1e-9);
        assert!((allowance.pressure(9, now) - 0.9).abs() < 1e-9);
    }
}

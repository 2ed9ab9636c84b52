//! Keeps tries from multiplying the load on upstreams that are failing already.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::window::Window;

/// Seconds over which requests and tries are compared.
const PERIOD: usize = 10;
/// Keys of whom nothing was heard for the period are forgotten when there are so many.
const KEYS: usize = 4_096;

/// Further tries are allowed up to a part of the recent requests and a few per second besides, for
/// the gateway as a whole and for each key, so that one key's trouble is not everybody's.
#[derive(Debug)]
pub struct RetryBudget {
    policy: RetryPolicy,
    counts: Mutex<Counts>,
}

/// How many further tries are allowed.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Further tries per request, over the last ten seconds.
    pub ratio: f64,
    /// So many per second are always allowed, all keys together.
    pub floor: u32,
    /// And so many to each key.
    pub floor_per_key: u32,
    /// Tries of one request at most.
    pub attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { ratio: 0.2, floor: 10, floor_per_key: 2, attempts: 4 }
    }
}

#[derive(Debug)]
struct Counts {
    all: Count,
    keys: HashMap<Box<str>, Count>,
}

#[derive(Debug)]
struct Count {
    requests: Window<PERIOD>,
    tries: Window<PERIOD>,
}

impl Count {
    fn new(now: Instant) -> Self {
        Self { requests: Window::new(now), tries: Window::new(now) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a budget need not be exact")]
    fn allows(&mut self, ratio: f64, floor: u32, now: Instant) -> bool {
        let allowed = self.requests.sum(now) as f64 * ratio + f64::from(floor) * PERIOD as f64;
        (self.tries.sum(now) as f64) + 1.0 <= allowed
    }

    fn is_quiet(&mut self, now: Instant) -> bool {
        self.requests.sum(now) == 0 && self.tries.sum(now) == 0
    }
}

impl RetryBudget {
    /// A budget with nothing spent.
    #[must_use]
    pub fn new(policy: RetryPolicy, now: Instant) -> Self {
        let counts = Counts { all: Count::new(now), keys: HashMap::new() };
        Self { policy, counts: Mutex::new(counts) }
    }

    /// Tries of one request at most.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.policy.attempts
    }

    /// A request came in. `key` is the name of the client's key, empty for nobody's.
    pub fn request(&self, key: &str, now: Instant) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all.requests.add(1, now);
        counts.of_key(key, now, |count| count.requests.add(1, now));
    }

    /// Takes one further try out of the budgets, if both allow it.
    pub fn spend(&self, key: &str, now: Instant) -> bool {
        let RetryPolicy { ratio, floor, floor_per_key, .. } = self.policy;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.all.allows(ratio, floor, now) {
            return false;
        }
        let allowed = counts.of_key(key, now, |count| {
            let allowed = count.allows(ratio, floor_per_key, now);
            count.tries.add(u64::from(allowed), now);
            allowed
        });
        counts.all.tries.add(u64::from(allowed), now);
        allowed
    }
}

impl Counts {
    fn of_key<T>(&mut self, key: &str, now: Instant, then: impl FnOnce(&mut Count) -> T) -> T {
        if let Some(count) = self.keys.get_mut(key) {
            return then(count);
        }
        if self.keys.len() >= KEYS {
            self.keys.retain(|_, count| !count.is_quiet(now));
        }
        let mut count = Count::new(now);
        let result = then(&mut count);
        self.keys.insert(key.into(), count);
        result
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spent(budget: &RetryBudget, key: &str, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.spend(key, now)).count()
    }

    #[test]
    fn there_is_a_floor_and_a_part_of_the_requests() {
        let now = Instant::now();
        let budget = RetryBudget::new(RetryPolicy::default(), now);
        assert_eq!(spent(&budget, "a", now), 20, "2 a second for 10 seconds");
        for _ in 0..1000 {
            budget.request("a", now);
        }
        assert_eq!(spent(&budget, "a", now), 200);
        assert_eq!(spent(&budget, "a", now + Duration::from_secs(10)), 20);
    }

    #[test]
    fn one_key_cannot_spend_what_belongs_to_the_others() {
        let now = Instant::now();
        let budget = RetryBudget::new(RetryPolicy::default(), now);
        for key in 0..4 {
            assert_eq!(spent(&budget, &format!("key {key}"), now), 20);
        }
        assert_eq!(spent(&budget, "key 4", now), 20);
        assert_eq!(spent(&budget, "key 5", now), 0, "the gateway's own floor is spent");
    }

    #[test]
    fn keys_do_not_pile_up() {
        let now = Instant::now();
        let budget = RetryBudget::new(RetryPolicy::default(), now);
        for key in 0..3 * KEYS {
            budget.request(&key.to_string(), now + Duration::from_millis(key as u64 * 10));
        }
        assert!(budget.counts.lock().unwrap().keys.len() <= KEYS);
    }
}

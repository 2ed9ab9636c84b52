//! A sum over the last seconds.

use std::time::{Duration, Instant};

/// What was added during the last `N` seconds, in slots of one second.
///
/// A slot counts in full until all of it is out of sight, so an amount is seen for at least
/// `N - 1` seconds and at most `N`. The sum is exact in the direction that keeps a limit.
#[derive(Clone, Debug)]
pub(crate) struct Window<const N: usize> {
    origin: Instant,
    /// The newest second, since `origin`.
    second: u64,
    slots: [u64; N],
    sum: u64,
}

impl<const N: usize> Window<N> {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, second: 0, slots: [0; N], sum: 0 }
    }

    pub(crate) fn sum(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.sum
    }

    pub(crate) fn add(&mut self, amount: u64, now: Instant) {
        self.advance(now);
        if let Some(slot) = self.slots.get_mut(place::<N>(self.second)) {
            *slot = slot.saturating_add(amount);
            self.sum = self.sum.saturating_add(amount);
        }
    }

    /// Takes back part of what was added at `at`. What is out of sight already stays so.
    pub(crate) fn take_back(&mut self, amount: u64, at: Instant, now: Instant) {
        self.advance(now);
        let second = at.saturating_duration_since(self.origin).as_secs().min(self.second);
        if self.second - second >= N as u64 {
            return;
        }
        if let Some(slot) = self.slots.get_mut(place::<N>(second)) {
            let taken = amount.min(*slot);
            *slot -= taken;
            self.sum -= taken;
        }
    }

    /// When `amount` more fits below `limit`: `now` or later. An amount above the limit fits when
    /// nothing else is there.
    pub(crate) fn room_at(&mut self, amount: u64, limit: u64, now: Instant) -> Instant {
        self.advance(now);
        let allowed = limit.saturating_sub(amount);
        let mut left = self.sum;
        if left <= allowed {
            return now;
        }
        for age in (0..N as u64).rev() {
            let Some(second) = self.second.checked_sub(age) else { continue };
            left -= self.slots.get(place::<N>(second)).copied().unwrap_or(0);
            if left <= allowed {
                return self.origin + Duration::from_secs(second + N as u64);
            }
        }
        now
    }

    /// A clock that went back a little, as between threads, stays in the newest second.
    fn advance(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.origin).as_secs();
        if second <= self.second {
            return;
        }
        if second - self.second >= N as u64 {
            (self.slots, self.sum) = ([0; N], 0);
        } else {
            for passed in self.second + 1..=second {
                if let Some(slot) = self.slots.get_mut(place::<N>(passed)) {
                    self.sum -= std::mem::take(slot);
                }
            }
        }
        self.second = second;
    }
}

fn place<const N: usize>(second: u64) -> usize {
    (second % N as u64) as usize
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use super::*;

    fn at(origin: Instant, millis: u64) -> Instant {
        origin + Duration::from_millis(millis)
    }

    #[test]
    fn an_amount_is_seen_for_at_least_the_whole_window() {
        let start = Instant::now();
        let mut window = Window::<61>::new(start);
        window.add(5, at(start, 990));
        assert_eq!(window.sum(at(start, 60_990)), 5);
        assert_eq!(window.sum(at(start, 61_000)), 0);
    }

    #[test]
    fn it_says_when_there_is_room() {
        let start = Instant::now();
        let mut window = Window::<3>::new(start);
        window.add(4, start);
        window.add(4, at(start, 1000));
        assert_eq!(window.room_at(2, 10, at(start, 1500)), at(start, 1500));
        assert_eq!(window.room_at(3, 10, at(start, 1500)), at(start, 3000));
        assert_eq!(window.room_at(7, 10, at(start, 1500)), at(start, 4000));
        assert_eq!(window.room_at(99, 10, at(start, 1500)), at(start, 4000), "more than the limit");
        assert_eq!(window.room_at(99, 10, at(start, 4000)), at(start, 4000));
    }

    #[test]
    fn what_is_taken_back_leaves_the_second_it_was_in() {
        let start = Instant::now();
        let mut window = Window::<3>::new(start);
        window.add(4, start);
        window.add(4, at(start, 1000));
        window.take_back(3, start, at(start, 2000));
        assert_eq!(window.sum(at(start, 2000)), 5);
        assert_eq!(window.sum(at(start, 3000)), 4);
        window.take_back(1, start, at(start, 3000));
        assert_eq!(window.sum(at(start, 3000)), 4, "its second is out of sight");
    }

    #[test]
    fn a_clock_that_goes_back_does_no_harm() {
        let start = Instant::now();
        let mut window = Window::<3>::new(at(start, 5000));
        window.add(1, at(start, 9000));
        window.add(1, start);
        assert_eq!(window.sum(at(start, 9000)), 2);
    }
}

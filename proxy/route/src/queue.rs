//! A short wait for room, fair to every key.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Requests that wait for room, each until a moment of its own.
///
/// Keys take turns, so one that sends much waits behind itself. Only the order is kept here:
/// waiting and waking are the caller's, who asks [`next`](Self::next) whenever a place was given
/// back and lets that request choose again.
#[derive(Debug, Default)]
pub struct Queue {
    keys: HashMap<Box<str>, VecDeque<Waiting>>,
    /// Every key that has somebody waiting, once.
    turns: VecDeque<Box<str>>,
    waiting: usize,
    issued: u64,
}

/// How many may wait.
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// All together.
    pub total: usize,
    /// Of one key.
    pub per_key: usize,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket(u64);

/// There is no place in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many requests wait already")]
pub struct Full;

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    until: Instant,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        let (keys, turns) = (HashMap::new(), VecDeque::new());
        Self { keys, turns, waiting: 0, issued: 0 }
    }

    /// Waits until `until` at most. `key` is the name of the client's key. `bounds` are those of
    /// now: they may have been others for those that wait already.
    ///
    /// # Errors
    ///
    /// [`Full`] if too many wait already, in all or of this key.
    pub fn join(&mut self, key: &str, until: Instant, bounds: QueueBounds) -> Result<Ticket, Full> {
        let of_key = self.keys.get(key).map_or(0, VecDeque::len);
        if self.waiting >= bounds.total || of_key >= bounds.per_key {
            return Err(Full);
        }
        self.issued += 1;
        let ticket = Ticket(self.issued);
        if of_key == 0 {
            self.turns.push_back(key.into());
        }
        self.keys.entry(key.into()).or_default().push_back(Waiting { ticket, until });
        self.waiting += 1;
        Ok(ticket)
    }

    /// Whose turn it is; it leaves the queue. Those whose time is over leave on the way.
    pub fn next(&mut self, now: Instant) -> Option<Ticket> {
        while let Some(key) = self.turns.pop_front() {
            let Some(line) = self.keys.get_mut(&key) else { continue };
            let before = line.len();
            let mut found = None;
            while let Some(Waiting { ticket, until }) = line.pop_front() {
                if now < until {
                    found = Some(ticket);
                    break;
                }
            }
            self.waiting -= before - line.len();
            if line.is_empty() {
                self.keys.remove(&key);
            } else {
                self.turns.push_back(key);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Leaves the queue early: the client is gone, or its time is over. Says whether it was there.
    pub fn leave(&mut self, key: &str, ticket: Ticket) -> bool {
        let Some(line) = self.keys.get_mut(key) else { return false };
        let before = line.len();
        line.retain(|waiting| waiting.ticket != ticket);
        let left = before - line.len();
        self.waiting -= left;
        if line.is_empty() {
            self.keys.remove(key);
            self.turns.retain(|turn| &**turn != key);
        }
        left > 0
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_take_turns() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let bounds = QueueBounds { total: 9, per_key: 4 };
        let mut queue = Queue::new();
        let greedy: Vec<_> = (0..4).map(|_| queue.join("greedy", until, bounds).unwrap()).collect();
        assert_eq!(queue.join("greedy", until, bounds), Err(Full));
        let modest = queue.join("modest", until, bounds).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| queue.next(now)).collect();
        assert_eq!(order, [greedy[0], modest, greedy[1], greedy[2], greedy[3]]);
    }

    #[test]
    fn who_waited_too_long_or_left_is_passed_over() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let bounds = QueueBounds { total: 9, per_key: 9 };
        let mut queue = Queue::new();
        queue.join("a", now, bounds).unwrap();
        let gone = queue.join("b", later, bounds).unwrap();
        let last = queue.join("a", later, bounds).unwrap();
        assert!(queue.leave("b", gone));
        assert!(!queue.leave("b", gone));
        assert_eq!(queue.next(now), Some(last));
        assert_eq!(queue.next(now), None);
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn the_count_is_right_and_the_bounds_hold(
            steps in prop::collection::vec((0_u8..4, 0_u8..3, 0_u64..4), 0..200),
        ) {
            let start = Instant::now();
            let bounds = QueueBounds { total: 6, per_key: 3 };
            let mut queue = Queue::new();
            let mut tickets = Vec::new();
            for (time, (step, key, wait)) in (0..).zip(steps) {
                let now = start + Duration::from_secs(time);
                let name = key.to_string();
                match step {
                    0 | 1 => tickets.extend(
                        queue
                            .join(&name, now + Duration::from_secs(wait), bounds)
                            .ok()
                            .map(|ticket| (name, ticket)),
                    ),
                    2 => drop(queue.next(now)),
                    _ => drop(tickets.pop().map(|(key, ticket)| queue.leave(&key, ticket))),
                }
                let counted: usize = queue.keys.values().map(VecDeque::len).sum();
                prop_assert_eq!(counted, queue.len());
                prop_assert_eq!(queue.turns.len(), queue.keys.len());
                prop_assert!(queue.len() <= 6 && queue.keys.values().all(|line| line.len() <= 3));
            }
        }
    }
}

//! A short wait for room, fair to every key.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Requests that wait for room, each until a moment of its own.
///
/// Keys take turns, so one that sends much waits behind itself; within a key and a lane, who came
/// first is served first. Only the order is kept here. Waiting and waking are the caller's, who
/// [offers](Self::offer) whatever was given back, to those who wait before anybody else.
#[derive(Debug)]
pub struct Queue<T> {
    keys: HashMap<Box<str>, VecDeque<Waiting<T>>>,
    /// Every key that has somebody waiting, once; the next to be served first.
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
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(u64);

/// There is no place in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many requests wait already")]
pub struct Full;

#[derive(Debug)]
struct Waiting<T> {
    ticket: Ticket,
    until: Instant,
    lane: usize,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { keys: HashMap::new(), turns: VecDeque::new(), waiting: 0, issued: 0 }
    }
}

impl<T> Queue<T> {
    /// Waits until `until` at most. `key` is the name of the client's key. Requests of one `lane`
    /// want the same places: they do not overtake each other within their key. `bounds` are those
    /// of now: they may have been others for those that wait already.
    ///
    /// # Errors
    ///
    /// [`Full`] if too many wait already, in all or of this key.
    pub fn join(
        &mut self,
        key: &str,
        lane: usize,
        until: Instant,
        bounds: QueueBounds,
        what: T,
    ) -> Result<Ticket, Full> {
        let of_key = self.keys.get(key).map_or(0, VecDeque::len);
        if self.waiting >= bounds.total || of_key >= bounds.per_key {
            return Err(Full);
        }
        self.issued += 1;
        let ticket = Ticket(self.issued);
        if of_key == 0 {
            self.turns.push_back(key.into());
        }
        let waiting = Waiting { ticket, until, lane, what };
        self.keys.entry(key.into()).or_default().push_back(waiting);
        self.waiting += 1;
        Ok(ticket)
    }

    /// Offers what there is to those who wait, in their order, until one of them takes something:
    /// that one leaves the queue and its key goes to the end of the line. Whoever finds nothing
    /// keeps its turn. Those whose time is over are passed over; they leave by themselves.
    ///
    /// Call it until it gives `None`: then nobody who waits has any use for what there is.
    pub fn offer<R>(
        &mut self,
        now: Instant,
        mut take: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<(Ticket, T, R)> {
        let (turn, at, taken) = self.turns.iter().enumerate().find_map(|(turn, key)| {
            let line = self.keys.get_mut(key)?;
            let mut refused = Vec::new();
            line.iter_mut().enumerate().find_map(|(at, waiting)| {
                if now >= waiting.until || refused.contains(&waiting.lane) {
                    return None;
                }
                let taken = take(&mut waiting.what);
                if taken.is_none() {
                    refused.push(waiting.lane);
                }
                taken.map(|taken| (turn, at, taken))
            })
        })?;
        let key = self.turns.remove(turn)?;
        let line = self.keys.get_mut(&key)?;
        let Waiting { ticket, what, .. } = line.remove(at)?;
        self.waiting -= 1;
        if line.is_empty() {
            self.keys.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        Some((ticket, what, taken))
    }

    /// Leaves the queue early: the client is gone, or its time is over. `None` if it was served.
    pub fn leave(&mut self, key: &str, ticket: Ticket) -> Option<T> {
        let line = self.keys.get_mut(key)?;
        let at = line.iter().position(|waiting| waiting.ticket == ticket)?;
        let Waiting { what, .. } = line.remove(at)?;
        self.waiting -= 1;
        if line.is_empty() {
            self.keys.remove(key);
            self.turns.retain(|turn| &**turn != key);
        }
        Some(what)
    }

    /// Who waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.keys.values().flatten().map(|waiting| &waiting.what)
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

    use super::*;

    const BOUNDS: QueueBounds = QueueBounds { total: 9, per_key: 4 };

    fn served<T>(queue: &mut Queue<T>, now: Instant) -> Option<Ticket> {
        queue.offer(now, |_| Some(())).map(|(ticket, ..)| ticket)
    }

    #[test]
    fn keys_take_turns() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut queue = Queue::default();
        let greedy: Vec<_> =
            (0..4).map(|_| queue.join("greedy", 0, until, BOUNDS, ()).unwrap()).collect();
        assert_eq!(queue.join("greedy", 0, until, BOUNDS, ()), Err(Full));
        let modest = queue.join("modest", 0, until, BOUNDS, ()).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| served(&mut queue, now)).collect();
        assert_eq!(order, [greedy[0], modest, greedy[1], greedy[2], greedy[3]]);
    }

    #[test]
    fn who_waited_too_long_or_left_is_passed_over() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut queue = Queue::default();
        let late = queue.join("a", 0, now, BOUNDS, 1).unwrap();
        let gone = queue.join("b", 0, later, BOUNDS, 2).unwrap();
        let last = queue.join("a", 0, later, BOUNDS, 3).unwrap();
        assert_eq!(queue.leave("b", gone), Some(2));
        assert_eq!(queue.leave("b", gone), None);
        assert_eq!(served(&mut queue, now), Some(last));
        assert_eq!(served(&mut queue, now), None);
        assert_eq!(queue.leave("a", late), Some(1));
        assert!(queue.is_empty());
    }

    #[test]
    fn nobody_overtakes_in_its_lane_and_other_lanes_do_not_wait_for_it() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut queue = Queue::default();
        // What is wanted is the size: there is room for 5.
        let large = queue.join("a", 1, until, BOUNDS, 9).unwrap();
        queue.join("a", 1, until, BOUNDS, 2).unwrap();
        let elsewhere = queue.join("a", 2, until, BOUNDS, 3).unwrap();
        let other = queue.join("b", 1, until, BOUNDS, 4).unwrap();
        let mut fits = |size| queue.offer(now, |want| (*want <= size).then_some(())).map(|it| it.0);
        assert_eq!(fits(5), Some(elsewhere), "its key's turn, and of another lane");
        assert_eq!(fits(5), Some(other), "the small one waits behind the large one of its key");
        assert_eq!(fits(5), None);
        assert_eq!(fits(9), Some(large));
    }
}

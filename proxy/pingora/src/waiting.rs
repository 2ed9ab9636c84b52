//! Requests that wait until an account has room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proxy_route::queue::{Full, Queue, QueueBounds, Ticket};
use tokio::sync::oneshot;

/// All that wait. One line for the whole gateway, in which keys take turns.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    line: Mutex<Line>,
    /// How many wait, so that nobody takes the lock in vain.
    length: AtomicUsize,
}

#[derive(Debug, Default)]
struct Line {
    queue: Queue,
    calls: HashMap<Ticket, oneshot::Sender<Call>>,
}

/// Word that there may be room. Whoever cannot use it passes it on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// To so many at most, so that it ends.
    left: usize,
}

/// One that waits; leaves the line when dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiting: &'a Waiting,
    key: String,
    ticket: Ticket,
    called: oneshot::Receiver<Call>,
}

impl Waiting {
    /// Joins the line of `key` until `until`.
    ///
    /// # Errors
    ///
    /// [`Full`] if too many wait already.
    pub(crate) fn join(
        &self,
        key: &str,
        until: Instant,
        bounds: QueueBounds,
    ) -> Result<Waiter<'_>, Full> {
        let (call, called) = oneshot::channel();
        let mut line = self.line();
        let ticket = line.queue.join(key, until, bounds)?;
        line.calls.insert(ticket, call);
        self.length.store(line.calls.len(), Ordering::Release);
        Ok(Waiter { waiting: self, key: key.to_owned(), ticket, called })
    }

    /// A place was given back: calls whose turn it is.
    pub(crate) fn place_given_back(&self, now: Instant) {
        let left = self.length.load(Ordering::Acquire);
        if left > 0 {
            self.pass_on(Call { left }, now);
        }
    }

    /// Calls the next in line.
    pub(crate) fn pass_on(&self, call: Call, now: Instant) {
        let Some(left) = call.left.checked_sub(1) else { return };
        let mut line = self.line();
        while let Some(ticket) = line.queue.next(now) {
            let Some(waiter) = line.calls.remove(&ticket) else { continue };
            if waiter.send(Call { left }).is_ok() {
                break;
            }
        }
        self.length.store(line.calls.len(), Ordering::Release);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// Waits to be called; for ever if that does not happen.
    pub(crate) async fn called(&mut self) -> Call {
        match (&mut self.called).await {
            Ok(call) => call,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut line = self.waiting.line();
        line.queue.leave(&self.key, self.ticket);
        line.calls.remove(&self.ticket);
        self.waiting.length.store(line.calls.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    const BOUNDS: QueueBounds = QueueBounds { total: 3, per_key: 2 };

    #[tokio::test]
    async fn whoever_cannot_use_the_place_passes_it_on_to_the_others_once() {
        let waiting = Waiting::default();
        let now = clock::now();
        let until = now + Duration::from_secs(60);
        let mut first = waiting.join("a", until, BOUNDS).unwrap();
        let mut second = waiting.join("b", until, BOUNDS).unwrap();
        waiting.place_given_back(now);
        let call = first.called().await;
        waiting.pass_on(call, now);
        let call = second.called().await;
        assert_eq!(call.left, 0);
        let third = waiting.join("a", until, BOUNDS).unwrap();
        waiting.pass_on(call, now);
        assert_eq!(waiting.length.load(Ordering::Acquire), 1, "the call has ended");
        drop(third);
        assert_eq!(waiting.length.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn the_bounds_hold_and_who_leaves_makes_room() {
        let waiting = Waiting::default();
        let until = clock::now() + Duration::from_secs(60);
        let first = waiting.join("a", until, BOUNDS).unwrap();
        let _second = waiting.join("a", until, BOUNDS).unwrap();
        assert!(waiting.join("a", until, BOUNDS).is_err());
        drop(first);
        assert!(waiting.join("a", until, BOUNDS).is_ok());
    }

    #[tokio::test]
    async fn who_left_is_not_called() {
        let waiting = Waiting::default();
        let now = clock::now();
        let until = now + Duration::from_secs(60);
        drop(waiting.join("a", until, BOUNDS).unwrap());
        let mut other = waiting.join("b", until, BOUNDS).unwrap();
        waiting.place_given_back(now);
        assert_eq!(other.called().await.left, 0);
    }
}

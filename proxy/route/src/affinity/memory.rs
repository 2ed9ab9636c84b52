//! Bindings in memory: bounded, and tidied a little with each new one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Bind, Binding, Bindings, SessionId};

const SHARDS: usize = 64;
/// How many old sessions are looked at when a new one comes. More than one, so that what is idle
/// goes faster than new ones come.
const SWEEP: usize = 4;

/// Bindings in memory. They do not outlive the process.
#[derive(Debug)]
pub struct MemoryBindings {
    shards: Box<[Mutex<Shard>]>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Shard {
    sessions: HashMap<SessionId, Entry>,
    /// Each session once, in the order in which they are looked at next.
    order: VecDeque<SessionId>,
}

#[derive(Debug)]
struct Entry {
    binding: Binding,
    used: Instant,
    /// Used since it was last looked at.
    touched: bool,
}

impl MemoryBindings {
    /// Room for about so many sessions. Beyond it, those go first that were not used for long.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, capacity: capacity.div_ceil(SHARDS).max(1) }
    }

    /// Sessions that are remembered, the idle ones not yet forgotten among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).sessions.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id is a digest: any byte of it spreads evenly.
    fn shard(&self, session: &SessionId) -> Option<MutexGuard<'_, Shard>> {
        let at = usize::from(session.as_bytes()[0]) % SHARDS;
        self.shards.get(at).map(lock)
    }
}

/// A million sessions, some 200 MB when all are there.
impl Default for MemoryBindings {
    fn default() -> Self {
        Self::new(1_000_000)
    }
}

/// What another thread left while panicking is still a map.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bindings for MemoryBindings {
    fn get(&self, session: &SessionId, idle: Duration, now: Instant) -> Option<Binding> {
        self.shard(session)?.current(session, idle, now).map(|entry| entry.binding.clone())
    }

    fn bind(
        &self,
        session: &SessionId,
        from: Option<&Binding>,
        to: Binding,
        idle: Duration,
        now: Instant,
    ) -> Bind {
        let Some(mut shard) = self.shard(session) else { return Bind::Done };
        if let Some(entry) = shard.current(session, idle, now) {
            if from != Some(&entry.binding) {
                return Bind::Taken(entry.binding.clone());
            }
            entry.binding = to;
            return Bind::Done;
        }
        shard.sweep(self.capacity, idle, now);
        let entry = Entry { binding: to, used: now, touched: false };
        if shard.sessions.insert(*session, entry).is_none() {
            shard.order.push_back(*session);
        }
        Bind::Done
    }
}

impl Shard {
    /// The entry of a session that is not idle for too long; it is now used.
    fn current(&mut self, session: &SessionId, idle: Duration, now: Instant) -> Option<&mut Entry> {
        let entry = self.sessions.get_mut(session)?;
        if now.saturating_duration_since(entry.used) > idle {
            return None;
        }
        entry.used = entry.used.max(now);
        entry.touched = true;
        Some(entry)
    }

    /// Looks at the next few sessions and forgets the idle ones. Makes room for one more: by
    /// forgetting one that was not used since it was last looked at, or else the last looked at.
    fn sweep(&mut self, capacity: usize, idle: Duration, now: Instant) {
        for look in 1.. {
            let full = self.sessions.len() >= capacity;
            if look > SWEEP && !full {
                return;
            }
            let Some(session) = self.order.pop_front() else { return };
            let Some(entry) = self.sessions.get_mut(&session) else { continue };
            let stale = now.saturating_duration_since(entry.used) > idle;
            if stale || full && (!entry.touched || look > SWEEP) {
                self.sessions.remove(&session);
            } else {
                // Only a full shard asks who was used since.
                entry.touched &= !full;
                self.order.push_back(session);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use super::super::SessionPieces;
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn session(n: usize) -> SessionId {
        let name = n.to_string();
        let pieces = SessionPieces { header: Some(name.as_bytes()), ..SessionPieces::default() };
        SessionId::of("k", "m", &pieces).unwrap()
    }

    fn to(account: &str) -> Binding {
        let provider = "p".parse().unwrap();
        Binding { provider, account: account.parse().unwrap(), model: "m".into() }
    }

    #[test]
    fn one_of_several_at_the_same_time_wins() {
        let (bindings, now) = (MemoryBindings::default(), Instant::now());
        let bind = |from: Option<&Binding>, account| {
            bindings.bind(&session(1), from, to(account), IDLE, now)
        };
        assert_eq!(bind(None, "a"), Bind::Done);
        assert_eq!(bind(None, "b"), Bind::Taken(to("a")));
        assert_eq!(bind(None, "a"), Bind::Taken(to("a")), "the same, but not by this one");
        assert_eq!(bind(Some(&to("a")), "b"), Bind::Done);
        assert_eq!(bind(Some(&to("a")), "c"), Bind::Taken(to("b")));
        assert_eq!(bindings.get(&session(1), IDLE, now), Some(to("b")));
        assert_eq!(bindings.len(), 1);
    }

    #[test]
    fn use_keeps_a_session_and_idleness_ends_it() {
        let (bindings, now) = (MemoryBindings::default(), Instant::now());
        bindings.bind(&session(1), None, to("a"), IDLE, now);
        assert!(bindings.get(&session(1), IDLE, now + IDLE).is_some());
        assert!(bindings.get(&session(1), IDLE, now + IDLE * 2).is_some());
        let late = now + IDLE * 3 + Duration::from_secs(1);
        assert_eq!(bindings.get(&session(1), IDLE, late), None);
        assert_eq!(bindings.bind(&session(1), None, to("b"), IDLE, late), Bind::Done);
        assert_eq!(bindings.len(), 1);
    }

    #[test]
    fn idle_sessions_go_while_new_ones_come() {
        let (bindings, now) = (MemoryBindings::new(1_000_000), Instant::now());
        for n in 0..10_000 {
            bindings.bind(&session(n), None, to("a"), IDLE, now);
        }
        let late = now + IDLE * 2;
        for n in 10_000..15_000 {
            bindings.bind(&session(n), None, to("a"), IDLE, late);
        }
        assert!(bindings.len() < 6_000, "{}", bindings.len());
    }

    #[test]
    fn there_are_never_more_than_have_room_and_the_busy_ones_stay() {
        let (bindings, now) = (MemoryBindings::new(6_400), Instant::now());
        let mut kept = 0;
        for n in 0..20_000 {
            bindings.bind(&session(n), None, to("a"), IDLE, now);
            for busy in 0..5 {
                kept += usize::from(bindings.get(&session(busy), IDLE, now).is_some());
            }
        }
        assert!(bindings.len() <= 6_400, "{}", bindings.len());
        assert!(kept > 98_000, "{kept}");
        for shard in &bindings.shards {
            let shard = lock(shard);
            assert_eq!(shard.order.len(), shard.sessions.len());
        }
    }
}

//! What is kept at present: so many turns, so many bytes, none that was not used for so long.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::key::Digest;
use crate::turn::Turn;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Turns at most; 0 keeps nothing.
    pub turns: usize,
    /// Bytes at most, as [`Turn::weight`] counts them.
    pub bytes: usize,
    /// How long a turn that nobody asks for is kept.
    pub idle: Duration,
}

/// What happened when a turn was to be kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// Whether it is kept: one that alone is too large is not.
    pub kept: bool,
    /// Turns that had to go because nobody had asked for them for too long.
    pub aged: u64,
    /// Turns that had to go to make room, those first that were not used for longest.
    pub crowded: u64,
    /// Turns there are now.
    pub turns: usize,
    /// Bytes they take.
    pub bytes: usize,
}

/// Turns in memory, by name. They do not outlive the process.
///
/// One lock for all: it is held for a few look-ups in tables and never while anything is built or freed.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    names: HashMap<Digest, u64>,
    entries: HashMap<u64, Entry>,
    /// The entries by when they were last used.
    order: BTreeMap<u64, u64>,
    bytes: usize,
    /// Counts uses, and names entries.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    turn: Arc<Turn>,
    names: Vec<Digest>,
    weight: usize,
    used: Instant,
    /// Its place in [`Table::order`].
    order: u64,
}

impl Memory {
    /// Keeps `turn` under `names`. Who had one of the names before has it no longer.
    pub fn keep(&self, turn: Turn, names: Vec<Digest>, limits: &Limits, now: Instant) -> Kept {
        let weight = turn.weight() + names.len() * size_of::<(Digest, u64)>();
        let turn = Arc::new(turn);
        let mut gone = Vec::new();
        let mut table = self.lock();
        let aged = table.forget_idle(limits.idle, now, &mut gone);
        let fits = limits.turns > 0 && weight <= limits.bytes && !names.is_empty();
        if fits {
            table.insert(turn, names, weight, now, &mut gone);
        }
        let crowded = table.make_room(limits, &mut gone);
        let (turns, bytes) = (table.entries.len(), table.bytes);
        // Freed without the lock.
        drop(table);
        drop(gone);
        Kept { kept: fits, aged, crowded, turns, bytes }
    }

    /// The turn of this name, unless nobody asked for it for too long. Counts as use.
    #[must_use]
    pub fn get(&self, name: &Digest, idle: Duration, now: Instant) -> Option<Arc<Turn>> {
        self.lock().get(name, idle, now)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let table = std::mem::take(&mut *self.lock());
        drop(table);
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Turns that are kept and the bytes they take, the idle ones not yet forgotten among them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let table = self.lock();
        (table.entries.len(), table.bytes)
    }

    /// What another thread left while panicking is still a table.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn get(&mut self, name: &Digest, idle: Duration, now: Instant) -> Option<Arc<Turn>> {
        let id = *self.names.get(name)?;
        let next = self.tick();
        let entry = self.entries.get_mut(&id)?;
        if now.saturating_duration_since(entry.used) > idle {
            return None;
        }
        entry.used = entry.used.max(now);
        self.order.remove(&entry.order);
        entry.order = next;
        self.order.insert(next, id);
        Some(Arc::clone(&entry.turn))
    }

    fn insert(
        &mut self,
        turn: Arc<Turn>,
        mut names: Vec<Digest>,
        weight: usize,
        now: Instant,
        gone: &mut Vec<Entry>,
    ) {
        names.sort_unstable();
        names.dedup();
        let id = self.tick();
        for name in &names {
            if let Some(before) = self.names.insert(*name, id) {
                self.lose_name(before, name, gone);
            }
        }
        self.bytes = self.bytes.saturating_add(weight);
        self.order.insert(id, id);
        self.entries.insert(id, Entry { turn, names, weight, used: now, order: id });
    }

    /// A turn without a name cannot be asked for.
    fn lose_name(&mut self, id: u64, name: &Digest, gone: &mut Vec<Entry>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.names.retain(|it| it != name);
        if entry.names.is_empty() {
            gone.extend(self.remove(id));
        }
    }

    fn forget_idle(&mut self, idle: Duration, now: Instant, gone: &mut Vec<Entry>) -> u64 {
        let mut count = 0;
        while let Some((_, id)) = self.order.first_key_value() {
            let id = *id;
            let used = self.entries.get(&id).map(|entry| entry.used);
            if used.is_some_and(|used| now.saturating_duration_since(used) <= idle) {
                break;
            }
            gone.extend(self.remove(id));
            count += 1;
        }
        count
    }

    fn make_room(&mut self, limits: &Limits, gone: &mut Vec<Entry>) -> u64 {
        let mut count = 0;
        while self.entries.len() > limits.turns || self.bytes > limits.bytes {
            let Some((_, id)) = self.order.first_key_value() else { break };
            let id = *id;
            gone.extend(self.remove(id));
            count += 1;
        }
        count
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.order.remove(&entry.order);
        self.bytes = self.bytes.saturating_sub(entry.weight);
        for name in &entry.names {
            if self.names.get(name) == Some(&id) {
                self.names.remove(name);
            }
        }
        Some(entry)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

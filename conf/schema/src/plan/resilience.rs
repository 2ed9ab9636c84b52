//! What keeps conversations together and streams alive.

use std::time::Duration;

use http::HeaderName;

use super::Checker;
use crate::{
    raw::{self, ByteSize, Timespan},
    read::{Field, Placed},
};

/// How requests of one conversation stay with one account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Affinity {
    /// The request header that names a session before anything else does.
    pub header: HeaderName,
    /// For how long a session that is not used keeps its account; above zero.
    pub idle: Duration,
}

/// How much is remembered of what models thought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReasoningMemory {
    /// Turns at most; 0 and nothing is remembered.
    pub turns: usize,
    /// Bytes at most; above zero.
    pub bytes: usize,
    /// For how long a turn that nobody asks for is remembered; above zero.
    pub idle: Duration,
}

/// How requests wait for which no account has room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Queue {
    /// For how long at most; above zero.
    pub wait: Duration,
    /// How many at most.
    pub requests: usize,
    /// How many of one client key at most; above zero.
    pub requests_per_key: usize,
}

/// What keeps a silent stream alive; both times are above zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// The silence before the first heartbeat.
    pub after: Duration,
    /// The silence before each further one.
    pub every: Duration,
    /// Whether answers that are not streamed have heartbeats too.
    pub whole: bool,
}

const SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");
const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);
const REASONING_MEMORY: ReasoningMemory =
    ReasoningMemory { turns: 100_000, bytes: 64 << 20, idle: Duration::from_secs(60 * 60) };
const MOST_TURNS: usize = 10_000_000;
const HEARTBEAT: Heartbeat =
    Heartbeat { after: Duration::from_secs(5), every: Duration::from_secs(15), whole: false };
const QUEUE: Queue = Queue { wait: Duration::from_secs(2), requests: 1024, requests_per_key: 128 };
/// More would be a mistake: each that waits holds its request in memory.
const LONGEST_QUEUE: usize = 1_000_000;

impl Checker<'_> {
    pub(super) fn affinity(&self, section: Field<raw::Affinity>) -> Affinity {
        let section = section.value().unwrap_or_default();
        let header = section.header.given().and_then(|Placed { value, at }| {
            let named = value.parse::<HeaderName>().map_err(|_| "is not the name of a header");
            self.problems.note(&at, named)
        });
        Affinity {
            header: header.unwrap_or(SESSION_HEADER),
            idle: section.idle.value().map_or(SESSION_IDLE, |Timespan(given)| given),
        }
    }

    pub(super) fn reasoning_memory(&self, section: Field<raw::ReasoningMemory>) -> ReasoningMemory {
        let section = section.value().unwrap_or_default();
        let turns = section.turns.given().and_then(|Placed { value, at }| {
            let fits = usize::try_from(value).ok().filter(|turns| *turns <= MOST_TURNS);
            let fits = fits.ok_or_else(|| format!("must be 0 to {MOST_TURNS}, but is {value}"));
            self.problems.note(&at, fits)
        });
        let bytes = section.bytes.value().and_then(|ByteSize(size)| usize::try_from(size).ok());
        ReasoningMemory {
            turns: turns.unwrap_or(REASONING_MEMORY.turns),
            bytes: bytes.unwrap_or(REASONING_MEMORY.bytes),
            idle: section.idle.value().map_or(REASONING_MEMORY.idle, |Timespan(given)| given),
        }
    }

    pub(super) fn queue(&self, section: Field<raw::Queue>) -> Queue {
        let section = section.value().unwrap_or_default();
        let count = |field: Field<i64>, least: usize, default| {
            let Some(Placed { value, at }) = field.given() else { return default };
            let fits = usize::try_from(value).ok().filter(|n| (least..=LONGEST_QUEUE).contains(n));
            let fits =
                fits.ok_or_else(|| format!("must be {least} to {LONGEST_QUEUE}, but is {value}"));
            self.problems.note(&at, fits).unwrap_or(default)
        };
        Queue {
            wait: section.wait.value().map_or(QUEUE.wait, |Timespan(given)| given),
            requests: count(section.requests, 0, QUEUE.requests),
            requests_per_key: count(section.requests_per_key, 1, QUEUE.requests_per_key),
        }
    }
}

pub(super) fn heartbeat(section: Field<raw::Heartbeat>) -> Heartbeat {
    let section = section.value().unwrap_or_default();
    Heartbeat {
        after: section.after.value().map_or(HEARTBEAT.after, |Timespan(given)| given),
        every: section.every.value().map_or(HEARTBEAT.every, |Timespan(given)| given),
        whole: section.whole.value().unwrap_or(HEARTBEAT.whole),
    }
}

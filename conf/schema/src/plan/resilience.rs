//! What keeps conversations together and streams alive.

use std::time::Duration;

use http::HeaderName;

use super::Checker;
use crate::{
    raw::{self, Timespan},
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

/// What keeps a silent stream alive; both above zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// The silence before the first heartbeat.
    pub after: Duration,
    /// The silence before each further one.
    pub every: Duration,
}

const SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");
const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);
const HEARTBEAT: Heartbeat =
    Heartbeat { after: Duration::from_secs(5), every: Duration::from_secs(15) };

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
}

pub(super) fn heartbeat(section: Field<raw::Heartbeat>) -> Heartbeat {
    let section = section.value().unwrap_or_default();
    Heartbeat {
        after: section.after.value().map_or(HEARTBEAT.after, |Timespan(given)| given),
        every: section.every.value().map_or(HEARTBEAT.every, |Timespan(given)| given),
    }
}

//! Addresses, the state directory and the limits.

use core::net::SocketAddr;

use super::Checker;
use crate::{
    problem::Place,
    raw::{self, Address},
    read::{Field, Placed},
};

/// An address on which clients are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Bound as it is; port 0 lets the system choose.
    pub address: SocketAddr,
}

impl Listener {
    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// The address of `/metrics`, `/healthz` and `/readyz`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admin {
    /// Differs from every listener's.
    pub address: SocketAddr,
}

/// Where the embedded store lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateDir {
    /// As written; a relative path starts at the working directory.
    pub directory: String,
}

/// Bounds on what a client may send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes in the largest request body.
    pub request_body_bytes: u64,
}

const LISTENER: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const ADMIN: SocketAddr = SocketAddr::new(LOOPBACK, 8081);
const LOOPBACK: core::net::IpAddr = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
const REQUEST_BODY_BYTES: u64 = 64 << 20;

impl Checker<'_> {
    /// The listeners, and where each address stands (nowhere for the default).
    pub(super) fn listeners(
        &self,
        list: Field<Vec<Field<raw::Listener>>>,
    ) -> (Vec<Listener>, Vec<Place>) {
        let Some(list) = list.given() else {
            return (vec![Listener { address: LISTENER }], vec![Place::default()]);
        };
        if list.value.is_empty() {
            self.problems.error(&list.at, "needs at least one listener");
        }
        let (mut listeners, mut places) = (Vec::<Listener>::new(), Vec::new());
        for entry in list.value.into_iter().filter_map(Field::given) {
            let address = entry.value.address.required(&entry.at, "address", self.problems);
            if let Some(Placed { value: Address(address), at }) = address {
                if listeners.iter().any(|other| collide(other.address, address)) {
                    self.problems.error(&at, "another listener has this address already");
                }
                listeners.push(Listener { address });
                places.push(at);
            }
        }
        (listeners, places)
    }

    pub(super) fn admin(&self, section: Field<raw::Admin>, listeners: &[Listener]) -> Admin {
        let section = section.value().unwrap_or_default();
        let Some(Placed { value: Address(address), at }) = section.address.given() else {
            return Admin { address: ADMIN };
        };
        if listeners.iter().any(|listener| collide(listener.address, address)) {
            self.problems.error(&at, "a listener has this address already");
        }
        Admin { address }
    }

    pub(super) fn state(&self, section: Field<raw::State>) -> StateDir {
        let directory = section.value().unwrap_or_default().directory.given();
        if let Some(empty) = directory.as_ref().filter(|directory| directory.value.is_empty()) {
            self.problems.error(&empty.at, "is empty; `.` is the working directory");
        }
        StateDir { directory: directory.map_or_else(|| "./data".to_owned(), |given| given.value) }
    }

    pub(super) fn limits(&self, section: Field<raw::Limits>) -> Limits {
        let bytes = section.value().unwrap_or_default().request_body_bytes.value();
        Limits { request_body_bytes: bytes.map_or(REQUEST_BODY_BYTES, |size| size.0) }
    }
}

/// Whether both cannot be bound at once. Port 0 is another port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

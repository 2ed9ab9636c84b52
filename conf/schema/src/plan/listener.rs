//! Addresses, the state directory and the limits.

use core::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conf_name::Secret;

use super::Checker;
use crate::{
    problem::Place,
    raw::{self, Address, Timespan},
    read::{Field, Placed},
};

/// An address on which clients are served.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Bound as it is; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Absent for plain HTTP.
    pub tls: Option<ListenerTls>,
}

/// What a listener shows of itself, and wants to see of its clients. All in PEM form, in which
/// there may still be a mistake.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// The listener's own first.
    pub certificates: Arc<[u8]>,
    /// Of the first certificate.
    pub key: Secret,
    /// Authorities of which every client needs a certificate.
    pub client_ca: Option<Arc<[u8]>>,
}

impl Listener {
    /// What a running process cannot change: all but the certificate and its key.
    pub(super) fn fixed(&self) -> (SocketAddr, Option<Option<&[u8]>>) {
        (self.address, self.tls.as_ref().map(|tls| tls.client_ca.as_deref()))
    }

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
    /// Requests at the same time; above zero.
    pub in_flight_requests: i64,
    /// How long a client may take to read the next piece of its answer; above zero.
    pub write_timeout: Duration,
}

const LISTENER: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const ADMIN: SocketAddr = SocketAddr::new(LOOPBACK, 8081);
const LOOPBACK: core::net::IpAddr = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
const REQUEST_BODY_BYTES: u64 = 64 << 20;
const IN_FLIGHT_REQUESTS: i64 = 10_000;
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

impl Checker<'_> {
    /// The listeners, and where each address stands (nowhere for the default).
    pub(super) fn listeners(
        &self,
        list: Field<Vec<Field<raw::Listener>>>,
    ) -> (Vec<Listener>, Vec<Place>) {
        let Some(list) = list.given() else {
            return (vec![Listener { address: LISTENER, tls: None }], vec![Place::default()]);
        };
        if list.value.is_empty() {
            self.problems.error(&list.at, "needs at least one listener");
        }
        let (mut listeners, mut places) = (Vec::<Listener>::new(), Vec::new());
        for entry in list.value.into_iter().filter_map(Field::given) {
            let tls = self.listener_tls(entry.value.tls);
            let address = entry.value.address.required(&entry.at, "address", self.problems);
            if let Some(Placed { value: Address(address), at }) = address {
                if listeners.iter().any(|other| collide(other.address, address)) {
                    self.problems.error(&at, "another listener has this address already");
                }
                listeners.push(Listener { address, tls });
                places.push(at);
            }
        }
        (listeners, places)
    }

    fn listener_tls(&self, section: Field<raw::ListenerTls>) -> Option<ListenerTls> {
        let Placed { value: tls, at } = section.given()?;
        let pem = |path: &Placed<String>, label: &str| {
            let read = self.secrets.file(&path.value);
            let read = read.map_err(|reason| format!("cannot be read: {reason}"));
            let pem = self.problems.note(&path.at, read)?;
            let text = String::from_utf8_lossy(&pem);
            let found = text.lines().any(|it| it.starts_with("-----BEGIN") && it.contains(label));
            if !found {
                self.problems.error(&path.at, format!("has no {label} in PEM form"));
            }
            found.then_some(pem)
        };
        let certificates = tls.cert_file.required(&at, "cert_file", self.problems);
        let key = tls.key_file.required(&at, "key_file", self.problems);
        let client_ca = tls.client_ca_file.given().map(|path| pem(&path, "CERTIFICATE"));
        let certificates = certificates.and_then(|path| pem(&path, "CERTIFICATE"));
        let key = key.and_then(|path| pem(&path, "PRIVATE KEY"));
        Some(ListenerTls {
            certificates: certificates?.into(),
            key: Secret::new(&*String::from_utf8_lossy(&key?)),
            // Never none where one was asked for.
            client_ca: client_ca.map(Option::unwrap_or_default).map(Into::into),
        })
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
        let section = section.value().unwrap_or_default();
        let bytes = section.request_body_bytes.value();
        let write_timeout = section.write_timeout.value();
        let in_flight = section.in_flight_requests.given().and_then(|Placed { value, at }| {
            let fits = (value > 0).then_some(value);
            self.problems
                .note(&at, fits.ok_or_else(|| format!("must be at least 1, but is {value}")))
        });
        Limits {
            request_body_bytes: bytes.map_or(REQUEST_BODY_BYTES, |size| size.0),
            in_flight_requests: in_flight.unwrap_or(IN_FLIGHT_REQUESTS),
            write_timeout: write_timeout.map_or(WRITE_TIMEOUT, |Timespan(given)| given),
        }
    }
}

/// Whether both cannot be bound at once. Port 0 is another port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

//! Addresses, what is spoken on them, and the state directory.

use core::net::SocketAddr;
use std::sync::Arc;

use conf_name::Secret;
use ipnet::IpNet;

use super::Checker;
use crate::{
    problem::Place,
    raw::{self, Address},
    read::{Field, Placed},
};

/// An address on which clients are served.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Bound as it is; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Absent for plain HTTP.
    pub tls: Option<ListenerTls>,
    /// Whether a client may begin with HTTP/2 without TLS.
    pub h2c: bool,
    /// Whether every connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
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
    pub(super) fn fixed(&self) -> (SocketAddr, bool, bool, Option<Option<&[u8]>>) {
        let client_ca = self.tls.as_ref().map(|tls| tls.client_ca.as_deref());
        (self.address, self.h2c, self.proxy_protocol, client_ca)
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

const LISTENER: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const ADMIN: SocketAddr = SocketAddr::new(LOOPBACK, 8081);
const LOOPBACK: core::net::IpAddr = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);

impl Checker<'_> {
    /// The listeners, and where each address stands (nowhere for the default).
    pub(super) fn listeners(
        &self,
        list: Field<Vec<Field<raw::Listener>>>,
        trusted_proxies: &[IpNet],
    ) -> (Vec<Listener>, Vec<Place>) {
        let Some(list) = list.given() else {
            let plain =
                Listener { address: LISTENER, tls: None, h2c: false, proxy_protocol: false };
            return (vec![plain], vec![Place::default()]);
        };
        if list.value.is_empty() {
            self.problems.error(&list.at, "needs at least one listener");
        }
        let (mut listeners, mut places) = (Vec::<Listener>::new(), Vec::new());
        for Placed { value: entry, at: parent } in list.value.into_iter().filter_map(Field::given) {
            let tls = self.listener_tls(entry.tls);
            let address = entry.address.required(&parent, "address", self.problems);
            let Some(Placed { value: Address(address), at }) = address else { continue };
            if listeners.iter().any(|other| collide(other.address, address)) {
                self.problems.error(&at, "another listener has this address already");
            }
            let mut listener = Listener { address, tls, h2c: false, proxy_protocol: false };
            if let Some(h2c) = entry.h2c.given().filter(|h2c| h2c.value) {
                self.check_h2c(&listener, entry.allow_h2c.value().unwrap_or(false), &h2c.at);
                listener.h2c = true;
            }
            if let Some(asked) = entry.proxy_protocol.given().filter(|asked| asked.value) {
                if trusted_proxies.is_empty() {
                    let message = "nobody could connect: `trusted_proxies` names no proxy";
                    self.problems.error(&asked.at, message);
                }
                listener.proxy_protocol = true;
            }
            listeners.push(listener);
            places.push(at);
        }
        (listeners, places)
    }

    fn check_h2c(&self, listener: &Listener, allowed: bool, at: &Place) {
        if listener.tls.is_some() {
            self.problems.warning(at, "has no effect: with TLS, the two sides agree on HTTP/2");
        } else if !listener.is_loopback() && !allowed {
            self.problems.error(
                at,
                "other machines can reach this address, and nothing protects HTTP/2 without TLS; \
                 use `tls`, or set `allow_h2c: true` if that is meant",
            );
        }
    }

    pub(super) fn trusted_proxies(&self, list: Field<Vec<Field<raw::Network>>>) -> Vec<IpNet> {
        let list = list.value().unwrap_or_default();
        list.into_iter().filter_map(Field::given).map(|it| it.value.0).collect()
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
}

/// Whether both cannot be bound at once. Port 0 is another port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

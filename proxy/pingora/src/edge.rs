//! What is looked at before a request is understood: may it come in at this moment, and from whom
//! is it?
//!
//! The shape of an HTTP/1.1 header was checked before Pingora saw it; HTTP/2's by its library, which
//! counts no fields.

use std::net::IpAddr;

use adapters_canonical::failure::Failure;
use conf_schema::plan::Limits;
use http::{HeaderName, HeaderValue};
use pingora_proxy::Session;
use proxy_admit::address;
use proxy_telemetry::Metrics;

use crate::snapshot::Snapshot;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Refuses a header with more fields than `limits` has.
pub(crate) fn check_header(session: &Session, limits: &Limits) -> Result<(), Failure> {
    let limit = limits.headers;
    match session.req_header().headers.len() {
        fields if fields > limit => Err(Failure::HeadersTooMany { limit }),
        _ => Ok(()),
    }
}

/// Refuses one more request if there is as much to do as there may be, this one counted.
pub(crate) fn check_load(metrics: &Metrics, limits: &Limits) -> Result<(), Failure> {
    if metrics.in_flight() > limits.in_flight_requests {
        return Err(Failure::Overloaded);
    }
    check_memory(metrics, limits)
}

/// Refuses what needs memory if as much is in use as may be.
pub(crate) fn check_memory(metrics: &Metrics, limits: &Limits) -> Result<(), Failure> {
    let full = limits.memory_bytes.is_some_and(|most| metrics.edge.memory() > most);
    if full { Err(Failure::Overloaded) } else { Ok(()) }
}

/// Who is asking, as far as those tell who are trusted to.
pub(crate) fn client(session: &Session, snapshot: &Snapshot) -> Option<IpAddr> {
    let peer = session.client_addr()?.as_inet()?.ip();
    let forwarded = session.req_header().headers.get_all(&FORWARDED_FOR).iter();
    let forwarded = forwarded.map(HeaderValue::as_bytes);
    Some(address::client(peer, forwarded, &snapshot.plan.trusted_proxies))
}

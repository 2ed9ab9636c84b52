//! `listeners:`, `admin:`, `state:` and `limits:` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, ByteSize, Timespan};
use crate::read::Field;

/// One address on which clients are served. A change needs a restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `address`")]
pub(crate) struct Listener {
    /// IP address and port, such as `0.0.0.0:8080` or `"[::]:8080"`.
    pub(crate) address: Field<Address>,
    /// Speak TLS, and over it HTTP/2 to clients that can. Default: plain HTTP/1.1.
    #[serde(default)]
    pub(crate) tls: Field<ListenerTls>,
    /// Also speak HTTP/2 without TLS to clients that begin with it (h2c). Refused on an address that
    /// other machines can reach, unless `allow_h2c` is set. Default: `false`.
    #[serde(default)]
    pub(crate) h2c: Field<bool>,
    /// `h2c` is meant, although other machines can reach this address. Default: `false`.
    #[serde(default)]
    pub(crate) allow_h2c: Field<bool>,
    /// Every connection begins with a PROXY protocol header, version 1 or 2, and comes from one of
    /// `trusted_proxies`; others are closed. Default: `false`.
    #[serde(default)]
    pub(crate) proxy_protocol: Field<bool>,
}

/// How a listener shows who it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `cert_file` and `key_file`")]
pub(crate) struct ListenerTls {
    /// The certificate and those between it and its root, in PEM form. Followed when it changes.
    pub(crate) cert_file: Field<String>,
    /// Its private key, in PEM form. Followed when it changes.
    pub(crate) key_file: Field<String>,
    /// Clients must show a certificate of one of these authorities, in PEM form. A change needs a
    /// restart. Default: clients need none.
    #[serde(default)]
    pub(crate) client_ca_file: Field<String>,
}

/// `/metrics`, `/healthz` and `/readyz`, apart from what clients can reach.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the key `address`")]
pub(crate) struct Admin {
    /// IP address and port. Default: `127.0.0.1:8081`. A change needs a restart.
    #[serde(default)]
    pub(crate) address: Field<Address>,
}

/// The embedded store.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the key `directory`")]
pub(crate) struct State {
    /// A directory the gateway may write to. Default: `./data`. A change needs a restart.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) directory: Field<String>,
}

/// Bounds on what a client may send.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `request_body_bytes`")]
pub(crate) struct Limits {
    /// The largest request body, forms that go up while they come in included. Default: `64MiB`.
    #[serde(default)]
    pub(crate) request_body_bytes: Field<ByteSize>,
    /// Requests at the same time; what comes beyond is told to come back. Default: `10000`.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) in_flight_requests: Field<i64>,
    /// How long a request's header may take, from its first byte to its last; also the TLS handshake,
    /// and the first request of an HTTP/2 connection. Default: `30s`.
    #[serde(default)]
    pub(crate) header_timeout: Field<Timespan>,
    /// How long a request's body may take in all. Default: `300s`.
    #[serde(default)]
    pub(crate) body_timeout: Field<Timespan>,
    /// How long a client's connection is kept between two requests. Default: `75s`.
    #[serde(default)]
    pub(crate) idle_timeout: Field<Timespan>,
    /// The largest request header: request line and all fields. Default: `64KiB`, at most `1MiB`.
    #[serde(default)]
    pub(crate) header_bytes: Field<ByteSize>,
    /// The most fields in a request's header. Default: `100`, at most `250`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 250))]
    pub(crate) headers: Field<i64>,
    /// Client connections at the same time; what comes beyond is closed at once. Default: `20000`.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) connections: Field<i64>,
    /// Client connections at the same time from one address, or from one /64 of IPv6. Those of
    /// `trusted_proxies` are not counted. Default: no limit.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) connections_per_address: Field<i64>,
    /// Requests at the same time on one HTTP/2 connection. Default: `100`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) streams_per_connection: Field<i64>,
    /// Above this much memory in use by the process, new requests are told to come back. What the
    /// allocator keeps for later is not counted. Default: no limit.
    #[serde(default)]
    pub(crate) memory_bytes: Field<ByteSize>,
    /// How long a client may take to read the next piece of its answer; then its request is ended.
    /// Default: `60s`.
    #[serde(default)]
    pub(crate) write_timeout: Field<Timespan>,
}

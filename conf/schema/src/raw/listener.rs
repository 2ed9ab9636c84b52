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
}

/// How a listener shows who it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `cert_file` and `key_file`")]
pub(crate) struct ListenerTls {
    /// The certificate and those between it and its root, in PEM form. Read again on SIGHUP.
    pub(crate) cert_file: Field<String>,
    /// Its private key, in PEM form. Read again on SIGHUP.
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
    /// The largest request body. Default: `64MiB`.
    #[serde(default)]
    pub(crate) request_body_bytes: Field<ByteSize>,
    /// Requests at the same time; what comes beyond is told to come back. Default: `10000`.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) in_flight_requests: Field<i64>,
    /// How long a client may take to read the next piece of its answer; then its request is ended.
    /// Default: `60s`.
    #[serde(default)]
    pub(crate) write_timeout: Field<Timespan>,
}

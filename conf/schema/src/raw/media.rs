//! `media:` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ByteSize, Network, Timespan};
use crate::read::Field;

/// What becomes of pictures, sounds and documents at addresses that a provider does not take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `fetch` and `timeout`")]
pub(crate) struct Media {
    /// Whether the gateway fetches them itself. Default: `off`.
    #[serde(default)]
    pub(crate) fetch: Field<Fetch>,
    /// The largest file. All files of a request together are bounded by
    /// `limits.request_body_bytes`. Default: `20MiB`.
    #[serde(default)]
    pub(crate) max_bytes: Field<ByteSize>,
    /// How many files of one request are fetched at most. Default: `8`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_files: Field<i64>,
    /// How long a file may take, redirections included. Default: `10s`.
    #[serde(default)]
    pub(crate) timeout: Field<Timespan>,
    /// How many redirections of one file are followed. Default: `3`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 20))]
    pub(crate) redirects: Field<i64>,
    /// Also fetch without TLS, from `http://`. Default: `false`.
    #[serde(default)]
    pub(crate) allow_http: Field<bool>,
    /// Addresses or networks that may be fetched from although they are not public, at any port.
    /// Default: none.
    #[serde(default)]
    pub(crate) allow: Field<Vec<Field<Network>>>,
}

/// Whether the gateway fetches what stands at an address.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Fetch {
    /// It opens no connection for a client but to its provider.
    #[default]
    Off,
    /// It fetches what the provider does not.
    On,
}

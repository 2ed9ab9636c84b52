//! `auth:` as written.

use conf_name::KeyName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretRef;
use crate::read::Field;

/// Who may use the gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `mode` and `keys`")]
pub(crate) struct Auth {
    /// `open` (default): everybody who can connect. `keys`: who presents one of `keys`.
    #[serde(default)]
    pub(crate) mode: Field<AuthMode>,
    /// Allow `open` on an address that other machines can reach. Default: `false`.
    #[serde(default)]
    pub(crate) allow_open: Field<bool>,
    /// The keys that clients may present.
    #[serde(default)]
    pub(crate) keys: Field<Vec<Field<ClientKey>>>,
}

/// Whether clients must present a key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everybody who can connect may use the gateway.
    #[default]
    Open,
    /// Only who presents a key.
    Keys,
}

/// A key that a client may present.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `name` and `key`")]
pub(crate) struct ClientKey {
    /// What the key is called in logs and metrics.
    pub(crate) name: Field<KeyName>,
    /// The key itself.
    pub(crate) key: Field<SecretRef>,
}

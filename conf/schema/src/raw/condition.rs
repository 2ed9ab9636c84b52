//! `models[].targets[].when:` as written.

use std::collections::BTreeMap;

use conf_name::KeyName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::read::Field;

/// Which requests a target takes. All conditions that are given must hold; of the values listed for
/// one of them, one is enough.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `headers` and `keys`")]
pub(crate) struct When {
    /// Request headers and the values they may have, letter for letter. Default: any.
    #[serde(default)]
    pub(crate) headers: Field<BTreeMap<String, Field<Vec<Field<String>>>>>,
    /// Names of entries under `auth.keys`, one of which the client must have presented. Default:
    /// any.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) keys: Field<Vec<Field<KeyName>>>,
    /// Entries of the request's `metadata`, of Gemini's clients `labels`, and the values they may
    /// have. Default: any.
    #[serde(default)]
    pub(crate) metadata: Field<BTreeMap<String, Field<Vec<Field<String>>>>>,
}

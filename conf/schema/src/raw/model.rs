//! `models:` as written.

use conf_name::{ModelName, ProviderName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::read::Field;

/// A model that clients can ask for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `name` and `targets`")]
pub(crate) struct Model {
    /// What a client puts in `"model"`.
    pub(crate) name: Field<ModelName>,
    /// Who can answer, best first.
    #[schemars(length(min = 1))]
    pub(crate) targets: Field<Vec<Field<Target>>>,
}

/// A model of a provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `provider` and `model`")]
pub(crate) struct Target {
    /// The name of an entry under `providers`.
    pub(crate) provider: Field<ProviderName>,
    /// The model as the provider calls it.
    #[schemars(length(min = 1), regex(pattern = r"^[^\s]+$"))]
    pub(crate) model: Field<String>,
}

//! `models:` as written.

use conf_name::{ModelName, ProviderName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{LossPolicy, Timespan, When};
use crate::read::Field;

/// A model that clients can ask for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `name` and `targets`")]
pub(crate) struct Model {
    /// What a client puts in `"model"`.
    pub(crate) name: Field<ModelName>,
    /// Who can answer, best first.
    #[schemars(length(min = 1))]
    pub(crate) targets: Field<Vec<Field<Target>>>,
    /// Which account of which target is next. Default: `least_loaded`.
    #[serde(default)]
    pub(crate) strategy: Field<Strategy>,
    /// How long to wait, where that differs from the provider's `timeouts`.
    #[serde(default)]
    pub(crate) timeouts: Field<ModelTimeouts>,
    /// Other models to ask when this one cannot take a request because of what is in it.
    #[serde(default)]
    pub(crate) fallbacks: Field<Fallbacks>,
    /// What becomes of a request of which a provider cannot express everything. Default: what the
    /// whole configuration says.
    #[serde(default)]
    pub(crate) losses: Field<LossPolicy>,
}

/// Which account of which target is next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first target that has room, and of its accounts the one with the least to do.
    #[default]
    LeastLoaded,
    /// The first target that has room, and of its accounts the first that has room.
    Priority,
    /// Any account of any target, as often as its weight says.
    Weighted,
    /// The target with the lowest price, and of its accounts the one with the least to do.
    Cheapest,
    /// The account, of whichever target, that has answered soonest of late.
    Fastest,
}

/// How long to wait, instead of what the provider's `timeouts` say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `first_byte`")]
pub(crate) struct ModelTimeouts {
    /// For a connection, TLS included. Default: the provider's.
    #[serde(default)]
    pub(crate) connect: Field<Timespan>,
    /// From the end of the request to the first byte of the answer. Default: the provider's.
    #[serde(default)]
    pub(crate) first_byte: Field<Timespan>,
    /// Between two pieces of a streamed answer. Default: the provider's.
    #[serde(default)]
    pub(crate) idle: Field<Timespan>,
    /// From the request to the end of its answer, all tries together. Default: the provider's.
    #[serde(default)]
    pub(crate) total: Field<Timespan>,
}

/// Other models to ask, by what this one could not take. Names of entries under `models`, in the
/// order in which they are tried.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `context_window`")]
pub(crate) struct Fallbacks {
    /// When the conversation is longer than the model takes. Default: none.
    #[serde(default)]
    pub(crate) context_window: Field<Vec<Field<ModelName>>>,
    /// When the provider refuses because of what the conversation says. Default: none.
    #[serde(default)]
    pub(crate) content_policy: Field<Vec<Field<ModelName>>>,
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
    /// What a million tokens cost, in any currency that all targets share. Default: not known,
    /// which the strategy `cheapest` takes for dearer than anything.
    #[serde(default)]
    pub(crate) price: Field<Price>,
    /// Which requests it takes. If a request fits none of a model's targets, it is refused with
    /// `no_target_matches`. Default: every request.
    #[serde(default)]
    pub(crate) when: Field<When>,
}

/// What a million tokens cost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with the keys `input` and `output`")]
pub(crate) struct Price {
    /// Of the request.
    #[schemars(range(min = 0))]
    pub(crate) input: Field<f64>,
    /// Of the answer.
    #[schemars(range(min = 0))]
    pub(crate) output: Field<f64>,
}

//! The configuration as written, one module per section. Only single values are checked here.
//!
//! The doc comments of these types are the descriptions in the JSON Schema, so they speak to the
//! operator. Every key is a [`Field`]: it may be missing or wrong and knows its line.

mod auth;
mod condition;
mod listener;
mod media;
mod model;
mod provider;
mod resilience;
mod value;

use schemars::JsonSchema;
use serde::Deserialize;

pub use auth::AuthMode;
pub(crate) use auth::{Auth, ClientKey};
pub(crate) use condition::When;
pub(crate) use listener::{Admin, Limits, Listener, ListenerTls, State};
pub use media::Fetch;
pub(crate) use media::Media;
pub use model::Strategy;
pub(crate) use model::{Fallbacks, Model, ModelTimeouts, Price, Target};
pub(crate) use provider::{Account, AccountLimits, Provider, Timeouts};
pub use provider::{Dialect, HttpVersion, Preset};
pub(crate) use resilience::{Affinity, Heartbeat, Queue, ReasoningMemory};
pub use resilience::{LossPolicy, StreamErrors};
pub(crate) use value::{Address, ByteSize, Network, SecretRef, Timespan};

use crate::read::Field;

/// Configuration of Penstock, an AI gateway. Every key is optional; an unknown key is an error.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `providers` and `models`")]
#[schemars(title = "Penstock configuration")]
pub(crate) struct Config {
    /// Where clients connect. Default: `127.0.0.1:8080`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) listeners: Field<Vec<Field<Listener>>>,
    /// The proxies and load balancers in front of the gateway, as addresses or networks. Only they
    /// are believed when they say, in `x-forwarded-for` or the PROXY protocol, who the client is.
    /// Default: none.
    #[serde(default)]
    pub(crate) trusted_proxies: Field<Vec<Field<Network>>>,
    /// Where metrics and health are served.
    #[serde(default)]
    pub(crate) admin: Field<Admin>,
    /// What the gateway keeps on disk.
    #[serde(default)]
    pub(crate) state: Field<State>,
    /// Who may use the gateway.
    #[serde(default)]
    pub(crate) auth: Field<Auth>,
    /// Where requests can go.
    #[serde(default)]
    pub(crate) providers: Field<Vec<Field<Provider>>>,
    /// What clients can ask for, and which provider answers.
    #[serde(default)]
    pub(crate) models: Field<Vec<Field<Model>>>,
    /// Also route `<provider>/<model>` straight to that provider, and serve requests that name no model, such
    /// as those for files. Default: `true`.
    #[serde(default)]
    pub(crate) direct_models: Field<bool>,
    /// Bounds on what a client may send.
    #[serde(default)]
    pub(crate) limits: Field<Limits>,
    /// What becomes of pictures, sounds and documents at addresses that a provider does not take.
    #[serde(default)]
    pub(crate) media: Field<Media>,
    /// How requests of one conversation stay with one account.
    #[serde(default)]
    pub(crate) affinity: Field<Affinity>,
    /// How much is remembered of what models thought, for clients that do not send it back.
    #[serde(default)]
    pub(crate) reasoning_memory: Field<ReasoningMemory>,
    /// How requests wait for which no account has room.
    #[serde(default)]
    pub(crate) queue: Field<Queue>,
    /// What keeps a silent stream from being cut by something in between.
    #[serde(default)]
    pub(crate) heartbeat: Field<Heartbeat>,
    /// How a stream ends that cannot be completed, unless the request says it in
    /// `x-penstock-stream-errors`. Default: `graceful`.
    #[serde(default)]
    pub(crate) stream_errors: Field<StreamErrors>,
    /// What becomes of a request of which a provider cannot express everything, unless its model
    /// or the request itself (`x-penstock-losses`) says it. Default: `report`.
    #[serde(default)]
    pub(crate) losses: Field<LossPolicy>,
    /// How often an upstream HTTP/2 connection is asked whether it is alive. Default: `15s`.
    #[serde(default)]
    pub(crate) http2_ping: Field<Timespan>,
}

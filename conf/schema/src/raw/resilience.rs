//! `affinity:`, `reasoning_memory:`, `queue:`, `heartbeat:`, `stream_errors:` and `losses:` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ByteSize, Timespan};
use crate::read::Field;

/// How requests of one conversation stay with one account, so that its prompt cache is used.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `header` and `idle`")]
pub(crate) struct Affinity {
    /// The request header that names a session before anything else does. Default:
    /// `x-session-id`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) header: Field<String>,
    /// For how long a session that is not used keeps its account. Default: `1h`.
    #[serde(default)]
    pub(crate) idle: Field<Timespan>,
}

/// How much is remembered of what models thought, for clients that do not send it back: thoughts and
/// the provider's seals, of answers that were translated. It is in memory only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `turns` and `bytes`")]
pub(crate) struct ReasoningMemory {
    /// Turns of models at most; `0` and nothing is remembered. Default: `100000`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub(crate) turns: Field<i64>,
    /// Bytes at most, all turns together. Default: `64MiB`.
    #[serde(default)]
    pub(crate) bytes: Field<ByteSize>,
    /// For how long a turn that nobody asks for is remembered. Default: `1h`.
    #[serde(default)]
    pub(crate) idle: Field<Timespan>,
}

/// How requests wait for which no account has room.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `wait` and `requests`")]
pub(crate) struct Queue {
    /// For how long a request waits at most. Default: `2s`.
    #[serde(default)]
    pub(crate) wait: Field<Timespan>,
    /// How many wait at most; `0` and no request waits. Default: `1024`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) requests: Field<i64>,
    /// How many of one client key wait at most. Default: `128`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) requests_per_key: Field<i64>,
}

/// What keeps a silent stream from being cut by something in between.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `after` and `every`")]
pub(crate) struct Heartbeat {
    /// The silence before the first heartbeat. Default: `5s`.
    #[serde(default)]
    pub(crate) after: Field<Timespan>,
    /// The silence before each further one. Default: `15s`.
    #[serde(default)]
    pub(crate) every: Field<Timespan>,
    /// Also for answers that are not streamed: white space before the JSON. The status is then
    /// 200 before it is known how the request ends. Default: `false`.
    #[serde(default)]
    pub(crate) whole: Field<bool>,
}

/// How a stream ends that cannot be completed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum StreamErrors {
    /// As an answer that stopped early: every client copes with it.
    #[default]
    Graceful,
    /// With the error: clients that look for it know what happened.
    Explicit,
}

/// What becomes of a request of which a provider cannot express everything.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LossPolicy {
    /// It is refused, and told what.
    Refuse,
    /// It is answered, and a header of the answer names what got lost.
    #[default]
    Report,
    /// It is answered.
    Ignore,
}

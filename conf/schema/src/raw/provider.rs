//! `providers:` as written.

use conf_name::{AccountName, ProviderName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SecretRef, Timespan};
use crate::read::Field;

/// A place that answers requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `name` and `dialect`")]
#[schemars(extend("anyOf" = [{"required": ["dialect"]}, {"required": ["preset"]}]))]
pub(crate) struct Provider {
    /// How models refer to it.
    pub(crate) name: Field<ProviderName>,
    /// The API it speaks. Default with a `preset`: `openai`.
    #[serde(default)]
    pub(crate) dialect: Field<Dialect>,
    /// A server that speaks OpenAI's dialect with differences of its own: says where it is, unless
    /// `base_url` does, and what to leave out of requests or to say in other words.
    #[serde(default)]
    pub(crate) preset: Field<Preset>,
    /// Where it is, as its own SDK takes it: for `openai` and `responses` with `/v1`, for the
    /// others without a version. Default: the public API of the dialect.
    #[serde(default)]
    #[schemars(regex(pattern = r"^https?://[^\s?#]+$"))]
    pub(crate) base_url: Field<String>,
    /// For `anthropic`: the `anthropic-version` header. Default: `2023-06-01`. For `preset: azure`:
    /// the `api-version` in the query, with which models are addressed as deployments, below
    /// `/openai/deployments`. Default: none, for the API without dated versions.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) api_version: Field<String>,
    /// Only for `openai`: whether it speaks Responses too, so that clients which do are passed
    /// through. Default: `true` for OpenAI itself, `false` for any other `base_url`.
    #[serde(default)]
    pub(crate) responses: Field<bool>,
    /// Default: `auto`.
    #[serde(default)]
    pub(crate) http_version: Field<HttpVersion>,
    /// A PEM file with the authorities to trust instead of the system's.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Field<String>,
    /// Headers of the client's request to pass on. Default: none.
    #[serde(default)]
    pub(crate) forward_headers: Field<Vec<Field<String>>>,
    /// How long to wait.
    #[serde(default)]
    pub(crate) timeouts: Field<Timeouts>,
    /// Keys to share the load between; at least one, except for `mock`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) accounts: Field<Vec<Field<Account>>>,
}

/// The API a provider speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions, and everything that imitates it.
    OpenAi,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Answers by itself, without any network.
    Mock,
}

/// A server that speaks OpenAI's dialect with differences of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Azure OpenAI; `base_url` is `https://RESOURCE.openai.azure.com/openai/v1`, or with an
    /// `api_version` `https://RESOURCE.openai.azure.com`.
    Azure,
    /// Gemini's own imitation of OpenAI.
    Google,
    /// Mistral.
    Mistral,
    /// Groq.
    Groq,
    /// DeepSeek.
    DeepSeek,
    /// xAI.
    Xai,
    /// OpenRouter.
    OpenRouter,
    /// Together.
    Together,
    /// Fireworks.
    Fireworks,
    /// Cerebras.
    Cerebras,
    /// vLLM, on port 8000 of this machine unless `base_url` says otherwise.
    Vllm,
    /// SGLang, on port 30000 of this machine unless `base_url` says otherwise.
    SgLang,
    /// Ollama, on port 11434 of this machine unless `base_url` says otherwise.
    Ollama,
    /// llama.cpp, on port 8080 of this machine unless `base_url` says otherwise.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

/// How HTTP is spoken to a provider.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum HttpVersion {
    /// With TLS whatever ALPN agrees on, without TLS HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c,
}

/// How long to wait for a provider: such as `500ms`, `30s`, `5m` or `1h`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `connect`")]
pub(crate) struct Timeouts {
    /// For a connection, TLS included. Default: `5s`.
    #[serde(default)]
    pub(crate) connect: Field<Timespan>,
    /// From the end of the request to the first byte of the answer. Default: `300s`.
    #[serde(default)]
    pub(crate) first_byte: Field<Timespan>,
    /// Between two pieces of a streamed answer. Default: `120s`.
    #[serde(default)]
    pub(crate) idle: Field<Timespan>,
    /// From the request to the end of its answer, all tries together. Default: `900s`.
    #[serde(default)]
    pub(crate) total: Field<Timespan>,
}

/// One API key of a provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `name` and `api_key`")]
pub(crate) struct Account {
    /// What the account is called in logs and metrics.
    pub(crate) name: Field<AccountName>,
    /// Leave it out for a server that wants no key.
    #[serde(default)]
    pub(crate) api_key: Field<SecretRef>,
    /// Its share of the load, relative to the other accounts. Default: 1.
    #[serde(default)]
    #[schemars(range(min = 1, max = u32::MAX))]
    pub(crate) weight: Field<i64>,
    /// What it may be used for at most. Requests beyond it go to another account.
    #[serde(default)]
    pub(crate) limits: Field<AccountLimits>,
}

/// What an account may be used for at most. Default: whatever the provider allows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys such as `concurrent`")]
pub(crate) struct AccountLimits {
    /// Requests at the same time.
    #[serde(default)]
    #[schemars(range(min = 1, max = u32::MAX))]
    pub(crate) concurrent: Field<i64>,
    /// Requests in any 60 seconds.
    #[serde(default)]
    #[schemars(range(min = 1, max = u32::MAX))]
    pub(crate) requests_per_minute: Field<i64>,
    /// Tokens in any 60 seconds, input and output.
    #[serde(default)]
    #[schemars(range(min = 1, max = i64::MAX))]
    pub(crate) tokens_per_minute: Field<i64>,
}

//! A request for a response, as clients write it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use adapters_json::object::{Names, object};
use adapters_json::string::Str;

object! {
    /// The whole body.
    pub(crate) Request<'a> {
        model: String,
        input: &'a RawValue,
        instructions: String,
        tools: Vec<&'a RawValue>,
        tool_choice: &'a RawValue,
        parallel_tool_calls: bool,
        max_tool_calls: u64,
        max_output_tokens: u64,
        temperature: f64,
        top_p: f64,
        top_logprobs: u32,
        include: Vec<Str<'a>>,
        text: Text<'a>,
        reasoning: Reasoning,
        service_tier: String,
        user: String,
        safety_identifier: String,
        prompt_cache_key: String,
        prompt_cache_retention: String,
        metadata: BTreeMap<String, String>,
        store: bool,
        stream: bool,
        stream_options: StreamOptions,
        truncation: Str<'a>,
        background: bool,
        previous_response_id: &'a RawValue,
        conversation: &'a RawValue,
        prompt: &'a RawValue,
        ..unmapped: Names<'a>
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a> {
    #[serde(borrow)]
    pub(crate) format: Option<Format<'a>>,
    pub(crate) verbosity: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Format<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
    pub(crate) summary: Option<String>,
    /// The older name of `summary`.
    pub(crate) generate_summary: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) mode: Option<String>,
    /// An extension, as in chat: a bound on reasoning tokens.
    pub(crate) max_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_obfuscation: Option<bool>,
}

/// A tool of any kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) format: Option<&'a RawValue>,
    pub(crate) allowed_callers: Option<IgnoredAny>,
    pub(crate) defer_loading: Option<bool>,
    #[serde(rename = "async")]
    pub(crate) later: Option<bool>,
    pub(crate) output_schema: Option<IgnoredAny>,
}

/// `tool_choice` where it is an object.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    pub(crate) server_label: Option<String>,
    #[serde(borrow)]
    pub(crate) mode: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) tools: Option<Vec<Named<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) name: Option<String>,
    pub(crate) server_label: Option<String>,
}

/// The grammar of a custom tool; chat completions have its members one level down.
#[derive(Debug, Deserialize)]
pub(crate) struct Grammar<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) syntax: Option<&'a RawValue>,
    pub(crate) definition: Option<&'a RawValue>,
}

//! A request for a chat completion.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::content::{CacheControl, Content, FunctionCall, Part, ReasoningDetail, ToolCall};
use adapters_json::object::{Ignored, Names, object};
use adapters_json::string::{Object, OneOrMany, Str};

object! {
    /// The whole body.
    pub(crate) Request<'a> {
        model: String,
        messages: Vec<Message<'a>>,
        tools: Vec<&'a RawValue>,
        tool_choice: &'a RawValue,
        functions: Vec<&'a RawValue>,
        function_call: &'a RawValue,
        parallel_tool_calls: bool,
        max_completion_tokens: u64,
        max_tokens: u64,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        seed: i64,
        presence_penalty: f64,
        frequency_penalty: f64,
        logit_bias: BTreeMap<String, f64>,
        logprobs: bool,
        top_logprobs: u32,
        n: u32,
        stop: OneOrMany,
        response_format: ResponseFormat<'a>,
        reasoning_effort: String,
        reasoning: Reasoning,
        include_reasoning: bool,
        service_tier: String,
        verbosity: String,
        user: String,
        safety_identifier: String,
        metadata: BTreeMap<String, String>,
        store: bool,
        stream: bool,
        stream_options: StreamOptions,
        prompt_cache_key: String,
        prompt_cache_retention: String,
        cache_control: CacheControl,
        modalities: Vec<String>,
        web_search_options: &'a RawValue,
        ..unmapped: Names<'a>
    }
}

object! {
    /// One message, of whatever role. What few messages have is apart, so that a long conversation
    /// of the others takes little room.
    pub(crate) Message<'a> {
        role: Str<'a>,
        content: Content<Part<'a>>,
        tool_calls: Vec<Object<ToolCall>>,
        tool_call_id: String,
        ..rare: Option<Box<RareMembers<'a>>>
    }
}

object! {
    /// What few messages have.
    pub(crate) RareMembers<'a> {
        name: String,
        refusal: String,
        function_call: FunctionCall,
        reasoning_content: String,
        reasoning: String,
        reasoning_details: Vec<ReasoningDetail<'a>>,
        audio: IgnoredAny,
        cache_control: CacheControl,
        /// Citations of an earlier answer.
        annotations: Vec<&'a RawValue>,
        /// An extension of ours; see [`crate::citation`].
        citations: Vec<&'a RawValue>,
        /// An extension: pictures of an earlier answer.
        images: Vec<Part<'a>>,
        ..others: Ignored
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    #[serde(borrow)]
    pub(crate) json_schema: Option<JsonSchema<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct JsonSchema<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
}

/// OpenRouter's form, which says more than `reasoning_effort`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) exclude: Option<bool>,
    pub(crate) enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
    pub(crate) include_obfuscation: Option<bool>,
}

/// One of `tools`; the whole value is kept beside it.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    #[serde(borrow)]
    pub(crate) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(crate) custom: Option<Custom<'a>>,
    pub(crate) cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Function<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Custom<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) format: Option<&'a RawValue>,
}

/// `tool_choice` where it is an object.
#[derive(Debug, Deserialize)]
pub(crate) struct ToolChoice<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) function: Option<Named>,
    pub(crate) custom: Option<Named>,
    #[serde(borrow)]
    pub(crate) allowed_tools: Option<AllowedTools<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AllowedTools<'a> {
    #[serde(borrow)]
    pub(crate) mode: Str<'a>,
    #[serde(borrow)]
    pub(crate) tools: Vec<AllowedTool<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AllowedTool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) function: Option<Named>,
    pub(crate) custom: Option<Named>,
}

//! A request in the provider's words.

use std::collections::BTreeMap;

use adapters_canonical::chat::{CacheBreakpoint, ChatRequest, OutputFormat, Part, Tool};
use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::address;
use crate::hosted;
use crate::ingress::PATH;
use crate::passthrough::adapt_request;
use crate::quirk::{Quirk, Quirks};
use adapters_json::write;

mod message;
mod reasoning;
mod tool;

use tool::{Choice, WireTool, tool_choice, tools};

/// Asks `/chat/completions`.
///
/// A streamed answer is always asked to end with its usage: the gateway needs it, whether or not
/// the client does. Hints that OpenAI has no words for (`top_k`, cache breakpoints, the wish to
/// read thoughts, a bound on them) come back as a [`Loss`].
///
/// # Errors
///
/// [`DecodeError::Shape`] for content that cannot be sent at all, such as a document at an address.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
    quirks: Quirks,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let mut losses = Vec::new();
    let messages = message::messages(&request.messages, quirks, &mut losses)?;
    let sampling = &request.sampling;
    let top_k = sampling.top_k.filter(|_| quirks.has(Quirk::TopK));
    if sampling.top_k != top_k {
        losses.push(Loss::dropped("top_k", "the provider does not have it"));
    }
    let stream = request.stream.is_some();
    let caches = quirks.has(Quirk::CacheControl);
    let reasoning = request.reasoning.as_ref();
    let reasoning =
        reasoning.map(|it| reasoning::Said::new(it, quirks, &mut losses)).unwrap_or_default();
    let body = Body {
        model: target.model,
        messages,
        tools: tools(&request.tools, quirks, &mut losses),
        tool_choice: tool_choice(request, &mut losses),
        web_search_options: hosted::write(request, target.model, quirks, &mut losses),
        parallel_tool_calls: request.parallel_tool_calls,
        max_completion_tokens: request.max_output_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k,
        seed: sampling.seed,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        logit_bias: &sampling.logit_bias,
        logprobs: sampling.logprobs,
        top_logprobs: sampling.top_logprobs,
        n: request.choices,
        stop: &request.stop,
        response_format: response_format(&request.output_format),
        modalities: &request.modalities,
        audio: sound_form(request, &mut losses),
        reasoning_effort: reasoning.effort,
        reasoning: reasoning.object,
        service_tier: request.service_tier.as_deref(),
        verbosity: request.verbosity.as_deref(),
        user: request.user.as_deref(),
        prompt_cache_key: request.prompt_cache_key.as_deref(),
        prompt_cache_retention: request.prompt_cache_retention.as_deref(),
        cache_control: request.cache.as_ref().filter(|_| caches).map(CacheControl::new),
        metadata: &request.metadata,
        store: request.store,
        stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
    };
    if !caches {
        cache_losses(request, &mut losses);
    }
    let body = write::body_of_about(request.length(), &body);
    let Translated { value: body, losses: left_out } = adapt_request(&body, quirks);
    losses.extend(left_out);
    let path = address::path(target, PATH);
    let value = UpstreamRequest { path, headers: Vec::new(), body: body.into_owned() };
    Ok(Translated { value, losses })
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<message::Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_search_options: Option<hosted::Wire<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logit_bias: &'a BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<reasoning::Object<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    modalities: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<SoundForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_retention: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

/// Ends a prefix that the provider should cache, in Anthropic's words.
#[derive(Serialize)]
struct CacheControl<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> CacheControl<'a> {
    fn new(cache: &'a CacheBreakpoint) -> Self {
        Self { kind: "ephemeral", ttl: cache.ttl.as_deref() }
    }
}

#[derive(Serialize)]
struct SoundForm {
    voice: &'static str,
    format: &'static str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

fn response_format(format: &OutputFormat) -> Option<ResponseFormat<'_>> {
    match format {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some(ResponseFormat::JsonObject),
        OutputFormat::JsonSchema(schema) => Some(ResponseFormat::JsonSchema {
            json_schema: Schema {
                name: &schema.name,
                description: schema.description.as_deref(),
                schema: schema.schema.as_deref(),
                strict: schema.strict,
            },
        }),
    }
}

/// The provider gives no sound without a voice and a form, which no other dialect says.
fn sound_form(request: &ChatRequest, losses: &mut Vec<Loss>) -> Option<SoundForm> {
    request.modalities.iter().find(|one| *one == "audio")?;
    losses.push(Loss::adapted("audio", "a voice and a form were chosen by the gateway"));
    // A stream takes no other form.
    let format = if request.stream.is_some() { "pcm16" } else { "wav" };
    Some(SoundForm { voice: "alloy", format })
}

fn cache_losses(request: &ChatRequest, losses: &mut Vec<Loss>) {
    let reason = "the provider finds the prefixes to cache by itself";
    if request.cache.is_some() {
        losses.push(Loss::adapted("cache_control", reason));
    }
    for (at, message) in request.messages.iter().enumerate() {
        if message.parts.iter().any(has_breakpoint) {
            let path = format!("messages[{at}].cache_control");
            losses.push(Loss::adapted(path, reason));
        }
    }
    for (at, tool) in request.tools.iter().enumerate() {
        if matches!(tool, Tool::Function(function) if function.cache.is_some()) {
            losses.push(Loss::adapted(format!("tools[{at}].cache_control"), reason));
        }
    }
}

fn has_breakpoint(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache.is_some(),
        Part::Image(it) | Part::Audio(it) | Part::Video(it) | Part::Document(it) => {
            it.cache.is_some()
        }
        Part::ToolResult(result) => {
            result.cache.is_some() || result.parts.iter().any(has_breakpoint)
        }
        Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => false,
    }
}

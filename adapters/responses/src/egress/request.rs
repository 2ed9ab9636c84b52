//! A request in the provider's words.

use std::collections::BTreeMap;

use adapters_canonical::chat::{ChatRequest, OutputFormat, Part, Reasoning};
use adapters_canonical::dialect::{Dialect, Target, UpstreamRequest};
use adapters_canonical::hosted::Hosted;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{count, ingress};

mod item;
mod media;
mod tool;

/// Asks `/responses`, with `store: false`: what is to be remembered travels with each request.
///
/// Where the model thinks, its thoughts are asked for enciphered, so that they can be sent back.
/// A function is strict only if the request says so; this dialect would make it strict otherwise.
///
/// # Errors
///
/// [`DecodeError::Shape`] for content that cannot be sent at all, such as sound at an address, and
/// for more than one answer.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    if request.choices.is_some_and(|n| n > 1) {
        return Err(DecodeError::shape("n", "the provider gives one answer only"));
    }
    let mut losses = Vec::new();
    let body = body(request, target, &mut losses)?;
    unsaid(request, &mut losses);
    let body = write::body_of_about(request.length(), &body);
    let value = UpstreamRequest { path: ingress::path(target), headers: Vec::new(), body };
    Ok(Translated { value, losses })
}

/// Asks how many tokens `request` has. What has no bearing on that is left out, and no loss: the
/// endpoint does not take it.
///
/// # Errors
///
/// As [`encode`], but for the number of answers.
pub(crate) fn encode_count(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let mut losses = Vec::new();
    let body = Body {
        max_output_tokens: None,
        max_tool_calls: None,
        temperature: None,
        top_p: None,
        top_logprobs: None,
        include: Vec::new(),
        service_tier: None,
        user: None,
        prompt_cache_key: None,
        prompt_cache_retention: None,
        metadata: None,
        store: None,
        stream: false,
        ..body(request, target, &mut losses)?
    };
    let body = write::body_of_about(request.length(), &body);
    let value = UpstreamRequest { path: count::path(target), headers: Vec::new(), body };
    Ok(Translated { value, losses })
}

fn body<'a>(
    request: &'a ChatRequest,
    target: &Target<'a>,
    losses: &mut Vec<Loss>,
) -> Result<Body<'a>, DecodeError> {
    let input = item::items(&request.messages, losses)?;
    let sampling = &request.sampling;
    Ok(Body {
        model: target.model,
        input,
        tools: tool::tools(&request.tools, losses),
        tool_choice: tool::choice(request, losses),
        max_tool_calls: tool::most(request, losses),
        parallel_tool_calls: request.parallel_tool_calls,
        max_output_tokens: request.max_output_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_logprobs: sampling.top_logprobs,
        text: text(request),
        reasoning: request.reasoning.as_ref().and_then(|it| reasoning(it, losses)),
        include: include(request),
        service_tier: request.service_tier.as_deref(),
        user: request.user.as_deref(),
        prompt_cache_key: request.prompt_cache_key.as_deref(),
        prompt_cache_retention: request.prompt_cache_retention.as_deref(),
        metadata: Some(&request.metadata).filter(|metadata| !metadata.is_empty()),
        store: Some(false),
        stream: request.stream.is_some(),
    })
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<item::Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tool::Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tool::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tool_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_retention: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

#[derive(Serialize)]
struct Thinking<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

fn text(request: &ChatRequest) -> Option<Text<'_>> {
    let format = match &request.output_format {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some(Format::JsonObject),
        OutputFormat::JsonSchema(schema) => Some(Format::JsonSchema {
            name: &schema.name,
            description: schema.description.as_deref(),
            schema: schema.schema.as_deref().unwrap_or_else(|| tool::anything()),
            strict: schema.strict,
        }),
    };
    let verbosity = request.verbosity.as_deref();
    (format.is_some() || verbosity.is_some()).then_some(Text { format, verbosity })
}

fn reasoning<'a>(wish: &'a Reasoning, losses: &mut Vec<Loss>) -> Option<Thinking<'a>> {
    let from_bound = wish.max_tokens.filter(|_| wish.effort.is_none()).map(|bound| match bound {
        0 => "none",
        1..=4096 => "low",
        4097..=16384 => "medium",
        _ => "high",
    });
    if wish.max_tokens.is_some() {
        let reason = "the provider takes an effort and no bound";
        losses.push(Loss::adapted("reasoning.max_tokens", reason));
    }
    let effort = wish.effort.as_deref().or(from_bound);
    let summary = (wish.visible == Some(true)).then_some("auto");
    (effort.is_some() || summary.is_some()).then_some(Thinking { effort, summary })
}

/// What is to come with the answer. Models that do not think refuse to encipher thoughts, so this
/// is asked for only where thinking is wished for or has happened.
fn include(request: &ChatRequest) -> Vec<&'static str> {
    let mut include = Vec::new();
    let wished = request.reasoning.as_ref().is_some_and(|it| it.effort.as_deref() != Some("none"));
    let happened = || {
        let mut parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| {
            matches!(part, Part::Reasoning(thought)
                if thought.origin == Some(Dialect::Responses) && !thought.is_carrier())
        })
    };
    if wished || happened() {
        include.push("reasoning.encrypted_content");
    }
    for tool in request.hosted() {
        match tool.does {
            Hosted::WebSearch(_) => include.push("web_search_call.action.sources"),
            Hosted::CodeExecution(_) => include.push("code_interpreter_call.outputs"),
            Hosted::PageReading(_) | Hosted::Mcp(_) => {}
        }
    }
    if request.sampling.logprobs == Some(true) {
        include.push("message.output_text.logprobs");
    }
    include
}

/// Reports what was asked for that this dialect has no words for.
fn unsaid(request: &ChatRequest, losses: &mut Vec<Loss>) {
    let sampling = &request.sampling;
    for (said, path) in [
        (sampling.top_k.is_some(), "top_k"),
        (sampling.seed.is_some(), "seed"),
        (sampling.presence_penalty.is_some(), "presence_penalty"),
        (sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (!sampling.logit_bias.is_empty(), "logit_bias"),
        (!request.stop.is_empty(), "stop"),
        (request.modalities.iter().any(|one| one != "text"), "modalities"),
        (request.cache.is_some(), "cache_control"),
    ] {
        if said {
            losses.push(Loss::dropped(path, "the provider does not have it"));
        }
    }
    if request.store == Some(true) {
        losses.push(Loss::dropped("store", "the gateway asks for answers that are not kept"));
    }
    let reason = "the provider caches by itself";
    for (at, message) in request.messages.iter().enumerate() {
        if message.parts.iter().any(is_cached) {
            losses.push(Loss::adapted(format!("messages[{at}].cache_control"), reason));
        }
    }
}

fn is_cached(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache.is_some(),
        Part::Image(media) | Part::Audio(media) | Part::Video(media) | Part::Document(media) => {
            media.cache.is_some()
        }
        Part::ToolResult(result) => result.cache.is_some(),
        Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => false,
    }
}

//! A client's request, read whole.

use std::borrow::Cow;

use adapters_canonical::chat::{
    CacheBreakpoint, ChatRequest, JsonSchema, OutputFormat, Reasoning, Sampling, StreamOptions,
};
use adapters_canonical::loss::{DecodeError, Loss, Translated};

use super::{message, tool};
use crate::hosted;
use crate::wire::request::{Request, ResponseFormat};
use adapters_json::read;

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Reads the body of `POST /v1/chat/completions`.
///
/// `null` is as good as absent. `max_completion_tokens` goes before `max_tokens`,
/// `safety_identifier` before `user`, `reasoning.effort` before `reasoning_effort`; `functions`
/// and `function_call` become tools, and so does `web_search_options`. A top-level member that no other dialect has words for is
/// reported as a [`Loss`], and so is one that is not known at all.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
/// did not fit, such as `messages[1].content[0].image_url.url`.
pub fn decode_request(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    let mut wire: Request<'_> = read::body(body)?;
    let mut losses = top_level_losses(&mut wire);
    let messages = wire.messages.take().ok_or_else(|| missing("messages"))?;
    let mut tools = tool::tools(wire.tools.take(), wire.functions.take())?;
    let search = wire.web_search_options.take();
    tools.extend(search.map(|raw| hosted::read(raw, &mut losses)).transpose()?);
    let tool_choice = tool::choice(wire.tool_choice.take(), wire.function_call.take())?;
    let value = ChatRequest {
        model: model(wire.model.take())?,
        messages: message::messages(messages, body, &mut losses)?,
        message_paths: Vec::new(),
        tools,
        tool_choice,
        max_hosted_calls: None,
        parallel_tool_calls: wire.parallel_tool_calls,
        max_output_tokens: wire.max_completion_tokens.or(wire.max_tokens),
        sampling: sampling(&mut wire),
        stop: wire.stop.take().map_or_else(Vec::new, |stop| stop.0),
        output_format: output_format(wire.response_format.take())?,
        modalities: wire.modalities.take().unwrap_or_default(),
        reasoning: reasoning(&mut wire)?,
        choices: choices(wire.n)?,
        service_tier: wire.service_tier.take(),
        verbosity: one_of(wire.verbosity.take(), "verbosity", &["low", "medium", "high"])?,
        user: user(&mut wire, &mut losses),
        prompt_cache_key: wire.prompt_cache_key.take(),
        prompt_cache_retention: retention(wire.prompt_cache_retention.take())?,
        cache: wire.cache_control.take().map(|it| CacheBreakpoint { ttl: it.ttl }),
        metadata: wire.metadata.take().unwrap_or_default(),
        store: wire.store,
        stream: stream(&wire),
    };
    Ok(Translated { value, losses })
}

pub(super) fn missing(path: impl Into<String>) -> DecodeError {
    DecodeError::shape(path, "is missing")
}

/// What stands at the top level and has no place in the canonical request.
fn top_level_losses(wire: &mut Request<'_>) -> Vec<Loss> {
    let mut losses: Vec<_> = std::mem::take(&mut wire.unmapped.0)
        .into_iter()
        .map(|name| {
            let reason = no_words_for(&name);
            Loss::dropped(name.into_owned(), reason)
        })
        .collect();
    let options = wire.stream_options.as_ref();
    if options.and_then(|options| options.include_obfuscation) == Some(true) {
        let reason = "translated streams are not padded";
        losses.push(Loss::dropped("stream_options.include_obfuscation", reason));
    }
    losses
}

fn no_words_for(name: &str) -> &'static str {
    match name {
        "prediction" | "audio" | "moderation" | "prompt_cache_options" => {
            "only providers of the OpenAI dialect have it"
        }
        _ => "not a known member of a chat completion request",
    }
}

fn model(model: Option<String>) -> Result<String, DecodeError> {
    match model {
        None => Err(missing("model")),
        Some(name) if name.is_empty() => Err(DecodeError::shape("model", "must not be empty")),
        Some(name) => Ok(name),
    }
}

fn sampling(wire: &mut Request<'_>) -> Sampling {
    Sampling {
        temperature: wire.temperature,
        top_p: wire.top_p,
        top_k: wire.top_k,
        seed: wire.seed,
        presence_penalty: wire.presence_penalty,
        frequency_penalty: wire.frequency_penalty,
        logit_bias: wire.logit_bias.take().unwrap_or_default(),
        logprobs: wire.logprobs,
        top_logprobs: wire.top_logprobs,
    }
}

fn output_format(wire: Option<ResponseFormat<'_>>) -> Result<OutputFormat, DecodeError> {
    let Some(wire) = wire else { return Ok(OutputFormat::Text) };
    match &*wire.kind {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let schema = wire.json_schema.ok_or_else(|| missing("response_format.json_schema"))?;
            Ok(OutputFormat::JsonSchema(JsonSchema {
                name: schema.name,
                description: schema.description,
                schema: schema.schema.map(ToOwned::to_owned),
                strict: schema.strict,
            }))
        }
        _ => Err(expected("response_format.type", &["text", "json_object", "json_schema"])),
    }
}

fn reasoning(wire: &mut Request<'_>) -> Result<Option<Reasoning>, DecodeError> {
    let effort = one_of(wire.reasoning_effort.take(), "reasoning_effort", EFFORTS)?;
    let options = wire.reasoning.take();
    if effort.is_none() && options.is_none() && wire.include_reasoning.is_none() {
        return Ok(None);
    }
    let options = options.unwrap_or_default();
    // `enabled` says whether, not how much; in the middle is where providers put it.
    let enabled = options.enabled.filter(|_| options.max_tokens.is_none());
    let switch = enabled.map(|on| if on { "medium" } else { "none" }.to_owned());
    Ok(Some(Reasoning {
        effort: one_of(options.effort, "reasoning.effort", EFFORTS)?.or(effort).or(switch),
        max_tokens: options.max_tokens,
        visible: options.exclude.map(|exclude| !exclude).or(wire.include_reasoning),
    }))
}

fn choices(n: Option<u32>) -> Result<Option<u32>, DecodeError> {
    match n {
        Some(0) => Err(DecodeError::shape("n", "must be at least 1")),
        n => Ok(n),
    }
}

fn user(wire: &mut Request<'_>, losses: &mut Vec<Loss>) -> Option<String> {
    let user = wire.user.take();
    let Some(identifier) = wire.safety_identifier.take() else { return user };
    if user.is_some_and(|user| user != identifier) {
        losses.push(Loss::adapted("user", "`safety_identifier` names the end user"));
    }
    Some(identifier)
}

/// Early SDKs wrote a hyphen.
fn retention(wire: Option<String>) -> Result<Option<String>, DecodeError> {
    let wire = wire.map(|word| if word == "in-memory" { "in_memory".to_owned() } else { word });
    one_of(wire, "prompt_cache_retention", &["in_memory", "24h"])
}

fn stream(wire: &Request<'_>) -> Option<StreamOptions> {
    let include_usage = wire.stream_options.as_ref().and_then(|options| options.include_usage);
    (wire.stream == Some(true))
        .then(|| StreamOptions { include_usage: include_usage.unwrap_or(false) })
}

fn one_of(
    value: Option<String>,
    path: &'static str,
    allowed: &[&str],
) -> Result<Option<String>, DecodeError> {
    match value {
        Some(word) if !allowed.contains(&word.as_str()) => Err(expected(path, allowed)),
        value => Ok(value),
    }
}

/// An error that names what may stand there, and not what does.
pub(super) fn expected<'a>(path: impl Into<Cow<'a, str>>, allowed: &[&str]) -> DecodeError {
    let reason = format!("must be one of `{}`", allowed.join("`, `"));
    DecodeError::shape(path.into(), reason)
}

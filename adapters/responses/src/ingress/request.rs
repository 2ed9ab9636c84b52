//! A client's request, read whole.

use std::borrow::Cow;

use adapters_canonical::chat::{
    ChatRequest, JsonSchema, OutputFormat, Reasoning, Sampling, StreamOptions,
};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::read;
use serde_json::value::RawValue;

use super::{input, tool};
use crate::wire::request::{Format, Request};

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Reads the body of `POST /v1/responses`.
///
/// `null` is as good as absent. `safety_identifier` goes before `user`. A top-level member that no
/// other dialect has words for is reported as a [`Loss`], and so is one that is not known at all.
/// What would need a store of answers is an error, since the rest would make no sense without it.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
/// did not fit, such as `input[1].content[0].text`.
pub(crate) fn decode_request(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    let mut wire: Request<'_> = read::body(body)?;
    needs_no_store(&wire)?;
    let mut losses = top_level_losses(&mut wire);
    let conversation = input::read(wire.instructions.take(), wire.input.take(), &mut losses)?;
    let tools = tool::tools(wire.tools.take().unwrap_or_default(), &mut losses)?;
    let tool_choice = tool::choice(wire.tool_choice.take(), &tools, &mut losses)?;
    let (output_format, verbosity) = text(&mut wire)?;
    let value = ChatRequest {
        model: model(wire.model.take())?,
        messages: conversation.messages,
        message_paths: conversation.paths,
        tools,
        tool_choice,
        max_hosted_calls: wire.max_tool_calls,
        parallel_tool_calls: wire.parallel_tool_calls,
        max_output_tokens: wire.max_output_tokens,
        sampling: sampling(&mut wire, &mut losses),
        output_format,
        reasoning: reasoning(&mut wire, &mut losses)?,
        service_tier: wire.service_tier.take(),
        verbosity,
        user: user(&mut wire, &mut losses),
        prompt_cache_key: wire.prompt_cache_key.take(),
        prompt_cache_retention: wire.prompt_cache_retention.take(),
        metadata: wire.metadata.take().unwrap_or_default(),
        store: wire.store,
        stream: (wire.stream == Some(true)).then_some(StreamOptions { include_usage: true }),
        ..ChatRequest::default()
    };
    Ok(Translated { value, losses })
}

pub(super) fn missing(path: impl Into<String>) -> DecodeError {
    DecodeError::shape(path, "is missing")
}

fn needs_no_store(wire: &Request<'_>) -> Result<(), DecodeError> {
    let said = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
    for (there, path, what) in [
        (
            said(wire.previous_response_id),
            "previous_response_id",
            "send the whole conversation as `input`",
        ),
        (said(wire.conversation), "conversation", "send the whole conversation as `input`"),
        (wire.background == Some(true), "background", "wait for the answer or stream it"),
    ] {
        if there {
            let reason = format!("no store of responses is configured here: {what}");
            return Err(DecodeError::shape(path, reason));
        }
    }
    if said(wire.prompt) {
        return Err(DecodeError::shape("prompt", "templates are kept by OpenAI and nobody else"));
    }
    Ok(())
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
    if wire.truncation.take().is_some_and(|how| &*how != "disabled") {
        let reason = "other providers refuse what does not fit their context window";
        losses.push(Loss::dropped("truncation", reason));
    }
    let options = wire.stream_options.as_ref();
    if options.and_then(|options| options.include_obfuscation) == Some(true) {
        let reason = "translated streams are not padded";
        losses.push(Loss::dropped("stream_options.include_obfuscation", reason));
    }
    losses
}

fn no_words_for(name: &str) -> &'static str {
    match name {
        "access_programs"
        | "background_options"
        | "context_management"
        | "image"
        | "moderation"
        | "prompt_cache_options" => "only providers of the Responses dialect have it",
        _ => "not a known member of a request for a response",
    }
}

fn model(model: Option<String>) -> Result<String, DecodeError> {
    match model {
        None => Err(missing("model")),
        Some(name) if name.is_empty() => Err(DecodeError::shape("model", "must not be empty")),
        Some(name) => Ok(name),
    }
}

fn sampling(wire: &mut Request<'_>, losses: &mut Vec<Loss>) -> Sampling {
    let mut wants_logprobs = wire.top_logprobs.is_some_and(|top| top > 0);
    for (at, wish) in wire.include.take().unwrap_or_default().iter().enumerate() {
        match &**wish {
            "message.output_text.logprobs" => wants_logprobs = true,
            // Seals always travel, and so does what was found and printed.
            "reasoning.encrypted_content"
            | "web_search_call.action.sources"
            | "code_interpreter_call.outputs" => {}
            _ => {
                let reason = "only providers of the Responses dialect have it";
                losses.push(Loss::dropped(format!("include[{at}]"), reason));
            }
        }
    }
    Sampling {
        temperature: wire.temperature,
        top_p: wire.top_p,
        logprobs: wants_logprobs.then_some(true),
        top_logprobs: wire.top_logprobs.filter(|top| *top > 0),
        ..Sampling::default()
    }
}

fn text(wire: &mut Request<'_>) -> Result<(OutputFormat, Option<String>), DecodeError> {
    let Some(text) = wire.text.take() else { return Ok((OutputFormat::Text, None)) };
    let verbosity = one_of(text.verbosity, "text.verbosity", &["low", "medium", "high"])?;
    Ok((text.format.map_or(Ok(OutputFormat::Text), format)?, verbosity))
}

fn format(wire: Format<'_>) -> Result<OutputFormat, DecodeError> {
    match &*wire.kind {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => Ok(OutputFormat::JsonSchema(JsonSchema {
            name: wire.name.ok_or_else(|| missing("text.format.name"))?,
            description: wire.description,
            schema: Some(wire.schema.ok_or_else(|| missing("text.format.schema"))?.to_owned()),
            strict: wire.strict,
        })),
        _ => Err(expected("text.format.type", &["text", "json_object", "json_schema"])),
    }
}

fn reasoning(
    wire: &mut Request<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Option<Reasoning>, DecodeError> {
    let Some(options) = wire.reasoning.take() else { return Ok(None) };
    for (said, path) in [
        (options.context.is_some_and(|word| word != "auto"), "reasoning.context"),
        (options.mode.is_some_and(|word| word != "standard"), "reasoning.mode"),
    ] {
        if said {
            losses.push(Loss::dropped(path, "only providers of the Responses dialect have it"));
        }
    }
    let summary = options.summary.or(options.generate_summary);
    if summary.as_deref().is_some_and(|word| matches!(word, "concise" | "detailed")) {
        let reason = "other providers show their thoughts or hide them, without degrees";
        losses.push(Loss::adapted("reasoning.summary", reason));
    }
    let reasoning = Reasoning {
        effort: one_of(options.effort, "reasoning.effort", EFFORTS)?,
        max_tokens: options.max_tokens,
        visible: summary.map(|word| word != "none"),
    };
    Ok(Some(reasoning).filter(|it| *it != Reasoning::default()))
}

fn user(wire: &mut Request<'_>, losses: &mut Vec<Loss>) -> Option<String> {
    let user = wire.user.take();
    let Some(identifier) = wire.safety_identifier.take() else { return user };
    if user.is_some_and(|user| user != identifier) {
        losses.push(Loss::adapted("user", "`safety_identifier` names the end user"));
    }
    Some(identifier)
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

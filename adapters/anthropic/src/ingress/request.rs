//! A client's request, read whole.

mod media;
mod messages;
mod parts;
mod tools;
mod trained;

use adapters_canonical::chat::{
    CacheBreakpoint, ChatRequest, JsonSchema, OutputFormat, Reasoning, Role, Sampling,
    StreamOptions,
};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::object::Names;
use adapters_json::read;
use serde_json::value::RawValue;

use crate::wire::ask::{CacheControl, Format, Metadata, Request, Thinking};

const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];

/// Reads the body of `POST /v1/messages`.
///
/// | member                                 | becomes                                            |
/// |----------------------------------------|----------------------------------------------------|
/// | `system`                               | a first message of the system                      |
/// | a `tool_result`                        | a message of its own, of the tool                  |
/// | `thinking` `enabled`                   | a bound on reasoning tokens, visible by default    |
/// | `thinking` `adaptive`                  | the effort of `output_config`, visible by default  |
/// | `thinking` `disabled`, `between_tools` | the effort `none`                                  |
/// | `output_config.format`                 | a strict schema                                    |
/// | a `search_result`                      | a text document (reported)                         |
/// | a search of the web, the reading of pages, a place to run code, `mcp_servers` | a tool that the provider runs itself |
/// | a tool of any other type but `custom`  | a tool only this dialect knows                     |
/// | a block of another type                | a part only this dialect knows                     |
///
/// `null` is as good as absent. A member that no other dialect has words for is reported as a
/// [`Loss`], and so is one that is not known at all. Losses are named by where they stand in this
/// request.
///
/// # Errors
///
/// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
/// did not fit, such as `messages[1].content[0].source.url`.
pub fn decode_request(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    let wire: Request<'_> = read::body(body)?;
    let max_tokens = wire.max_tokens.ok_or_else(|| missing("max_tokens"))?;
    let mut translated = decode(wire)?;
    translated.value.max_output_tokens = Some(max_tokens);
    Ok(translated)
}

/// Reads the body of `POST /v1/messages/count_tokens`: the same, but nothing is to be written.
///
/// # Errors
///
/// As [`decode_request`].
pub fn decode_count_request(body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
    decode(read::body(body)?)
}

fn decode(wire: Request<'_>) -> Result<Translated<ChatRequest>, DecodeError> {
    let mut losses = Vec::new();
    unknown(wire.others, "", &mut losses);
    if wire.speed.is_some_and(|speed| &*speed != "standard") {
        losses.push(Loss::dropped("speed", ONLY_HERE));
    }
    let turns = wire.messages.ok_or_else(|| missing("messages"))?;
    let spoken = messages::read(wire.system, turns, &mut losses)?;
    if let (Some(last), Some(path)) = (spoken.messages.last(), spoken.paths.last())
        && last.role == Role::Assistant
    {
        let reason = "other providers answer these words, and do not go on with them";
        losses.push(Loss::adapted(path.clone(), reason));
    }
    let effort = wire.output_config.as_ref().and_then(|config| config.effort.as_deref());
    let reasoning = reasoning(wire.thinking, effort, &mut losses)?;
    let (format, format_path) = match wire.output_config {
        Some(config) => {
            unknown(config.others, "output_config.", &mut losses);
            (config.format.or(wire.output_format), "output_config.format")
        }
        None => (wire.output_format, "output_format"),
    };
    let (tool_choice, parallel_tool_calls) = tools::choice(wire.tool_choice, &mut losses)?;
    let value = ChatRequest {
        model: model(wire.model)?,
        messages: spoken.messages,
        message_paths: spoken.paths,
        tools: tools::read(
            wire.tools.unwrap_or_default(),
            wire.mcp_servers.unwrap_or_default(),
            &mut losses,
        )?,
        tool_choice,
        parallel_tool_calls,
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            top_k: wire.top_k,
            ..Sampling::default()
        },
        stop: wire.stop_sequences.unwrap_or_default(),
        output_format: output_format(format, format_path, &mut losses)?,
        reasoning,
        service_tier: service_tier(wire.service_tier)?,
        user: wire.metadata.and_then(|metadata| user(metadata, &mut losses)),
        cache: breakpoint(wire.cache_control, || "cache_control".to_owned(), &mut losses),
        stream: (wire.stream == Some(true)).then_some(StreamOptions { include_usage: true }),
        ..ChatRequest::default()
    };
    Ok(Translated { value, losses })
}

const ONLY_HERE: &str = "only providers of the Anthropic dialect have it";

pub(super) fn missing(path: impl Into<String>) -> DecodeError {
    DecodeError::shape(path, "is missing")
}

/// An error that names what may stand there, and not what does.
fn expected(path: impl Into<String>, allowed: &[&str]) -> DecodeError {
    DecodeError::shape(path, format!("must be one of `{}`", allowed.join("`, `")))
}

/// Reads an object; where it stands is worked out only if it does not fit.
fn object<'a, T: serde::Deserialize<'a>>(
    raw: &'a RawValue,
    path: impl FnOnce() -> String,
) -> Result<T, DecodeError> {
    serde_json::from_str(raw.get()).or_else(|_| read::object(raw, &path()))
}

/// Reports members that nobody has read.
fn unknown(others: Names<'_>, prefix: &str, losses: &mut Vec<Loss>) {
    losses.extend(others.0.into_iter().map(|name| {
        let reason = match (prefix, &*name) {
            (
                "",
                "container" | "context_management" | "betas" | "inference_geo" | "diagnostics"
                | "user_profile_id" | "workspace_id",
            ) => ONLY_HERE,
            _ => "not a known member",
        };
        Loss::dropped(format!("{prefix}{name}"), reason)
    }));
}

fn model(model: Option<String>) -> Result<String, DecodeError> {
    match model {
        None => Err(missing("model")),
        Some(name) if name.is_empty() => Err(DecodeError::shape("model", "must not be empty")),
        Some(name) => Ok(name),
    }
}

fn user(metadata: Metadata<'_>, losses: &mut Vec<Loss>) -> Option<String> {
    unknown(metadata.others, "metadata.", losses);
    metadata.user_id.map(String::from)
}

/// The tier in the words of all dialects.
fn service_tier(tier: Option<String>) -> Result<Option<String>, DecodeError> {
    match tier.as_deref() {
        None | Some("auto") => Ok(tier),
        Some("standard_only") => Ok(Some("default".to_owned())),
        Some(_) => Err(expected("service_tier", &["auto", "standard_only"])),
    }
}

fn reasoning(
    thinking: Option<Thinking<'_>>,
    effort: Option<&str>,
    losses: &mut Vec<Loss>,
) -> Result<Option<Reasoning>, DecodeError> {
    if effort.is_some_and(|word| !EFFORTS.contains(&word)) {
        return Err(expected("output_config.effort", EFFORTS));
    }
    let effort = effort.map(str::to_owned);
    let Some(thinking) = thinking else {
        return Ok(effort.map(|level| Reasoning { effort: Some(level), ..Reasoning::default() }));
    };
    unknown(thinking.others, "thinking.", losses);
    let visible = match thinking.display.as_deref() {
        // A provider that does not think in secret may as well show it.
        None | Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        Some(_) => return Err(expected("thinking.display", &["summarized", "omitted"])),
    };
    match thinking.kind.as_deref() {
        Some("adaptive") => Ok(Some(Reasoning { effort, max_tokens: None, visible })),
        Some("enabled") => {
            let budget = thinking.budget_tokens.ok_or_else(|| missing("thinking.budget_tokens"))?;
            Ok(Some(Reasoning { effort, max_tokens: Some(budget), visible }))
        }
        Some(kind @ ("disabled" | "between_tools")) => {
            if effort.is_some() {
                let reason = "there is no effort where there is no thinking";
                losses.push(Loss::dropped("output_config.effort", reason));
            }
            if kind == "between_tools" {
                losses.push(Loss::adapted("thinking.type", "taken as no thinking at all"));
            }
            Ok(Some(Reasoning { effort: Some("none".to_owned()), ..Reasoning::default() }))
        }
        None => Err(missing("thinking.type")),
        Some(_) => {
            Err(expected("thinking.type", &["enabled", "disabled", "adaptive", "between_tools"]))
        }
    }
}

fn output_format(
    format: Option<Format<'_>>,
    path: &'static str,
    losses: &mut Vec<Loss>,
) -> Result<OutputFormat, DecodeError> {
    let Some(format) = format else { return Ok(OutputFormat::Text) };
    match format.kind.as_deref() {
        Some("json_schema") => {}
        _ => return Err(expected(format!("{path}.type"), &["json_schema"])),
    }
    unknown(format.others, &format!("{path}."), losses);
    let schema = format.schema.ok_or_else(|| missing(format!("{path}.schema")))?;
    Ok(OutputFormat::JsonSchema(JsonSchema {
        // This dialect has no names for schemas, others demand one.
        name: "output".to_owned(),
        description: None,
        schema: Some(schema.to_owned()),
        strict: Some(true),
    }))
}

fn breakpoint(
    control: Option<CacheControl<'_>>,
    path: impl Fn() -> String,
    losses: &mut Vec<Loss>,
) -> Option<CacheBreakpoint> {
    let control = control?;
    if !control.others.0.is_empty() {
        unknown(control.others, &format!("{}.", path()), losses);
    }
    if control.kind.as_deref() != Some("ephemeral") {
        losses.push(Loss::dropped(path(), "its type must be `ephemeral`"));
        return None;
    }
    Some(CacheBreakpoint { ttl: control.ttl })
}

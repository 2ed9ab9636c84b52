//! One content block.

use adapters_canonical::chat::{Opaque, Part, Role, Text, Thought, ToolCall, ToolKind, ToolResult};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::object::Names;
use serde_json::value::RawValue;

use super::{breakpoint, media, missing, object, unknown};
use crate::wire::answer::Tag;
use crate::wire::ask::{Block, Content};
use crate::{citation, hosted, seal};

/// The types that are understood; any other block is kept as it is.
const KNOWN: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
];

/// What a block is.
#[derive(Debug)]
pub(super) enum Read {
    Part(Part),
    /// The seal on the block before it.
    Seal(String),
}

type Path<'p> = &'p dyn Fn() -> String;

/// Reads a block of a turn of `role`.
pub(super) fn read(
    raw: &RawValue,
    role: Role,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Read, DecodeError> {
    let block: Block<'_> = match serde_json::from_str(raw.get()) {
        Ok(block) => block,
        // Unknown blocks may give known names to members of other shapes.
        Err(_) if is_unknown(raw) => {
            let step = hosted::read(raw).map(|step| Part::Hosted(Box::new(step)));
            return Ok(Read::Part(step.unwrap_or_else(|| opaque(raw))));
        }
        Err(_) => object(raw, path)?,
    };
    let kind = block.kind.as_deref().ok_or_else(|| missing(format!("{}.type", path())))?;
    Ok(Read::Part(match kind {
        "text" => Part::Text(text(block, path, losses)?),
        "image" => Part::Image(media::image(block, path, losses)?),
        "document" => media::document(block, raw, path, losses)?,
        "search_result" => media::search_result(block, path, losses)?,
        "thinking" | "redacted_thinking" => return thought(block, path, losses),
        "tool_use" => Part::ToolCall(tool_use(block, path, losses)?),
        "tool_result" if role == Role::User => Part::ToolResult(tool_result(block, path, losses)?),
        "tool_result" => {
            return Err(DecodeError::shape(path(), "only the user answers calls of tools"));
        }
        _ => match hosted::read(raw) {
            Some(step) => Part::Hosted(Box::new(step)),
            None => opaque(raw),
        },
    }))
}

fn is_unknown(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
        && serde_json::from_str::<Tag<'_>>(raw.get())
            .is_ok_and(|tag| tag.kind.is_some_and(|kind| !KNOWN.contains(&&*kind)))
}

/// A block that only this dialect knows, byte for byte.
pub(super) fn opaque(raw: &RawValue) -> Part {
    Part::Opaque(Opaque { dialect: Dialect::Anthropic, json: raw.to_owned() })
}

fn text(block: Block<'_>, path: Path<'_>, losses: &mut Vec<Loss>) -> Result<Text, DecodeError> {
    members(block.others, path, losses);
    Ok(Text {
        text: need(block.text, path, "text")?,
        citations: citation::read_all(block.citations),
        signature: None,
        cache: breakpoint(block.cache_control, || format!("{}.cache_control", path()), losses),
    })
}

/// Anthropic's own thoughts have seals of any form, those of others have ours.
fn thought(block: Block<'_>, path: Path<'_>, losses: &mut Vec<Loss>) -> Result<Read, DecodeError> {
    members(block.others, path, losses);
    let is_redacted = block.kind.as_deref() == Some("redacted_thinking");
    let (text, sealed) = if is_redacted {
        (String::new(), need(block.data, path, "data")?)
    } else {
        (need(block.thinking, path, "thinking")?, block.signature.unwrap_or_default())
    };
    if seal::is_ours(&sealed) {
        let Some(seal) = seal::read(&sealed) else {
            losses.push(Loss::dropped(
                format!("{}.signature", path()),
                "a seal of this gateway that was changed",
            ));
            let origin = None;
            return Ok(Read::Part(Part::Reasoning(Thought { text, origin, ..Thought::default() })));
        };
        if seal.carrier {
            return Ok(Read::Seal(seal.signature.unwrap_or_default()));
        }
        let seal::Seal { origin, signature, redacted, id, .. } = seal;
        return Ok(Read::Part(Part::Reasoning(Thought { text, signature, redacted, origin, id })));
    }
    let sealed = Some(String::from(sealed)).filter(|seal| !seal.is_empty());
    let (signature, redacted) = if is_redacted { (None, sealed) } else { (sealed, None) };
    let origin = Some(Dialect::Anthropic);
    Ok(Read::Part(Part::Reasoning(Thought { text, signature, redacted, origin, id: None })))
}

fn tool_use(
    block: Block<'_>,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<ToolCall, DecodeError> {
    members(block.others, path, losses);
    let input = need(block.input, path, "input")?;
    if !input.get().starts_with('{') {
        return Err(DecodeError::shape(format!("{}.input", path()), "must be an object"));
    }
    if block.cache_control.is_some() {
        let reason = "other providers cache no prefix that ends in a call";
        losses.push(Loss::dropped(format!("{}.cache_control", path()), reason));
    }
    let caller = block.caller.and_then(|caller| caller.kind);
    if caller.is_some_and(|kind| &*kind != "direct") {
        losses.push(Loss::dropped(format!("{}.caller", path()), super::ONLY_HERE));
    }
    if block.toolset_name.is_some() {
        losses.push(Loss::dropped(format!("{}.toolset_name", path()), super::ONLY_HERE));
    }
    Ok(ToolCall {
        id: not_empty(block.id, path, "id")?,
        name: not_empty(block.name, path, "name")?,
        arguments: input.get().to_owned(),
        kind: ToolKind::Function,
        signature: None,
    })
}

fn tool_result(
    block: Block<'_>,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<ToolResult, DecodeError> {
    members(block.others, path, losses);
    if block.toolset_name.is_some() {
        losses.push(Loss::dropped(format!("{}.toolset_name", path()), super::ONLY_HERE));
    }
    let parts = match block.content {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![Part::Text(Text::from(String::from(text)))],
        Some(Content::Blocks(blocks)) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for (at, raw) in blocks.into_iter().enumerate() {
                let inner = || format!("{}.content[{at}]", path());
                match read(raw, Role::Tool, &inner, losses)? {
                    Read::Part(part) => parts.push(part),
                    Read::Seal(_) => {
                        losses.push(Loss::dropped(inner(), "a result has no seals"));
                    }
                }
            }
            parts
        }
    };
    Ok(ToolResult {
        call_id: not_empty(block.tool_use_id, path, "tool_use_id")?,
        parts,
        is_error: block.is_error,
        cache: breakpoint(block.cache_control, || format!("{}.cache_control", path()), losses),
    })
}

/// Reports the members of a block that nobody has read.
pub(super) fn members(others: Names<'_>, path: Path<'_>, losses: &mut Vec<Loss>) {
    if !others.0.is_empty() {
        unknown(others, &format!("{}.", path()), losses);
    }
}

pub(super) fn need<T>(value: Option<T>, path: Path<'_>, member: &str) -> Result<T, DecodeError> {
    value.ok_or_else(|| missing(format!("{}.{member}", path())))
}

fn not_empty(value: Option<String>, path: Path<'_>, member: &str) -> Result<String, DecodeError> {
    match need(value, path, member)? {
        text if text.is_empty() => {
            Err(DecodeError::shape(format!("{}.{member}", path()), "must not be empty"))
        }
        text => Ok(text),
    }
}

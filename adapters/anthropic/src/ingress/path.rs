//! What a client of this dialect calls what a loss or an error names by its canonical path.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, Message, Part, Role, Tool};
use adapters_canonical::hosted::Hosted;

/// Names that differ in whole.
const NAMES: &[(&str, &str)] = &[
    ("max_completion_tokens", "max_tokens"),
    ("reasoning_effort", "output_config.effort"),
    ("reasoning.effort", "output_config.effort"),
    ("reasoning.max_tokens", "thinking.budget_tokens"),
    ("reasoning.exclude", "thinking.display"),
    ("reasoning", "thinking"),
    ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    ("response_format", "output_config.format"),
    ("user", "metadata.user_id"),
    ("safety_identifier", "metadata.user_id"),
    ("prompt_cache_retention", "cache_control.ttl"),
];

pub(super) fn client_path<'p>(request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
    if let Some((_, name)) = NAMES.iter().find(|(name, _)| *name == path) {
        return match (*name, request.reasoning.as_ref()) {
            // Without an effort of its own the wish came with `thinking`.
            ("output_config.effort", Some(wish)) if wish.effort.as_deref().is_none_or(is_off) => {
                Cow::Borrowed("thinking")
            }
            (name, _) => Cow::Borrowed(name),
        };
    }
    if let Some(rest) = path.strip_prefix("messages").filter(|rest| rest.starts_with('[')) {
        return message(request, rest).map_or(Cow::Borrowed(path), Cow::Owned);
    }
    if let Some(rest) = path.strip_prefix("stop[") {
        return Cow::Owned(format!("stop_sequences[{rest}"));
    }
    if path == "stop" {
        return Cow::Borrowed("stop_sequences");
    }
    if path.starts_with("tools[") {
        return tool(request, path);
    }
    if path.starts_with("response_format.") {
        let schema = path.starts_with("response_format.json_schema.schema");
        let name = if schema { "output_config.format.schema" } else { "output_config.format" };
        return Cow::Borrowed(name);
    }
    if path.starts_with("tool_choice.") {
        return Cow::Borrowed("tool_choice");
    }
    Cow::Borrowed(path)
}

/// `disabled` is what this dialect calls the effort `none`.
fn is_off(effort: &str) -> bool {
    effort == "none"
}

fn message(request: &ChatRequest, path: &str) -> Option<String> {
    let (at, rest) = index(path)?;
    let message = request.messages.get(at)?;
    let place = request.message_paths.get(at)?;
    let turn = turn_of(place);
    let earlier = request.message_paths.iter().zip(&request.messages).take(at).rev();
    let before = earlier
        .take_while(|(place, _)| turn_of(place) == turn)
        .map(|(_, message)| blocks(message))
        .sum();
    Some(in_message(place, message, before, rest))
}

/// The turn in which a message stands: `messages[2]` for `messages[2].content[1]`.
fn turn_of(place: &str) -> &str {
    place.split_once('.').map_or(place, |(turn, _)| turn)
}

fn tool<'p>(request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
    let rest = path.strip_prefix("tools").and_then(index);
    if let Some((at, rest)) = rest
        && let Some(Tool::Hosted(tool)) = request.tools.get(at)
    {
        let member = rest.rsplit_once('.').map_or("", |(_, member)| member);
        let place = match &tool.does {
            Hosted::Mcp(_) if tool.own.is_none() || !member.is_empty() => "mcp_servers".to_owned(),
            Hosted::Mcp(_)
            | Hosted::WebSearch(_)
            | Hosted::PageReading(_)
            | Hosted::CodeExecution(_) => format!("tools[{at}]"),
        };
        let dot = if member.is_empty() { "" } else { "." };
        return Cow::Owned(format!("{place}{dot}{member}"));
    }
    for (ours, theirs) in [
        (".function.parameters", ".input_schema"),
        (".function.", "."),
        (".function", ""),
        (".custom.", "."),
        (".custom", ""),
    ] {
        if let Some((before, after)) = path.split_once(ours) {
            return Cow::Owned(format!("{before}{theirs}{after}"));
        }
    }
    Cow::Borrowed(path)
}

/// What a client calls `path`, which names a member of `message` in the canonical request.
///
/// `place` is where the message stands, `before` how many blocks of the same turn became earlier
/// messages.
fn in_message(place: &str, message: &Message, before: usize, path: &str) -> String {
    let (member, rest) = split(path);
    let found = match member {
        "content" | "tool_calls" => index(rest)
            .and_then(|(at, rest)| Some((nth(message, member == "tool_calls", at)?, rest))),
        "reasoning_content" | "reasoning_details" => {
            let thought = |part: &Part| matches!(part, Part::Reasoning(_));
            message.parts.iter().position(thought).map(|at| (block_of(message, at), ""))
        }
        _ => None,
    };
    let is_system = place == "system";
    match (found, message.role) {
        // Inside a result the content is the result's own, one level further down.
        (_, Role::Tool) if member == "content" => match index(rest) {
            Some((at, rest)) => format!("{place}.content[{at}]{}", member_of_block(rest)),
            None => format!("{place}.content{rest}"),
        },
        (Some((at, rest)), _) if is_system => format!("system[{at}]{}", member_of_block(rest)),
        (Some((at, rest)), _) => {
            format!("{place}.content[{}]{}", before + at, member_of_block(rest))
        }
        (None, _) if is_system => place.to_owned(),
        (None, _) if member.is_empty() => place.to_owned(),
        (None, _) => format!("{place}.{member}{rest}"),
    }
}

/// How many blocks a message took in its turn.
fn blocks(message: &Message) -> usize {
    block_of(message, message.parts.len())
}

/// Which block the part `at` was: before it may stand carriers of seals, which are no parts.
fn block_of(message: &Message, at: usize) -> usize {
    let sealed = |part: &&Part| match part {
        Part::Text(text) => text.signature.is_some(),
        Part::ToolCall(call) => call.signature.is_some(),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => false,
    };
    at + message.parts.iter().take(at).filter(sealed).count()
}

/// The block of the `nth` call, or of the `nth` part that is neither a call nor a thought.
fn nth(message: &Message, calls: bool, nth: usize) -> Option<usize> {
    let wanted = |part: &Part| match part {
        Part::ToolCall(_) => calls,
        Part::Reasoning(_) => false,
        Part::Text(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Refusal(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => !calls,
    };
    let mut found = (0..).zip(&message.parts).filter(|(_, part)| wanted(part));
    found.nth(nth).map(|(at, _)| block_of(message, at))
}

fn member_of_block(rest: &str) -> &str {
    match rest {
        ".function.arguments" | ".custom.input" => ".input",
        ".function.name" | ".custom.name" => ".name",
        ".image_url.url" | ".file.file_data" => ".source",
        ".image_url.detail" => "",
        rest => rest,
    }
}

/// The first member of a path that begins with a dot or with nothing, and what follows it.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('.').unwrap_or(path);
    path.split_at(path.find(['.', '[']).unwrap_or(path.len()))
}

/// The index that a path begins with, and what follows it.
fn index(path: &str) -> Option<(usize, &str)> {
    let (digits, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, rest))
}

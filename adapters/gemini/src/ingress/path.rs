//! What a client calls what the canonical request calls by OpenAI's words.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, Part, Tool};

use crate::hosted;

/// Translates a canonical path. One that has no counterpart stays as it is.
///
/// A message that was put together from several turns is named by all of them, without the part;
/// a function by its name, since one entry of `tools` may hold many.
pub(super) fn client_path<'p>(request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
    if let Some((at, rest)) = indexed(path, "messages") {
        return Cow::Owned(message(request, at, rest));
    }
    if let Some((at, rest)) = indexed(path, "tools") {
        return Cow::Owned(tool(request, at, rest));
    }
    match member(path) {
        Some(word) => Cow::Borrowed(word),
        None => Cow::Borrowed(path),
    }
}

fn member(path: &str) -> Option<&'static str> {
    Some(match path {
        "messages" => "contents",
        "max_completion_tokens" | "max_tokens" | "max_output_tokens" => {
            "generationConfig.maxOutputTokens"
        }
        "temperature" => "generationConfig.temperature",
        "top_p" => "generationConfig.topP",
        "top_k" => "generationConfig.topK",
        "seed" => "generationConfig.seed",
        "presence_penalty" => "generationConfig.presencePenalty",
        "frequency_penalty" => "generationConfig.frequencyPenalty",
        "logprobs" => "generationConfig.responseLogprobs",
        "top_logprobs" => "generationConfig.logprobs",
        "n" => "generationConfig.candidateCount",
        "stop" => "generationConfig.stopSequences",
        "modalities" => "generationConfig.responseModalities",
        "reasoning_effort" | "reasoning.effort" => "generationConfig.thinkingConfig.thinkingLevel",
        "reasoning.max_tokens" => "generationConfig.thinkingConfig.thinkingBudget",
        "reasoning.exclude" => "generationConfig.thinkingConfig.includeThoughts",
        "reasoning" => "generationConfig.thinkingConfig",
        "tool_choice" => "toolConfig.functionCallingConfig",
        "service_tier" => "serviceTier",
        "metadata" => "labels",
        other if other.starts_with("response_format") => "generationConfig.responseJsonSchema",
        _ => return None,
    })
}

/// The index and the rest of `<name>[<index>]<rest>`.
fn indexed<'p>(path: &'p str, name: &str) -> Option<(usize, &'p str)> {
    let (digits, rest) = path.strip_prefix(name)?.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, rest))
}

fn message(request: &ChatRequest, at: usize, rest: &str) -> String {
    let (Some(base), Some(message)) = (request.message_paths.get(at), request.messages.get(at))
    else {
        return format!("contents{rest}");
    };
    if base.contains("].parts[") {
        return format!("{base}.functionResponse{}", answer(rest));
    }
    if base.contains("..=") {
        return base.clone();
    }
    let is_call = |part: &Part| matches!(part, Part::ToolCall(_));
    let is_apart = |part: &Part| matches!(part, Part::ToolCall(_) | Part::Reasoning(_));
    let (place, tail) = if let Some((index, tail)) = indexed(rest, ".content") {
        (nth(&message.parts, index, |part| !is_apart(part)), tail)
    } else if let Some((index, tail)) = indexed(rest, ".tool_calls") {
        (nth(&message.parts, index, is_call), call(tail))
    } else if rest.starts_with(".role") {
        return format!("{base}.role");
    } else {
        return base.clone();
    };
    match place {
        Some(place) => format!("{base}.parts[{}]{}", place + before(request, at), media(tail)),
        None => base.clone(),
    }
}

/// Where the `index`th part stands that is `wanted`.
fn nth(parts: &[Part], index: usize, wanted: impl Fn(&Part) -> bool) -> Option<usize> {
    parts.iter().enumerate().filter(|(_, part)| wanted(part)).nth(index).map(|(at, _)| at)
}

/// How many parts of the same turn are in the messages before this one.
fn before(request: &ChatRequest, at: usize) -> usize {
    let Some(base) = request.message_paths.get(at) else { return 0 };
    let earlier = request.message_paths.iter().zip(&request.messages).take(at);
    let of_turn = earlier.filter(|(path, _)| {
        path.strip_prefix(&**base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(".parts["))
    });
    of_turn.map(|(_, message)| message.parts.len()).sum()
}

fn answer(rest: &str) -> String {
    if rest.starts_with(".tool_call_id") {
        return ".id".to_owned();
    }
    match indexed(rest, ".content") {
        Some((0, _)) => ".response".to_owned(),
        Some((index, tail)) => format!(".parts[{}]{}", index - 1, media(tail)),
        None => String::new(),
    }
}

fn call(tail: &str) -> &str {
    match tail {
        ".id" => ".functionCall.id",
        ".function.name" => ".functionCall.name",
        ".function.arguments" => ".functionCall.args",
        _ => ".functionCall",
    }
}

/// What a medium is written in is not known here, but whatever it is, it is the part.
fn media(tail: &str) -> &str {
    if tail.starts_with(".functionCall") { tail } else { "" }
}

fn tool(request: &ChatRequest, at: usize, rest: &str) -> String {
    match request.tools.get(at) {
        Some(Tool::Function(function)) => {
            let rest = rest.strip_prefix(".function").unwrap_or(rest);
            format!("tools.functionDeclarations[{}]{rest}", function.name)
        }
        Some(Tool::Hosted(tool)) => {
            let rest = rest.rsplit_once('.').map_or(rest, |(_, member)| member);
            let rest = match rest {
                "blocked_domains" => ".excludeDomains".to_owned(),
                "" => String::new(),
                rest => format!(".{rest}"),
            };
            format!("tools.{}{rest}", hosted::member(&tool.does))
        }
        Some(Tool::Opaque(opaque)) => {
            let name = opaque.json.get().split('"').nth(1).unwrap_or_default();
            format!("tools.{name}{rest}")
        }
        Some(Tool::Custom(_)) | None => format!("tools{rest}"),
    }
}

//! What a client of this dialect calls what the canonical request names in the words of chat
//! completions.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, Message, Part, Role};

/// Members of the request that have another name here.
const NAMES: &[(&str, &str)] = &[
    ("max_completion_tokens", "max_output_tokens"),
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("reasoning.exclude", "reasoning.summary"),
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("verbosity", "text.verbosity"),
    ("logprobs", "include"),
    ("tool_choice.allowed_tools", "tool_choice"),
    ("tool_choice.function", "tool_choice"),
    ("tool_choice.custom", "tool_choice"),
];

/// The client's path for a canonical one.
pub(super) fn client_path<'p>(request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
    if let Some((at, rest)) = indexed(path, "messages") {
        return match request.messages.get(at).zip(request.message_paths.get(at)) {
            Some((message, base)) => Cow::Owned(in_message(message, base, rest)),
            None => Cow::Borrowed(path),
        };
    }
    if let Some((at, rest)) = indexed(path, "tools") {
        if let Some(rest) = hosted(rest) {
            return Cow::Owned(format!("tools[{at}]{rest}"));
        }
        let rest = without(rest, &[".function", ".custom"]);
        let rest = rest
            .strip_prefix(".format.grammar")
            .map_or_else(|| rest.to_owned(), |grammar| format!(".format{grammar}"));
        return Cow::Owned(format!("tools[{at}]{rest}"));
    }
    for (theirs, ours) in NAMES {
        if let Some(rest) = path.strip_prefix(theirs)
            && (rest.is_empty() || rest.starts_with(['.', '[']))
        {
            return Cow::Owned(format!("{ours}{rest}"));
        }
    }
    Cow::Borrowed(path)
}

/// What is said of a tool that the provider runs itself.
fn hosted(rest: &str) -> Option<String> {
    let levels = [".web_search", ".web_fetch", ".code_execution", ".mcp"];
    let member = levels.iter().find_map(|level| rest.strip_prefix(level))?;
    Some(match member {
        ".allowed_domains" => ".filters.allowed_domains".to_owned(),
        ".location" => ".user_location".to_owned(),
        ".context_size" => ".search_context_size".to_owned(),
        member => member.to_owned(),
    })
}

fn in_message(message: &Message, base: &str, rest: &str) -> String {
    if !base.ends_with(']') {
        // `instructions`, or an `input` that is a string.
        return base.to_owned();
    }
    if message.role == Role::Tool {
        let rest = match rest.strip_prefix(".content") {
            Some(rest) => format!(".output{}", in_content(rest)),
            None => rest.replace(".tool_call_id", ".call_id"),
        };
        return format!("{base}{rest}");
    }
    if let Some((at, rest)) = indexed(rest, ".tool_calls") {
        let base = item(message, base, at, |part| matches!(part, Part::ToolCall(_)));
        let rest = without(rest, &[".function", ".custom"]);
        return format!("{base}{}", if rest == ".id" { ".call_id" } else { rest });
    }
    if let Some((at, _)) = indexed(rest, ".reasoning_details") {
        return item(message, base, at, |part| matches!(part, Part::Reasoning(_)));
    }
    if rest.starts_with(".reasoning") {
        return item(message, base, 0, |part| matches!(part, Part::Reasoning(_)));
    }
    match rest.strip_prefix(".content") {
        Some(rest) if message.role == Role::Assistant => {
            let base = item(message, base, 0, |part| matches!(part, Part::Text(_)));
            format!("{base}.content{}", in_content(rest))
        }
        Some(rest) => format!("{base}.content{}", in_content(rest)),
        None => format!("{base}{rest}"),
    }
}

/// Members of a part that chat completions have one level further down.
fn in_content(rest: &str) -> String {
    rest.replace(".image_url.url", ".image_url")
        .replace(".image_url.detail", ".detail")
        .replace(".file.file_data", ".file_url")
        .replace(".file.", ".")
        .replace(".cache_control", ".prompt_cache_breakpoint")
}

/// The item that holds the `nth` part of a kind, given the first item of the message. Counts one
/// item for each thought and call, and one for a run of text.
fn item(message: &Message, base: &str, nth: usize, is: impl Fn(&Part) -> bool) -> String {
    let Some((name, first)) = base
        .strip_suffix(']')
        .and_then(|base| base.rsplit_once('['))
        .and_then(|(name, at)| Some((name, at.parse::<usize>().ok()?)))
    else {
        return base.to_owned();
    };
    let (mut at, mut seen, mut in_text) = (first, 0, false);
    for (place, part) in message.parts.iter().enumerate() {
        let text = matches!(part, Part::Text(_) | Part::Refusal(_));
        if place > 0 && !(text && in_text) {
            at += 1;
        }
        in_text = text;
        if is(part) {
            if seen == nth {
                return format!("{name}[{at}]");
            }
            seen += 1;
        }
    }
    base.to_owned()
}

/// Takes `name[at]` off a path.
fn indexed<'p>(path: &'p str, name: &str) -> Option<(usize, &'p str)> {
    let (at, rest) = path.strip_prefix(name)?.strip_prefix('[')?.split_once(']')?;
    Some((at.parse().ok()?, rest))
}

fn without<'p>(rest: &'p str, levels: &[&str]) -> &'p str {
    levels.iter().find_map(|level| rest.strip_prefix(level)).unwrap_or(rest)
}

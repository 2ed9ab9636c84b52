//! The answer.

use std::borrow::Cow;

use adapters_canonical::chat::{
    ChatRequest, ChatResponse, Choice, Finish, FinishReason, Message, OutputFormat, Part, Role,
    Text, Thought, ToolCall, ToolResult,
};
use serde_json::{Value, json};

use crate::MODEL;
use crate::ask::{Offer, asked};
use crate::draw::Draw;
use crate::schema::instance;
use crate::token::{count, first};
use crate::usage::usage;

/// More choices than this are not made.
const CHOICES: u32 = 128;
/// More of what was said than this many tokens is not repeated.
const QUOTED: u64 = 200;

/// Answers a request, always in the same way.
#[must_use]
pub fn answer(request: &ChatRequest) -> ChatResponse {
    let number = fingerprint(request);
    let wanted = request.choices.unwrap_or(1).clamp(1, CHOICES);
    let choices: Vec<_> = (0..wanted).map(|index| choice(request, number, index, wanted)).collect();
    ChatResponse {
        id: format!("mock-{number:016x}"),
        model: MODEL.to_owned(),
        created: None,
        usage: Some(usage(request, &choices)),
        choices,
        service_tier: None,
    }
}

fn choice(request: &ChatRequest, number: u64, index: u32, of: u32) -> Choice {
    let said = last_words(&request.messages);
    let results = last_results(&request.messages);
    let tools = if results.is_empty() { asked(request, &said) } else { Vec::new() };
    let mut parts = Vec::new();
    if thinks(request) {
        let text = format!("The user said {} tokens. I shall answer.", count(&said));
        parts.push(Part::Reasoning(Thought { text, ..Thought::default() }));
    }
    let mut stopped = None;
    let calls = !tools.is_empty();
    if calls {
        let mut draw = Draw::new(&said);
        let id = |at: usize| format!("call_{number:016x}_{index}_{at}");
        let call = |(at, tool)| Part::ToolCall(call(tool, id(at), &said, &mut draw));
        parts.extend(tools.into_iter().enumerate().map(call));
    } else {
        let mut text = words(request, &said, &results, (index, of));
        stopped = stop(&mut text, &request.stop);
        parts.push(Part::Text(Text::from(text)));
    }
    let cut = request.max_output_tokens.is_some_and(|limit| limited(&mut parts, limit));
    let finish = match (cut, calls) {
        (true, _) => Finish::from(FinishReason::Length),
        (false, true) => Finish::from(FinishReason::ToolCalls),
        (false, false) => Finish { stop_sequence: stopped, ..Finish::from(FinishReason::Stop) },
    };
    Choice { index, parts, finish, logprobs: None }
}

fn thinks(request: &ChatRequest) -> bool {
    request.reasoning.as_ref().is_some_and(|reasoning| {
        reasoning.effort.as_deref() != Some("none") && reasoning.visible != Some(false)
    })
}

fn call(tool: Offer<'_>, id: String, said: &str, draw: &mut Draw<'_>) -> ToolCall {
    let arguments = match tool {
        Offer::Custom(_) => said.trim().to_owned(),
        Offer::Function(function) => {
            let schema = function.parameters.as_deref().map(|json| json.get());
            let schema = schema.and_then(|json| serde_json::from_str::<Value>(json).ok());
            match schema.map(|schema| instance(&schema, draw)) {
                Some(Value::Object(arguments)) => Value::Object(arguments).to_string(),
                // A schema of anything but an object cannot be called with.
                Some(_) | None => "{}".to_owned(),
            }
        }
    };
    ToolCall { id, name: tool.name().to_owned(), arguments, kind: tool.kind(), signature: None }
}

fn words(
    request: &ChatRequest,
    said: &str,
    results: &[(String, String)],
    (index, of): (u32, u32),
) -> String {
    let mut text = match results {
        [] if said.trim().is_empty() => "Hello! You have not said anything yet.".to_owned(),
        [] => format!("Hello! You said: “{}” Thank you for telling me.", quoted(said)),
        results => quote(results),
    };
    if of > 1 {
        text.push_str(&format!(" (Answer {} of {of}.)", index + 1));
    }
    match &request.output_format {
        OutputFormat::Text => text,
        OutputFormat::JsonObject => json!({ "answer": text }).to_string(),
        OutputFormat::JsonSchema(format) => {
            let schema = format.schema.as_deref().map(|json| json.get()).unwrap_or("{}");
            let schema = serde_json::from_str(schema).unwrap_or(Value::Null);
            instance(&schema, &mut Draw::new(said)).to_string()
        }
    }
}

fn quote(results: &[(String, String)]) -> String {
    let sentence =
        |(name, result): &(String, String)| format!("`{name}` answered: “{}”.", quoted(result));
    results.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

fn quoted(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match first(text, QUOTED) {
        (all, _) if all.len() == text.len() => Cow::Borrowed(text),
        (beginning, _) => Cow::Owned(format!("{beginning} …")),
    }
}

/// What the user said last; nothing if they never spoke.
fn last_words(messages: &[Message]) -> String {
    let user = messages.iter().rev().find(|message| message.role == Role::User);
    user.map_or_else(String::new, |message| texts(&message.parts))
}

/// The tool results that the conversation ends with, each with the name of its tool.
fn last_results(messages: &[Message]) -> Vec<(String, String)> {
    let ending = messages.iter().rev().take_while(|message| message.role == Role::Tool).count();
    let (before, ending) = messages.split_at(messages.len() - ending);
    let named = |result: &ToolResult| {
        let calls = before.iter().rev().flat_map(|message| &message.parts);
        let name = calls
            .filter_map(|part| match part {
                Part::ToolCall(call) if call.id == result.call_id => Some(call.name.clone()),
                Part::ToolCall(_)
                | Part::Text(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Reasoning(_)
                | Part::Refusal(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => None,
            })
            .next();
        (name.unwrap_or_else(|| "the tool".to_owned()), texts(&result.parts))
    };
    ending.iter().flat_map(|message| results_of(&message.parts)).map(named).collect()
}

fn results_of(parts: &[Part]) -> impl Iterator<Item = &ToolResult> {
    parts.iter().filter_map(|part| match part {
        Part::ToolResult(result) => Some(result),
        Part::Text(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => None,
    })
}

fn texts(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.text.clone()),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => None,
    };
    parts.iter().filter_map(text).collect::<Vec<_>>().join(" ")
}

/// Cuts a text before the stop sequence that comes first, and says which that was.
fn stop(text: &mut String, sequences: &[String]) -> Option<String> {
    let found = sequences
        .iter()
        .filter(|sequence| !sequence.is_empty())
        .filter_map(|sequence| Some((text.find(sequence.as_str())?, sequence)));
    let (at, sequence) = found.min_by_key(|(at, _)| *at)?;
    text.truncate(at);
    Some(sequence.clone())
}

/// Cuts all parts together down to `limit` tokens, and says whether that took anything away.
fn limited(parts: &mut Vec<Part>, limit: u64) -> bool {
    let (mut left, mut cut, mut kept) = (limit, false, 0);
    for part in parts.iter_mut() {
        let text = match part {
            Part::Text(text) => &mut text.text,
            Part::Reasoning(thought) => &mut thought.text,
            Part::ToolCall(call) => {
                let name = count(&call.name);
                if name > left {
                    cut = true;
                    break;
                }
                left -= name;
                &mut call.arguments
            }
            Part::Image(_)
            | Part::Audio(_)
            | Part::Video(_)
            | Part::Document(_)
            | Part::Refusal(_)
            | Part::ToolResult(_)
            | Part::Hosted(_)
            | Part::Opaque(_) => continue,
        };
        let (short, taken) = first(text, left);
        left -= taken;
        let length = short.len();
        cut |= length < text.len();
        text.truncate(length);
        kept += 1;
        if cut {
            break;
        }
    }
    if cut {
        parts.truncate(kept);
    }
    cut
}

/// A number that stands for the conversation (FNV-1a). Whether the answer is streamed does not
/// change it.
fn fingerprint(request: &ChatRequest) -> u64 {
    let ChatRequest { model, messages, tools, tool_choice, .. } = request;
    let text = format!("{model:?}{messages:?}{tools:?}{tool_choice:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

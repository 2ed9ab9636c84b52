//! What a client has of a stream once it has put it together, as official SDKs do.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use adapters_canonical::dialect::Dialect;
use serde_json::Value;

/// The answer as it would be in one piece.
///
/// # Panics
///
/// If the stream is none of the dialect's.
#[must_use]
pub fn whole(dialect: Dialect, stream: &[u8]) -> Value {
    let events = events(stream);
    match dialect {
        Dialect::OpenAi => openai::whole(&events),
        Dialect::Responses => responses::whole(&events),
        Dialect::Anthropic => anthropic::whole(&events),
        Dialect::Gemini => gemini::whole(&events),
    }
}

/// An answer without what streams and answers in one piece write differently, though they say the
/// same by it: members that are `null` or empty, and those that a dialect has in one of the two only.
#[must_use]
pub fn level(dialect: Dialect, answer: &Value) -> Value {
    let mut answer = answer.clone();
    let only_in_one: &[&str] = match dialect {
        Dialect::OpenAi => &[],
        // When the response was complete is known of a whole one only.
        Dialect::Responses => &["completed_at"],
        // Always the same, in whole answers.
        Dialect::Anthropic => &["caller"],
        // A mean over what comes in pieces.
        Dialect::Gemini => &["avgLogprobs"],
    };
    prune(&mut answer, only_in_one);
    match dialect {
        Dialect::OpenAi => openai::forget_unbound(&mut answer),
        Dialect::Gemini => gemini::join(&mut answer),
        Dialect::Responses | Dialect::Anthropic => {}
    }
    answer
}

fn prune(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|member| prune(member, names));
            members.retain(|name, member| {
                let empty = match member {
                    Value::Null => true,
                    Value::Array(list) => list.is_empty(),
                    Value::String(text) => text.is_empty(),
                    Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
                };
                !empty && !names.contains(&name.as_str())
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|one| prune(one, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The data of each event.
#[expect(clippy::panic, reason = "a stream that is none fails the test")]
fn events(stream: &[u8]) -> Vec<Value> {
    let stream = String::from_utf8_lossy(stream).replace("\r\n", "\n");
    let data = |frame: &str| -> Option<String> {
        Some(frame.lines().find_map(|line| line.strip_prefix("data: "))?.to_owned())
    };
    stream
        .split("\n\n")
        .filter_map(data)
        .filter(|data| data != "[DONE]")
        .map(|data| serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")))
        .collect()
}

/// Puts `more` behind the text at `name`.
fn append(object: &mut Value, name: &str, more: &Value) {
    let before = object[name].as_str().unwrap_or_default().to_owned();
    object[name] = (before + more.as_str().unwrap_or_default()).into();
}

/// Puts the elements of `more` behind those at `name`.
fn extend(object: &mut Value, name: &str, more: &Value) {
    let mut all = object[name].as_array().cloned().unwrap_or_default();
    all.extend(more.as_array().into_iter().flatten().cloned());
    object[name] = all.into();
}

//! How a provider would stream what it answers in one piece.
//!
//! Shares no code with the adapters: every text is cut in two, every call comes with its arguments
//! in two pieces, and what the provider says last comes last.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use adapters_canonical::dialect::Dialect;
use serde_json::{Map, Value};

/// The bytes of the stream.
#[must_use]
pub fn stream(dialect: Dialect, answer: &Value) -> Vec<u8> {
    match dialect {
        Dialect::OpenAi => openai::stream(answer),
        Dialect::Responses => responses::stream(answer),
        Dialect::Anthropic => anthropic::stream(answer),
        Dialect::Gemini => gemini::stream(answer),
    }
}

/// A text in two pieces; the second is empty if there is but one character.
fn halves(text: &str) -> [&str; 2] {
    let middle = text.char_indices().map(|(at, _)| at).nth(text.chars().count().div_ceil(2));
    let (first, second) = text.split_at(middle.unwrap_or(text.len()));
    [first, second]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// An object without some of its members.
fn without(value: &Value, names: &[&str]) -> Map<String, Value> {
    let mut object = value.as_object().cloned().unwrap_or_default();
    object.retain(|name, _| !names.contains(&name.as_str()));
    object
}

/// One event with its name.
fn named(out: &mut String, data: &Value) {
    out.push_str(&format!("event: {}\ndata: {data}\n\n", text(&data["type"])));
}

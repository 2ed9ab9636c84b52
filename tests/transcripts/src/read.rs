//! What a transcript says, read without the adapters.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use adapters_canonical::dialect::Dialect;
use serde_json::Value;

use crate::said::Said;

/// What a stream says, given the data of its events.
#[must_use]
pub fn streamed(dialect: Dialect, events: &[Value]) -> Said {
    match dialect {
        Dialect::OpenAi => openai::streamed(events),
        Dialect::Responses => responses::streamed(events),
        Dialect::Anthropic => anthropic::streamed(events),
        Dialect::Gemini => gemini::streamed(events),
    }
}

/// What an answer in one piece says.
#[must_use]
pub fn whole(dialect: Dialect, answer: &Value) -> Said {
    match dialect {
        Dialect::OpenAi => openai::whole(answer),
        Dialect::Responses => responses::whole(answer),
        Dialect::Anthropic => anthropic::whole(answer),
        Dialect::Gemini => gemini::streamed(std::slice::from_ref(answer)),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn some(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

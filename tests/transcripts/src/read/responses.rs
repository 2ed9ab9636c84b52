//! Responses.

use serde_json::Value;

use super::{list, some, text};
use crate::said::{Call, Said, Tokens, arguments};

/// The words as they were streamed; calls, seals, usage and the end as the last events have them.
pub(super) fn streamed(events: &[Value]) -> Said {
    let (mut words, mut items, mut last) = (Said::default(), Vec::new(), Value::Null);
    for event in events {
        match text(&event["type"]) {
            "response.output_text.delta" => words.text += text(&event["delta"]),
            "response.refusal.delta" => words.refusal += text(&event["delta"]),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                words.thoughts += text(&event["delta"]);
            }
            "response.output_item.done" => items.push(event["item"].clone()),
            "response.completed" | "response.incomplete" | "response.failed" => {
                last = event["response"].clone();
            }
            _ => {}
        }
    }
    let mut said = ended(&last, &items);
    (said.text, said.thoughts, said.refusal) = (words.text, words.thoughts, words.refusal);
    said
}

pub(super) fn whole(answer: &Value) -> Said {
    ended(answer, list(&answer["output"]))
}

fn ended(answer: &Value, items: &[Value]) -> Said {
    let mut said = Said::default();
    for item in items {
        let (id, name) = (some(&item["call_id"]), text(&item["name"]).to_owned());
        match text(&item["type"]) {
            "message" => {
                for part in list(&item["content"]) {
                    said.text += text(&part["text"]);
                    said.refusal += text(&part["refusal"]);
                }
            }
            "reasoning" => {
                for part in list(&item["summary"]).iter().chain(list(&item["content"])) {
                    said.thoughts += text(&part["text"]);
                }
                said.seals.extend(some(&item["encrypted_content"]));
            }
            "function_call" => {
                let arguments = arguments(text(&item["arguments"]));
                said.calls.push(Call { id, name, arguments });
            }
            "custom_tool_call" => {
                said.calls.push(Call { id, name, arguments: item["input"].clone() });
            }
            _ => {}
        }
    }
    let why = text(&answer["incomplete_details"]["reason"]);
    said.finish = match text(&answer["status"]) {
        "completed" if said.calls.is_empty() => Some("stop"),
        "completed" => Some("tool_calls"),
        "incomplete" if why == "content_filter" => Some("content_filter"),
        "incomplete" => Some("length"),
        "failed" => Some("error"),
        _ => None,
    };
    let usage = &answer["usage"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    said.usage = usage.is_object().then(|| Tokens {
        input: count(&usage["input_tokens"]),
        cached: count(&usage["input_tokens_details"]["cached_tokens"]),
        output: count(&usage["output_tokens"]),
    });
    said
}

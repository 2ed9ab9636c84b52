//! Messages.

use serde_json::{Map, Value};

use super::{list, some, text};
use crate::said::{Call, Said, Tokens, arguments};

/// A block, put together.
#[derive(Default)]
struct Block {
    place: Option<u64>,
    kind: String,
    words: String,
    json: String,
    input: Value,
    seal: Option<String>,
    id: Option<String>,
    name: String,
}

pub(super) fn streamed(events: &[Value]) -> Said {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut usage, mut reason, mut details) = (Map::new(), None, Value::Null);
    for event in events {
        let place = event["index"].as_u64();
        match text(&event["type"]) {
            // A message that goes on after a call of a program is there from the start.
            "message_start" => {
                let message = &event["message"];
                blocks.extend(list(&message["content"]).iter().map(|it| block(it, None)));
                reason = some(&message["stop_reason"]).or(reason);
                add(&mut usage, &message["usage"]);
            }
            "content_block_start" => blocks.push(block(&event["content_block"], place)),
            "content_block_delta" => {
                let open = blocks.iter_mut().rev().find(|block| block.place == place);
                let Some(block) = open else { continue };
                let delta = &event["delta"];
                block.words += text(&delta["text"]);
                block.words += text(&delta["thinking"]);
                block.json += text(&delta["partial_json"]);
                block.seal = some(&delta["signature"]).or(block.seal.take());
            }
            "message_delta" => {
                reason = some(&event["delta"]["stop_reason"]).or(reason);
                details = event["delta"]["stop_details"].clone();
                add(&mut usage, &event["usage"]);
            }
            _ => {}
        }
    }
    said(blocks, &usage, reason.as_deref(), &details)
}

pub(super) fn whole(answer: &Value) -> Said {
    let blocks = list(&answer["content"]).iter().map(|it| block(it, None)).collect();
    let mut usage = Map::new();
    add(&mut usage, &answer["usage"]);
    said(blocks, &usage, answer["stop_reason"].as_str(), &answer["stop_details"])
}

fn block(value: &Value, place: Option<u64>) -> Block {
    Block {
        place,
        kind: text(&value["type"]).to_owned(),
        words: format!("{}{}", text(&value["text"]), text(&value["thinking"])),
        json: String::new(),
        input: value["input"].clone(),
        seal: some(&value["signature"]).or(some(&value["data"])),
        id: some(&value["id"]),
        name: text(&value["name"]).to_owned(),
    }
}

/// Each report replaces what an earlier one said of the same count.
fn add(usage: &mut Map<String, Value>, newer: &Value) {
    for (name, count) in newer.as_object().into_iter().flatten() {
        if count.is_u64() {
            usage.insert(name.clone(), count.clone());
        }
    }
}

fn said(
    blocks: Vec<Block>,
    usage: &Map<String, Value>,
    reason: Option<&str>,
    details: &Value,
) -> Said {
    // What the provider says of it is all that a refusal has in words.
    let mut said = Said { refusal: text(&details["explanation"]).to_owned(), ..Said::default() };
    for block in blocks {
        match block.kind.as_str() {
            "text" => said.text += &block.words,
            "thinking" | "redacted_thinking" => {
                said.thoughts += &block.words;
                said.seals.extend(block.seal);
            }
            "tool_use" => {
                let whole = block.json.is_empty() && block.input.is_object();
                let arguments = if whole { block.input } else { arguments(&block.json) };
                said.calls.push(Call { id: block.id, name: block.name, arguments });
            }
            _ => {}
        }
    }
    said.finish = reason.map(|reason| match reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    });
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    said.usage = (!usage.is_empty()).then(|| Tokens {
        input: count("input_tokens")
            + count("cache_read_input_tokens")
            + count("cache_creation_input_tokens"),
        cached: count("cache_read_input_tokens"),
        output: count("output_tokens"),
    });
    said
}

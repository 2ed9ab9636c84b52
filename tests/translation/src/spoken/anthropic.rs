//! Events of a message.

use serde_json::{Value, json};

use super::{halves, list, named, text, without};

pub(super) fn stream(answer: &Value) -> Vec<u8> {
    let mut out = String::new();
    let mut message = without(
        answer,
        &[
            "content",
            "container",
            "context_management",
            "stop_reason",
            "stop_sequence",
            "stop_details",
        ],
    );
    message.insert("content".to_owned(), json!([]));
    message.insert("stop_reason".to_owned(), Value::Null);
    let mut usage = answer["usage"].clone();
    usage["output_tokens"] = 1.into();
    message.insert("usage".to_owned(), usage);
    named(&mut out, &json!({"type": "message_start", "message": message}));
    for (at, block) in list(&answer["content"]).iter().enumerate() {
        self::block(&mut out, at, block);
    }
    let mut delta = json!({"stop_reason": answer["stop_reason"]});
    for name in ["stop_sequence", "stop_details", "container"] {
        if let Some(value) = answer.get(name) {
            delta[name] = value.clone();
        }
    }
    let mut end = json!({"type": "message_delta", "delta": delta, "usage": answer["usage"]});
    if let Some(edits) = answer.get("context_management") {
        end["context_management"] = edits.clone();
    }
    named(&mut out, &end);
    named(&mut out, &json!({"type": "message_stop"}));
    out.into_bytes()
}

fn block(out: &mut String, at: usize, block: &Value) {
    let mut start = block.clone();
    let mut deltas: Vec<Value> = Vec::new();
    let words = |kind: &str, member: &str, said: &str| {
        halves(said).map(|half| json!({"type": kind, member: half}))
    };
    match text(&block["type"]) {
        "text" => {
            start["text"] = "".into();
            let citations = list(&block["citations"]);
            if !citations.is_empty() {
                start["citations"] = json!([]);
            }
            deltas.extend(words("text_delta", "text", text(&block["text"])));
            deltas.extend(
                citations.iter().map(|it| json!({"type": "citations_delta", "citation": it})),
            );
        }
        "thinking" => {
            start["thinking"] = "".into();
            start["signature"] = "".into();
            deltas.extend(words("thinking_delta", "thinking", text(&block["thinking"])));
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
        }
        "tool_use" | "server_tool_use" => {
            start["input"] = json!({});
            let input = block["input"].to_string();
            deltas.extend(words("input_json_delta", "partial_json", &input));
        }
        _ => {}
    }
    named(out, &json!({"type": "content_block_start", "index": at, "content_block": start}));
    for delta in deltas {
        named(out, &json!({"type": "content_block_delta", "index": at, "delta": delta}));
    }
    named(out, &json!({"type": "content_block_stop", "index": at}));
}

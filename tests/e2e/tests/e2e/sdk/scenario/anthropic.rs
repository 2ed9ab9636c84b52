//! Messages.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Asked, CACHED, INPUT, OUTPUT, Piece, SEAL, THOUGHT, calls, halves, list, text, thinks,
};

pub(super) fn asked(body: &Value) -> Asked {
    let thinking = &body["thinking"]["type"];
    let mut asked = Asked {
        complete: body["max_tokens"].is_u64() && body["messages"].is_array(),
        tools: list(&body["tools"]).map(|tool| text(&tool["name"])).collect(),
        required: body["tool_choice"]["type"] == "any",
        thinks: thinking == "enabled" || thinking == "adaptive",
        tells: true,
        schema: body["output_config"]["format"]["schema"].clone(),
        ..Asked::default()
    };
    for message in list(&body["messages"]) {
        asked.spoke |= message["role"] == "assistant";
        for block in list(&message["content"]) {
            match block["type"].as_str() {
                Some("image") => asked.pictures.push(text(&block["source"]["data"])),
                Some("tool_use") => asked.calls.push(text(&block["id"])),
                Some("tool_result") => {
                    let result = (text(&block["tool_use_id"]), block["content"].to_string());
                    asked.results.push(result);
                }
                // Before what it led to.
                Some("thinking") if asked.calls.is_empty() => {
                    asked.seals.push(text(&block["signature"]));
                }
                _ => {}
            }
        }
    }
    asked
}

fn message(content: &[Value], stop_reason: Option<&str>) -> Value {
    json!({"id": "msg_mock", "type": "message", "role": "assistant",
        "model": "claude-mock-20261021", "content": content, "stop_reason": stop_reason,
        "stop_sequence": null, "stop_details": null, "container": null, "usage": {
            "input_tokens": INPUT - CACHED, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED, "cache_creation": null, "output_tokens": OUTPUT,
            "output_tokens_details": null, "server_tool_use": null, "inference_geo": null,
            "service_tier": "standard"}})
}

fn stop_reason(answer: &[Piece<'_>]) -> &'static str {
    if calls(answer) { "tool_use" } else { "end_turn" }
}

pub(super) fn whole(answer: &[Piece<'_>]) -> Value {
    let block = |piece: &Piece<'_>| match piece {
        Piece::Thought | Piece::Hidden => {
            json!({"type": "thinking", "thinking": THOUGHT.concat(), "signature": SEAL})
        }
        Piece::Text(words) => {
            json!({"type": "text", "text": words.concat(), "citations": []})
        }
        Piece::Call(id, name, arguments) => json!({"type": "tool_use", "id": id, "name": name,
            "input": arguments, "caller": {"type": "direct"}}),
    };
    let blocks: Vec<Value> = answer.iter().map(block).collect();
    let mut whole = message(&blocks, Some(stop_reason(answer)));
    whole["usage"]["output_tokens_details"] = json!({"thinking_tokens": thinks(answer)});
    whole
}

pub(super) fn events(answer: &[Piece<'_>]) -> Vec<Bytes> {
    let event = |name: &str, mut data: Value| -> Bytes {
        data["type"] = name.into();
        format!("event: {name}\ndata: {data}\n\n").into()
    };
    let mut events = vec![event("message_start", json!({ "message": message(&[], None) }))];
    for (index, piece) in answer.iter().enumerate() {
        let (block, deltas) = match piece {
            Piece::Thought | Piece::Hidden => {
                let mut deltas: Vec<Value> =
                    THOUGHT.map(|word| json!({"type": "thinking_delta", "thinking": word})).into();
                deltas.push(json!({"type": "signature_delta", "signature": SEAL}));
                (json!({"type": "thinking", "thinking": "", "signature": ""}), deltas)
            }
            Piece::Text(words) => {
                let delta = |word| json!({"type": "text_delta", "text": word});
                (json!({"type": "text", "text": ""}), words.iter().map(delta).collect())
            }
            Piece::Call(id, name, arguments) => {
                let delta = |half| json!({"type": "input_json_delta", "partial_json": half});
                let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                (block, halves(arguments).map(delta).into())
            }
        };
        events.push(event("content_block_start", json!({"index": index, "content_block": block})));
        let delta = |delta| event("content_block_delta", json!({"index": index, "delta": delta}));
        events.extend(deltas.into_iter().map(delta));
        events.push(event("content_block_stop", json!({ "index": index })));
    }
    let usage = json!({"input_tokens": INPUT - CACHED, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED, "output_tokens": OUTPUT,
        "output_tokens_details": {"thinking_tokens": thinks(answer)}});
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    // Has no place elsewhere, so that every SDK meets what the gateway says of losses in a stream.
    let mut delta = delta;
    delta["container"] = json!({"id": "container_mock", "expires_at": "2026-11-28T12:00:00Z"});
    events.push(event("message_delta", json!({"delta": delta, "usage": usage})));
    events.push(event("message_stop", json!({})));
    events
}

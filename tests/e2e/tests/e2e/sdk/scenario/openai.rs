//! Chat completions, of a server that tells its thoughts.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Asked, CACHED, INPUT, OUTPUT, Piece, THOUGHT, calls, data, halves, list, text, thinks,
};

pub(super) fn asked(body: &Value) -> Asked {
    let mut asked = Asked {
        complete: body["messages"].is_array(),
        tools: list(&body["tools"]).map(|tool| text(&tool["function"]["name"])).collect(),
        required: body["tool_choice"] == "required",
        thinks: body["reasoning_effort"].is_string(),
        tells: true,
        schema: body["response_format"]["json_schema"]["schema"].clone(),
        ..Asked::default()
    };
    for message in list(&body["messages"]) {
        asked.spoke |= message["role"] == "assistant";
        asked.calls.extend(list(&message["tool_calls"]).map(|call| text(&call["id"])));
        if message["role"] == "tool" {
            asked.results.push((text(&message["tool_call_id"]), message["content"].to_string()));
        }
        let urls = list(&message["content"]).map(|part| &part["image_url"]["url"]);
        asked.pictures.extend(urls.filter_map(data));
    }
    asked
}

fn usage(answer: &[Piece<'_>]) -> Value {
    json!({
        "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens_details": {"reasoning_tokens": thinks(answer)},
    })
}

fn finish(answer: &[Piece<'_>]) -> &'static str {
    if calls(answer) { "tool_calls" } else { "stop" }
}

fn completion(object: &str, choices: &Value) -> Value {
    json!({"id": "chatcmpl-mock", "object": object, "created": 1_790_000_000,
        "model": "gpt-mock-2026-10-01", "choices": choices})
}

pub(super) fn whole(answer: &[Piece<'_>]) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null,
        "annotations": []});
    let mut called = Vec::new();
    for piece in answer {
        match piece {
            Piece::Thought => message["reasoning_content"] = THOUGHT.concat().into(),
            Piece::Hidden => {}
            Piece::Text(words) => message["content"] = words.concat().into(),
            Piece::Call(id, name, arguments) => called.push(json!({"id": id, "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()}})),
        }
    }
    if !called.is_empty() {
        message["tool_calls"] = called.into();
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null,
        "finish_reason": finish(answer)});
    let mut whole = completion("chat.completion", &json!([choice]));
    whole["usage"] = usage(answer);
    whole
}

pub(super) fn events(answer: &[Piece<'_>]) -> Vec<Bytes> {
    let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
    let mut index = 0;
    for piece in answer {
        match piece {
            Piece::Thought => {
                deltas.extend(THOUGHT.map(|word| json!({ "reasoning_content": word })));
            }
            Piece::Hidden => {}
            Piece::Text(words) => {
                deltas.extend(words.iter().map(|word| json!({ "content": word })));
            }
            Piece::Call(id, name, arguments) => {
                let function = json!({"name": name, "arguments": ""});
                let call =
                    json!({"index": index, "id": id, "type": "function", "function": function});
                deltas.push(json!({"tool_calls": [call]}));
                deltas.extend(halves(arguments).map(|half| {
                    json!({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
                }));
                index += 1;
            }
        }
    }
    let chunk = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        completion("chat.completion.chunk", &json!([choice]))
    };
    let mut chunks: Vec<Value> = deltas.into_iter().map(|delta| chunk(delta, None)).collect();
    chunks.push(chunk(json!({}), Some(finish(answer))));
    let mut last = completion("chat.completion.chunk", &json!([]));
    last["usage"] = usage(answer);
    // Has no place elsewhere, so that every SDK meets what the gateway says of losses in a stream.
    last["moderation"] = json!({"flagged": false});
    chunks.push(last);
    let events = chunks.into_iter().map(|chunk| format!("data: {chunk}\n\n").into());
    events.chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect()
}

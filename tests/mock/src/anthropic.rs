//! The Messages API as Anthropic answers it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::script::{Reply, Script, Step};

/// The id of every answer.
pub const ID: &str = "msg_mock";
/// The model every answer claims to come from.
pub const MODEL: &str = "claude-mock-20261021";
/// What every answer says it took: fresh input tokens, those read from the cache, and output
/// tokens. The input of the whole request is the sum of the first two.
pub const USAGE: (u64, u64, u64) = (8, 3, 7);

/// Answers with this text, streamed where the request asks for it.
#[must_use]
pub fn answering(text: &str) -> Script {
    let text = text.to_owned();
    Script::new(move |request, _| match request.json()["stream"] == true {
        true => stream(&text.split_inclusive(' ').collect::<Vec<_>>()),
        false => message(&text),
    })
}

/// A whole answer of this text.
#[must_use]
pub fn message(text: &str) -> Reply {
    whole(&[json!({ "type": "text", "text": text })], "end_turn")
}

/// A whole answer that calls one tool with this input.
#[must_use]
pub fn tool_use(name: &str, input: &Value) -> Reply {
    let block = json!({ "type": "tool_use", "id": "toolu_mock_0", "name": name, "input": input });
    whole(&[block], "tool_use")
}

/// A streamed answer, one event a word.
#[must_use]
pub fn stream(words: &[&str]) -> Reply {
    sse(opening().into_iter().chain(words.iter().map(|word| self::word(word))).chain(closing()))
}

/// A streamed answer that calls one tool, its input in these pieces of JSON.
#[must_use]
pub fn tool_use_stream(name: &str, pieces: &[&str]) -> Reply {
    let block = json!({ "type": "tool_use", "id": "toolu_mock_0", "name": name, "input": {} });
    let more = pieces.iter().map(|piece| {
        let delta = json!({ "type": "input_json_delta", "partial_json": piece });
        named("content_block_delta", json!({ "index": 0, "delta": delta }))
    });
    sse([message_start(), block_start(&block)].into_iter().chain(more).chain([
        block_stop(),
        message_delta("tool_use"),
        message_stop(),
    ]))
}

/// The events before the first piece of text.
#[must_use]
pub fn opening() -> Vec<Bytes> {
    let block = json!({ "type": "text", "text": "" });
    vec![message_start(), block_start(&block), named("ping", json!({}))]
}

/// The event of one piece of text.
#[must_use]
pub fn word(text: &str) -> Bytes {
    let delta = json!({ "type": "text_delta", "text": text });
    named("content_block_delta", json!({ "index": 0, "delta": delta }))
}

/// The events behind the last piece of text.
#[must_use]
pub fn closing() -> Vec<Bytes> {
    vec![block_stop(), message_delta("end_turn"), message_stop()]
}

/// An event that carries an error, as sent after a stream has begun.
#[must_use]
pub fn stream_error(kind: &str, message: &str) -> Bytes {
    named("error", json!({ "error": { "type": kind, "message": message } }))
}

/// An error answer.
#[must_use]
pub fn error(status: u16, kind: &str, message: &str) -> Reply {
    let error = json!({ "type": kind, "message": message });
    let body = json!({ "type": "error", "error": error, "request_id": "req_mock" });
    Reply::json(status, &[("request-id", "req_mock")], &body)
}

/// 429, to be tried again after so many seconds.
#[must_use]
pub fn rate_limited(retry_after: u64) -> Reply {
    error(429, "rate_limit_error", "This mock is asked too often")
        .header("retry-after", &retry_after.to_string())
}

/// 529.
#[must_use]
pub fn overloaded() -> Reply {
    error(529, "overloaded_error", "Overloaded")
}

fn whole(content: &[Value], stop_reason: &str) -> Reply {
    let (_, _, output) = USAGE;
    let mut body = skeleton(output);
    body["content"] = content.into();
    body["stop_reason"] = stop_reason.into();
    Reply::json(200, &[("request-id", "req_mock")], &body)
}

fn skeleton(output: u64) -> Value {
    let (input, read, _) = USAGE;
    json!({
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": input,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": read,
            "output_tokens": output,
            "service_tier": "standard",
        },
    })
}

fn message_start() -> Bytes {
    named("message_start", json!({ "message": skeleton(1) }))
}

fn block_start(block: &Value) -> Bytes {
    named("content_block_start", json!({ "index": 0, "content_block": block }))
}

fn block_stop() -> Bytes {
    named("content_block_stop", json!({ "index": 0 }))
}

fn message_delta(stop_reason: &str) -> Bytes {
    let (_, _, output) = USAGE;
    let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
    named("message_delta", json!({ "delta": delta, "usage": { "output_tokens": output } }))
}

fn message_stop() -> Bytes {
    named("message_stop", json!({}))
}

fn named(event: &str, mut data: Value) -> Bytes {
    data["type"] = event.into();
    format!("event: {event}\ndata: {data}\n\n").into()
}

fn sse(events: impl Iterator<Item = Bytes>) -> Reply {
    Reply::sse(events.map(Step::Event).collect()).header("request-id", "req_mock")
}

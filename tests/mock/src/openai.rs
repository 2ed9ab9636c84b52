//! Chat Completions and embeddings as OpenAI answers them.

use std::iter;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::script::{Reply, Script, Step};

/// The id of every answer.
pub const ID: &str = "chatcmpl-mock";
/// The model every answer claims to come from.
pub const MODEL: &str = "gpt-mock-2026-10-01";
/// What every answer says it took: input tokens, of which cached, and output tokens.
pub const USAGE: (u64, u64, u64) = (11, 3, 7);

/// Answers with this text, streamed where the request asks for it, with usage where it is wanted.
#[must_use]
pub fn answering(text: &str) -> Script {
    let text = text.to_owned();
    Script::new(move |request, _| {
        let asked = request.json();
        if asked["stream"] != true {
            return chat(&text);
        }
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        match asked["stream_options"]["include_usage"] == true {
            true => stream(&words),
            false => stream_without_usage(&words),
        }
    })
}

/// A whole answer of this text.
#[must_use]
pub fn chat(text: &str) -> Reply {
    let message = json!({ "role": "assistant", "content": text, "refusal": null });
    completion(&message, "stop")
}

/// A whole answer that calls one tool with these arguments.
#[must_use]
pub fn tool_call(name: &str, arguments: &Value) -> Reply {
    let call = json!({
        "id": "call_mock_0",
        "type": "function",
        "function": { "name": name, "arguments": arguments.to_string() },
    });
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    completion(&message, "tool_calls")
}

fn completion(message: &Value, finish_reason: &str) -> Reply {
    let body = json!({
        "id": ID,
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": MODEL,
        "choices": [{
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason,
        }],
        "usage": usage(),
    });
    Reply::json(200, &[("x-request-id", "req_mock")], &body)
}

/// A streamed answer, one event a word, with usage in a last chunk of its own.
#[must_use]
pub fn stream(words: &[&str]) -> Reply {
    sse(iter::once(opening()).chain(words.iter().map(|word| self::word(word))).chain([
        finish("stop"),
        last_usage(),
        done(),
    ]))
}

/// A streamed answer, one event a word, from an upstream that was not asked for usage.
#[must_use]
pub fn stream_without_usage(words: &[&str]) -> Reply {
    sse(iter::once(opening())
        .chain(words.iter().map(|word| self::word(word)))
        .chain([finish("stop"), done()]))
}

/// A streamed answer that calls one tool, its arguments in these pieces.
#[must_use]
pub fn tool_call_stream(name: &str, pieces: &[&str]) -> Reply {
    let call = json!({ "index": 0, "id": "call_mock_0", "type": "function",
        "function": { "name": name, "arguments": "" } });
    let more = pieces.iter().map(|piece| {
        let call = json!({ "index": 0, "function": { "arguments": piece } });
        chunk(&json!({ "tool_calls": [call] }), None)
    });
    let first = chunk(&json!({ "role": "assistant", "content": null, "tool_calls": [call] }), None);
    sse(iter::once(first).chain(more).chain([finish("tool_calls"), last_usage(), done()]))
}

/// The first event of a stream: the role, and no text yet.
#[must_use]
pub fn opening() -> Bytes {
    chunk(&json!({ "role": "assistant", "content": "", "refusal": null }), None)
}

/// The event of one piece of text.
#[must_use]
pub fn word(text: &str) -> Bytes {
    chunk(&json!({ "content": text }), None)
}

/// The event that says why the answer ended.
#[must_use]
pub fn finish(reason: &str) -> Bytes {
    chunk(&json!({}), Some(reason))
}

/// The event that carries the usage, and no choice.
#[must_use]
pub fn last_usage() -> Bytes {
    frame(&json!({
        "id": ID, "object": "chat.completion.chunk", "created": 1_790_000_000, "model": MODEL,
        "choices": [], "usage": usage(),
    }))
}

/// `[DONE]`.
#[must_use]
pub fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// An event that carries an error, as sent after a stream has begun.
#[must_use]
pub fn stream_error(kind: &str, message: &str) -> Bytes {
    frame(&error_body(kind, Value::Null, message))
}

/// An error answer.
#[must_use]
pub fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Reply {
    Reply::json(status, &[("x-request-id", "req_mock")], &error_body(kind, code.into(), message))
}

/// 429, to be tried again after so many seconds.
#[must_use]
pub fn rate_limited(retry_after: u64) -> Reply {
    let message = "Rate limit reached for the mock model";
    error(429, "tokens", Some("rate_limit_exceeded"), message)
        .header("retry-after", &retry_after.to_string())
}

/// One embedding per vector.
#[must_use]
pub fn embeddings(vectors: &[&[f32]]) -> Reply {
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(
            |(index, vector)| json!({ "object": "embedding", "index": index, "embedding": vector }),
        )
        .collect();
    let usage = json!({ "prompt_tokens": USAGE.0, "total_tokens": USAGE.0 });
    let body = json!({ "object": "list", "data": data, "model": MODEL, "usage": usage });
    Reply::json(200, &[], &body)
}

fn error_body(kind: &str, code: Value, message: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn usage() -> Value {
    let (input, cached, output) = USAGE;
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": { "cached_tokens": cached },
        "completion_tokens_details": { "reasoning_tokens": 0 },
    })
}

fn chunk(delta: &Value, finish_reason: Option<&str>) -> Bytes {
    frame(&json!({
        "id": ID, "object": "chat.completion.chunk", "created": 1_790_000_000, "model": MODEL,
        "choices": [{
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason,
        }],
        "usage": null,
    }))
}

fn frame(data: &Value) -> Bytes {
    format!("data: {data}\n\n").into()
}

fn sse(events: impl Iterator<Item = Bytes>) -> Reply {
    Reply::sse(events.map(Step::Event).collect()).header("x-request-id", "req_mock")
}

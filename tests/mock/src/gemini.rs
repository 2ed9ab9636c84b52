//! `generateContent` and `streamGenerateContent` as Gemini answers them.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::script::{Reply, Script, Step};

/// The id of every answer.
pub const ID: &str = "mock-response";
/// The model every answer claims to come from.
pub const MODEL: &str = "gemini-mock-001";
/// What every answer says it took: input tokens, of which cached, output tokens, and thought
/// tokens, which the output does not include.
pub const USAGE: (u64, u64, u64, u64) = (11, 3, 5, 2);

/// Answers with this text, streamed where the path asks for it.
#[must_use]
pub fn answering(text: &str) -> Script {
    let text = text.to_owned();
    Script::new(move |request, _| match request.path.ends_with(":streamGenerateContent") {
        true => stream(&text.split_inclusive(' ').collect::<Vec<_>>()),
        false => content(&text),
    })
}

/// A whole answer of this text.
#[must_use]
pub fn content(text: &str) -> Reply {
    Reply::json(200, &[], &response(&json!({ "text": text }), Some("STOP")))
}

/// A whole answer that calls one function with these arguments.
#[must_use]
pub fn function_call(name: &str, arguments: &Value) -> Reply {
    Reply::json(200, &[], &response(&call(name, arguments), Some("STOP")))
}

/// A streamed answer, one event a word; the reason it ended rides on an empty last one.
#[must_use]
pub fn stream(words: &[&str]) -> Reply {
    sse(words.iter().map(|word| self::word(word)).chain(closing()))
}

/// A streamed answer that calls one function; Gemini sends a call in one piece.
#[must_use]
pub fn function_call_stream(name: &str, arguments: &Value) -> Reply {
    sse([frame(&response(&call(name, arguments), None))].into_iter().chain(closing()))
}

/// The event of one piece of text.
#[must_use]
pub fn word(text: &str) -> Bytes {
    frame(&response(&json!({ "text": text }), None))
}

/// The events behind the last piece of text.
#[must_use]
pub fn closing() -> Vec<Bytes> {
    vec![frame(&response(&json!({ "text": "" }), Some("STOP")))]
}

/// An event that carries an error, as sent after a stream has begun.
#[must_use]
pub fn stream_error(code: u16, status: &str, message: &str) -> Bytes {
    frame(&error_body(code, status, message))
}

/// An error answer; `status` is its name, such as `UNAVAILABLE`.
#[must_use]
pub fn error(code: u16, status: &str, message: &str) -> Reply {
    Reply::json(code, &[], &error_body(code, status, message))
}

/// 429, to be tried again after so many seconds, which Gemini says in the body.
#[must_use]
pub fn quota_exhausted(retry_delay: f64) -> Reply {
    let mut body = error_body(429, "RESOURCE_EXHAUSTED", "The mock's quota is used up");
    body["error"]["details"] = json!([
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "quotaId": "MockRequestsPerMinute" }],
        },
        {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{retry_delay}s"),
        },
    ]);
    Reply::json(429, &[], &body)
}

fn error_body(code: u16, status: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "status": status } })
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({
        "functionCall": { "id": "mock-call-0", "name": name, "args": arguments },
        "thoughtSignature": "bW9jay1zaWduYXR1cmU=",
    })
}

fn response(part: &Value, finish_reason: Option<&str>) -> Value {
    let (input, cached, output, thought) = USAGE;
    let mut candidate = json!({ "content": { "parts": [part], "role": "model" }, "index": 0 });
    if let Some(reason) = finish_reason {
        candidate["finishReason"] = reason.into();
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": input,
            "cachedContentTokenCount": cached,
            "candidatesTokenCount": output,
            "thoughtsTokenCount": thought,
            "totalTokenCount": input + output + thought,
        },
        "modelVersion": MODEL,
        "responseId": ID,
    })
}

fn frame(data: &Value) -> Bytes {
    format!("data: {data}\r\n\r\n").into()
}

fn sse(events: impl Iterator<Item = Bytes>) -> Reply {
    Reply::sse(events.map(Step::Event).collect())
}

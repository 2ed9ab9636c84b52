//! What the upstreams behind the SDKs' gateway play, by the model's name.
//!
//! | model     | answer                                                             |
//! |-----------|--------------------------------------------------------------------|
//! | `tools`   | two calls at once; to their results, a text                        |
//! | `json`    | an object                                                          |
//! | `limited` | 429, always                                                        |
//! | `busy`    | 429 once, to be tried again in a little more than a second         |
//! | `dying`   | the beginning of a stream                                          |
//! | `cut`     | two calls; the provider dies in the middle of the second's arguments |
//! | any other | a text                                                             |

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Recorded, Reply, Script, Step, anthropic, gemini, openai};

use crate::dialects::{Dialect, sse};

const TEXT: [&str; 4] = ["Good ", "morning ", "from ", "upstream"];
const OBJECT: &str = r#"{"city": "Oslo", "degrees": 7}"#;
/// The calls of the scenario `tools`: ids, names and cities.
const CALLS: [(&str, &str, &str); 2] =
    [("call_1", "get_weather", "Oslo"), ("call_2", "get_time", "Bergen")];
/// Stands in the results that the scripts send.
const RESULT: &str = "21 degrees";

/// Plays the scenarios in `dialect`.
pub(super) fn script(dialect: Dialect) -> Script {
    let was_busy = AtomicBool::new(false);
    Script::new(move |request, _| {
        let streamed = is_streamed(request);
        match model(request).as_str() {
            "tools" if !String::from_utf8_lossy(&request.body).contains(RESULT) => match streamed {
                true => streamed_calls(dialect),
                false => whole_calls(dialect),
            },
            "cut" => cut_calls(dialect),
            "json" => text(dialect, &[OBJECT], streamed),
            "limited" => limited(dialect, 1.0),
            "busy" if !was_busy.swap(true, Ordering::AcqRel) => limited(dialect, 1.2),
            "dying" => {
                sse(dialect.events(&TEXT)).cut_after(dialect.opening().len() + 2, Step::Reset)
            }
            _ => text(dialect, &TEXT, streamed),
        }
    })
}

fn is_streamed(request: &Recorded) -> bool {
    request.json()["stream"] == true || request.path.ends_with(":streamGenerateContent")
}

/// Gemini has it in the path: `/v1beta/models/tools:generateContent`.
fn model(request: &Recorded) -> String {
    let in_path = request.path.rsplit('/').next().and_then(|last| last.split_once(':'));
    match (in_path, request.json()["model"].as_str()) {
        (Some((model, _)), _) | (None, Some(model)) => model.to_owned(),
        (None, None) => String::new(),
    }
}

fn text(dialect: Dialect, words: &[&str], streamed: bool) -> Reply {
    if streamed { sse(dialect.events(words)) } else { dialect.whole(&words.concat()) }
}

/// Gemini can say fractions of a second, the others only whole ones.
fn limited(dialect: Dialect, seconds: f64) -> Reply {
    match dialect {
        Dialect::OpenAi => openai::rate_limited(1),
        Dialect::Anthropic => anthropic::rate_limited(1),
        Dialect::Gemini => gemini::quota_exhausted(seconds),
    }
}

fn arguments(city: &str) -> Value {
    json!({ "city": city })
}

fn whole_calls(dialect: Dialect) -> Reply {
    let body = match dialect {
        Dialect::OpenAi => json!({
            "id": openai::ID, "object": "chat.completion", "created": 1_790_000_000,
            "model": openai::MODEL,
            "choices": [{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": null, "refusal": null,
                "tool_calls": CALLS.map(|(id, name, city)| openai_call(id, name, city)),
            }}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }),
        Dialect::Anthropic => json!({
            "id": anthropic::ID, "type": "message", "role": "assistant", "model": anthropic::MODEL,
            "content": CALLS.map(|(id, name, city)| {
                json!({"type": "tool_use", "id": id, "name": name, "input": arguments(city)})
            }),
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 11, "output_tokens": 7},
        }),
        Dialect::Gemini => gemini_calls(Some("STOP")),
    };
    Reply::json(200, &[], &body)
}

fn openai_call(id: &str, name: &str, city: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments(city).to_string()});
    json!({"id": id, "type": "function", "function": function})
}

fn gemini_calls(finish_reason: Option<&str>) -> Value {
    let parts = CALLS.map(|(id, name, city)| {
        json!({"functionCall": {"id": id, "name": name, "args": arguments(city)},
               "thoughtSignature": "c2VhbA=="})
    });
    let content = json!({"role": "model", "parts": parts});
    json!({
        "candidates": [{"index": 0, "content": content, "finishReason": finish_reason}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18},
        "modelVersion": gemini::MODEL, "responseId": gemini::ID,
    })
}

/// The same calls, their arguments in two pieces where the dialect can cut them.
fn streamed_calls(dialect: Dialect) -> Reply {
    match dialect {
        Dialect::OpenAi => sse(openai_calls()),
        Dialect::Anthropic => sse(anthropic_calls()),
        Dialect::Gemini => {
            let event = Bytes::from(format!("data: {}\r\n\r\n", gemini_calls(None)));
            sse([event].into_iter().chain(gemini::closing()))
        }
    }
}

/// Gemini's calls come whole; there it dies before it says that there are no more.
fn cut_calls(dialect: Dialect) -> Reply {
    let events = match dialect {
        Dialect::OpenAi => openai_calls(),
        Dialect::Anthropic => anthropic_calls(),
        Dialect::Gemini => return streamed_calls(dialect).cut_after(1, Step::Reset),
    };
    // Both have three events behind the last piece of the arguments, which is missing too.
    let kept = events.len().saturating_sub(4);
    sse(events).cut_after(kept, Step::Reset)
}

fn pieces(city: &str) -> [String; 2] {
    let arguments = arguments(city).to_string();
    let (begin, end) = arguments.split_at(5);
    [begin.to_owned(), end.to_owned()]
}

fn openai_calls() -> Vec<Bytes> {
    let delta = |index: usize, call: Value| -> Bytes {
        let mut call = call;
        call["index"] = index.into();
        let chunk = json!({
            "id": openai::ID, "object": "chat.completion.chunk", "created": 1_790_000_000,
            "model": openai::MODEL,
            "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}],
        });
        format!("data: {chunk}\n\n").into()
    };
    let mut events = vec![openai::opening()];
    for (index, (id, name, city)) in CALLS.into_iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        events.push(delta(index, json!({"id": id, "type": "function", "function": function})));
        events.extend(
            pieces(city).map(|piece| delta(index, json!({"function": {"arguments": piece}}))),
        );
    }
    events.extend([openai::finish("tool_calls"), openai::last_usage(), openai::done()]);
    events
}

fn anthropic_calls() -> Vec<Bytes> {
    let event = |name: &str, mut data: Value| -> Bytes {
        data["type"] = name.into();
        format!("event: {name}\ndata: {data}\n\n").into()
    };
    // Without the text block that `opening` opens.
    let mut events = vec![anthropic::opening().swap_remove(0)];
    for (index, (id, name, city)) in CALLS.into_iter().enumerate() {
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        events.push(event("content_block_start", json!({"index": index, "content_block": block})));
        events.extend(pieces(city).map(|piece| {
            let delta = json!({"type": "input_json_delta", "partial_json": piece});
            event("content_block_delta", json!({"index": index, "delta": delta}))
        }));
        events.push(event("content_block_stop", json!({"index": index})));
    }
    let delta = json!({"stop_reason": "tool_use", "stop_sequence": null});
    let last = json!({"delta": delta, "usage": {"output_tokens": 7}});
    events.extend([event("message_delta", last), event("message_stop", json!({}))]);
    events
}

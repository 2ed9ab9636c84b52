//! OpenAI's Responses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Asked, CACHED, INPUT, OUTPUT, Piece, SEAL, THOUGHT, data, halves, list, text, thinks};

pub(super) fn asked(body: &Value) -> Asked {
    let sealed = list(&body["include"]).any(|wish| wish == "reasoning.encrypted_content");
    let mut asked = Asked {
        complete: body["input"].is_array() || body["input"].is_string(),
        tools: list(&body["tools"]).map(|tool| text(&tool["name"])).collect(),
        required: body["tool_choice"] == "required",
        thinks: body["reasoning"]["effort"].is_string() && sealed && body["store"] == false,
        tells: body["reasoning"]["summary"].is_string(),
        schema: body["text"]["format"]["schema"].clone(),
        ..Asked::default()
    };
    for item in list(&body["input"]) {
        match item["type"].as_str() {
            Some("function_call") => {
                asked.spoke = true;
                asked.calls.push(text(&item["call_id"]));
            }
            Some("function_call_output") => {
                asked.results.push((text(&item["call_id"]), item["output"].to_string()));
            }
            // Before what it led to.
            Some("reasoning") if asked.calls.is_empty() => {
                asked.seals.extend(item["encrypted_content"].as_str().map(str::to_owned));
            }
            _ => asked.spoke |= item["role"] == "assistant",
        }
        let urls = list(&item["content"]).map(|part| &part["image_url"]);
        asked.pictures.extend(urls.filter_map(data));
    }
    asked
}

fn item(nth: usize, piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Thought => json!({"id": format!("rs_{nth}"), "type": "reasoning",
            "summary": [{"type": "summary_text", "text": THOUGHT.concat()}],
            "encrypted_content": SEAL}),
        Piece::Hidden => json!({"id": format!("rs_{nth}"), "type": "reasoning", "summary": [],
            "encrypted_content": SEAL}),
        Piece::Text(words) => json!({"id": format!("msg_{nth}"), "type": "message",
            "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": words.concat(), "annotations": [], "logprobs": []}]}),
        Piece::Call(id, name, arguments) => json!({"id": format!("fc_{nth}"),
            "type": "function_call", "status": "completed", "call_id": id, "name": name,
            "arguments": arguments.to_string()}),
    }
}

/// With every member that the API answers; what repeats the request is what it is without a wish.
fn response(answer: &[Piece<'_>], done: bool) -> Value {
    let items = answer.iter().enumerate().map(|(nth, piece)| item(nth, piece));
    let output: Vec<Value> = items.filter(|_| done).collect();
    let usage = json!({"input_tokens": INPUT, "output_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT, "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens_details": {"reasoning_tokens": thinks(answer)}});
    json!({"id": "resp_mock", "object": "response", "created_at": 1_790_000_000,
        "status": if done { "completed" } else { "in_progress" }, "model": "deep-mock",
        "completed_at": if done { json!(1_790_000_001) } else { Value::Null },
        "error": null, "incomplete_details": null, "instructions": null, "output": output,
        "previous_response_id": null, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true, "truncation": "disabled", "temperature": 1, "top_p": 1,
        "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0,
        "text": {"format": {"type": "text"}}, "reasoning": {"effort": null, "summary": "auto"},
        "max_output_tokens": null, "max_tool_calls": null, "store": false, "background": false,
        "service_tier": "default", "metadata": {}, "safety_identifier": null,
        "prompt_cache_key": null, "usage": if done { usage } else { Value::Null },
        // Has no place elsewhere, so that every SDK meets what the gateway says of losses.
        "tool_usage": {"image_gen": {"input_tokens": 1, "input_tokens_details":
            {"image_tokens": 0, "text_tokens": 1}, "output_tokens": 2, "total_tokens": 3},
            "web_search": {"num_requests": 0}}})
}

pub(super) fn whole(answer: &[Piece<'_>]) -> Value {
    response(answer, true)
}

pub(super) fn events(answer: &[Piece<'_>]) -> Vec<Bytes> {
    let begun = response(answer, false);
    let mut events = vec![("created", json!({ "response": begun }))];
    events.push(("in_progress", json!({ "response": begun })));
    for (nth, piece) in answer.iter().enumerate() {
        item_events(nth, piece, &mut events);
    }
    events.push(("completed", json!({ "response": response(answer, true) })));
    let event = |(number, (name, mut event)): (usize, (&str, Value))| {
        event["type"] = format!("response.{name}").into();
        event["sequence_number"] = number.into();
        format!("event: response.{name}\ndata: {event}\n\n").into()
    };
    events.into_iter().enumerate().map(event).collect()
}

fn item_events(nth: usize, piece: &Piece<'_>, events: &mut Vec<(&'static str, Value)>) {
    let whole = item(nth, piece);
    let at = |more: Value| {
        let mut event = json!({"item_id": whole["id"], "output_index": nth});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let mut opened = whole.clone();
    let empty = if opened["arguments"].is_string() { json!("") } else { json!([]) };
    for member in ["summary", "content", "arguments"] {
        if opened.get(member).is_some() {
            opened[member] = empty.clone();
        }
    }
    events.push(("output_item.added", json!({"output_index": nth, "item": opened})));
    match piece {
        Piece::Hidden => {}
        Piece::Thought => {
            let part = |text: &str| {
                json!({"summary_index": 0,
                "part": {"type": "summary_text", "text": text}})
            };
            events.push(("reasoning_summary_part.added", at(part(""))));
            events.extend(THOUGHT.map(|word| {
                ("reasoning_summary_text.delta", at(json!({"summary_index": 0, "delta": word})))
            }));
            let text = THOUGHT.concat();
            let done = at(json!({"summary_index": 0, "text": text}));
            events.push(("reasoning_summary_text.done", done));
            events.push(("reasoning_summary_part.done", at(part(&text))));
        }
        Piece::Text(words) => {
            let part = |text: &str| {
                json!({"content_index": 0,
                "part": {"type": "output_text", "text": text, "annotations": [], "logprobs": []}})
            };
            events.push(("content_part.added", at(part(""))));
            events.extend(words.iter().map(|word| {
                let delta = json!({"content_index": 0, "delta": word, "logprobs": []});
                ("output_text.delta", at(delta))
            }));
            let text = words.concat();
            let done = at(json!({"content_index": 0, "text": text, "logprobs": []}));
            events.push(("output_text.done", done));
            events.push(("content_part.done", at(part(&text))));
        }
        Piece::Call(_, name, arguments) => {
            events.extend(
                halves(arguments)
                    .map(|half| ("function_call_arguments.delta", at(json!({ "delta": half })))),
            );
            let done = at(json!({"name": name, "arguments": arguments.to_string()}));
            events.push(("function_call_arguments.done", done));
        }
    }
    events.push(("output_item.done", json!({"output_index": nth, "item": whole})));
}

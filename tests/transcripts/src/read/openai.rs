//! Chat completions.

use serde_json::Value;

use super::{list, some, text};
use crate::said::{Call, Said, Tokens, arguments};

/// Between an id and the seal in it, in what the gateway writes.
const SEAL: &str = "__thought__";

#[derive(Default)]
struct Reading {
    said: Said,
    calls: Vec<Pieces>,
}

/// A call, as far as it was told.
struct Pieces {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
    /// Whether the arguments are JSON.
    json: bool,
}

pub(super) fn streamed(events: &[Value]) -> Said {
    let mut reading = Reading::default();
    for chunk in events {
        for choice in list(&chunk["choices"]) {
            reading.message(&choice["delta"]);
            reading.finish(choice);
        }
        reading.usage(&chunk["usage"]);
    }
    reading.end()
}

pub(super) fn whole(answer: &Value) -> Said {
    let mut reading = Reading::default();
    for choice in list(&answer["choices"]) {
        reading.message(&choice["message"]);
        reading.finish(choice);
    }
    reading.usage(&answer["usage"]);
    reading.end()
}

impl Reading {
    fn message(&mut self, message: &Value) {
        let said = &mut self.said;
        let thought = some(&message["reasoning_content"]).or(some(&message["reasoning"]));
        said.thoughts += &thought.unwrap_or_default();
        said.text += text(&message["content"]);
        for part in list(&message["content"]) {
            said.text += text(&part["text"]);
            said.thoughts += text(&part["thinking"]);
            for piece in list(&part["thinking"]) {
                said.thoughts += text(&piece["text"]);
            }
        }
        said.refusal += text(&message["refusal"]);
        for detail in list(&message["reasoning_details"]) {
            said.seals.extend(some(&detail["data"]));
            said.seals.extend(some(&detail["signature"]));
        }
        for call in list(&message["tool_calls"]) {
            self.call(call);
        }
    }

    fn call(&mut self, call: &Value) {
        let (index, id) = (call["index"].as_u64(), some(&call["id"]));
        let json = call["custom"].is_null();
        let of = if json { &call["function"] } else { &call["custom"] };
        let last = self.calls.iter().rposition(|known| match (index, &id) {
            (Some(_), Some(id)) => known.index == index && known.id.as_ref() == Some(id),
            (Some(_), None) => known.index == index,
            (None, _) => false,
        });
        let at = last.unwrap_or_else(|| {
            let (name, arguments) = (String::new(), String::new());
            self.calls.push(Pieces { index, id, name, arguments, json });
            self.calls.len() - 1
        });
        self.calls[at].name += text(&of["name"]);
        self.calls[at].arguments += text(if json { &of["arguments"] } else { &of["input"] });
        self.said.seals.extend(some(&call["extra_content"]["google"]["thought_signature"]));
    }

    fn finish(&mut self, choice: &Value) {
        self.said.finish = match text(&choice["finish_reason"]) {
            "" => return,
            "length" | "model_length" => Some("length"),
            "tool_calls" | "function_call" => Some("tool_calls"),
            "content_filter" => Some("content_filter"),
            "error" => Some("error"),
            _ => Some("stop"),
        };
    }

    fn usage(&mut self, usage: &Value) {
        if usage.is_null() {
            return;
        }
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let details = &usage["prompt_tokens_details"]["cached_tokens"];
        let cached = if details.is_null() { &usage["prompt_cache_hit_tokens"] } else { details };
        let (input, mut output) =
            (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]));
        // xAI counts thoughts apart.
        let apart = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
        if apart > 0 && usage["total_tokens"].as_u64() == Some(input + output + apart) {
            output += apart;
        }
        self.said.usage = Some(Tokens { input, cached: count(cached), output });
    }

    fn end(mut self) -> Said {
        for Pieces { id, name, arguments: written, json, .. } in self.calls {
            let id = id.map(|id| id.split(SEAL).next().unwrap_or_default().to_owned());
            let arguments = if json { arguments(&written) } else { Value::from(written) };
            self.said.calls.push(Call { id, name, arguments });
        }
        if self.said.finish == Some("stop") && !self.said.calls.is_empty() {
            self.said.finish = Some("tool_calls");
        }
        self.said
    }
}

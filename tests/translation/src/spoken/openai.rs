//! Chunks of chat completions.

use serde_json::{Map, Value, json};

use super::{halves, list, text, without};

/// What is streamed first, in this order: sources behind the words they are for.
const SAID: &[&str] =
    &["reasoning_content", "reasoning", "reasoning_details", "content", "annotations", "refusal"];

pub(super) fn stream(answer: &Value) -> Vec<u8> {
    let mut head = without(answer, &["choices", "usage", "citations", "moderation"]);
    head.insert("object".to_owned(), "chat.completion.chunk".into());
    let mut stream = Stream { head, out: String::new() };
    for choice in list(&answer["choices"]) {
        stream.choice(choice);
    }
    let mut last = Map::new();
    for name in ["citations", "moderation", "usage"] {
        if let Some(value) = answer.get(name) {
            last.insert(name.to_owned(), value.clone());
        }
    }
    stream.chunk(json!([]), last);
    stream.out.push_str("data: [DONE]\n\n");
    stream.out.into_bytes()
}

struct Stream {
    head: Map<String, Value>,
    out: String,
}

impl Stream {
    fn chunk(&mut self, choices: Value, rest: Map<String, Value>) {
        let mut chunk = self.head.clone();
        chunk.insert("choices".to_owned(), choices);
        chunk.extend(rest);
        self.out.push_str(&format!("data: {}\n\n", Value::Object(chunk)));
    }

    fn delta(&mut self, index: &Value, delta: Value) {
        let choice = json!({"index": index, "delta": delta, "finish_reason": null});
        self.chunk(json!([choice]), Map::new());
    }

    fn choice(&mut self, choice: &Value) {
        let (index, message) = (&choice["index"], &choice["message"]);
        self.delta(index, json!({"role": "assistant", "content": ""}));
        for name in SAID {
            self.words(index, name, &message[*name]);
        }
        let done = [SAID, &["role", "tool_calls"]].concat();
        for (name, value) in without(message, &done) {
            match name.as_str() {
                "audio" => self.audio(index, &value),
                _ if value.is_null() => {}
                _ => self.delta(index, json!({ name: value })),
            }
        }
        for (at, call) in list(&message["tool_calls"]).iter().enumerate() {
            self.call(index, at, call);
        }
        let mut end =
            json!({"index": index, "delta": {}, "finish_reason": choice["finish_reason"]});
        for (name, value) in without(choice, &["index", "message", "finish_reason"]) {
            end[name] = value;
        }
        self.chunk(json!([end]), Map::new());
    }

    fn words(&mut self, index: &Value, name: &str, said: &Value) {
        match said {
            Value::String(text) => {
                for half in halves(text) {
                    self.delta(index, json!({ name: half }));
                }
            }
            Value::Array(_) => self.delta(index, json!({ name: said })),
            _ => {}
        }
    }

    fn audio(&mut self, index: &Value, audio: &Value) {
        self.delta(index, json!({"audio": {"id": audio["id"]}}));
        self.delta(index, json!({"audio": {"transcript": audio["transcript"]}}));
        for half in halves(text(&audio["data"])) {
            self.delta(index, json!({"audio": {"data": half}}));
        }
        self.delta(index, json!({"audio": {"expires_at": audio["expires_at"]}}));
    }

    fn call(&mut self, index: &Value, at: usize, call: &Value) {
        let (kind, member) = match text(&call["type"]) {
            "custom" => ("custom", "input"),
            _ => ("function", "arguments"),
        };
        let mut first = call.clone();
        first["index"] = at.into();
        first[kind][member] = "".into();
        self.delta(index, json!({"tool_calls": [first]}));
        for half in halves(text(&call[kind][member])) {
            let piece = json!({"index": at, kind: {member: half}});
            self.delta(index, json!({"tool_calls": [piece]}));
        }
    }
}

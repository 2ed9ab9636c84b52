//! `generateContent`.

use serde_json::{Map, Value};

use super::{list, some, text};
use crate::said::{Call, Said, Tokens};

#[derive(Default)]
struct Reading {
    said: Said,
    /// Whether the last call goes on.
    open: bool,
    /// Whether the last string of it does.
    string: bool,
    usage: Map<String, Value>,
}

/// Chunks of a stream; a whole answer looks like the only one.
pub(super) fn streamed(events: &[Value]) -> Said {
    let mut reading = Reading::default();
    for chunk in events {
        for candidate in list(&chunk["candidates"]) {
            for part in list(&candidate["content"]["parts"]) {
                reading.part(part);
            }
            reading.finish(candidate);
        }
        for (name, count) in chunk["usageMetadata"].as_object().into_iter().flatten() {
            if count.is_u64() {
                reading.usage.insert(name.clone(), count.clone());
            }
        }
    }
    reading.end()
}

impl Reading {
    fn part(&mut self, part: &Value) {
        let words = text(&part["text"]);
        if part["thought"] == true {
            self.said.thoughts += words;
        } else {
            self.said.text += words;
        }
        if part["functionCall"].is_object() {
            self.call(&part["functionCall"]);
        }
        self.said.seals.extend(some(&part["thoughtSignature"]));
    }

    fn call(&mut self, call: &Value) {
        if !self.open || some(&call["name"]).is_some() {
            let Some(name) = some(&call["name"]) else { return };
            let arguments = Value::Object(Map::new());
            self.said.calls.push(Call { id: some(&call["id"]), name, arguments });
            self.string = false;
        }
        let Some(last) = self.said.calls.last_mut() else { return };
        if call["args"].is_object() {
            last.arguments = call["args"].clone();
        }
        for piece in list(&call["partialArgs"]) {
            let slot = place(&mut last.arguments, text(&piece["jsonPath"]));
            let more = &piece["stringValue"];
            if more.is_string() {
                let before = slot.as_str().filter(|_| self.string).unwrap_or_default();
                *slot = Value::from(format!("{before}{}", text(more)));
            } else if let Some(number) = piece.get("numberValue") {
                *slot = number.clone();
            } else if let Some(flag) = piece.get("boolValue") {
                *slot = flag.clone();
            } else if piece.get("nullValue").is_some() {
                *slot = Value::Null;
            }
            self.string = piece["willContinue"] == true;
        }
        self.open = call["willContinue"] == true;
    }

    fn finish(&mut self, candidate: &Value) {
        self.said.finish = match text(&candidate["finishReason"]) {
            "" => return,
            "STOP" => Some("stop"),
            "MAX_TOKENS" => Some("length"),
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
                Some("content_filter")
            }
            _ => Some("error"),
        };
    }

    fn end(mut self) -> Said {
        if self.said.finish == Some("stop") && !self.said.calls.is_empty() {
            self.said.finish = Some("tool_calls");
        }
        let count = |name: &str| self.usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let tokens = Tokens {
            input: count("promptTokenCount") + count("toolUsePromptTokenCount"),
            cached: count("cachedContentTokenCount"),
            output: count("candidatesTokenCount") + count("thoughtsTokenCount"),
        };
        self.said.usage = (!self.usage.is_empty()).then_some(tokens);
        self.said
    }
}

/// The place of a path such as `$.a.b[0]`, made on the way.
fn place<'a>(root: &'a mut Value, path: &str) -> &'a mut Value {
    let mut at = root;
    for step in path.trim_start_matches('$').split(['.', '[']).filter(|step| !step.is_empty()) {
        match step.strip_suffix(']').and_then(|index| index.parse::<usize>().ok()) {
            Some(index) => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let items = at.as_array_mut().unwrap();
                while items.len() <= index {
                    items.push(Value::Null);
                }
                at = &mut items[index];
            }
            None => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                at = at.as_object_mut().unwrap().entry(step).or_insert(Value::Null);
            }
        }
    }
    at
}

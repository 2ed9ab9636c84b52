//! Chunks of `streamGenerateContent`.

use serde_json::{Map, Value, json};

use super::{halves, list, text, without};

pub(super) fn stream(answer: &Value) -> Vec<u8> {
    let mut out = String::new();
    let head = without(answer, &["candidates", "usageMetadata", "promptFeedback", "modelStatus"]);
    let mut chunk = |rest: Map<String, Value>| {
        let mut chunk = head.clone();
        chunk.extend(rest);
        out.push_str(&format!("data: {}\r\n\r\n", Value::Object(chunk)));
    };
    let some = |candidate: Value| {
        let usage = json!({"promptTokenCount": answer["usageMetadata"]["promptTokenCount"]});
        Map::from_iter([
            ("candidates".to_owned(), json!([candidate])),
            ("usageMetadata".to_owned(), usage),
        ])
    };
    let mut ends = Vec::new();
    for candidate in list(&answer["candidates"]) {
        let index = candidate["index"].clone();
        for part in list(&candidate["content"]["parts"]) {
            for piece in pieces(part) {
                let content = json!({"parts": [piece], "role": "model"});
                chunk(some(json!({"content": content, "index": index})));
            }
        }
        ends.push(Value::Object(without(candidate, &["content"])));
    }
    let mut last = without(answer, &["candidates"]);
    if !ends.is_empty() {
        last.insert("candidates".to_owned(), ends.into());
    }
    chunk(last);
    out.into_bytes()
}

/// A text in two pieces: what else is on it is on the second.
fn pieces(part: &Value) -> Vec<Value> {
    let Some(words) = part.get("text") else { return vec![part.clone()] };
    let [first, second] = halves(text(words));
    if second.is_empty() {
        return vec![part.clone()];
    }
    let mut begin = json!({"text": first});
    if let Some(thought) = part.get("thought") {
        begin["thought"] = thought.clone();
    }
    let mut end = part.clone();
    end["text"] = second.into();
    vec![begin, end]
}

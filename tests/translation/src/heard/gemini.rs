//! Chunks of `streamGenerateContent`, put together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{append, extend};

pub(super) fn whole(chunks: &[Value]) -> Value {
    let mut answer = json!({});
    for chunk in chunks {
        for (name, value) in chunk.as_object().into_iter().flatten() {
            if name != "candidates" {
                answer[name] = value.clone();
            }
        }
        for piece in chunk["candidates"].as_array().into_iter().flatten() {
            if answer["candidates"].is_null() {
                answer["candidates"] = json!([]);
            }
            candidate(&mut answer["candidates"], piece);
        }
    }
    answer
}

fn candidate(candidates: &mut Value, piece: &Value) {
    let Some(list) = candidates.as_array_mut() else { return };
    let at = list.iter().position(|candidate| candidate["index"] == piece["index"]);
    let at = at.unwrap_or_else(|| {
        list.push(json!({"content": {"parts": [], "role": "model"}}));
        list.len() - 1
    });
    let candidate = &mut list[at];
    extend(&mut candidate["content"], "parts", &piece["content"]["parts"]);
    for (name, value) in piece.as_object().into_iter().flatten() {
        match name.as_str() {
            "content" => {}
            "logprobsResult" => {
                for name in ["chosenCandidates", "topCandidates"] {
                    extend(&mut candidate["logprobsResult"], name, &value[name]);
                }
            }
            _ => candidate[name] = value.clone(),
        }
    }
}

/// A run of words is one part; a seal without words is on those before it.
pub(super) fn join(answer: &mut Value) {
    for candidate in answer["candidates"].as_array_mut().into_iter().flatten() {
        let Some(parts) = candidate["content"]["parts"].as_array_mut() else { continue };
        let mut joined: Vec<Value> = Vec::new();
        for part in parts.drain(..) {
            let words = |part: &Value| {
                let others = ["text", "thought", "thoughtSignature"];
                part.as_object().is_some_and(|it| it.keys().all(|name| others.contains(&&**name)))
            };
            match joined.last_mut() {
                Some(last)
                    if words(&part)
                        && words(last)
                        && last["thought"] == part["thought"]
                        && last["thoughtSignature"].is_null() =>
                {
                    append(last, "text", &part["text"]);
                    if !part["thoughtSignature"].is_null() {
                        last["thoughtSignature"] = part["thoughtSignature"].clone();
                    }
                }
                _ if part.as_object().is_some_and(serde_json::Map::is_empty) => {}
                _ => joined.push(part),
            }
        }
        for part in &mut joined {
            if let Some(seal) = part.get("thoughtSignature").and_then(Value::as_str) {
                part["thoughtSignature"] = uncovered(seal).into();
            }
            if let Some(part) = part.as_object_mut() {
                part.retain(|_, value| !value.is_null());
            }
        }
        *parts = joined;
    }
}

/// A seal of another provider in our form, without how many bytes of words it covers: only in a
/// stream is that not plain.
fn uncovered(seal: &str) -> String {
    let read = STANDARD.decode(seal).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match read {
        Some(text) => {
            text.split(",\"covers\":").next().unwrap_or_default().trim_end_matches('}').to_owned()
        }
        None => seal.to_owned(),
    }
}

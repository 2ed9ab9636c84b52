//! Chunks of chat completions, put together.

use serde_json::{Value, json};

use super::{append, extend};

pub(super) fn whole(chunks: &[Value]) -> Value {
    let mut answer = json!({"choices": []});
    for chunk in chunks {
        for name in ["id", "created", "model", "usage", "service_tier"] {
            if let Some(value) = chunk.get(name).filter(|value| !value.is_null()) {
                answer[name] = value.clone();
            }
        }
        answer["object"] = "chat.completion".into();
        for piece in chunk["choices"].as_array().into_iter().flatten() {
            choice(&mut answer["choices"], piece);
        }
    }
    answer
}

fn choice(choices: &mut Value, piece: &Value) {
    let Some(list) = choices.as_array_mut() else { return };
    let at = list.iter().position(|choice| choice["index"] == piece["index"]);
    let at = at.unwrap_or_else(|| {
        list.push(json!({"index": piece["index"], "message": {}}));
        list.len() - 1
    });
    let choice = &mut list[at];
    if !piece["finish_reason"].is_null() {
        choice["finish_reason"] = piece["finish_reason"].clone();
    }
    for name in ["content", "refusal"] {
        if !piece["logprobs"][name].is_null() {
            extend(&mut choice["logprobs"], name, &piece["logprobs"][name]);
        }
    }
    for (name, value) in piece["delta"].as_object().into_iter().flatten() {
        let message = &mut choice["message"];
        match (name.as_str(), value) {
            ("content" | "refusal" | "reasoning_content", _) => append(message, name, value),
            ("audio", _) => message[name] = value.clone(),
            (_, Value::Array(items)) => {
                for item in items {
                    merge(message, name, item);
                }
            }
            _ => message[name] = value.clone(),
        }
    }
}

/// Items of one index are pieces of one, text to text, as SDKs have it.
fn merge(message: &mut Value, name: &str, item: &Value) {
    let index = usize::try_from(item["index"].as_u64().unwrap_or(0)).unwrap_or(0);
    if message[name].is_null() {
        message[name] = json!([]);
    }
    let Some(list) = message[name].as_array_mut() else { return };
    while list.len() <= index {
        list.push(json!({}));
    }
    join(&mut list[index], item);
    // A whole answer numbers thoughts only.
    if name != "reasoning_details"
        && let Some(one) = list[index].as_object_mut()
    {
        one.remove("index");
    }
}

fn join(one: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        match (&one[name], value) {
            (Value::Object(_), Value::Object(_)) => join(&mut one[name], value),
            (Value::String(_), Value::String(_)) if !matches!(name.as_str(), "type" | "id") => {
                append(one, name, value);
            }
            _ => one[name] = value.clone(),
        }
    }
}

/// A stream says whose a thought is before it knows whether that will matter: where no seal and no
/// name followed, an answer in one piece says nothing of it.
pub(super) fn forget_unbound(answer: &mut Value) {
    for choice in answer["choices"].as_array_mut().into_iter().flatten() {
        let Some(message) = choice["message"].as_object_mut() else { continue };
        let bound = |detail: &Value| {
            ["signature", "data", "id"].iter().any(|name| detail.get(name).is_some())
        };
        let details = message.get("reasoning_details").and_then(Value::as_array);
        if details.is_some_and(|details| !details.iter().any(bound)) {
            message.remove("reasoning_details");
        }
    }
}

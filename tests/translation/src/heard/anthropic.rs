//! Events of a message, put together.

use serde_json::{Value, json};

use super::{append, extend};

pub(super) fn whole(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let at = usize::try_from(event["index"].as_u64().unwrap_or(0)).unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                extend(&mut message, "content", &json!([event["content_block"]]));
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let block = &mut message["content"][at];
                delta(block, &event["delta"], &mut inputs[at]);
            }
            "content_block_stop" => {
                if let Ok(input) = serde_json::from_str::<Value>(&inputs[at]) {
                    message["content"][at]["input"] = input;
                }
            }
            "message_delta" => {
                for part in ["delta", "usage"] {
                    for (name, value) in event[part].as_object().into_iter().flatten() {
                        match part {
                            "usage" => message["usage"][name] = value.clone(),
                            _ => message[name] = value.clone(),
                        }
                    }
                }
            }
            _ => {}
        }
    }
    message
}

fn delta(block: &mut Value, delta: &Value, input: &mut String) {
    match delta["type"].as_str().unwrap_or_default() {
        "text_delta" => append(block, "text", &delta["text"]),
        "thinking_delta" => append(block, "thinking", &delta["thinking"]),
        "signature_delta" => block["signature"] = delta["signature"].clone(),
        "citations_delta" => extend(block, "citations", &json!([delta["citation"]])),
        "input_json_delta" => input.push_str(delta["partial_json"].as_str().unwrap_or_default()),
        _ => {}
    }
}

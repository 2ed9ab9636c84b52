//! `generateContent`, of a model that seals its first call and the end of what it thought about.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Asked, CACHED, INPUT, OUTPUT, Piece, SEAL, THOUGHT, list, text, thinks};

pub(super) fn asked(body: &Value) -> Asked {
    let generation = &body["generationConfig"];
    let declared = list(&body["tools"]).flat_map(|tool| list(&tool["functionDeclarations"]));
    let schemas = ["responseJsonSchema", "responseSchema"].map(|name| &generation[name]);
    let mut asked = Asked {
        complete: body["contents"].is_array(),
        tools: declared.map(|function| text(&function["name"])).collect(),
        required: body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
            || body["tool_config"]["function_calling_config"]["mode"] == "ANY",
        thinks: generation["thinkingConfig"].is_object(),
        // Some clients write members the other way, which the API takes too.
        tells: ["includeThoughts", "include_thoughts"]
            .iter()
            .any(|wish| generation["thinkingConfig"][wish] == true),
        schema: schemas.into_iter().find(|it| it.is_object()).cloned().unwrap_or_default(),
        ..Asked::default()
    };
    for content in list(&body["contents"]) {
        asked.spoke |= content["role"] == "model";
        for part in list(&content["parts"]) {
            let (call, result) = (&part["functionCall"], &part["functionResponse"]);
            if call.is_object() {
                asked.calls.push(text(&call["id"]));
            }
            if result.is_object() {
                asked.results.push((text(&result["id"]), result["response"].to_string()));
            }
            if part["inlineData"].is_object() {
                asked.pictures.push(text(&part["inlineData"]["data"]));
            }
            asked.seals.extend(part["thoughtSignature"].as_str().map(str::to_owned));
        }
    }
    asked
}

fn response(answer: &[Piece<'_>], parts: &[Value], finish_reason: Option<&str>) -> Value {
    let thought = thinks(answer);
    json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts},
            "finishReason": finish_reason}],
        "usageMetadata": {"promptTokenCount": INPUT, "cachedContentTokenCount": CACHED,
            "candidatesTokenCount": OUTPUT - thought, "thoughtsTokenCount": thought,
            "totalTokenCount": INPUT + OUTPUT},
        "modelVersion": "gemini-mock-001", "responseId": "mock-response",
    })
}

/// Each with a text in one piece.
fn parts(answer: &[Piece<'_>]) -> Vec<Value> {
    let mut parts = Vec::new();
    let thinks = thinks(answer) > 0;
    let mut called = false;
    for piece in answer {
        parts.push(match piece {
            Piece::Thought => json!({"text": THOUGHT.concat(), "thought": true}),
            Piece::Hidden => continue,
            Piece::Text(words) if thinks => {
                json!({"text": words.concat(), "thoughtSignature": SEAL})
            }
            Piece::Text(words) => json!({ "text": words.concat() }),
            Piece::Call(id, name, arguments) => {
                let mut part = json!({"functionCall": {"id": id, "name": name, "args": arguments}});
                if !std::mem::replace(&mut called, true) {
                    part["thoughtSignature"] = SEAL.into();
                }
                part
            }
        });
    }
    parts
}

pub(super) fn whole(answer: &[Piece<'_>]) -> Value {
    response(answer, &parts(answer), Some("STOP"))
}

pub(super) fn events(answer: &[Piece<'_>]) -> Vec<Bytes> {
    let mut pieces: Vec<Value> = Vec::new();
    let told = answer.iter().filter(|piece| !matches!(piece, Piece::Hidden));
    for (piece, part) in told.zip(parts(answer)) {
        match piece {
            Piece::Thought => {
                pieces.extend(THOUGHT.map(|word| json!({"text": word, "thought": true})));
            }
            Piece::Text(words) => pieces.extend(words.iter().map(|word| json!({ "text": word }))),
            Piece::Call(..) => pieces.push(part),
            Piece::Hidden => {}
        }
    }
    let mut last = json!({ "text": "" });
    if thinks(answer) > 0 && answer.iter().any(|piece| matches!(piece, Piece::Text(_))) {
        last["thoughtSignature"] = SEAL.into();
    }
    let mut chunks: Vec<Value> =
        pieces.into_iter().map(|piece| response(answer, &[piece], None)).collect();
    let mut last = response(answer, &[last], Some("STOP"));
    // Has no place elsewhere, so that every SDK meets what the gateway says of losses in a stream.
    last["modelStatus"] = json!({"modelStage": "STABLE"});
    chunks.push(last);
    chunks.into_iter().map(|chunk| format!("data: {chunk}\r\n\r\n").into()).collect()
}

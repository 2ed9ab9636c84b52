//! Promise: tools work the same with every provider, whole and streamed.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Reply, Script, anthropic, gemini, openai};

use crate::dialects::{ALL, Dialect, behind, sse};
use crate::gateway::Stream;

fn weather_and_time() -> Value {
    let city = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    });
    json!([
        {"type": "function", "function": {
            "name": "get_weather", "description": "Tells the weather.", "parameters": city}},
        {"type": "function", "function": {"name": "get_time"}},
    ])
}

fn asked(more: Value) -> Value {
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Weather and time in Oslo?"}],
        "tools": weather_and_time(),
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// What an upstream of this dialect is sent.
async fn sent(dialect: Dialect, body: &Value) -> Value {
    let (gateway, upstream) = behind(dialect, dialect.answering("Fine"), "").await;
    let answer = gateway.chat(body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    upstream.requests()[0].json()
}

#[tokio::test]
async fn tools_reach_anthropic_with_their_schemas() {
    let sent = sent(Dialect::Anthropic, &asked(json!({}))).await;
    let tools = sent["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 2);
    assert_eq!(tools[0]["name"], "get_weather");
    assert_eq!(tools[0]["description"], "Tells the weather.");
    assert_eq!(tools[0]["input_schema"], weather_and_time()[0]["function"]["parameters"]);
    assert_eq!(tools[1]["name"], "get_time");
    assert_eq!(tools[1]["input_schema"]["type"], "object");
}

#[tokio::test]
async fn tools_reach_gemini_with_their_schemas() {
    let sent = sent(Dialect::Gemini, &asked(json!({}))).await;
    let tools = sent["tools"][0]["functionDeclarations"].as_array().unwrap();
    assert_eq!(tools.len(), 2);
    assert_eq!(tools[0]["name"], "get_weather");
    assert_eq!(tools[0]["description"], "Tells the weather.");
    let schema = tools[0].get("parametersJsonSchema").or(tools[0].get("parameters")).unwrap();
    assert_eq!(schema["required"], json!(["city"]));
    assert_eq!(tools[1]["name"], "get_time");
}

#[tokio::test]
async fn every_way_to_choose_a_tool_reaches_every_provider() {
    let named = json!({"type": "function", "function": {"name": "get_time"}});
    let cases = [
        // Gemini's default, which need not be said.
        (json!("auto"), json!({"type": "auto"}), Value::Null),
        (json!("none"), json!({"type": "none"}), json!("NONE")),
        (json!("required"), json!({"type": "any"}), json!("ANY")),
        (named, json!({"type": "tool", "name": "get_time"}), json!("ANY")),
    ];
    for (choice, anthropic, gemini) in cases {
        let body = asked(json!({"tool_choice": choice}));
        assert_eq!(sent(Dialect::OpenAi, &body).await["tool_choice"], choice);
        assert_eq!(sent(Dialect::Anthropic, &body).await["tool_choice"], anthropic);
        let config = sent(Dialect::Gemini, &body).await["toolConfig"].take();
        let config = &config["functionCallingConfig"];
        assert_eq!(config["mode"], gemini, "{choice}");
        let only = if choice.is_object() { json!(["get_time"]) } else { Value::Null };
        assert_eq!(config["allowedFunctionNames"], only, "{choice}");
    }
}

/// Field 27.
#[tokio::test]
async fn one_call_at_a_time_is_said_to_anthropic() {
    let body = asked(json!({"parallel_tool_calls": false}));
    let sent = sent(Dialect::Anthropic, &body).await;
    assert_eq!(sent["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
}

fn with_results() -> Value {
    let call = |id: &str, name: &str, arguments: &str| {
        json!({"id": id, "type": "function",
               "function": {"name": name, "arguments": arguments}})
    };
    asked(json!({"messages": [
        {"role": "user", "content": "Weather and time in Oslo?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [
            call("call_a", "get_weather", "{\"city\":\"Oslo\"}"),
            call("call_b", "get_time", ""),
        ]},
        {"role": "tool", "tool_call_id": "call_a", "content": "Rain."},
        {"role": "tool", "tool_call_id": "call_b", "content": "{\"hour\":9}"},
        {"role": "user", "content": "Thanks"},
    ]}))
}

/// Field 25.
#[tokio::test]
async fn parallel_calls_and_their_results_stay_such_for_anthropic() {
    let sent = sent(Dialect::Anthropic, &with_results()).await;
    let messages = sent["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"], "roles must alternate: {sent}");
    let said = messages[1]["content"].as_array().unwrap();
    assert_eq!(said[0]["text"], "Let me see.");
    assert_eq!(said[1]["type"], "tool_use");
    assert_eq!(said[1]["id"], "call_a");
    assert_eq!(said[1]["input"], json!({"city": "Oslo"}));
    assert_eq!(said[2]["id"], "call_b");
    assert_eq!(said[2]["input"], json!({}));
    let results = messages[2]["content"].as_array().unwrap();
    for (result, id) in results.iter().zip(["call_a", "call_b"]) {
        assert_eq!(result["type"], "tool_result");
        assert_eq!(result["tool_use_id"], id);
    }
    assert!(results[0].to_string().contains("Rain."));
    assert_eq!(results[2]["text"], "Thanks");
}

#[tokio::test]
async fn parallel_calls_and_their_results_stay_such_for_gemini() {
    let sent = sent(Dialect::Gemini, &with_results()).await;
    let contents = sent["contents"].as_array().unwrap();
    let parts: Vec<&Value> =
        contents.iter().flat_map(|content| content["parts"].as_array().unwrap()).collect();
    let calls: Vec<&Value> =
        parts.iter().map(|it| &it["functionCall"]).filter(|it| it.is_object()).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["name"], "get_weather");
    assert_eq!(calls[0]["args"], json!({"city": "Oslo"}));
    assert_eq!(calls[1]["name"], "get_time");
    let results: Vec<&Value> =
        parts.iter().map(|it| &it["functionResponse"]).filter(|it| it.is_object()).collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["name"], "get_weather");
    assert!(results[0]["response"].to_string().contains("Rain."), "{sent}");
    assert_eq!(results[1]["name"], "get_time");
    assert!(results[1]["response"].to_string().contains("hour"), "{sent}");
}

fn whole_call(dialect: Dialect) -> Reply {
    let input = json!({"city": "Oslo"});
    match dialect {
        Dialect::OpenAi => openai::tool_call("get_weather", &input),
        Dialect::Anthropic => anthropic::tool_use("get_weather", &input),
        Dialect::Gemini => gemini::function_call("get_weather", &input),
    }
}

#[tokio::test]
async fn a_call_reads_alike_whoever_made_it() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, Script::always(whole_call(dialect)), "").await;
        let answer: Value = gateway.chat(&asked(json!({}))).await.json().await.unwrap();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{dialect:?}: {answer}");
        assert_eq!(choice["message"]["content"], Value::Null);
        let call = &choice["message"]["tool_calls"][0];
        assert!(!call["id"].as_str().unwrap().is_empty());
        assert_eq!(call["type"], "function");
        assert_eq!(call["function"]["name"], "get_weather");
        let arguments = call["function"]["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({"city": "Oslo"}));
    }
}

/// A call put together again from its pieces, as SDKs do.
#[derive(Debug, Default, PartialEq)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// The calls of a stream by index. Panics where an SDK would take offence: an index that comes
/// back to an earlier call's place with another id, or an id or a name said twice.
fn calls(stream: &Stream) -> Vec<Call> {
    let mut calls = BTreeMap::<u64, Call>::new();
    for chunk in stream.chunks() {
        let Some(pieces) = chunk["choices"][0]["delta"]["tool_calls"].as_array().cloned() else {
            continue;
        };
        for piece in pieces {
            let index = piece["index"].as_u64().expect("each piece has an index");
            let new = !calls.contains_key(&index);
            assert!(!new || index == calls.len() as u64, "indices grow by one: {}", stream.text);
            let call = calls.entry(index).or_default();
            let function = &piece["function"];
            assert_eq!(new, piece["id"].is_string(), "an id comes first and once: {piece}");
            assert_eq!(new, function["name"].is_string(), "a name comes first and once: {piece}");
            call.id.push_str(piece["id"].as_str().unwrap_or_default());
            call.name.push_str(function["name"].as_str().unwrap_or_default());
            call.arguments.push_str(function["arguments"].as_str().unwrap_or_default());
        }
    }
    let ids: std::collections::BTreeSet<&str> = calls.values().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), calls.len(), "ids are unique: {calls:?}");
    calls.into_values().collect()
}

async fn streamed(dialect: Dialect, reply: Reply) -> Stream {
    let (gateway, _upstream) = behind(dialect, Script::always(reply), "").await;
    let stream = Stream::read(gateway.chat(&asked(json!({"stream": true}))).await).await;
    assert!(stream.is_done(), "{}", stream.text);
    stream
}

#[tokio::test]
async fn streamed_arguments_may_be_cut_anywhere() {
    let arguments = r#"{"city":"Tromsø \"north\" 😀","n":[1,2]}"#;
    let pieces: Vec<String> = arguments.chars().map(String::from).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    for (dialect, reply) in [
        (Dialect::OpenAi, openai::tool_call_stream("get_weather", &pieces)),
        (Dialect::Anthropic, anthropic::tool_use_stream("get_weather", &pieces)),
    ] {
        let stream = streamed(dialect, reply).await;
        let calls = calls(&stream);
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].name, "get_weather");
        assert_eq!(calls[0].arguments, arguments);
        assert_eq!(stream.finish_reasons(), ["tool_calls"]);
    }
}

#[tokio::test]
async fn gemini_s_arguments_come_complete() {
    let arguments = json!({"city": "Tromsø", "n": [1, 2]});
    let stream =
        streamed(Dialect::Gemini, gemini::function_call_stream("get_weather", &arguments)).await;
    let calls = calls(&stream);
    assert_eq!(calls.len(), 1);
    assert_eq!(serde_json::from_str::<Value>(&calls[0].arguments).unwrap(), arguments);
    assert_eq!(stream.finish_reasons(), ["tool_calls"]);
}

fn gemini_event(parts: &Value, finish: Option<&str>) -> Bytes {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    format!("data: {}\r\n\r\n", json!({"candidates": [candidate], "responseId": "r"})).into()
}

fn gemini_call(name: &str, city: &str) -> Value {
    json!({"functionCall": {"name": name, "args": {"city": city}}})
}

/// Field 21.
#[tokio::test]
async fn gemini_s_parallel_calls_have_indices_and_ids_of_their_own_across_events() {
    let events = [
        gemini_event(&json!([{"text": "Let me see."}]), None),
        gemini_event(
            &json!([gemini_call("get_weather", "Oslo"), gemini_call("get_weather", "Bergen")]),
            None,
        ),
        gemini_event(&json!([gemini_call("get_weather", "Tromsø")]), None),
        gemini_event(&json!([gemini_call("get_time", "Oslo")]), Some("STOP")),
    ];
    let stream = streamed(Dialect::Gemini, sse(events)).await;
    let calls = calls(&stream);
    let cities: Vec<Value> = calls
        .iter()
        .map(|call| serde_json::from_str::<Value>(&call.arguments).unwrap()["city"].take())
        .collect();
    assert_eq!(cities, ["Oslo", "Bergen", "Tromsø", "Oslo"]);
    assert_eq!(stream.content(), "Let me see.");
    assert_eq!(stream.finish_reasons(), ["tool_calls"]);
}

fn anthropic_event(name: &str, data: Value) -> Bytes {
    let mut data = data;
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn anthropic_block(index: u32, block: Value, deltas: &[Value]) -> Vec<Bytes> {
    let start = json!({"index": index, "content_block": block});
    let mut events = vec![anthropic_event("content_block_start", start)];
    events.extend(deltas.iter().map(|delta| {
        anthropic_event("content_block_delta", json!({"index": index, "delta": delta}))
    }));
    events.push(anthropic_event("content_block_stop", json!({"index": index})));
    events
}

fn anthropic_call(index: u32, id: &str, name: &str, pieces: &[&str]) -> Vec<Bytes> {
    let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let deltas: Vec<Value> = pieces
        .iter()
        .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
        .collect();
    anthropic_block(index, block, &deltas)
}

fn anthropic_answer(blocks: Vec<Vec<Bytes>>) -> Reply {
    let start = json!({"message": {"id": "msg_x", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let end = json!({"delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}});
    let mut events = vec![anthropic_event("message_start", start)];
    events.extend(blocks.into_iter().flatten());
    events.push(anthropic_event("message_delta", end));
    events.push(anthropic_event("message_stop", json!({})));
    sse(events)
}

/// Field 22.
#[tokio::test]
async fn text_before_anthropic_s_calls_does_not_shift_their_indices() {
    let text = json!({"type": "text_delta", "text": "Let me see."});
    let reply = anthropic_answer(vec![
        anthropic_block(0, json!({"type": "text", "text": ""}), &[text]),
        anthropic_call(1, "toolu_a", "get_weather", &["", "{\"city\":", "\"Oslo\"}"]),
        anthropic_call(2, "toolu_b", "get_weather", &["{\"city\":\"Bergen\"}"]),
    ]);
    let stream = streamed(Dialect::Anthropic, reply).await;
    let call = |id: &str, arguments: &str| Call {
        id: id.to_owned(),
        name: "get_weather".to_owned(),
        arguments: arguments.to_owned(),
    };
    let expected = [call("toolu_a", r#"{"city":"Oslo"}"#), call("toolu_b", r#"{"city":"Bergen"}"#)];
    assert_eq!(calls(&stream), expected);
    assert_eq!(stream.content(), "Let me see.");
    assert_eq!(stream.finish_reasons(), ["tool_calls"]);
}

/// Clients parse the arguments, and the empty string is not JSON.
#[tokio::test]
async fn a_call_without_arguments_has_an_empty_object_for_arguments() {
    let replies = [
        (Dialect::Anthropic, anthropic_answer(vec![anthropic_call(0, "t", "get_time", &[])])),
        (Dialect::Anthropic, anthropic_answer(vec![anthropic_call(0, "t", "get_time", &[""])])),
        (
            Dialect::Gemini,
            sse([gemini_event(&json!([{"functionCall": {"name": "get_time"}}]), Some("STOP"))]),
        ),
        (Dialect::Gemini, gemini::function_call_stream("get_time", &json!({}))),
    ];
    for (dialect, reply) in replies {
        let stream = streamed(dialect, reply).await;
        let calls = calls(&stream);
        assert_eq!(calls.len(), 1, "{dialect:?}");
        assert_eq!(calls[0].arguments, "{}", "{dialect:?}");
    }
    let whole = [
        (Dialect::Anthropic, anthropic::tool_use("get_time", &json!({}))),
        (Dialect::Gemini, gemini::function_call("get_time", &json!({}))),
    ];
    for (dialect, reply) in whole {
        let (gateway, _upstream) = behind(dialect, Script::always(reply), "").await;
        let answer: Value = gateway.chat(&asked(json!({}))).await.json().await.unwrap();
        let call = &answer["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["arguments"], "{}", "{dialect:?}: {answer}");
    }
}

/// Field 30: what the client sends back is what Gemini gave out, seal included.
#[tokio::test]
async fn the_seal_on_gemini_s_call_travels_to_the_client_and_back() {
    let reply = gemini::function_call("get_weather", &json!({"city": "Oslo"}));
    let script = Script::sequence(vec![reply, gemini::content("Rain.")]);
    let (gateway, upstream) = behind(Dialect::Gemini, script, "").await;
    let mut body = asked(json!({}));
    let answer: Value = gateway.chat(&body).await.json().await.unwrap();
    let message = answer["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(message);
    turns.push(json!({"role": "tool", "tool_call_id": id, "content": "Rain."}));
    assert_eq!(gateway.chat(&body).await.status(), 200);
    let sent = upstream.requests()[1].json();
    let call = &sent["contents"][1]["parts"][0];
    assert_eq!(call["thoughtSignature"], "bW9jay1zaWduYXR1cmU=", "{sent}");
    assert_eq!(call["functionCall"]["name"], "get_weather");
}

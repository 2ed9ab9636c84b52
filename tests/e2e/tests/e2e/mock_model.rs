//! Promise: a first try needs no key, no network and no configuration beyond a few lines.

use serde_json::{Value, json};

use crate::gateway::Gateway;

const CONFIG: &str = "
providers: [{name: mock, dialect: mock}]
models: [{name: mock, targets: [{provider: mock, model: mock-1}]}]
";

#[tokio::test]
async fn the_mock_answers_in_one_piece() {
    let gateway = Gateway::start(CONFIG).await;
    let answer = gateway.ask("mock").await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("Hello"));
    assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn the_mock_streams_word_by_word_what_it_says_in_one_piece() {
    let gateway = Gateway::start(CONFIG).await;
    let whole: Value = gateway.ask("mock").await.json().await.unwrap();
    let stream = gateway.stream("mock").await;
    assert!(stream.is_done(), "{}", stream.text);
    assert!(stream.chunks().len() > 3, "{}", stream.text);
    assert_eq!(stream.content(), whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(stream.finish_reasons(), ["stop"]);
}

#[tokio::test]
async fn the_mock_calls_a_tool_when_one_is_offered_and_asked_for() {
    let gateway = Gateway::start(CONFIG).await;
    let answer = gateway
        .chat(&json!({
            "model": "mock/anything",
            "messages": [{"role": "user", "content": "Use get_weather for Oslo"}],
            "tools": [{"type": "function", "function": {
                "name": "get_weather",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                               "required": ["city"]},
            }}],
        }))
        .await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string(), "{arguments}");
}

//! Promise: servers that imitate OpenAI get requests they take, by a word in the configuration.

use serde_json::{Value, json};
use tests_mock::MockUpstream;

use crate::clients::Client;
use crate::dialects::Dialect;
use crate::gateway::Gateway;

async fn behind(preset: &str) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(Dialect::OpenAi.answering("Hej")).await.unwrap();
    let config = format!(
        "providers: [{{name: up, preset: {preset}, base_url: \"{}/v1\", accounts: [{{name: main}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: local}}]}}]\n",
        upstream.url()
    );
    (Gateway::start(&config).await, upstream)
}

fn asking(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "store": true, "max_completion_tokens": 9,
        "a_new_field": [1], "messages": [
            {"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Hello"}]})
}

#[tokio::test]
async fn what_a_server_refuses_is_left_out_or_said_otherwise_and_the_rest_passes() {
    let (gateway, upstream) = behind("ollama").await;
    let answer = gateway.chat(&asking(false)).await;
    assert_eq!(answer.status(), 200);
    let losses = answer.headers()["x-penstock-losses"].to_str().unwrap().to_owned();
    assert!(losses.contains("store"), "{losses}");
    let sent = upstream.requests()[0].json();
    let expected = json!({"model": "local", "stream": false, "max_tokens": 9, "a_new_field": [1],
        "messages": [
            {"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}]});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn clients_of_other_dialects_are_translated_into_what_the_server_takes() {
    let (gateway, upstream) = behind("mistral").await;
    let mut body = Client::Messages.request("m", "Hello", false);
    body["tools"] = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    body["tool_choice"] = json!({"type": "any"});
    let heard = Client::Messages.send(&gateway, "m", false, &body).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    let sent = upstream.requests()[0].json();
    assert_eq!(sent["tool_choice"], "any", "{sent}");
    assert_eq!(sent["max_tokens"], 100, "{sent}");
    assert_eq!(sent.get("max_completion_tokens"), None, "{sent}");
}

/// field 44
#[tokio::test]
async fn no_usage_is_asked_for_where_that_would_be_refused() {
    let (gateway, upstream) = behind("mistral").await;
    let answer = gateway.chat(&asking(true)).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!(upstream.requests()[0].json().get("stream_options"), None);
}

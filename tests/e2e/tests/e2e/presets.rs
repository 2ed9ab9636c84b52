//! Promise: servers that imitate OpenAI get requests they take, by a word in the configuration.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script, Step};

use crate::clients::{CLIENTS, Client};
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

/// Azure OpenAI says first what its filters made of the prompt, in a chunk without choices.
fn azure() -> Script {
    Script::new(|request, _| {
        if request.json()["stream"] != true {
            return Dialect::OpenAi.whole("Hej");
        }
        let filtered = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {
                "hate": {"filtered": false, "severity": "safe"}}}]});
        let mut events = vec![Step::event(format!("data: {filtered}\n\n"))];
        events.extend(Dialect::OpenAi.events(&["He", "j"]).into_iter().map(Step::Event));
        Reply::sse(events)
    })
}

async fn behind_azure(base: &str, more: &str) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(azure()).await.unwrap();
    let config = format!(
        "providers: [{{name: up, preset: azure, base_url: \"{}{base}\", {more} \
         accounts: [{{name: main, api_key: azure-key-0123456789}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: my-gpt}}]}}]\n",
        upstream.url()
    );
    (Gateway::start(&config).await, upstream)
}

#[tokio::test]
async fn azure_is_asked_for_deployments_of_a_dated_version_with_its_own_header() {
    let (gateway, upstream) = behind_azure("", "api_version: 2025-04-01-preview,").await;
    for (client, stream) in CLIENTS.into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let heard = client.ask(&gateway, "m", stream).await;
        let words = if stream { heard.streamed_words() } else { heard.whole_words() };
        assert_eq!((heard.status, words.as_str()), (200, "Hej"), "{client:?}: {}", heard.text);
        assert!(!stream || heard.ended_well(), "{client:?}: {}", heard.text);
    }
    assert_eq!(upstream.requests().len(), 8);
    for sent in upstream.requests() {
        assert_eq!(sent.path, "/openai/deployments/my-gpt/chat/completions");
        assert_eq!(sent.query.as_deref(), Some("api-version=2025-04-01-preview"));
        assert_eq!(sent.headers["api-key"], "azure-key-0123456789");
        assert!(!sent.headers.contains_key("authorization"), "{:?}", sent.headers);
    }
}

#[tokio::test]
async fn azure_without_a_version_is_asked_as_openai_is() {
    let (gateway, upstream) = behind_azure("/openai/v1", "responses: true,").await;
    let heard = Client::Messages.ask(&gateway, "m", true).await;
    assert_eq!((heard.status, heard.streamed_words().as_str()), (200, "Hej"), "{}", heard.text);
    Client::Responses.ask(&gateway, "m", false).await;
    let sent = upstream.requests();
    let paths: Vec<_> = sent.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/openai/v1/chat/completions", "/openai/v1/responses"]);
    assert!(sent.iter().all(|request| request.headers["api-key"] == "azure-key-0123456789"));
    assert_eq!(sent[0].json()["model"], "my-gpt");
}

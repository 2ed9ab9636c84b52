//! Promise: the quick start answers without any key, says what a provider still needs, and uses a
//! provider as soon as its key is there.

use std::fs;

use serde_json::{Value, json};

use crate::dialects::{ALL, Dialect, UPSTREAM_KEY};
use crate::gateway::Gateway;
use tests_mock::MockUpstream;

/// As shipped; the addresses are put in front of it.
const QUICKSTART: &str = include_str!("../../../../conf/quickstart.yaml");

/// The variable of a provider, and the name our quick start gives its model.
fn variable_and_model(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::OpenAi => ("OPENAI_API_KEY", "gpt"),
        Dialect::Anthropic => ("ANTHROPIC_API_KEY", "claude"),
        Dialect::Gemini => ("GEMINI_API_KEY", "gemini"),
    }
}

/// The quick start with a provider moved to `url`.
fn with_base_url(dialect: Dialect, url: &str) -> String {
    let entry = format!("dialect: {}\n", dialect.name());
    assert_eq!(QUICKSTART.matches(&entry).count(), 1);
    let moved = format!("{entry}    base_url: \"{}\"\n", dialect.base_url(url));
    QUICKSTART.replace(&entry, &moved)
}

#[tokio::test]
async fn the_mock_answers_without_any_key() {
    let gateway = Gateway::start(QUICKSTART).await;
    let answer = gateway.ask("mock").await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert!(!answer["choices"][0]["message"]["content"].as_str().unwrap().is_empty());
    assert!(gateway.stream("mock").await.is_done());
}

/// The request that stands in the file's own comment.
#[tokio::test]
async fn the_request_shown_in_the_file_is_answered() {
    let body = QUICKSTART.lines().find_map(|line| line.strip_prefix("#     -d '")).unwrap();
    let body: Value = serde_json::from_str(body.strip_suffix('\'').unwrap()).unwrap();
    let gateway = Gateway::start(QUICKSTART).await;
    assert_eq!(gateway.chat(&body).await.status(), 200);
}

#[tokio::test]
async fn every_model_is_listed() {
    let gateway = Gateway::start(QUICKSTART).await;
    let list = gateway.client.get(gateway.url("/v1/models")).send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    let ids = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone());
    assert_eq!(ids.collect::<Value>(), json!(["mock", "gpt", "claude", "gemini"]));
}

#[tokio::test]
async fn a_provider_without_a_key_says_which_variable_it_needs() {
    let gateway = Gateway::start(QUICKSTART).await;
    for dialect in ALL {
        let (variable, model) = variable_and_model(dialect);
        for model in [model, &format!("{}/{}", dialect.name(), dialect.model())] {
            let answer = gateway.ask(model).await;
            assert_eq!(answer.status(), 503, "{model}");
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["error"]["code"], "provider_not_configured", "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(variable), "{message}");
        }
    }
}

#[tokio::test]
async fn a_provider_whose_key_is_in_the_environment_is_used() {
    for dialect in ALL {
        let upstream = MockUpstream::start(dialect.answering("Good morning")).await.unwrap();
        let (variable, model) = variable_and_model(dialect);
        let environment = [(variable, UPSTREAM_KEY)];
        let config = with_base_url(dialect, &upstream.url());
        let gateway = Gateway::start_with(&config, &environment).await;
        let answer: Value = gateway.ask(model).await.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Good morning", "{answer}");
        let direct = gateway.stream(&format!("{}/{}", dialect.name(), dialect.model())).await;
        assert_eq!(direct.content(), "Good morning");
        let shown = format!("{:?}", upstream.requests()[0].headers);
        assert!(shown.contains(UPSTREAM_KEY), "{shown}");
    }
}

/// The environment of a process cannot change, but a file can: the key comes, and the provider
/// wakes up without a restart.
#[tokio::test]
async fn a_provider_wakes_up_when_its_key_comes() {
    let upstream = MockUpstream::start(Dialect::OpenAi.answering("Good morning")).await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let key = files.path().join("key");
    let config = with_base_url(Dialect::OpenAi, &upstream.url());
    let config = config.replace("{env: OPENAI_API_KEY}", &format!("{{file: '{}'}}", key.display()));
    let gateway = Gateway::start(&config).await;
    let answer = gateway.ask("gpt").await;
    assert_eq!(answer.status(), 503);
    let answer: Value = answer.json().await.unwrap();
    assert!(
        answer["error"]["message"].as_str().unwrap().contains(key.to_str().unwrap()),
        "{answer}"
    );

    fs::write(&key, UPSTREAM_KEY).unwrap();
    gateway.signal("HUP");
    gateway.until_log("the configuration is in force").await;
    assert_eq!(gateway.ask("gpt").await.status(), 200);
    let bearer = format!("Bearer {UPSTREAM_KEY}");
    assert_eq!(upstream.requests()[0].header("authorization"), Some(bearer.as_str()));
}

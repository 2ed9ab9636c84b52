//! Promise: an account whose key its provider refused is left alone, and comes back without a
//! restart when the key changes, in the configuration or in the file that it names.

use std::fs;

use serde_json::Value;
use tests_mock::{MockUpstream, Script, openai};

use crate::gateway::Gateway;

/// Takes one key and no other.
fn taking(key: &'static str) -> Script {
    Script::new(move |request, _| match request.header("authorization") {
        Some(shown) if shown == format!("Bearer {key}") => openai::chat("Hej"),
        _ => openai::error(401, "invalid_request_error", Some("invalid_api_key"), "Incorrect key"),
    })
}

fn config(upstream: &MockUpstream, key: &str) -> String {
    format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", \
         accounts: [{{name: a, api_key: {key}}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: x}}]}}]\n",
        upstream.url()
    )
}

async fn check_out(gateway: &Gateway, upstream: &MockUpstream) {
    assert_eq!(gateway.ask("m").await.status(), 401, "what the provider says");
    let asked = upstream.counts().requests;
    for _ in 0..3 {
        let answer = gateway.ask("m").await;
        assert_eq!(answer.status(), 503);
        let error = answer.json::<Value>().await.unwrap()["error"].take();
        assert_eq!(error["code"], "provider_credential_refused");
    }
    assert_eq!(upstream.counts().requests, asked, "it is left alone");
    let available = gateway.metric("penstock_account_available", &["account=\"a\""]).await;
    assert!(available < 0.5);
}

#[tokio::test]
async fn a_new_key_in_the_file_that_is_named_brings_the_account_back() {
    let upstream = MockUpstream::start(taking("sk-good")).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "sk-bad\n").unwrap();
    let key_file = format!("{{file: '{}'}}", key.display());
    let gateway = Gateway::start(&config(&upstream, &key_file)).await;
    check_out(&gateway, &upstream).await;

    // The configuration stays as it is.
    fs::write(&key, "sk-good\n").unwrap();
    gateway.signal("HUP");
    gateway.until_metric("penstock_config_reloads_total", &["result=\"taken\""], 1.0).await;
    assert_eq!(gateway.ask("m").await.status(), 200);
    gateway.until_metric("penstock_account_available", &["account=\"a\""], 1.0).await;
}

#[tokio::test]
async fn a_new_key_in_the_configuration_brings_the_account_back_and_any_other_change_does_not() {
    let upstream = MockUpstream::start(taking("sk-good")).await.unwrap();
    let gateway = Gateway::start(&config(&upstream, "sk-bad")).await;
    check_out(&gateway, &upstream).await;

    let asked = upstream.counts().requests;
    gateway.write_config(&format!("queue: {{wait: 1s}}\n{}", config(&upstream, "sk-bad")));
    gateway.until_metric("penstock_config_reloads_total", &["result=\"taken\""], 1.0).await;
    assert_eq!(gateway.ask("m").await.status(), 503);
    assert_eq!(upstream.counts().requests, asked);

    gateway.write_config(&config(&upstream, "sk-good"));
    gateway.until_metric("penstock_config_reloads_total", &["result=\"taken\""], 2.0).await;
    assert_eq!(gateway.ask("m").await.status(), 200);
}

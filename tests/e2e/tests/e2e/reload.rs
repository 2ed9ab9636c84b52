//! Promise: a changed configuration is in force at once, a wrong one changes nothing, and neither
//! costs a request that is under way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Script, openai};

use crate::gateway::{Gateway, PATIENCE, Stream};

/// The mock alone, under the name of `model`.
fn offering(model: &str) -> String {
    format!(
        "
providers: [{{name: mock, dialect: mock}}]
models: [{{name: {model}, targets: [{{provider: mock, model: mock-1}}]}}]
direct_models: false
"
    )
}

/// Waits until `model` is offered.
async fn until_offered(gateway: &Gateway, model: &str) {
    let url = gateway.url(&format!("/v1/models/{model}"));
    let offered = async {
        while gateway.client.get(&url).send().await.unwrap().status() != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, offered).await.expect("the model is offered in time");
}

#[tokio::test]
async fn a_file_replaced_by_rename_is_in_force_at_once() {
    let gateway = Gateway::start(&offering("one")).await;
    assert_eq!(gateway.ask("one").await.status(), 200);
    gateway.write_config(&offering("two"));
    until_offered(&gateway, "two").await;
    assert_eq!(gateway.ask("two").await.status(), 200);
    assert_eq!(gateway.ask("one").await.status(), 404);
}

#[tokio::test]
async fn a_file_written_in_place_is_in_force_at_once() {
    let gateway = Gateway::start(&offering("one")).await;
    let text = fs::read_to_string(gateway.config_path()).unwrap();
    fs::write(gateway.config_path(), text.replace("name: one", "name: two")).unwrap();
    until_offered(&gateway, "two").await;
    assert_eq!(gateway.ask("one").await.status(), 404);
}

/// As Kubernetes does: `penstock.yaml` → `..data/penstock.yaml`, `..data` → `..1`, later `..2`.
#[tokio::test]
async fn a_config_map_swapped_by_symlink_is_in_force_at_once() {
    fn publish(directory: &Path, version: &str, text: &str) {
        fs::create_dir(directory.join(version)).unwrap();
        fs::write(directory.join(version).join("penstock.yaml"), text).unwrap();
        symlink(version, directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    }
    let gateway = Gateway::start(&offering("zero")).await;
    let path = gateway.config_path();
    let directory = path.parent().unwrap();
    let text = |model: &str| {
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("\nmodels:").unwrap();
        format!(
            "{}\nmodels: [{{name: {model}, targets: [{{provider: mock, model: m}}]}}]\n",
            &text[..at]
        )
    };
    publish(directory, "..1", &text("one"));
    symlink("..data/penstock.yaml", directory.join("link")).unwrap();
    fs::rename(directory.join("link"), &path).unwrap();
    until_offered(&gateway, "one").await;
    for (old, new, model) in [("..1", "..2", "two"), ("..2", "..3", "three")] {
        publish(directory, new, &text(model));
        fs::remove_dir_all(directory.join(old)).unwrap();
        until_offered(&gateway, model).await;
    }
    assert_eq!(gateway.ask("one").await.status(), 404);
}

#[tokio::test]
async fn sighup_reads_the_key_files_again() {
    let files = tempfile::tempdir().unwrap();
    let (upstream_key, client_key) = (files.path().join("upstream"), files.path().join("client"));
    fs::write(&upstream_key, "sk-old\n").unwrap();
    fs::write(&client_key, "pk-old\n").unwrap();
    let upstream = MockUpstream::start(openai::answering("Hello")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "
auth: {{mode: keys, keys: [{{name: k, key: {{file: '{}'}}}}]}}
providers:
  - {{name: p, dialect: openai, base_url: {}/v1, accounts: [{{name: a, api_key: {{file: '{}'}}}}]}}
",
        client_key.display(),
        upstream.url(),
        upstream_key.display(),
    ))
    .await;
    assert_eq!(ask_with(&gateway, "pk-old").await, 200);
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer sk-old"));

    fs::write(&upstream_key, "sk-new\n").unwrap();
    fs::write(&client_key, "pk-new\n").unwrap();
    gateway.signal("HUP");
    gateway.until_log("the configuration is in force").await;
    assert_eq!(ask_with(&gateway, "pk-old").await, 401);
    assert_eq!(ask_with(&gateway, "pk-new").await, 200);
    assert_eq!(upstream.requests()[1].header("authorization"), Some("Bearer sk-new"));
}

async fn ask_with(gateway: &Gateway, key: &str) -> u16 {
    let body = json!({"model": "p/m", "messages": [{"role": "user", "content": "Hello"}]});
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    request.json(&body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_deleted_client_key_stops_working_and_a_new_one_works() {
    let with = |name: &str, key: &str| {
        let auth = format!("auth: {{mode: keys, keys: [{{name: {name}, key: {key}}}]}}\n");
        format!("{auth}providers: [{{name: p, dialect: mock}}]\n")
    };
    let gateway = Gateway::start(&with("old", "pk-old")).await;
    assert_eq!(ask_with(&gateway, "pk-old").await, 200);
    assert_eq!(ask_with(&gateway, "pk-new").await, 401);
    gateway.write_config(&with("new", "pk-new"));
    gateway.until_log("the configuration is in force").await;
    assert_eq!(ask_with(&gateway, "pk-old").await, 401);
    assert_eq!(ask_with(&gateway, "pk-new").await, 200);
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_every_mistake_is_logged() {
    const STATE: &str = "penstock_config_last_reload_successful";
    const COUNT: &str = "penstock_config_reloads_total";
    let gateway = Gateway::start(&offering("one")).await;
    assert_eq!(gateway.metric(STATE, &[]).await, 1.0);

    gateway.write_config("modles: []\nproviders:\n  - {name: a, dialect: opnai}\n");
    gateway.until_log("the configuration stays as it was").await;
    for mistake in ["modles: unknown key", "providers[0].dialect: "] {
        assert!(gateway.log().contains(mistake), "{mistake} is not in the log");
    }
    gateway.until_metric(STATE, &[], 0.0).await;
    assert_eq!(gateway.metric(COUNT, &["refused"]).await, 1.0);
    assert_eq!(gateway.ask("one").await.status(), 200);

    gateway.write_config(&offering("two"));
    until_offered(&gateway, "two").await;
    gateway.until_metric(STATE, &[], 1.0).await;
    assert_eq!(gateway.metric(COUNT, &["taken"]).await, 1.0);
}

#[tokio::test]
async fn a_request_in_flight_keeps_the_configuration_it_began_with() {
    let gate = Gate::shut();
    let reply = openai::stream(&["Good", " morning"]).paced(&gate);
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let provider = format!(
        "providers: [{{name: p, dialect: openai, base_url: {}/v1, accounts: [{{name: a}}]}}]\n",
        upstream.url()
    );
    let with = |models: &str| format!("{provider}direct_models: false\nmodels: [{models}]\n");
    let (kept, gone) = (
        "{name: kept, targets: [{provider: p, model: m}]}",
        "{name: gone, targets: [{provider: p, model: m}]}",
    );
    let gateway = Gateway::start(&with(&format!("{kept}, {gone}"))).await;
    let body = json!({"model": "gone", "stream": true,
        "messages": [{"role": "user", "content": "Hello"}]});
    let under_way = tokio::spawn({
        let request = gateway.client.post(gateway.url("/v1/chat/completions")).json(&body);
        async move { Stream::read(request.send().await.unwrap()).await }
    });
    gate.admit(2);
    tokio::time::timeout(PATIENCE, upstream.until(|seen| seen.in_flight == 1)).await.unwrap();

    gateway.write_config(&with(kept));
    gateway.until_log("the configuration is in force").await;
    let refused = gateway.ask("gone").await;
    assert_eq!(refused.status(), 404);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["error"]["code"], "model_not_found");

    gate.open();
    let stream = under_way.await.unwrap();
    assert_eq!((stream.status, stream.content().as_str()), (200, "Good morning"));
    assert_eq!(stream.finish_reasons(), ["stop"]);
    assert!(stream.is_done(), "{}", stream.text);
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_said_in_the_log() {
    let gateway = Gateway::start(&offering("one")).await;
    let elsewhere = "listeners: [{address: \"127.0.0.1:1\"}]\n# {listen}\n";
    gateway.write_config(&format!("{elsewhere}{}", offering("two")));
    until_offered(&gateway, "two").await;
    gateway.until_log("listeners: the change takes effect after a restart").await;
}

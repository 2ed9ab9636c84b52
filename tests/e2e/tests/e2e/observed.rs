//! Promise: what the gateway does can be seen, in metrics whose labels nobody outside can choose
//! and in one log line per request.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests_mock::{Gate, Reply, Script, anthropic};

use crate::dialects::{ALL, Dialect, behind};
use crate::gateway::{Gateway, PATIENCE, binary, free_port, until};

const REQUESTS: &str = "penstock_requests_total";
const CHAT: &str = "route=\"/v1/chat/completions\"";

/// The labels of a request that `dialects::behind` has answered.
const ANSWERED: [&str; 5] =
    [CHAT, "provider=\"up\"", "account=\"main\"", "model=\"m\"", "status=\"200\""];
const GEN_AI: [&str; 3] =
    ["gen_ai_operation_name=\"chat\"", "gen_ai_provider_name=\"up\"", "gen_ai_request_model=\"m\""];

#[tokio::test]
async fn a_request_is_counted_by_route_provider_account_model_and_status() {
    let (gateway, _upstream) =
        behind(Dialect::OpenAi, Dialect::OpenAi.answering("Good morning"), "").await;
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert!(gateway.stream("m").await.is_done());
    gateway.until_metric(REQUESTS, &ANSWERED, 2.0).await;
    assert_eq!(gateway.ask("nobody").await.status(), 404);
    gateway.until_metric(REQUESTS, &[CHAT, "model=\"\"", "status=\"404\""], 1.0).await;
    gateway.client.get(gateway.url("/v1/models")).send().await.unwrap();
    gateway.until_metric(REQUESTS, &["route=\"/v1/models\"", "status=\"200\""], 1.0).await;
    let duration = "gen_ai_client_operation_duration_seconds_count";
    assert_eq!(gateway.metric(duration, &GEN_AI).await, 2.0);
}

#[tokio::test]
async fn what_an_upstream_refuses_is_counted_under_the_status_the_client_saw() {
    let script = Script::always(anthropic::rate_limited(7));
    let (gateway, _upstream) = behind(Dialect::Anthropic, script, "").await;
    assert_eq!(gateway.ask("m").await.status(), 429);
    let labels = [CHAT, "provider=\"up\"", "account=\"main\"", "model=\"m\"", "status=\"429\""];
    gateway.until_metric(REQUESTS, &labels, 1.0).await;
    let failures = "penstock_upstream_failures_total";
    assert!(gateway.metric(failures, &["provider=\"up\""]).await >= 1.0);
}

#[tokio::test]
async fn the_chunks_of_a_stream_are_timed() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("one two three"), "").await;
        assert!(gateway.stream("m").await.is_done());
        gateway.until_metric(REQUESTS, &ANSWERED, 1.0).await;
        let first = "gen_ai_client_operation_time_to_first_chunk_seconds_count";
        assert_eq!(gateway.metric(first, &GEN_AI).await, 1.0, "{dialect:?}");
    }
}

/// Chunks that come one by one are timed one by one.
#[tokio::test]
async fn the_time_between_chunks_is_observed() {
    let gate = Gate::shut();
    let words = ["one ", "two ", "three"];
    let (gateway, _upstream) = behind(
        Dialect::OpenAi,
        Script::always(tests_mock::openai::stream(&words).paced(&gate)),
        "",
    )
    .await;
    let per_chunk = "gen_ai_client_operation_time_per_output_chunk_seconds_count";
    let body = json!({"model": "m", "stream": true,
        "messages": [{"role": "user", "content": "Hello"}]});
    // What opens the stream waits for the first word.
    gate.admit(2);
    let mut answer = gateway.chat(&body).await;
    assert!(answer.chunk().await.unwrap().is_some());
    for count in 1..words.len() {
        gate.admit(1);
        assert!(answer.chunk().await.unwrap().is_some());
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        gateway.until_metric(per_chunk, &GEN_AI, count as f64).await;
    }
    gate.open();
    while answer.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn tokens_are_counted_by_kind() {
    let (input, read, output) = anthropic::USAGE;
    let (gateway, _upstream) =
        behind(Dialect::Anthropic, Dialect::Anthropic.answering("Good morning"), "").await;
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert!(gateway.stream("m").await.is_done());
    gateway.until_metric(REQUESTS, &ANSWERED, 2.0).await;
    for (kind, tokens) in [("input", input), ("cache_read", read), ("output", output)] {
        let labels =
            ["provider=\"up\"", "account=\"main\"", "model=\"m\"", &*format!("kind=\"{kind}\"")];
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let expected = 2.0 * tokens as f64;
        assert_eq!(gateway.metric("penstock_tokens_total", &labels).await, expected, "{kind}");
    }
    let input = [&GEN_AI[..], &["gen_ai_token_type=\"input\""]].concat();
    assert_eq!(gateway.metric("gen_ai_client_token_usage_count", &input).await, 2.0);
}

#[tokio::test]
async fn a_request_is_in_flight_from_its_header_to_its_end() {
    let gate = Gate::shut();
    let reply = tests_mock::openai::stream(&["one"]).paced(&gate);
    let (gateway, upstream) = behind(Dialect::OpenAi, Script::always(reply), "").await;
    let in_flight = "penstock_requests_in_flight";
    assert_eq!(gateway.metric(in_flight, &[]).await, 0.0);
    let asked = async { gateway.stream("m").await };
    let seen = async {
        upstream.until(|seen| seen.in_flight == 1).await;
        gateway.until_metric(in_flight, &[], 1.0).await;
        gate.open();
    };
    let (stream, ()) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(asked, seen) }).await.unwrap();
    assert!(stream.is_done());
    gateway.until_metric(in_flight, &[], 0.0).await;
    assert_eq!(gateway.metric("penstock_requests_unlogged_total", &[]).await, 0.0);
}

#[tokio::test]
async fn what_a_client_makes_up_never_becomes_a_label() {
    let (gateway, _upstream) =
        behind(Dialect::OpenAi, Dialect::OpenAi.answering("Good morning"), "").await;
    assert_eq!(gateway.ask("made-up-model").await.status(), 404);
    assert_eq!(gateway.ask("up/made-up-model").await.status(), 200);
    assert_eq!(gateway.ask("made-up-provider/m").await.status(), 404);
    for path in ["/v1/made-up-path", "/v1/models/made-up-model"] {
        assert_eq!(gateway.client.get(gateway.url(path)).send().await.unwrap().status(), 404);
    }
    let method = reqwest::Method::from_bytes(b"MADEUP").unwrap();
    let url = gateway.url("/v1/chat/completions");
    assert_eq!(gateway.client.request(method, url).send().await.unwrap().status(), 405);
    gateway.until_metric(REQUESTS, &["model=\"(unlisted)\"", "status=\"200\""], 1.0).await;
    gateway.until_metric(REQUESTS, &[], 6.0).await;
    let text = gateway.metrics().await.to_lowercase();
    assert!(!text.contains("made-up") && !text.contains("madeup"), "{text}");
}

#[tokio::test]
async fn the_build_and_the_configuration_are_described() {
    let (gateway, _upstream) =
        behind(Dialect::OpenAi, Dialect::OpenAi.answering("Good morning"), "").await;
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(gateway.metric("penstock_build_info", &[&version]).await, 1.0);
    assert_eq!(gateway.metric("penstock_config_last_reload_successful", &[]).await, 1.0);
    let loaded = gateway.metric("penstock_config_last_reload_success_timestamp_seconds", &[]).await;
    assert!(loaded > 1_700_000_000.0, "{loaded}");
    gateway.signal("HUP");
    gateway.until_metric("penstock_config_reloads_total", &["result=\"taken\""], 1.0).await;
}

#[tokio::test]
async fn the_metrics_are_prometheus_text() {
    let (gateway, _upstream) =
        behind(Dialect::Gemini, Dialect::Gemini.answering("Good morning"), "").await;
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert!(gateway.stream("m").await.is_done());
    gateway.until_metric(REQUESTS, &ANSWERED, 2.0).await;
    let answer = gateway.client.get(gateway.admin("/metrics")).send().await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
    let families = Families::parse(&answer.text().await.unwrap());
    for name in [
        REQUESTS,
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "gen_ai_client_operation_time_per_output_chunk_seconds",
        "gen_ai_client_token_usage",
        "penstock_tokens_total",
        "penstock_requests_in_flight",
        "penstock_upstream_connections",
        "penstock_upstream_connections_opened_total",
        "penstock_config_last_reload_successful",
        "penstock_build_info",
        "process_resident_memory_bytes",
    ] {
        assert!(families.samples(name) > 0, "{name} is missing");
    }
}

/// Metrics as a scraper reads them: each family with its type, and how many samples it has.
struct Families(BTreeMap<String, (String, usize)>);

impl Families {
    /// Panics at the first line that does not follow the text format.
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut families = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let again = families.insert(name.to_owned(), (kind.to_owned(), 0));
                assert!(again.is_none(), "described twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(rest.split_once(' ').is_some_and(|(_, help)| !help.is_empty()), "{line}");
            } else {
                let name = sample(line);
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                    let base = name.strip_suffix(end)?;
                    families.get(base).is_some_and(|family| family.0 == "histogram").then_some(base)
                });
                families.get_mut(base.unwrap_or(name)).expect(line).1 += 1;
            }
        }
        Self(families)
    }

    fn samples(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |family| family.1)
    }
}

/// The name in `name{label="value",…} number`.
fn sample(line: &str) -> &str {
    let (series, value) = line.rsplit_once(' ').expect(line);
    assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        "{line}"
    );
    let labels = labels.strip_suffix('}').expect(line);
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once("=\"").expect(line);
        assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
        assert!(!value.trim_end_matches('"').contains(['"', '\n']), "{line}");
    }
    name
}

#[tokio::test]
async fn each_request_has_one_log_line_that_says_what_became_of_it() {
    let (gateway, _upstream) =
        behind(Dialect::Anthropic, Dialect::Anthropic.answering("Good morning"), "").await;
    let (input, read, output) = anthropic::USAGE;
    let whole = gateway.ask("m").await;
    let id = whole.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(gateway.stream("m").await.is_done());
    assert_eq!(gateway.ask("nobody").await.status(), 404);
    let lines = gateway.access_log(3).await;

    let line = &lines[0];
    assert_eq!(line["request_id"], id);
    assert_eq!(line["level"], "INFO");
    for (key, value) in [
        ("method", json!("POST")),
        ("route", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("model", json!("m")),
        ("provider", json!("up")),
        ("account", json!("main")),
        ("upstream_model", json!(Dialect::Anthropic.model())),
        ("stream", json!(false)),
        ("input_tokens", json!(input + read)),
        ("output_tokens", json!(output)),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["timestamp"].is_string() && line["error"].is_null(), "{line}");

    assert_eq!(lines[1]["stream"], true);
    assert!(lines[1]["first_chunk_ms"].as_f64().unwrap() > 0.0, "{}", lines[1]);
    assert_eq!(
        (&lines[2]["status"], &lines[2]["error"]),
        (&json!(404), &json!("the model is not offered here"))
    );
}

#[tokio::test]
async fn a_stream_that_the_upstream_broke_off_is_logged_as_such() {
    let dying = tests_mock::openai::stream(&["one ", "two "]).cut_after(2, tests_mock::Step::Reset);
    let (gateway, _upstream) = behind(Dialect::OpenAi, Script::always(dying), "").await;
    assert_eq!(gateway.stream("m").await.finish_reasons(), ["error"]);
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!(line["status"], 200);
    assert!(line["error"].as_str().unwrap().contains("broke off"), "{line}");
}

#[tokio::test]
async fn health_checks_do_not_fill_the_log() {
    let gateway = Gateway::start("providers: [{name: mock, dialect: mock}]\n").await;
    for path in ["/healthz", "/readyz", "/healthz", "/v1/models"] {
        assert_eq!(gateway.client.get(gateway.url(path)).send().await.unwrap().status(), 200);
    }
    let lines = gateway.access_log(1).await;
    let routes: Vec<&Value> = lines.iter().map(|line| &line["route"]).collect();
    assert_eq!(routes, ["/v1/models"]);
}

#[tokio::test]
async fn every_line_is_json_unless_text_is_asked_for() {
    let gateway = Gateway::start("providers: [{name: mock, dialect: mock}]\n").await;
    gateway.ask("nobody").await;
    gateway.access_log(1).await;
    for line in gateway.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
}

/// Ends the process with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn text_lines_say_the_same_for_people() {
    let directory = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let config = directory.path().join("penstock.yaml");
    fs::write(
        &config,
        format!(
            "listeners: [{{address: \"127.0.0.1:{port}\"}}]\nadmin: {{address: \"127.0.0.1:{admin}\"}}\n\
             providers: [{{name: mock, dialect: mock}}]\n"
        ),
    )
    .unwrap();
    let log = directory.path().join("stderr");
    let mut command = Command::new(binary());
    command.args(["serve", "--log-format", "text", "--config"]).arg(&config);
    command.env_remove("RUST_LOG").stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let _process = Ended(command.spawn().unwrap());
    let said = || fs::read_to_string(&log).unwrap();
    until(|| said().contains("metrics and health on"), "the start").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}/v1/models");
    let asked = async {
        while client.get(&url).header("x-request-id", "my-own-id").send().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    until(|| said().contains("my-own-id"), "the line").await;
    let said = said();
    let line = said.lines().find(|line| line.contains("my-own-id")).unwrap();
    for words in [
        " INFO ",
        "penstock::access",
        "request_id=\"my-own-id\"",
        "status=200",
        "route=\"/v1/models\"",
    ] {
        assert!(line.contains(words), "{words} is not in {line}");
    }
    assert!(!said.contains('\u{1b}'), "no colours where nobody sees them");
}

/// The address of the upstream and what it costs are the operator's business, so they are in the
/// log; what the reply says is not.
#[tokio::test]
async fn what_a_provider_says_when_it_refuses_is_not_in_the_log() {
    let refusing = Reply::json(
        400,
        &[],
        &json!({"error": {"message": "I will not say `swordfish`",
        "type": "invalid_request_error", "param": null, "code": "no_swordfish"}}),
    );
    let (gateway, _upstream) = behind(Dialect::OpenAi, Script::always(refusing), "").await;
    assert_eq!(gateway.ask("m").await.status(), 400);
    let line = gateway.access_log(1).await.remove(0);
    let error = line["error"].as_str().unwrap();
    assert!(error.contains("`up` answered 400") && error.contains("no_swordfish"), "{error}");
    assert!(!gateway.log().contains("I will not say"));
}

#[tokio::test]
async fn the_log_names_the_client_s_key_and_never_shows_it() {
    let config = "
auth: {mode: keys, keys: [{name: team-a, key: {env: TEAM_A}}]}
providers: [{name: mock, dialect: mock}]
models: [{name: mock, targets: [{provider: mock, model: mock-1}]}]
";
    let gateway = Gateway::start_with(config, &[("TEAM_A", "pk-swordfish")]).await;
    let url = gateway.url("/v1/models");
    let asked = gateway.client.get(&url).bearer_auth("pk-swordfish").send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(gateway.client.get(&url).send().await.unwrap().status(), 401);
    let lines = gateway.access_log(2).await;
    assert_eq!(lines[0]["key"], "team-a");
    assert_eq!(lines[1].get("key"), None, "{}", lines[1]);
    assert!(!gateway.log().contains("swordfish"));
}

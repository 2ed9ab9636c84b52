//! Promise: OpenAI's other endpoints pass to a provider of its dialects, with routing, keys, limits and
//! accounts as everywhere, and otherwise as they are.

use std::time::Duration;

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step};

use crate::dialects::{Dialect, behind, sse};
use crate::gateway::{Gateway, until};

fn answering(body: &Value) -> Script {
    Script::always(Reply::json(200, &[], body))
}

async fn post(gateway: &Gateway, path: &str, body: &'static str) -> reqwest::Response {
    let request = gateway.client.post(gateway.url(path)).header("content-type", "application/json");
    request.body(body).send().await.unwrap()
}

async fn error(answer: reqwest::Response) -> (u16, Value) {
    (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["error"].take())
}

#[tokio::test]
async fn a_request_keeps_every_byte_but_the_model_s_name_and_so_does_its_answer() {
    let odd = "{ \"x\":1.0, \"usage\":{\"input_tokens\":9, \"output_tokens\":4}} \n";
    let json = [("content-type", "application/json")];
    for path in [
        "/v1/completions",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/speech",
        "/v1/rerank",
    ] {
        let script = Script::always(Reply::whole(200, &json, odd));
        let (gateway, upstream) = behind(Dialect::OpenAi, script, "").await;
        let asked = "{ \"model\" : \"m\",\"input\":\"caf\\u00e9\", \"x_new\":[1e2] }";
        let answer = post(&gateway, path, asked).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.unwrap(), odd, "{path}");
        let sent = &upstream.requests()[0];
        assert_eq!(sent.path, path);
        assert_eq!(String::from_utf8_lossy(&sent.body), asked.replace("\"m\"", "\"gpt-4o\""));
        assert_eq!(sent.header("authorization"), Some("Bearer sk-upstream-0123456789"));
        let line = gateway.access_log(1).await.remove(0);
        assert_eq!((&line["route"], &line["model"]), (&json!(path), &json!("m")), "{line}");
        assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&json!(9), &json!(4)));
        assert_eq!(gateway.metric("penstock_tokens_total", &["kind=\"output\""]).await, 4.0);
    }
}

#[tokio::test]
async fn another_account_answers_if_the_first_fails() {
    let failing = Script::new(|_, attempt| match attempt {
        0 => Reply::json(500, &[], &json!({"error": {"message": "no"}})),
        _ => Reply::json(200, &[], &json!({"results": []})),
    });
    let upstream = MockUpstream::start(failing).await.unwrap();
    let config = format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: \
         [{{name: a, api_key: key-a}}, {{name: b, api_key: key-b}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: omni}}]}}]\n",
        upstream.url()
    );
    let gateway = Gateway::start(&config).await;
    let answer = post(&gateway, "/v1/moderations", r#"{"model":"m","input":"x"}"#).await;
    assert_eq!(answer.status(), 200);
    let keys: Vec<_> = upstream
        .requests()
        .iter()
        .map(|it| it.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_model_that_is_not_named_is_the_only_provider_s_own_affair() {
    let (gateway, upstream) = behind(Dialect::OpenAi, answering(&json!({"results": []})), "").await;
    let asked = r#"{"input":"x"}"#;
    assert_eq!(post(&gateway, "/v1/moderations", asked).await.status(), 200);
    assert_eq!(String::from_utf8_lossy(&upstream.requests()[0].body), asked);
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!((&line["provider"], &line["model"]), (&json!("up"), &json!("")), "{line}");
}

#[tokio::test]
async fn completions_are_streamed_event_by_event() {
    let events = [
        ": hello\n\n",
        "data: {\"choices\":[{\"text\":\"Good\"}], \"x\":1.0}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    ];
    let gate = Gate::shut();
    let script = Script::always(sse(events.map(bytes::Bytes::from)).paced(&gate));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    gate.admit(2);
    let mut answer =
        post(&gateway, "/v1/completions", r#"{"model":"m","prompt":"x","stream":true}"#).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut got = Vec::new();
    while got.len() < events[0].len() + events[1].len() {
        got.extend(
            answer.chunk().await.unwrap().expect("the second event leaves before the third"),
        );
    }
    gate.admit(2);
    while let Some(piece) = answer.chunk().await.unwrap() {
        got.extend(piece);
    }
    assert_eq!(String::from_utf8_lossy(&got), events.concat());
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&json!(5), &json!(2)), "{line}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so() {
    let events = ["data: {\"choices\":[{\"text\":\"Good\"}]}\n\n", "data: {\"a\":1}\n\n"];
    let script = Script::always(sse(events.map(bytes::Bytes::from)).cut_after(1, Step::Reset));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    let answer =
        post(&gateway, "/v1/completions", r#"{"model":"m","prompt":"x","stream":true}"#).await;
    let text = answer.text().await.unwrap();
    let rest = text.strip_prefix(events[0]).expect("what came first stays");
    let said: Value = serde_json::from_str(rest.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(said["error"]["code"], "upstream_broke_off", "{said}");
}

#[tokio::test]
async fn a_binary_answer_passes_as_it_is_piece_by_piece() {
    let gate = Gate::shut();
    let sound: Vec<u8> = (0..=255).collect();
    let pieces = vec![Step::event(sound.clone()), Step::event(&b"\r\n\r\ndata: "[..])];
    let headers =
        [("content-type", "audio/mpeg"), ("content-disposition", "attachment; filename=a")];
    let script = Script::always(Reply::steps(200, &headers, pieces).paced(&gate));
    let (gateway, upstream) = behind(Dialect::OpenAi, script, "").await;
    gate.admit(1);
    let asked = gateway.client.post(gateway.url("/v1/audio/speech"));
    let body = json!({"model": "m", "voice": "v", "input": "x"});
    let asked = asked.header("accept", "application/octet-stream").json(&body);
    let mut answer = asked.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "audio/mpeg");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=a");
    assert_eq!(answer.chunk().await.unwrap().unwrap(), sound);
    gate.admit(1);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "\r\n\r\ndata: ");
    assert_eq!(answer.chunk().await.unwrap(), None);
    assert_eq!(upstream.requests()[0].header("accept"), Some("application/octet-stream"));
}

#[tokio::test]
async fn a_binary_answer_that_breaks_off_is_cut_and_never_looks_complete() {
    for step in [Step::Reset, Step::Close] {
        let pieces = vec![Step::event(vec![7; 1000]), Step::event(vec![7; 1000])];
        let reply = Reply::steps(200, &[("content-type", "audio/mpeg")], pieces);
        let script = Script::always(reply.cut_after(1, step));
        let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
        let answer = post(&gateway, "/v1/audio/speech", r#"{"model":"m"}"#).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect_err("it is not complete");
        let line = gateway.access_log(1).await.remove(0);
        assert!(line["error"].as_str().unwrap().contains("broke off"), "{line}");
    }
}

#[tokio::test]
async fn files_and_batches_pass_with_their_methods_and_stay_in_one_account() {
    let script = Script::new(|request, _| match request.path.ends_with("/content") {
        true => Reply::whole(200, &[("content-type", "application/octet-stream")], "{\"a\":1}\n"),
        false => Reply::json(200, &[], &json!({"id": "x", "path": request.path})),
    });
    let upstream = MockUpstream::start(script).await.unwrap();
    let config = format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: \
         [{{name: a, api_key: key-a}}, {{name: b, api_key: key-b, weight: 100}}]}}]\n",
        upstream.url()
    );
    let gateway = Gateway::start(&config).await;
    let calls = [
        ("GET", "/v1/files?limit=2&key=secret&after=f", ""),
        ("GET", "/v1/files/file-1", ""),
        ("GET", "/v1/files/file-1/content", ""),
        ("DELETE", "/v1/files/file-1", ""),
        ("POST", "/v1/batches", r#"{"input_file_id":"file-1","endpoint":"/v1/embeddings"}"#),
        ("GET", "/v1/batches", ""),
        ("GET", "/v1/batches/b-1", ""),
        ("POST", "/v1/batches/b-1/cancel", ""),
    ];
    let ask = |method: &str, path: &str, body: &'static str| {
        let request = gateway.client.request(method.parse().unwrap(), gateway.url(path));
        let request = match body {
            "" => request,
            body => request.header("content-type", "application/json").body(body),
        };
        request.send()
    };
    for (method, path, body) in calls {
        let answer = ask(method, path, body).await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        let answer = answer.text().await.unwrap();
        let plain = path.split('?').next().unwrap();
        match path.ends_with("/content") {
            true => assert_eq!(answer, "{\"a\":1}\n"),
            false => assert!(answer.contains(plain), "{answer}"),
        }
        let sent = upstream.requests().pop().unwrap();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), (method, plain));
        assert_eq!(String::from_utf8_lossy(&sent.body), body);
        assert_eq!(sent.header("authorization"), Some("Bearer key-a"), "always the first account");
    }
    assert_eq!(upstream.requests()[0].query.as_deref(), Some("limit=2&after=f"));
    // Who wants another account says so.
    let other = gateway.client.get(gateway.url("/v1/files/file-2"));
    other.header("x-penstock-provider", "up/b").send().await.unwrap();
    let sent = upstream.requests().pop().unwrap();
    assert_eq!(sent.header("authorization"), Some("Bearer key-b"));
    assert_eq!(ask("PUT", "/v1/files/file-1", "").await.unwrap().status(), 405);
    assert_eq!(ask("GET", "/v1/files/file-1/contents", "").await.unwrap().status(), 404);
    let missing =
        gateway.client.get(gateway.url("/v1/files")).header("x-penstock-provider", "up/c");
    let (status, said) = error(missing.send().await.unwrap()).await;
    assert_eq!((status, &said["param"]), (400, &json!("x-penstock-provider")), "{said}");
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let header = [("content-type", "application/octet-stream")];
    let script = Script::always(Reply::whole(200, &header, ""));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    let answer = gateway.client.get(gateway.url("/v1/files/file-1/content")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-length"], "0");
    assert_eq!(answer.bytes().await.unwrap(), "");
}

#[tokio::test]
async fn a_batch_is_made_once_or_not_at_all() {
    let (gateway, upstream) = behind(
        Dialect::OpenAi,
        Script::always(Reply::json(500, &[], &json!({"error": {"message": "no"}}))),
        "",
    )
    .await;
    assert_eq!(post(&gateway, "/v1/batches", r#"{"input_file_id":"f"}"#).await.status(), 500);
    assert_eq!(upstream.counts().requests, 1);
}

#[tokio::test]
async fn where_several_providers_could_have_it_the_client_is_asked_which() {
    let (one, two) = (
        MockUpstream::start(answering(&json!({"is": 1}))).await.unwrap(),
        MockUpstream::start(answering(&json!({"is": 2}))).await.unwrap(),
    );
    let config = format!(
        "providers:\n- {}\n- {}\n",
        Dialect::OpenAi.provider("one", &one.url(), ""),
        Dialect::OpenAi.provider("two", &two.url(), ""),
    );
    let gateway = Gateway::start(&config).await;
    let (status, said) =
        error(gateway.client.get(gateway.url("/v1/files")).send().await.unwrap()).await;
    assert_eq!((status, &said["code"]), (400, &json!("invalid_header")), "{said}");
    let (status, said) = error(post(&gateway, "/v1/moderations", r#"{"input":"x"}"#).await).await;
    assert_eq!((status, &said["param"]), (400, &json!("model")), "{said}");
    let chosen = gateway.client.get(gateway.url("/v1/files")).header("x-penstock-provider", "two");
    assert_eq!(chosen.send().await.unwrap().json::<Value>().await.unwrap()["is"], 2);
    let chosen = gateway.client.post(gateway.url("/v1/moderations")).json(&json!({"input": "x"}));
    let chosen = chosen.header("x-penstock-model", "one/omni");
    assert_eq!(chosen.send().await.unwrap().json::<Value>().await.unwrap()["is"], 1);
}

#[tokio::test]
async fn providers_of_other_dialects_are_not_asked() {
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let (gateway, upstream) = behind(dialect, answering(&json!({})), "").await;
        let (status, said) =
            error(post(&gateway, "/v1/completions", r#"{"model":"m","prompt":"x"}"#).await).await;
        assert_eq!((status, &said["code"]), (400, &json!("unsupported_value")), "{said}");
        assert!(said["message"].as_str().unwrap().contains("has no `/v1/completions`"), "{said}");
        let files = gateway.client.get(gateway.url("/v1/files")).send().await.unwrap();
        assert_eq!(error(files).await.0, 400);
        assert_eq!(upstream.counts().requests, 0);
    }
    let gateway = Gateway::start("providers: [{name: mock, dialect: mock}]\n").await;
    let answer = post(&gateway, "/v1/completions", r#"{"model":"mock/m","prompt":"x"}"#).await;
    assert_eq!(error(answer).await.0, 400);
}

#[tokio::test]
async fn whoever_serves_listed_models_only_serves_nothing_else_here() {
    let upstream = MockUpstream::start(answering(&json!({}))).await.unwrap();
    let config = format!("direct_models: false\n{}", Dialect::OpenAi.config(&upstream.url(), ""));
    let gateway = Gateway::start(&config).await;
    assert_eq!(post(&gateway, "/v1/moderations", r#"{"model":"m"}"#).await.status(), 200);
    let (status, said) = error(post(&gateway, "/v1/moderations", r#"{"input":"x"}"#).await).await;
    assert_eq!((status, &said["param"]), (400, &json!("model")), "{said}");
    let asked = gateway.client.post(gateway.url("/v1/moderations")).json(&json!({"input": "x"}));
    let asked = asked.header("x-penstock-model", "m").send().await.unwrap();
    assert_eq!(asked.status(), 400, "a header says nothing of what the body wants");
    assert_eq!(gateway.client.get(gateway.url("/v1/files")).send().await.unwrap().status(), 400);
    assert_eq!(upstream.counts().requests, 1);
}

#[tokio::test]
async fn a_key_is_needed_as_everywhere() {
    let upstream = MockUpstream::start(answering(&json!({}))).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let config =
        format!("auth: {{mode: keys, keys: [{{name: ci, key: sk-mine-0123456789}}]}}\n{config}");
    let gateway = Gateway::start(&config).await;
    let ask = || gateway.client.get(gateway.url("/v1/files"));
    assert_eq!(ask().send().await.unwrap().status(), 401);
    assert_eq!(ask().bearer_auth("sk-mine-0123456789").send().await.unwrap().status(), 200);
    let seen = format!("{:?}", upstream.requests());
    assert!(!seen.contains("sk-mine"), "a client's key went upstream");
    let line = gateway.access_log(2).await.remove(1);
    assert_eq!((&line["key"], &line["route"]), (&json!("ci"), &json!("/v1/files")), "{line}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_binary_answer_upstream() {
    let gate = Gate::shut();
    let pieces = (0..100).map(|_| Step::event(vec![7; 1000])).collect();
    let reply = Reply::steps(200, &[("content-type", "audio/mpeg")], pieces).paced(&gate);
    let (gateway, upstream) = behind(Dialect::OpenAi, Script::always(reply), "").await;
    gate.admit(1);
    let mut answer = post(&gateway, "/v1/audio/speech", r#"{"model":"m"}"#).await;
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    let gone = upstream.until(|seen| seen.gone == 1);
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the upstream is let go");
    until(|| gateway.log().contains("499"), "the log line").await;
}

//! Promise: how long a provider may be silent, and how a broken stream tells of it, is for the
//! operator to say, and the latter for the client too.

use std::time::Duration;

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script, Step, openai};

use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::{Gateway, Stream};

/// A gateway whose upstream breaks off after its first word.
async fn breaking(dialect: Dialect, settings: &str) -> (Gateway, MockUpstream) {
    let script = Script::new(move |_, _| {
        let said = dialect.opening().len() + 1;
        sse(dialect.events(&["Good", " morning"])).cut_after(said, Step::Reset)
    });
    let upstream = MockUpstream::start(script).await.unwrap();
    let config = format!("{settings}\n{}", dialect.config(&upstream.url(), ""));
    (Gateway::start(&config).await, upstream)
}

async fn broken(gateway: &Gateway, wish: Option<&str>) -> Vec<Value> {
    let body = json!({
        "model": "m",
        "stream": true,
        "messages": [{"role": "user", "content": "Hello"}],
    });
    let mut request = gateway.client.post(gateway.url("/v1/chat/completions")).json(&body);
    if let Some(wish) = wish {
        request = request.header("x-penstock-stream-errors", wish);
    }
    let stream = Stream::read(request.send().await.unwrap()).await;
    assert!(stream.is_done(), "{}", stream.text);
    assert_eq!(stream.finish_reasons(), ["error"], "{}", stream.text);
    stream.chunks()
}

fn is_explicit(chunks: &[Value]) -> bool {
    let told: Vec<&Value> = chunks.iter().filter(|chunk| !chunk["error"].is_null()).collect();
    for chunk in &told {
        assert_eq!(chunk["error"]["code"], "upstream_broke_off", "{chunk}");
    }
    !told.is_empty()
}

#[tokio::test]
async fn a_broken_stream_tells_of_it_as_the_client_wishes_else_as_the_operator_does() {
    for dialect in ALL {
        for (settings, explicit) in
            [("", false), ("stream_errors: graceful", false), ("stream_errors: explicit", true)]
        {
            let (gateway, _upstream) = breaking(dialect, settings).await;
            let what = format!("{dialect:?}, {settings}");
            assert_eq!(is_explicit(&broken(&gateway, None).await), explicit, "{what}");
            assert!(is_explicit(&broken(&gateway, Some("explicit")).await), "{what}");
            assert!(!is_explicit(&broken(&gateway, Some("graceful")).await), "{what}");
        }
    }
}

#[tokio::test]
async fn a_wish_that_is_none_is_refused() {
    let (gateway, upstream) = breaking(Dialect::OpenAi, "").await;
    let request = gateway.client.post(gateway.url("/v1/chat/completions"));
    let request = request.header("x-penstock-stream-errors", "loud").json(&json!({"model": "m"}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let error: Value = answer.json().await.unwrap();
    assert_eq!(error["error"]["param"], "x-penstock-stream-errors");
    assert_eq!(error["error"]["code"], "invalid_header");
    assert_eq!(upstream.counts().requests, 0);
}

#[tokio::test]
async fn a_model_s_timeouts_go_before_its_provider_s() {
    let upstream = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
    let config = format!(
        "
providers:
  - {{name: up, dialect: openai, base_url: '{}/v1', timeouts: {{first_byte: 60s}},
     accounts: [{{name: main}}]}}
models:
  - {{name: m, targets: [{{provider: up, model: x}}], timeouts: {{first_byte: 200ms}}}}
",
        upstream.url()
    );
    let gateway = Gateway::start(&config).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), gateway.ask("m")).await;
    assert_eq!(answer.expect("the model's patience is short").status(), 504);
}

#[tokio::test]
async fn a_patient_model_waits_where_its_provider_would_not() {
    let late = openai::chat("Hello").after(Step::Delay(Duration::from_millis(500)));
    let upstream = MockUpstream::start(Script::always(late)).await.unwrap();
    let config = format!(
        "
providers:
  - {{name: up, dialect: openai, base_url: '{}/v1', timeouts: {{first_byte: 100ms}},
     accounts: [{{name: main}}]}}
models:
  - {{name: hasty, targets: [{{provider: up, model: x}}]}}
  - {{name: patient, targets: [{{provider: up, model: x}}], timeouts: {{first_byte: 30s}}}}
",
        upstream.url()
    );
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.ask("hasty").await.status(), 504);
    assert_eq!(gateway.ask("patient").await.status(), 200);
}

//! Promise: a request gets its answer from somebody else, as long as none of an answer has reached
//! the client; and it is told honestly if there is nobody.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, openai};

use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::{Gateway, Stream};

/// A model `m` with two targets: the first, `bad`, does what `reply` says.
struct Pair {
    gateway: Gateway,
    bad: MockUpstream,
    good: MockUpstream,
}

impl Pair {
    async fn start(dialect: Dialect, reply: Reply, settings: &str) -> Self {
        Self::start_with(dialect, Script::always(reply), settings).await
    }

    async fn start_with(dialect: Dialect, script: Script, settings: &str) -> Self {
        let bad = MockUpstream::start(script).await.unwrap();
        // Another dialect: the request is translated anew.
        let other = match dialect {
            Dialect::OpenAi => Dialect::Anthropic,
            Dialect::Anthropic | Dialect::Gemini => Dialect::OpenAi,
        };
        let good = MockUpstream::start(other.answering("Good morning")).await.unwrap();
        let config = format!(
            "providers: [{}, {}]\nmodels: [{{name: m, targets: [\
             {{provider: bad, model: {}}}, {{provider: good, model: {}}}]}}]\n{settings}",
            dialect.provider("bad", &bad.url(), "timeouts: {first_byte: 400ms, idle: 400ms},"),
            other.provider("good", &good.url(), ""),
            dialect.model(),
            other.model(),
        );
        Self { gateway: Gateway::start(&config).await, bad, good }
    }
}

/// Every way to fail before there is content.
fn faults(dialect: Dialect) -> Vec<(&'static str, Reply)> {
    let words = dialect.events(&["Never", " seen"]);
    let opening = dialect.opening().len();
    let status = |status: u16| Reply::json(status, &[], &json!({"error": {"message": "No"}}));
    let mut faults = vec![
        ("reset", Reply::reset()),
        ("close", Reply::close()),
        ("hang", Reply::hang()),
        ("garbage", Reply::raw(&b"garbage\r\n\r\n"[..])),
        ("page", Reply::whole(200, &[("content-type", "text/html")], "<html></html>")),
        ("error event", sse([dialect.overloaded_event("Busy")])),
        ("empty stream", sse([])),
        ("broken json", Reply::whole(200, &[("content-type", "application/json")], "{\"cho")),
    ];
    faults.extend(
        [401, 402, 403, 404, 408, 409, 429, 500, 502, 503, 529].map(|it| ("status", status(it))),
    );
    if opening > 0 {
        for (what, step) in [
            ("reset after the opening", Step::Reset),
            ("close after the opening", Step::CutChunk(Bytes::new())),
            ("hang after the opening", Step::Wait(Gate::shut())),
        ] {
            faults.push((what, sse(words.clone()).cut_after(opening, step)));
        }
    }
    faults
}

async fn check_faults(dialect: Dialect) {
    for (what, reply) in faults(dialect) {
        let pair = Pair::start(dialect, reply, "").await;
        let stream = pair.gateway.stream("m").await;
        assert_eq!(stream.status, 200, "{dialect:?}, {what}: {}", stream.text);
        assert_eq!(stream.content(), "Good morning", "{dialect:?}, {what}: {}", stream.text);
        assert_eq!(stream.finish_reasons(), ["stop"], "{dialect:?}, {what}");
        assert!(stream.is_done(), "{dialect:?}, {what}");
        let whole = pair.gateway.ask("m").await;
        assert_eq!(whole.status(), 200, "{dialect:?}, {what}");
        let whole: Value = whole.json().await.unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], "Good morning", "{what}");
        assert_eq!(pair.good.counts().requests, 2, "{dialect:?}, {what}");
        assert!(pair.bad.counts().requests >= 1, "{dialect:?}, {what}");
        let retries = pair.gateway.metric("penstock_retries_total", &["provider=\"bad\""]).await;
        assert!(retries >= 1.0, "{dialect:?}, {what}");
        pair.gateway.until_metric("penstock_requests_in_flight", &[], 0.0).await;
        let held = pair.gateway.metric("penstock_account_requests_in_flight", &[]).await;
        assert!(held == 0.0, "{dialect:?}, {what}: {held} places were not given back");
    }
}

#[tokio::test]
async fn whatever_fails_before_content_is_answered_by_the_next_target_openai() {
    check_faults(Dialect::OpenAi).await;
}

#[tokio::test]
async fn whatever_fails_before_content_is_answered_by_the_next_target_anthropic() {
    check_faults(Dialect::Anthropic).await;
}

#[tokio::test]
async fn whatever_fails_before_content_is_answered_by_the_next_target_gemini() {
    check_faults(Dialect::Gemini).await;
}

#[tokio::test]
async fn once_there_was_content_nobody_else_answers() {
    for dialect in ALL {
        let said = dialect.opening().len() + 1;
        let reply = sse(dialect.events(&["Good", " bye"])).cut_after(said, Step::Reset);
        let pair = Pair::start(dialect, reply, "").await;
        let stream = pair.gateway.stream("m").await;
        assert_eq!(stream.content(), "Good", "{dialect:?}");
        assert_eq!(stream.finish_reasons(), ["error"], "{dialect:?}");
        assert!(stream.is_done());
        assert_eq!(pair.good.counts().requests, 0);
    }
}

#[tokio::test]
async fn a_client_that_wants_one_attempt_gets_one() {
    let pair = Pair::start(Dialect::OpenAi, openai::rate_limited(9), "").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    let request = pair.gateway.client.post(pair.gateway.url("/v1/chat/completions"));
    let answer = request.header("x-penstock-retry", "off").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "9");
    assert_eq!(pair.good.counts().requests, 0);
    let request = pair.gateway.client.post(pair.gateway.url("/v1/chat/completions"));
    let answer = request.header("x-penstock-retry", "never").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_not_sent_around() {
    let reply = openai::error(422, "invalid_request_error", None, "No such thing");
    let pair = Pair::start(Dialect::OpenAi, reply, "").await;
    assert_eq!(pair.gateway.ask("m").await.status(), 422);
    assert_eq!((pair.bad.counts().requests, pair.good.counts().requests), (1, 0));
}

#[tokio::test]
async fn a_conversation_too_long_for_one_model_goes_to_the_one_named_for_it() {
    let long = openai::error(400, "invalid_request_error", Some("context_length_exceeded"), "Long");
    let small = MockUpstream::start(Script::always(long)).await.unwrap();
    let large = MockUpstream::start(openai::answering("Read it all")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{}, {}]\nmodels:\n\
         - {{name: m, targets: [{{provider: s, model: x}}], fallbacks: {{context_window: [big]}}}}\n\
         - {{name: big, targets: [{{provider: l, model: y}}], fallbacks: {{context_window: [m]}}}}\n",
        Dialect::OpenAi.provider("s", &small.url(), ""),
        Dialect::OpenAi.provider("l", &large.url(), ""),
    ))
    .await;
    let answer: Value = gateway.ask("m").await.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Read it all");
    assert_eq!((small.counts().requests, large.counts().requests), (1, 1));
}

#[tokio::test]
async fn one_account_s_limit_is_the_next_account_s_work() {
    let upstream =
        MockUpstream::start(Script::new(|request, _| match request.header("authorization") {
            Some("Bearer sk-a") => openai::rate_limited(30),
            _ => openai::chat("Hej"),
        }))
        .await
        .unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [\
         {{name: a, api_key: sk-a}}, {{name: b, api_key: sk-b}}]}}]\n\
         models: [{{name: m, strategy: priority, targets: [{{provider: up, model: x}}]}}]",
        upstream.url()
    ))
    .await;
    for _ in 0..5 {
        assert_eq!(gateway.ask("m").await.status(), 200);
    }
    let limited = upstream.requests();
    let limited = limited.iter().filter(|r| r.header("authorization") == Some("Bearer sk-a"));
    assert_eq!(limited.count(), 1, "an account that is resting is left alone");
    gateway.until_metric("penstock_account_requests_in_flight", &[], 0.0).await;
}

#[tokio::test]
async fn a_session_stays_with_its_account() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let accounts: Vec<String> =
        (0..6).map(|n| format!("{{name: a{n}, api_key: sk-{n}}}")).collect();
    let gateway = Gateway::start(&format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [{}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: x}}]}}]",
        upstream.url(),
        accounts.join(", ")
    ))
    .await;
    let mut used = std::collections::BTreeSet::new();
    for session in 0..6 {
        let before = upstream.requests().len();
        for turn in 0..4 {
            let mut messages = vec![json!({"role": "user", "content": format!("Topic {session}")})];
            for _ in 0..turn {
                messages.push(json!({"role": "assistant", "content": "Hej"}));
                messages.push(json!({"role": "user", "content": "And then?"}));
            }
            let answer = gateway.chat(&json!({"model": "m", "messages": messages})).await;
            assert_eq!(answer.status(), 200);
        }
        let requests = upstream.requests();
        let keys: std::collections::BTreeSet<_> = requests[before..]
            .iter()
            .map(|r| r.header("authorization").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 1, "session {session} was torn apart: {keys:?}");
        used.extend(keys);
    }
    assert!(used.len() > 1, "sessions are spread over accounts");
}

#[tokio::test]
async fn requests_beyond_a_limit_wait_for_room_and_then_are_told_when_to_come_back() {
    let gate = Gate::shut();
    let reply = openai::chat("Hej").after(Step::Wait(gate.clone()));
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let gateway = Gateway::start(&format!(
        "queue: {{wait: 20s}}\n\
         providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [\
         {{name: a, api_key: sk-a, limits: {{concurrent: 1, requests_per_minute: 3}}}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: x}}]}}]\n",
        upstream.url()
    ))
    .await;
    let two_wait = async {
        gateway.until_metric("penstock_requests_waiting", &[], 2.0).await;
        upstream.until(|seen| seen.requests > 0).await;
        assert_eq!(upstream.counts().requests, 1, "no more at a time than the limit");
        gate.open();
    };
    let asked = async { tokio::join!(gateway.ask("m"), gateway.ask("m"), gateway.ask("m")) };
    let ((one, two, three), ()) = tokio::join!(asked, two_wait);
    assert_eq!([one, two, three].map(|it| it.status().as_u16()), [200; 3]);
    gateway.until_metric("penstock_requests_waiting", &[], 0.0).await;
    // The minute's requests are spent: that is known at once.
    let started = Instant::now();
    let answer = gateway.ask("m").await;
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(answer.status(), 429);
    let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=62).contains(&after), "{after}");
    let error = answer.json::<Value>().await.unwrap()["error"].take();
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert_eq!(upstream.counts().requests, 3);
}

#[tokio::test]
async fn the_time_for_the_whole_request_is_bounded() {
    let upstream = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
    let gateway =
        Gateway::start(&Dialect::OpenAi.config(&upstream.url(), "timeouts: {total: 500ms},")).await;
    let started = Instant::now();
    assert_eq!(gateway.ask("m").await.status(), 504);
    assert!(started.elapsed() < Duration::from_secs(5));

    let endless =
        Script::always(sse(Dialect::OpenAi.events(&["a"; 100])).slowly(Duration::from_millis(50)));
    let upstream = MockUpstream::start(endless).await.unwrap();
    let gateway =
        Gateway::start(&Dialect::OpenAi.config(&upstream.url(), "timeouts: {total: 700ms},")).await;
    let stream: Stream = gateway.stream("m").await;
    assert_eq!(stream.finish_reasons(), ["error"], "{}", stream.text);
    assert!(stream.is_done() && stream.content().starts_with('a'));
}

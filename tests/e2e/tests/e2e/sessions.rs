//! Promise: the requests of one session go to one account, whoever else uses the same name; limits
//! that a provider reports are kept; and who wants one attempt gets one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, anthropic, gemini, openai};

use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::Gateway;

fn accounts(count: usize) -> String {
    (0..count).map(|n| format!("{{name: a{n}, api_key: sk-{n}}}")).collect::<Vec<_>>().join(", ")
}

fn hello() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
}

#[tokio::test]
async fn the_first_requests_of_a_session_at_once_bind_it_to_one_account() {
    let gate = Gate::shut();
    let reply = openai::chat("Hej").after(Step::Wait(gate.clone()));
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [{}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: x}}]}}]\n",
        upstream.url(),
        accounts(6)
    ))
    .await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let request = gateway.client.post(gateway.url("/v1/chat/completions"));
        let request = request.header("x-session-id", "one").json(&hello());
        asked.spawn(async move { request.send().await.unwrap().status() });
    }
    upstream.until(|seen| seen.in_flight == 24).await;
    gate.open();
    while let Some(status) = asked.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let keys: BTreeSet<_> = upstream
        .requests()
        .iter()
        .map(|it| it.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 1, "torn apart: {keys:?}");
    let moves = gateway.metric("penstock_session_moves_total", &[]).await;
    assert!(moves < 0.5, "{moves}");
}

#[tokio::test]
async fn a_session_belongs_to_its_client_key() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let keys: Vec<String> = (0..12).map(|n| format!("{{name: k{n}, key: pk-{n}}}")).collect();
    let gateway = Gateway::start(&format!(
        "auth: {{mode: keys, keys: [{}]}}\n\
         providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [{}]}}]\n\
         models: [{{name: m, strategy: weighted, targets: [{{provider: up, model: x}}]}}]\n",
        keys.join(", "),
        upstream.url(),
        accounts(6)
    ))
    .await;
    let mut homes = BTreeSet::new();
    for n in 0..12 {
        let before = upstream.requests().len();
        for _ in 0..3 {
            let request = gateway.client.post(gateway.url("/v1/chat/completions"));
            let request = request.header("x-session-id", "shared").bearer_auth(format!("pk-{n}"));
            assert_eq!(request.json(&hello()).send().await.unwrap().status(), 200);
        }
        let own: BTreeSet<_> = upstream.requests()[before..]
            .iter()
            .map(|it| it.header("authorization").unwrap().to_owned())
            .collect();
        assert_eq!(own.len(), 1, "key {n}: {own:?}");
        homes.extend(own);
    }
    // Twelve draws out of six that all come out alike: once in 360 million runs.
    assert!(homes.len() > 1, "one key's session is not another's");
}

#[tokio::test]
async fn a_limit_that_any_provider_reports_rests_the_account_for_as_long_as_it_said() {
    for (dialect, limited) in [
        (Dialect::OpenAi, openai::rate_limited(30)),
        (Dialect::Anthropic, anthropic::rate_limited(30)),
        (Dialect::Gemini, gemini::quota_exhausted(30.0)),
    ] {
        let upstream = MockUpstream::start(Script::always(limited)).await.unwrap();
        let gateway = Gateway::start(&dialect.config(&upstream.url(), "")).await;
        assert_eq!(gateway.ask("m").await.status(), 429, "{dialect:?}");
        let asked = upstream.counts().requests;
        assert_eq!(asked, 1, "{dialect:?}: not again before the provider said");
        let answer = gateway.ask("m").await;
        assert_eq!(answer.status(), 429, "{dialect:?}");
        let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((29..=39).contains(&after), "{dialect:?}: {after}");
        assert_eq!(upstream.counts().requests, asked, "{dialect:?}: it is left alone");
    }
}

#[tokio::test]
async fn a_limit_that_ends_in_milliseconds_is_waited_for() {
    let soon = openai::rate_limited(1).header("retry-after-ms", "250");
    let script = Script::sequence(vec![soon, openai::chat("Hej")]);
    let upstream = MockUpstream::start(script).await.unwrap();
    let gateway = Gateway::start(&Dialect::OpenAi.config(&upstream.url(), "")).await;
    let asked = std::time::Instant::now();
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert!(asked.elapsed() >= std::time::Duration::from_millis(240));
    assert_eq!(upstream.counts().requests, 2);
}

#[tokio::test]
async fn who_wants_one_attempt_gets_one_however_it_fails() {
    for dialect in ALL {
        let busy = sse([dialect.overloaded_event("Busy")]);
        let status = |it: u16| Reply::json(it, &[], &json!({"error": {"message": "No"}}));
        for (what, reply) in [
            ("close", Reply::close()),
            ("hang", Reply::hang()),
            ("error event", busy),
            ("empty stream", sse([])),
            ("401", status(401)),
            ("404", status(404)),
            ("500", status(500)),
        ] {
            let bad = MockUpstream::start(Script::always(reply)).await.unwrap();
            let good = MockUpstream::start(openai::answering("Never asked")).await.unwrap();
            let gateway = Gateway::start(&format!(
                "providers: [{}, {}]\nmodels: [{{name: m, targets: [\
                 {{provider: bad, model: x}}, {{provider: good, model: y}}]}}]\n",
                dialect.provider("bad", &bad.url(), "timeouts: {first_byte: 200ms},"),
                Dialect::OpenAi.provider("good", &good.url(), ""),
            ))
            .await;
            let mut body = hello();
            body["stream"] = true.into();
            let request = gateway.client.post(gateway.url("/v1/chat/completions"));
            let request = request.header("x-penstock-retry", "off").json(&body);
            let answer = request.send().await.unwrap();
            assert!(answer.status().as_u16() >= 400, "{dialect:?}, {what}: {}", answer.status());
            assert_eq!((bad.counts().requests, good.counts().requests), (1, 0), "{what}");
            let given_up = "penstock_retries_given_up_total";
            let opted_out = gateway.metric(given_up, &["reason=\"opted_out\""]).await;
            assert!((opted_out - 1.0).abs() < 0.1, "{dialect:?}, {what}: {opted_out}");
        }
    }
}

/// A provider that keeps answers has each with the account that asked: whoever goes on from one must
/// reach that account, whole or streamed.
#[tokio::test]
async fn a_chain_of_responses_stays_with_the_account_that_has_its_beginning() {
    let upstream = MockUpstream::start(Script::new(|request, at| {
        let response = json!({"id": format!("resp_{at}"), "object": "response", "model": "x",
            "status": "completed", "output": [{"type": "message", "id": "msg_1",
                "role": "assistant", "status": "completed", "content": [
                    {"type": "output_text", "text": "Hej", "annotations": []}]}],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}});
        if request.json()["stream"] != true {
            return Reply::json(200, &[], &response);
        }
        let events = [
            json!({"type": "response.created", "sequence_number": 0, "response": response}),
            json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1",
                "output_index": 0, "content_index": 0, "delta": "Hej"}),
            json!({"type": "response.completed", "sequence_number": 2, "response": response}),
        ];
        sse(events.map(|event| {
            let kind = event["type"].as_str().unwrap();
            format!("event: {kind}\ndata: {event}\n\n").into()
        }))
    }))
    .await
    .unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{{name: up, dialect: responses, base_url: \"{}/v1\", accounts: [{}]}}]\n\
         models: [{{name: m, strategy: weighted, targets: [{{provider: up, model: x}}]}}]\n",
        upstream.url(),
        accounts(6)
    ))
    .await;
    for chain in 0..8 {
        let stream = chain % 2 == 1;
        let mut previous = Value::Null;
        for turn in 0..4 {
            let body = json!({"model": "m", "stream": stream, "input": format!("{chain} {turn}"),
                "previous_response_id": previous});
            let asked = gateway.client.post(gateway.url("/v1/responses")).json(&body);
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(answer.text().await.unwrap().contains("Hej"));
            gateway.access_log(chain * 4 + turn + 1).await;
            previous = json!(format!("resp_{}", upstream.requests().len() - 1));
        }
    }
    let asked = upstream.requests();
    let keys = asked.iter().map(|it| it.header("authorization").unwrap()).collect::<Vec<_>>();
    for chain in keys.chunks(4) {
        assert!(chain.iter().all(|key| *key == chain[0]), "torn apart: {chain:?}");
    }
    assert!(keys.iter().collect::<BTreeSet<_>>().len() > 1, "all chains went one way: {keys:?}");
}

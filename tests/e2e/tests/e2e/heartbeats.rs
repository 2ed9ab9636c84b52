//! Promise: a client hears from us while its upstream is silent, before the upstream's header and
//! after it, and whatever happens then the stream is well-formed.

use std::time::Duration;

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, openai};

use crate::clients::{CLIENTS, Client, Heard};
use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::{Gateway, Stream};

const QUICK: &str = "heartbeat: {after: 100ms, every: 100ms}\n";

fn streaming() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

async fn gateway(dialect: Dialect, upstream: &MockUpstream, more: &str) -> Gateway {
    Gateway::start(&format!("{QUICK}{}", dialect.config(&upstream.url(), more))).await
}

async fn read_until(answer: &mut reqwest::Response, seen: &mut String, what: &str, times: usize) {
    while seen.matches(what).count() < times {
        let chunk = answer.chunk().await.unwrap().expect("the stream goes on");
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn a_silent_upstream_is_bridged_before_its_header_and_between_its_events() {
    for dialect in ALL {
        let gate = Gate::shut();
        let reply = sse(dialect.events(&["Good", " morning"])).paced(&gate);
        let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
        let gateway = gateway(dialect, &upstream, "").await;
        let mut answer = gateway.chat(&streaming()).await;
        assert_eq!(answer.status(), 200, "{dialect:?}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert!(answer.headers().contains_key("x-request-id"));
        let mut seen = String::new();
        read_until(&mut answer, &mut seen, ": keep-alive\n\n", 3).await;
        gate.admit(dialect.opening().len() + 1);
        read_until(&mut answer, &mut seen, "Good", 1).await;
        let before = seen.matches(": keep-alive\n\n").count();
        read_until(&mut answer, &mut seen, ": keep-alive\n\n", before + 2).await;
        gate.open();
        read_until(&mut answer, &mut seen, "data: [DONE]\n\n", 1).await;
        let stream = Stream { status: 200, text: seen };
        assert_eq!(stream.content(), "Good morning", "{dialect:?}");
        assert_eq!(stream.finish_reasons(), ["stop"], "{dialect:?}");
        assert!(gateway.metric("penstock_heartbeats_total", &[]).await >= 5.0);
    }
}

/// What keeps a stream alive in the client's dialect: its SDKs pass over it.
fn beat(client: Client) -> &'static str {
    match client {
        Client::Chat | Client::Responses => ": keep-alive\n\n",
        Client::Messages => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        Client::Gemini => "\r\n",
    }
}

#[tokio::test]
async fn every_client_hears_of_us_in_its_own_form() {
    for client in CLIENTS {
        let gate = Gate::shut();
        let reply = sse(Dialect::OpenAi.events(&["Good", " morning"])).paced(&gate);
        let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
        let gateway = gateway(Dialect::OpenAi, &upstream, "").await;
        let asked = gateway.client.post(gateway.url(&client.path("m", true)));
        let mut answer = asked.json(&client.request("m", "Hello", true)).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut text = String::new();
        read_until(&mut answer, &mut text, beat(client), 3).await;
        gate.open();
        text.push_str(&answer.text().await.unwrap());
        let heard = Heard { client, status, headers, text };
        assert_eq!((heard.status, heard.streamed_words().as_str()), (200, "Good morning"));
        assert!(heard.ended_well(), "{client:?}: {}", heard.text);
    }
}

#[tokio::test]
async fn after_heartbeats_an_error_ends_the_stream_in_every_client_s_form() {
    let upstream = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
    let gateway = gateway(Dialect::OpenAi, &upstream, "timeouts: {first_byte: 400ms},").await;
    for client in CLIENTS {
        let heard = client.ask(&gateway, "m", true).await;
        assert_eq!(heard.status, 200, "{client:?}: {}", heard.text);
        assert!(heard.text.starts_with(beat(client)), "{client:?}: {}", heard.text);
        assert!(heard.broke_off() && !heard.ended_well(), "{client:?}: {}", heard.text);
    }
}

#[tokio::test]
async fn after_a_heartbeat_somebody_else_can_still_answer() {
    let bad = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
    let good = MockUpstream::start(openai::answering("Good morning")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "{QUICK}providers: [{}, {}]\n\
         models: [{{name: m, targets: [{{provider: bad, model: x}}, {{provider: good, model: y}}]}}]",
        Dialect::OpenAi.provider("bad", &bad.url(), "timeouts: {first_byte: 600ms},"),
        Dialect::OpenAi.provider("good", &good.url(), ""),
    ))
    .await;
    let stream = Stream::read(gateway.chat(&streaming()).await).await;
    assert!(stream.text.starts_with(": keep-alive\n\n"), "{}", stream.text);
    assert_eq!(stream.content(), "Good morning");
    assert!(stream.is_done());
}

#[tokio::test]
async fn after_a_heartbeat_an_error_is_the_end_of_the_stream() {
    for dialect in ALL {
        let gate = Gate::shut();
        let upstream = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
        let gateway = gateway(dialect, &upstream, "timeouts: {first_byte: 500ms},").await;
        let stream = Stream::read(gateway.chat(&streaming()).await).await;
        assert_eq!(stream.status, 200);
        assert!(stream.text.contains(": keep-alive"), "{}", stream.text);
        assert_eq!(stream.finish_reasons(), ["error"], "{dialect:?}: {}", stream.text);
        assert!(stream.is_done(), "{dialect:?}: {}", stream.text);
        drop(gate);
    }
}

#[tokio::test]
async fn a_refusal_after_a_heartbeat_is_the_end_of_the_stream_and_not_a_second_header() {
    let gate = Gate::shut();
    let reply = openai::error(422, "invalid_request_error", None, "No such thing")
        .after(Step::Wait(gate.clone()));
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let gateway = gateway(Dialect::OpenAi, &upstream, "").await;
    let mut answer = gateway.chat(&streaming()).await;
    let mut seen = String::new();
    read_until(&mut answer, &mut seen, ": keep-alive\n\n", 1).await;
    gate.open();
    read_until(&mut answer, &mut seen, "data: [DONE]\n\n", 1).await;
    let stream = Stream { status: 200, text: seen };
    assert_eq!(stream.finish_reasons(), ["error"], "{}", stream.text);
    assert!(!stream.text.contains("HTTP/1.1"), "{}", stream.text);
}

#[tokio::test]
async fn a_stream_that_breaks_after_heartbeats_ends_well() {
    for dialect in ALL {
        let said = dialect.opening().len() + 1;
        let reply =
            sse(dialect.events(&["Good", " bye"])).cut_after(said, Step::Wait(Gate::shut()));
        let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
        let gateway = gateway(dialect, &upstream, "timeouts: {idle: 500ms},").await;
        let stream = Stream::read(gateway.chat(&streaming()).await).await;
        assert_eq!(stream.content(), "Good", "{dialect:?}");
        assert!(stream.text.contains(": keep-alive\n\n"), "{dialect:?}: {}", stream.text);
        assert_eq!(stream.finish_reasons(), ["error"], "{dialect:?}");
        assert!(stream.is_done());
    }
}

/// Regression: it ended without a word, because what had failed before content counted as told.
#[tokio::test]
async fn a_stream_that_fails_before_content_after_heartbeats_says_so_if_nobody_else_answers() {
    for dialect in ALL {
        for opening in [Vec::new(), dialect.opening()] {
            let events = opening.into_iter().chain([dialect.overloaded_event("Busy")]);
            let slow = sse(events).after(Step::Delay(Duration::from_millis(300)));
            let upstream = MockUpstream::start(Script::always(slow)).await.unwrap();
            let gateway = gateway(dialect, &upstream, "").await;
            let stream = Stream::read(gateway.chat(&streaming()).await).await;
            assert!(stream.text.contains(": keep-alive\n\n"), "{dialect:?}: {}", stream.text);
            assert_eq!(stream.finish_reasons(), ["error"], "{dialect:?}: {}", stream.text);
            assert!(stream.is_done(), "{dialect:?}: {}", stream.text);
        }
    }
}

#[tokio::test]
async fn answers_in_one_piece_have_heartbeats_only_if_they_are_asked_for() {
    let slow = || {
        let gate = Gate::shut();
        (Script::always(openai::chat("Hej").after(Step::Wait(gate.clone()))), gate)
    };
    let (script, gate) = slow();
    let upstream = MockUpstream::start(script).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let on =
        Gateway::start(&format!("heartbeat: {{after: 50ms, every: 50ms, whole: true}}\n{config}"))
            .await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    let mut answer = on.chat(&body).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let mut seen = String::new();
    read_until(&mut answer, &mut seen, " ", 3).await;
    gate.open();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let answer: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hej");

    let slow =
        Reply::whole(200, &[("content-type", "application/json")], openai::chat("Hej").body())
            .after(Step::Delay(Duration::from_millis(400)));
    let upstream = MockUpstream::start(Script::always(slow)).await.unwrap();
    let off = gateway(Dialect::OpenAi, &upstream, "").await;
    let answer = off.ask("m").await.text().await.unwrap();
    assert!(answer.starts_with('{'), "{answer}");
}

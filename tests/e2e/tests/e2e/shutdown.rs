//! Promise: after SIGTERM what is in flight ends well, and then the process ends, without waiting
//! for anything else.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::json;
use tests_mock::{Gate, MockUpstream, Script, openai};
use tokio::net::TcpStream;

use crate::gateway::{Gateway, Stream};

/// Far below the grace period, far above what ending takes.
const AT_ONCE: Duration = Duration::from_secs(5);
const MOCK: &str = "providers: [{name: mock, dialect: mock}]\n";

/// How it ends; panics if it takes longer than `AT_ONCE`.
async fn end(gateway: &mut Gateway) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = gateway.child().try_wait().unwrap() {
            return status;
        }
        assert!(started.elapsed() < AT_ONCE, "it does not end:\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway with a stream under way that waits at a gate.
struct Draining {
    gateway: Gateway,
    gate: Gate,
    stream: tokio::task::JoinHandle<Stream>,
    _upstream: MockUpstream,
}

impl Draining {
    async fn start() -> Self {
        let gate = Gate::shut();
        let reply = openai::stream(&["Good", " morning"]).paced(&gate);
        let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
        let gateway = Gateway::start(&format!(
            "providers: [{{name: p, dialect: openai, base_url: {}/v1, accounts: [{{name: a}}]}}]\n",
            upstream.url()
        ))
        .await;
        let body = json!({"model": "p/m", "stream": true,
            "messages": [{"role": "user", "content": "Hello"}]});
        let request = gateway.client.post(gateway.url("/v1/chat/completions")).json(&body);
        gate.admit(1);
        // Once its header is here, the stream is under way.
        let answer = request.send().await.unwrap();
        let stream = tokio::spawn(Stream::read(answer));
        gateway.signal("TERM");
        Self { gateway, gate, stream, _upstream: upstream }
    }
}

#[tokio::test]
async fn a_stream_in_flight_ends_well_and_then_the_process_ends_with_success() {
    let mut draining = Draining::start().await;
    draining.gateway.until_log("shutting down").await;
    draining.gate.open();
    let stream = draining.stream.await.unwrap();
    assert_eq!(stream.content(), "Good morning");
    assert_eq!(stream.finish_reasons(), ["stop"]);
    assert!(stream.is_done(), "{}", stream.text);
    assert_eq!(end(&mut draining.gateway).await.code(), Some(0));
    assert_eq!(draining.gateway.access_log(1).await[0]["status"], 200);
}

#[tokio::test]
async fn while_it_drains_it_is_alive_but_not_ready() {
    let mut draining = Draining::start().await;
    let gateway = &draining.gateway;
    gateway.until_log("shutting down").await;
    let ask = async |path| gateway.client.get(gateway.admin(path)).send().await.unwrap().status();
    assert_eq!(ask("/readyz").await, 503);
    assert_eq!(ask("/healthz").await, 200);
    // Whoever watches the drain can see how far it has come.
    assert_eq!(gateway.metric("penstock_requests_in_flight", &[]).await, 1.0);
    draining.gate.open();
    assert_eq!(end(&mut draining.gateway).await.code(), Some(0));
}

#[tokio::test]
async fn while_it_drains_nobody_new_comes_in() {
    let mut draining = Draining::start().await;
    let started = Instant::now();
    while TcpStream::connect(draining.gateway.address()).await.is_ok() {
        assert!(started.elapsed() < AT_ONCE, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!draining.stream.is_finished());
    draining.gate.open();
    assert!(draining.stream.await.unwrap().is_done());
    assert_eq!(end(&mut draining.gateway).await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_gateway_ends_at_once() {
    let mut gateway = Gateway::start(MOCK).await;
    gateway.signal("TERM");
    assert_eq!(end(&mut gateway).await.code(), Some(0));
}

#[tokio::test]
async fn connections_that_clients_keep_open_do_not_hold_it_up() {
    let mut gateway = Gateway::start(&format!(
        "{MOCK}models: [{{name: m, targets: [{{provider: mock, model: m}}]}}]\n"
    ))
    .await;
    // The client's pool keeps this one.
    assert!(!gateway.ask("m").await.bytes().await.unwrap().is_empty());
    let _silent = TcpStream::connect(gateway.address()).await.unwrap();
    gateway.signal("TERM");
    assert_eq!(end(&mut gateway).await.code(), Some(0));
}

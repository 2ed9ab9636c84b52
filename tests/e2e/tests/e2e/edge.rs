//! Promise: a client that is slow, silent, greedy or one of too many is told so or let go, in time,
//! and the others do not notice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Script, Step, openai};

use crate::dialects::Dialect;
use crate::gateway::Gateway;
use crate::raw::{self, Raw};
use crate::tls::{Authority, Files};

const REFUSED: &str = "penstock_client_connections_refused_total";

/// A gateway for which no upstream is needed.
async fn gateway(config: &str) -> Gateway {
    let mock = "providers: [{name: m, dialect: mock}]\n\
                models: [{name: m, targets: [{provider: m, model: mock}]}]\n";
    Gateway::start(&format!("{config}{mock}")).await
}

const H2C: &str = "listeners: [{address: \"{listen}\", h2c: true}]\n";

#[tokio::test]
async fn a_header_that_drips_is_not_waited_for() {
    let gateway = gateway("limits: {header_timeout: 500ms}\n").await;
    let started = Instant::now();
    let drip = Raw::open(&gateway).await.drip(b"GETGETGET", Duration::from_millis(50)).await;
    assert!(started.elapsed() >= Duration::from_millis(500));
    let answer = &raw::answers(&drip)[0];
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    gateway.until_metric(REFUSED, &["reason=\"header_timeout\""], 1.0).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let gateway = gateway("limits: {header_timeout: 300ms}\n").await;
    assert_eq!(Raw::open(&gateway).await.until_closed().await, b"");
}

#[tokio::test]
async fn a_body_that_drips_is_not_waited_for() {
    let gateway = gateway("limits: {body_timeout: 500ms}\n").await;
    let mut connection = Raw::open(&gateway).await;
    connection
        .send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        .await;
    let said = connection.drip(b" ", Duration::from_millis(50)).await;
    let answer = &raw::answers(&said)[0];
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while_and_then_closed() {
    let gateway = gateway("limits: {idle_timeout: 400ms, header_timeout: 100ms}\n").await;
    let mut connection = Raw::open(&gateway).await;
    assert!(connection.is_served().await);
    // Longer than a header may take, which is another thing.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(connection.is_served().await);
    assert_eq!(connection.until_closed().await, b"", "closed without a word");
}

#[tokio::test]
async fn a_header_with_too_much_in_it_is_told_so() {
    let gateway = gateway("limits: {headers: 10, header_bytes: 1KiB}\n").await;
    for more in ["x: y\r\n".repeat(10), format!("x: {}\r\n", "y".repeat(1024))] {
        let mut connection = Raw::open(&gateway).await;
        connection.send(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{more}\r\n")).await;
        let answer = &raw::answers(&connection.until_closed().await)[0];
        assert_eq!((answer.status, answer.code().as_str()), (431, "request_header_too_large"));
    }
    let mut connection = Raw::open(&gateway).await;
    let most = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(9));
    connection.send(most).await;
    assert_eq!(connection.answer().await.status, 200);
    assert!(connection.is_served().await, "and the connection goes on");
}

#[tokio::test]
async fn a_header_with_too_much_in_it_is_told_so_over_http2() {
    let gateway = gateway(&format!("{H2C}limits: {{headers: 10, header_bytes: 1KiB}}\n")).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let ask = async |fields: usize, length: usize| {
        let mut request = client.get(gateway.url("/healthz"));
        for n in 0..fields {
            request = request.header(format!("x-{n}"), "y".repeat(length));
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(5, 1).await, 200);
    assert_eq!(ask(11, 1).await, 431);
    assert_eq!(ask(5, 300).await, 431);
    assert_eq!(ask(5, 1).await, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_the_others_live_on() {
    let gateway = gateway("limits: {connections: 2}\n").await;
    let (mut one, mut two) = (Raw::open(&gateway).await, Raw::open(&gateway).await);
    assert!(one.is_served().await && two.is_served().await);
    assert_eq!(Raw::open(&gateway).await.until_closed().await, b"");
    assert_eq!(gateway.metric(REFUSED, &["reason=\"connections\""]).await, 1.0);
    assert_eq!(gateway.metric("penstock_client_connections", &[]).await, 2.0);
    assert!(one.is_served().await && two.is_served().await);
    drop(one);
    gateway.until_metric("penstock_client_connections", &[], 1.0).await;
    assert!(Raw::open(&gateway).await.is_served().await, "there is room again");
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let gateway = gateway("limits: {connections_per_address: 1}\n").await;
    let mut one = Raw::open(&gateway).await;
    assert!(one.is_served().await);
    assert_eq!(Raw::open(&gateway).await.until_closed().await, b"");
    assert_eq!(gateway.metric(REFUSED, &["reason=\"connections_per_address\""]).await, 1.0);
    assert!(Raw::open_from("127.0.0.2", &gateway).await.is_served().await);
    assert!(one.is_served().await);
}

#[tokio::test]
async fn a_client_of_http2_is_told_how_many_streams_it_may_open() {
    let gateway =
        gateway(&format!("{H2C}limits: {{streams_per_connection: 7, idle_timeout: 100ms}}\n"))
            .await;
    let mut connection = Raw::open(&gateway).await;
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let said = connection.until_closed().await;
    let (head, settings) = said.split_at(9);
    assert_eq!(head[3], 4, "the first frame is SETTINGS");
    let streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(streams[2..], [0, 0, 0, 7]);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_only_where_it_is_asked_for() {
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    let with = gateway(H2C).await;
    let answer = client.post(with.url("/v1/chat/completions")).json(&body).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    assert_eq!(with.ask("m").await.status(), 200, "HTTP/1.1 is spoken there too");
    let without = gateway("").await;
    assert!(client.get(without.url("/healthz")).send().await.is_err());
}

#[tokio::test]
async fn a_listener_with_h2c_waits_for_no_preface() {
    let gateway = gateway(&format!("{H2C}limits: {{header_timeout: 400ms}}\n")).await;
    let mut short = Raw::open(&gateway).await;
    // Shorter than the preface.
    short.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(short.answer().await.status, 404);
    for begun in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        let mut connection = Raw::open(&gateway).await;
        connection.send(begun).await;
        assert_eq!(connection.until_closed().await, b"", "{begun:?}");
    }
    // Begun in order, and then no request.
    let mut silent = Raw::open(&gateway).await;
    silent.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(silent.until_closed().await.starts_with(b"\0\0"), "only its own SETTINGS");
    gateway.until_metric(REFUSED, &["reason=\"header_timeout\""], 4.0).await;
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_come_is_not_waited_for() {
    let authority = Authority::new();
    let files = Files::of(&authority);
    let gateway =
        gateway(&format!("{}limits: {{header_timeout: 400ms}}\n", files.listeners("", ""))).await;
    assert_eq!(Raw::open(&gateway).await.until_closed().await, b"");
    gateway.until_metric(REFUSED, &["reason=\"tls_timeout\""], 1.0).await;
    let mut plain = Raw::open(&gateway).await;
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    plain.until_closed().await;
    gateway.until_metric(REFUSED, &["reason=\"tls\""], 1.0).await;
}

#[tokio::test]
async fn above_the_memory_limit_nobody_new_comes_in_and_the_others_finish() {
    let gate = Gate::shut();
    let reply = openai::chat("Hej").after(Step::Wait(gate.clone()));
    let upstream = MockUpstream::start(Script::always(reply)).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let gateway = Gateway::start(&config).await;
    let beyond = async {
        upstream.until(|counts| counts.in_flight == 1).await;
        gateway.write_config(&format!("limits: {{memory_bytes: 1KiB}}\n{config}"));
        let reloaded = "penstock_config_reloads_total";
        gateway.until_metric(reloaded, &["result=\"taken\""], 1.0).await;
        let answer = gateway.ask("m").await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        let error = answer.json::<Value>().await.unwrap();
        assert_eq!(error["error"]["code"], "overloaded");
        assert!(Raw::open(&gateway).await.is_served().await, "it is alive all the same");
        gateway.write_config(&format!("limits: {{memory_bytes: 100GiB}}\n{config}"));
        gateway.until_metric(reloaded, &["result=\"taken\""], 2.0).await;
        gate.open();
    };
    let (under_way, ()) = tokio::join!(gateway.ask("m"), beyond);
    assert_eq!(under_way.status(), 200);
    assert_eq!(gateway.ask("m").await.status(), 200);
    assert_eq!(upstream.counts().requests, 2);
}

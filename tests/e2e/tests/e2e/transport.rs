//! Promise: upstreams are reached over the transport they speak, only if they are who they should
//! be, and over connections that are used again but never shared between accounts.

use std::collections::HashSet;

use serde_json::Value;
use tempfile::NamedTempFile;
use tests_mock::{Gate, MockUpstream, Script, Transport, openai};

use crate::gateway::{Gateway, PATIENCE};

const OPEN: &str = "penstock_upstream_connections";

/// One provider, called `p`; `more` continues its entry.
fn provider(base_url: &str, more: &str) -> String {
    format!("providers:\n  - {{name: p, dialect: openai, base_url: \"{base_url}/v1\", {more}}}\n")
}

/// A file of the authority that vouches for `upstream`.
fn authority(upstream: &MockUpstream) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, upstream.certificate().unwrap()).unwrap();
    file
}

async fn upstream(transport: Transport) -> MockUpstream {
    MockUpstream::start_as(openai::answering("Hello there"), transport).await.unwrap()
}

/// Asks in one piece and streamed; both must come back.
async fn assert_answers(gateway: &Gateway) {
    let whole = gateway.ask("p/m").await;
    assert_eq!(whole.status(), 200);
    let whole: Value = whole.json().await.unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "Hello there");
    let stream = gateway.stream("p/m").await;
    assert_eq!(stream.content(), "Hello there");
    assert!(stream.is_done(), "{}", stream.text);
}

async fn assert_unreachable(gateway: &Gateway, why: &str) {
    let answer = gateway.ask("p/m").await;
    assert_eq!(answer.status(), 502);
    let answer: Value = answer.json().await.unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("`p` could not be reached") && message.contains(why), "{message}");
}

#[tokio::test]
async fn http2_in_the_clear_is_spoken_where_it_is_asked_for() {
    let upstream = upstream(Transport::H2c).await;
    let config = provider(&upstream.url(), "http_version: h2c, accounts: [{name: a}]");
    let gateway = Gateway::start(&config).await;
    assert_answers(&gateway).await;
    for request in upstream.requests() {
        assert_eq!(format!("{:?}", request.http_version), "HTTP/2.0");
    }
}

#[tokio::test]
async fn requests_share_an_http2_connection() {
    let gate = Gate::shut();
    let upstream = MockUpstream::start_as(
        Script::new({
            let gate = gate.clone();
            move |_, attempt| match attempt {
                0 => openai::stream(&["slow"]).paced(&gate),
                _ => openai::chat("Hello there"),
            }
        }),
        Transport::H2c,
    )
    .await
    .unwrap();
    let config = provider(&upstream.url(), "http_version: h2c, accounts: [{name: a}]");
    let gateway = Gateway::start(&config).await;
    let meanwhile = async {
        upstream.until(|seen| seen.in_flight == 1).await;
        for _ in 0..3 {
            assert_eq!(gateway.ask("p/m").await.status(), 200);
        }
        gate.open();
    };
    let both = async { tokio::join!(gateway.stream("p/m"), meanwhile) };
    let (slow, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(slow.content(), "slow");
    assert_eq!(upstream.counts().requests, 4);
    assert_eq!(upstream.counts().connections, 1);
}

#[tokio::test]
async fn over_tls_the_version_is_the_one_both_sides_agree_on() {
    for (alpn, version) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let upstream = upstream(Transport::Tls(alpn)).await;
        let ca = authority(&upstream);
        let more = format!("ca_file: '{}', accounts: [{{name: a}}]", ca.path().display());
        let gateway = Gateway::start(&provider(&upstream.url(), &more)).await;
        assert_answers(&gateway).await;
        for request in upstream.requests() {
            assert_eq!(format!("{:?}", request.http_version), version, "{alpn:?}");
        }
    }
}

#[tokio::test]
async fn http1_is_spoken_to_an_upstream_that_offers_both_if_the_configuration_says_so() {
    let upstream = upstream(Transport::Tls(&["h2", "http/1.1"])).await;
    let ca = authority(&upstream);
    let more =
        format!("http_version: http1, ca_file: '{}', accounts: [{{name: a}}]", ca.path().display());
    let gateway = Gateway::start(&provider(&upstream.url(), &more)).await;
    assert_answers(&gateway).await;
    assert_eq!(format!("{:?}", upstream.requests()[0].http_version), "HTTP/1.1");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let impostor = upstream(Transport::Tls(&["h2", "http/1.1"])).await;
    let gateway =
        Gateway::start(&provider(&impostor.url(), "accounts: [{name: a, api_key: sk-secret}]"))
            .await;
    assert_unreachable(&gateway, "certificate is not trusted").await;
    assert_eq!(impostor.counts().requests, 0);
}

#[tokio::test]
async fn the_authority_of_one_upstream_does_not_vouch_for_another() {
    let (right, wrong) =
        (upstream(Transport::Tls(&["h2"])).await, upstream(Transport::Tls(&["h2"])).await);
    let ca = authority(&right);
    let more = format!("ca_file: '{}', accounts: [{{name: a}}]", ca.path().display());
    let gateway = Gateway::start(&provider(&wrong.url(), &more)).await;
    assert_unreachable(&gateway, "certificate is not trusted").await;
    assert_eq!(wrong.counts().requests, 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let upstream = upstream(Transport::Tls(&["h2", "http/1.1"])).await;
    let ca = authority(&upstream);
    let more = format!("ca_file: '{}', accounts: [{{name: a}}]", ca.path().display());
    // The certificate says `localhost` and `127.0.0.1`; this is another name of the same machine.
    let elsewhere = format!("https://127.0.0.2:{}", upstream.address.port());
    let gateway = Gateway::start(&provider(&elsewhere, &more)).await;
    // On Linux all of 127/8 is loopback, but the upstream listens on 127.0.0.1 alone: send what
    // arrives on the one to the other.
    let _forwarding = forward("127.0.0.2", upstream.address.port()).await;
    assert_unreachable(&gateway, "certificate is not trusted").await;
    assert_eq!(upstream.counts().requests, 0);
}

/// Passes connections to `address` on to 127.0.0.1, same port, until dropped.
async fn forward(address: &str, port: u16) -> tokio::task::JoinSet<()> {
    let listener = tokio::net::TcpListener::bind((address, port)).await.unwrap();
    let mut set = tokio::task::JoinSet::new();
    set.spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ended = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        }
    });
    set
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let upstream = upstream(Transport::Http1).await;
    let gateway = Gateway::start(&provider(&upstream.url(), "accounts: [{name: a}]")).await;
    for _ in 0..5 {
        assert_answers(&gateway).await;
    }
    assert_eq!(upstream.counts().requests, 10);
    assert_eq!(upstream.counts().connections, 1);
    assert_eq!(gateway.metric("penstock_upstream_connections_opened_total", &["\"p\""]).await, 1.0);
}

#[tokio::test]
async fn a_connection_outlives_a_reload_that_leaves_its_provider_alone() {
    let upstream = upstream(Transport::Http1).await;
    let config = provider(&upstream.url(), "accounts: [{name: a}]");
    let gateway = Gateway::start(&config).await;
    assert_answers(&gateway).await;
    gateway.write_config(&format!("{config}limits: {{request_body_bytes: 1MiB}}\n"));
    gateway.until_log("the configuration is in force").await;
    assert_answers(&gateway).await;
    assert_eq!(upstream.counts().connections, 1);
}

#[tokio::test]
async fn two_accounts_never_share_a_connection() {
    for (transport, version) in [(Transport::Http1, "http1"), (Transport::H2c, "h2c")] {
        let upstream = upstream(transport).await;
        let accounts = "accounts: [{name: a, api_key: sk-a}, {name: b, api_key: sk-b}]";
        let more = format!("http_version: {version}, {accounts}");
        let gateway = Gateway::start(&provider(&upstream.url(), &more)).await;
        let of = |key: &str| -> HashSet<u64> {
            let requests = upstream.requests();
            let own = requests.iter().filter(|r| r.header("authorization") == Some(key));
            own.map(|request| request.connection).collect()
        };
        // Chance picks the account; both have had their turn long before this many.
        for conversation in 0..200 {
            assert_eq!(gateway.ask_anew("p/m", conversation).await.status(), 200);
            if !of("Bearer sk-a").is_empty() && of("Bearer sk-b").len() == 1 {
                break;
            }
        }
        for conversation in 0..8 {
            assert_eq!(gateway.ask_anew("p/m", conversation).await.status(), 200);
        }
        let (a, b) = (of("Bearer sk-a"), of("Bearer sk-b"));
        assert_eq!((a.len(), b.len()), (1, 1), "{version}");
        assert!(a.is_disjoint(&b), "{version}");
    }
}

#[tokio::test]
async fn the_gauge_of_connections_goes_up_and_down() {
    let upstream = upstream(Transport::Http1).await;
    let gateway = Gateway::start(&provider(&upstream.url(), "accounts: [{name: a}]")).await;
    assert_eq!(gateway.metric(OPEN, &[]).await, 0.0);
    assert_eq!(gateway.ask("p/m").await.status(), 200);
    assert_eq!(gateway.metric(OPEN, &["provider=\"p\""]).await, 1.0);
    assert_eq!(upstream.counts().open_connections, 1);
    drop(upstream);
    gateway.until_metric(OPEN, &["provider=\"p\""], 0.0).await;
}

//! What a scripted upstream promises to the tests that use it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use serde_json::json;
use tests_mock::{
    Blackhole, Gate, MockUpstream, RefusingPort, Reply, Script, Step, Transport, openai,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

const GET: &[u8] = b"GET /v1/models?limit=2 HTTP/1.1\r\nhost: mock\r\n\r\n";
const SOON: Duration = Duration::from_secs(10);

async fn started(reply: Reply) -> MockUpstream {
    MockUpstream::start(Script::always(reply)).await.unwrap()
}

async fn asked(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(GET).await.unwrap();
    client
}

/// Reads until the text so far ends like this.
async fn read_until(client: &mut (impl AsyncReadExt + Unpin), ending: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(ending.as_bytes()) {
        let more = timeout(SOON, client.read_buf(&mut seen)).await.expect("it never came").unwrap();
        assert_ne!(more, 0, "it ended with {:?}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

async fn read_to_end(client: &mut TcpStream) -> String {
    let mut seen = String::new();
    timeout(SOON, client.read_to_string(&mut seen)).await.expect("it never ended").unwrap();
    seen
}

fn two_events() -> Vec<Step> {
    vec![Step::event("one"), Step::event("two")]
}

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let upstream = started(Reply::json(201, &[("x-extra", "yes")], &json!({ "ok": true }))).await;
    let mut client = TcpStream::connect(upstream.address).await.unwrap();
    client
        .write_all(b"POST /v1/x?a=b HTTP/1.1\r\nX-One: 1\r\nContent-Length: 7\r\n\r\n")
        .await
        .unwrap();
    client.write_all(b"{\"a\":1}").await.unwrap();
    let answer = read_until(&mut client, "{\"ok\":true}").await;

    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\r\nx-extra: yes\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 11\r\n"), "{answer}");
    let request = &upstream.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!((request.path.as_str(), request.query.as_deref()), ("/v1/x", Some("a=b")));
    assert_eq!(request.header("x-one"), Some("1"));
    assert_eq!(request.json()["a"], 1);
    assert_eq!((request.http_version, request.connection), (Version::HTTP_11, 0));
}

#[tokio::test]
async fn a_chunked_request_is_put_together() {
    let upstream = started(Reply::whole(200, &[], "!")).await;
    let mut client = TcpStream::connect(upstream.address).await.unwrap();
    let request =
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        client.write_all(&[*byte]).await.unwrap();
    }
    read_until(&mut client, "!").await;
    assert_eq!(upstream.requests()[0].body, "abcd");
}

#[tokio::test]
async fn a_connection_is_kept_alive_and_counted() {
    let upstream = started(Reply::whole(200, &[], "!")).await;
    let mut client = asked(upstream.address).await;
    read_until(&mut client, "!").await;
    client.write_all(GET).await.unwrap();
    read_until(&mut client, "!").await;
    let mut other = asked(upstream.address).await;
    read_until(&mut other, "!").await;

    let connections: Vec<u64> = upstream.requests().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    drop(client);
    let counts = timeout(SOON, upstream.until(|seen| seen.open_connections == 1)).await.unwrap();
    assert_eq!((counts.requests, counts.played, counts.gone), (3, 3, 0));
}

#[tokio::test]
async fn an_expected_100_is_sent_before_the_body_is_read() {
    let upstream = started(Reply::whole(200, &[], "!")).await;
    let mut client = TcpStream::connect(upstream.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"x").await.unwrap();
    read_until(&mut client, "!").await;
}

#[tokio::test]
async fn a_sequence_stays_with_its_last_reply() {
    let replies = ["a", "b"].map(|body| Reply::whole(200, &[], body));
    let upstream = MockUpstream::start(Script::sequence(replies.to_vec())).await.unwrap();
    let mut client = TcpStream::connect(upstream.address).await.unwrap();
    for body in ["a", "b", "b"] {
        client.write_all(GET).await.unwrap();
        read_until(&mut client, &format!("\r\n\r\n{body}")).await;
    }
}

#[tokio::test]
async fn a_gate_lets_exactly_as_many_events_through_as_it_admits() {
    let gate = Gate::shut();
    let upstream = started(Reply::sse(two_events()).paced(&gate)).await;
    let mut client = asked(upstream.address).await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    gate.admit(1);
    assert_eq!(read_until(&mut client, "one\r\n").await, "3\r\none\r\n");
    let early = timeout(Duration::from_millis(50), client.read_u8()).await;
    assert!(early.is_err(), "the second event did not wait");
    gate.open();
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_before_and_after_the_header() {
    let replies = vec![Reply::hang(), Reply::sse(two_events()).paced(&Gate::shut())];
    let upstream = MockUpstream::start(Script::sequence(replies)).await.unwrap();
    for gone in 1..=2 {
        let client = asked(upstream.address).await;
        timeout(SOON, upstream.until(|seen| seen.in_flight == 1)).await.unwrap();
        drop(client);
        timeout(SOON, upstream.until(|seen| seen.gone == gone)).await.unwrap();
    }
    assert_eq!(upstream.counts().played, 0);
}

#[tokio::test]
async fn a_reset_comes_behind_the_events_before_it() {
    let gate = Gate::shut();
    let reply = Reply::sse(vec![Step::event("one"), Step::Wait(gate.clone()), Step::Reset]);
    let upstream = started(reply).await;
    let mut client = asked(upstream.address).await;
    read_until(&mut client, "one\r\n").await;
    gate.open();
    let failure = timeout(SOON, client.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bodies_can_be_cut_between_chunks_within_one_and_short_of_their_length() {
    let between = Reply::sse(two_events()).cut_after(1, Step::Close);
    let within = Reply::sse(vec![Step::CutChunk("one".into())]);
    let short =
        Reply::steps(200, &[("content-length", "9")], vec![Step::event("one"), Step::Close]);
    for (reply, end) in [(between, "3\r\none\r\n"), (within, "6\r\none"), (short, "one")] {
        let upstream = started(reply).await;
        let all = read_to_end(&mut asked(upstream.address).await).await;
        assert!(all.ends_with(&format!("\r\n\r\n{end}")), "{all}");
        assert_eq!(upstream.counts().played, 1);
    }
}

#[tokio::test]
async fn a_cut_after_nothing_leaves_no_event() {
    assert_eq!(Reply::sse(two_events()).cut_after(0, Step::Reset).body(), "");
    assert_eq!(Reply::sse(two_events()).cut_after(1, Step::Reset).body(), "one");
    assert_eq!(Reply::sse(two_events()).cut_after(9, Step::Reset).body(), "onetwo");
}

#[tokio::test]
async fn a_raw_reply_is_all_that_is_sent() {
    let upstream = started(Reply::raw("no HTTP at all")).await;
    assert_eq!(read_to_end(&mut asked(upstream.address).await).await, "no HTTP at all");
}

#[tokio::test]
async fn a_dropped_upstream_hangs_up_and_refuses() {
    let upstream = started(Reply::hang()).await;
    let mut client = asked(upstream.address).await;
    timeout(SOON, upstream.until(|seen| seen.in_flight == 1)).await.unwrap();
    let address = upstream.address;
    drop(upstream);
    assert!(matches!(timeout(SOON, client.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    let again = MockUpstream::start_at(address, openai::answering("back"), Transport::Http1);
    assert_eq!(again.await.unwrap().address, address);
}

#[tokio::test]
async fn dead_ends_refuse_or_never_answer() {
    let port = RefusingPort::reserve().unwrap();
    let refused = TcpStream::connect(port.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let hole = Blackhole::open().await.unwrap();
    let swallowed = timeout(Duration::from_millis(100), TcpStream::connect(hole.address())).await;
    assert!(swallowed.is_err(), "the connection completed");
}

type H2Client = h2::client::SendRequest<Bytes>;

async fn h2_client(address: SocketAddr) -> H2Client {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn h2_body(client: &H2Client) -> (h2::RecvStream, http::response::Parts) {
    let request = Request::post("http://mock/v1/x?a=b").body(()).unwrap();
    let (answer, mut sent) =
        client.clone().ready().await.unwrap().send_request(request, false).unwrap();
    sent.send_data("{\"a\":1}".into(), true).unwrap();
    let (head, body) = timeout(SOON, answer).await.unwrap().unwrap().into_parts();
    (body, head)
}

#[tokio::test]
async fn http2_streams_events_and_shares_a_connection() {
    let script = Script::always(Reply::sse(two_events()).header("x-extra", "yes"));
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let client = h2_client(upstream.address).await;
    for _ in 0..2 {
        let (mut body, head) = h2_body(&client).await;
        assert_eq!(head.headers["x-extra"], "yes");
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            all.extend_from_slice(&data.unwrap());
        }
        assert_eq!(all, b"onetwo");
    }
    let requests = upstream.requests();
    assert_eq!((requests[1].http_version, requests[1].connection), (Version::HTTP_2, 0));
    assert_eq!((requests[1].path.as_str(), requests[1].json()), ("/v1/x", json!({ "a": 1 })));
}

#[tokio::test]
async fn http2_resets_the_stream_alone_and_closes_the_connection() {
    let resets = Reply::sse(two_events()).cut_after(1, Step::Reset);
    let closes = Reply::sse(two_events()).cut_after(1, Step::Close);
    let script = Script::sequence(vec![resets, closes]);
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let client = h2_client(upstream.address).await;

    let (mut body, _) = h2_body(&client).await;
    assert_eq!(body.data().await.unwrap().unwrap(), "one");
    let failure = body.data().await.unwrap().unwrap_err();
    assert_eq!(failure.reason(), Some(h2::Reason::INTERNAL_ERROR));

    let (mut body, _) = h2_body(&client).await;
    assert_eq!(body.data().await.unwrap().unwrap(), "one");
    let failure = body.data().await.unwrap().unwrap_err();
    assert!(failure.is_io(), "{failure:?}");
    assert_eq!(upstream.counts().connections, 1);
}

#[tokio::test]
async fn http2_notices_a_stream_that_the_client_gave_up() {
    let script = Script::always(Reply::sse(two_events()).paced(&Gate::shut()));
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let client = h2_client(upstream.address).await;
    drop(h2_body(&client).await);
    let counts = timeout(SOON, upstream.until(|seen| seen.gone == 1)).await.unwrap();
    assert_eq!(counts.open_connections, 1);
}

#[tokio::test]
async fn tls_offers_what_the_transport_names() {
    const BOTH: &[&str] = &["h2", "http/1.1"];
    const ONE: &[&str] = &["http/1.1"];
    for (alpn, agreed) in [(BOTH, Some(&b"h2"[..])), (ONE, None)] {
        let script = openai::answering("hi");
        let upstream = MockUpstream::start_as(script, Transport::Tls(alpn)).await.unwrap();
        let mut roots = RootCertStore::empty();
        let pem = upstream.certificate().unwrap().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = agreed.iter().map(|it| it.to_vec()).collect();
        let tcp = TcpStream::connect(upstream.address).await.unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), agreed, "{alpn:?}");
        if agreed.is_none() {
            tls.write_all(GET).await.unwrap();
            read_until(&mut tls, "}").await;
        }
        assert!(upstream.url().starts_with("https://127.0.0.1:"));
    }
}

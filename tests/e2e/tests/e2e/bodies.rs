//! Promise: a request body of any size within the limit arrives byte for byte, however it is sent.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{MockUpstream, Script, openai};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dialects::{Dialect, behind, behind_h2c, soon};
use crate::gateway::{Gateway, PATIENCE};

/// A request of about `size` bytes, none of which repeats so that a piece could go unnoticed.
fn body_of(size: usize) -> String {
    let mut text = String::with_capacity(size + 32);
    let mut count = 0_u32;
    while text.len() < size {
        text.push_str(&count.to_string());
        text.push_str(" é ");
        count += 1;
    }
    format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"m"}}"#)
}

fn at_upstream(body: &str) -> String {
    body.replace(r#""model":"m""#, r#""model":"gpt-4o""#)
}

/// Compares without printing megabytes.
#[track_caller]
fn assert_same(got: &[u8], expected: &str, what: &str) {
    let same = got.iter().zip(expected.as_bytes()).take_while(|(a, b)| a == b).count();
    let lengths = (got.len(), expected.len());
    assert!(got == expected.as_bytes(), "{what}: differs at {same}; lengths {lengths:?}");
}

async fn started(script: Script, over_h2c: bool) -> (Gateway, MockUpstream) {
    match over_h2c {
        false => behind(Dialect::OpenAi, script, "").await,
        true => behind_h2c(Dialect::OpenAi, script, "").await,
    }
}

async fn post(gateway: &Gateway, body: impl Into<reqwest::Body>) -> u16 {
    let request = gateway.client.post(gateway.url("/v1/chat/completions"));
    request.body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn bodies_of_all_sizes_arrive_as_they_were_sent() {
    for over_h2c in [false, true] {
        let (gateway, upstream) = started(openai::answering("Hej"), over_h2c).await;
        // Around the sizes of buffers on the way: 64 KiB for Pingora's retries and HTTP/2 windows.
        for size in [1 << 10, 65 << 10, 70 << 10, 1 << 20] {
            let body = body_of(size);
            let what = format!("{size} bytes, h2c {over_h2c}");
            assert_eq!(post(&gateway, body.clone()).await, 200, "{what}");
            let seen = upstream.requests().pop().unwrap();
            assert_same(&seen.body, &at_upstream(&body), &what);
            let length = seen.body.len().to_string();
            assert_eq!(seen.header("content-length"), Some(length.as_str()));
        }
    }
}

/// Field 17 asks for 32 MB.
async fn check_fifty_megabytes(over_h2c: bool) {
    let (gateway, upstream) = started(openai::answering("Hej"), over_h2c).await;
    let body = body_of(50 << 20).replace(r#""model":"m""#, r#""stream":true,"model":"m""#);
    assert_eq!(post(&gateway, body.clone()).await, 200);
    let seen = upstream.requests().pop().unwrap();
    let wish = r#""model":"gpt-4o","stream_options":{"include_usage":true}"#;
    assert_same(&seen.body, &body.replace(r#""model":"m""#, wish), "50 MB");
    // The body as it came, and as it was sent; room for more while a buffer grows.
    let peak = peak_memory(gateway.pid());
    assert!(peak < 260 << 20, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn fifty_megabytes_arrive_and_the_memory_stays_within_reason() {
    check_fifty_megabytes(false).await;
}

#[tokio::test]
async fn fifty_megabytes_arrive_over_http2_and_the_memory_stays_within_reason() {
    check_fifty_megabytes(true).await;
}

/// The most memory a process has had at once, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}

#[tokio::test]
async fn a_large_body_reaches_the_other_dialects_whole() {
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        for over_h2c in [false, true] {
            let script = dialect.answering("Hej");
            let (gateway, upstream) = match over_h2c {
                false => behind(dialect, script, "").await,
                true => behind_h2c(dialect, script, "").await,
            };
            let body = body_of(1 << 20);
            let text: Value = serde_json::from_str(&body).unwrap();
            let text = text["messages"][0]["content"].as_str().unwrap();
            assert_eq!(post(&gateway, body.clone()).await, 200, "{dialect:?}");
            let sent = upstream.requests()[0].json().to_string();
            assert!(sent.contains(text), "{dialect:?}, h2c {over_h2c}: {} bytes", sent.len());
        }
    }
}

/// A client of which every byte is known.
struct Raw(TcpStream);

impl Raw {
    async fn connect(gateway: &Gateway) -> Self {
        let socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// Sends the beginning of a request with these headers.
    async fn head(&mut self, headers: &str) {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        self.send(head.as_bytes()).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads until the end of a header, and says what came; more may have come behind it.
    async fn header(&mut self) -> String {
        let mut seen = Vec::new();
        let reading = async {
            while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                assert_ne!(self.0.read_buf(&mut seen).await.unwrap(), 0, "closed too early");
            }
        };
        soon(reading, "a header").await;
        String::from_utf8(seen).unwrap()
    }

    /// Reads until the other side closes, which it must do in order.
    async fn rest(&mut self) -> String {
        let mut seen = String::new();
        soon(self.0.read_to_string(&mut seen), "the end").await.expect("an end, not a reset");
        seen
    }
}

#[tokio::test]
async fn a_chunked_body_arrives_with_a_length() {
    for over_h2c in [false, true] {
        let (gateway, upstream) = started(openai::answering("Hej"), over_h2c).await;
        let body = body_of(100 << 10);
        let mut client = Raw::connect(&gateway).await;
        client.head("transfer-encoding: chunked\r\n").await;
        for chunk in body.as_bytes().chunks(7_001) {
            client.send(format!("{:x};x=y\r\n", chunk.len()).as_bytes()).await;
            client.send(chunk).await;
            client.send(b"\r\n").await;
        }
        client.send(b"0\r\n\r\n").await;
        assert!(client.header().await.starts_with("HTTP/1.1 200"));
        let seen = upstream.requests().pop().unwrap();
        assert_same(&seen.body, &at_upstream(&body), "chunked");
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn a_body_that_drips_arrives_whole() {
    let (gateway, upstream) = started(openai::answering("Hej"), false).await;
    let body = body_of(100);
    let mut client = Raw::connect(&gateway).await;
    client.head(&format!("content-length: {}\r\n", body.len())).await;
    for byte in body.as_bytes() {
        client.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(client.header().await.starts_with("HTTP/1.1 200"));
    assert_same(&upstream.requests()[0].body, &at_upstream(&body), "dripped");
}

#[tokio::test]
async fn a_client_that_waits_for_leave_to_send_gets_it() {
    let (gateway, upstream) = started(openai::answering("Hej"), false).await;
    let body = body_of(100);
    let mut client = Raw::connect(&gateway).await;
    let headers = format!("content-length: {}\r\nexpect: 100-continue\r\n", body.len());
    client.head(&headers).await;
    assert_eq!(client.header().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body.as_bytes()).await;
    assert!(client.header().await.starts_with("HTTP/1.1 200"));
    let seen = &upstream.requests()[0];
    assert_same(&seen.body, &at_upstream(&body), "expected");
    assert_eq!(seen.header("expect"), None);
}

/// A gateway that takes 100 KiB and never gets as far as a provider.
async fn strict() -> Gateway {
    let config = Dialect::OpenAi.config("http://127.0.0.1:9", "");
    Gateway::start(&format!("{config}limits: {{request_body_bytes: 100KiB}}\n")).await
}

fn check_refused(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    let error = serde_json::from_str::<Value>(body).expect(body)["error"].take();
    assert_eq!(error["code"], "request_too_large", "{body}");
    assert_eq!(error["type"], "invalid_request_error", "{body}");
}

#[tokio::test]
async fn nobody_is_given_leave_to_send_what_will_be_refused() {
    let gateway = strict().await;
    let mut client = Raw::connect(&gateway).await;
    client.head("content-length: 200000\r\nexpect: 100-continue\r\n").await;
    // The 413 comes first: no `100 Continue` before it, and no wait for the body.
    check_refused(&client.rest().await);
    assert_eq!(gateway.access_log(1).await[0]["status"], 413);
}

/// Most clients read only when they have sent everything. If the gateway just closed, its system
/// would answer what still comes with a reset, and the client would lose the answer.
async fn check_readable(chunked: bool, size: usize) {
    let gateway = strict().await;
    let mut client = Raw::connect(&gateway).await;
    match chunked {
        false => client.head(&format!("content-length: {size}\r\n")).await,
        true => client.head("transfer-encoding: chunked\r\n").await,
    }
    let piece = Bytes::from(vec![b' '; 16 << 10]);
    let what = format!("chunked {chunked}, {size} bytes");
    for _ in 0..size / piece.len() {
        let mut frame = Vec::new();
        if chunked {
            frame.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        frame.extend_from_slice(&piece);
        if chunked {
            frame.extend_from_slice(b"\r\n");
        }
        let sending = tokio::time::timeout(PATIENCE, client.0.write_all(&frame)).await;
        sending.expect("the gateway takes what comes").expect(&what);
    }
    if chunked {
        client.send(b"0\r\n\r\n").await;
    }
    check_refused(&client.rest().await);
}

#[tokio::test]
async fn a_client_still_sending_too_much_reads_why_it_is_refused() {
    // Beyond what the sockets' buffers hold, too.
    for size in [1 << 20, 20 << 20] {
        check_readable(false, size).await;
        check_readable(true, size).await;
    }
}

#[tokio::test]
async fn a_client_refused_for_another_reason_while_it_sends_reads_why() {
    let gateway = strict().await;
    let piece = vec![b' '; 1 << 20];
    for (target, status) in [("POST /nowhere", "404"), ("PUT /v1/chat/completions", "405")] {
        let mut client = Raw::connect(&gateway).await;
        let length = 20 * piece.len();
        let head = format!("{target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        client.send(head.as_bytes()).await;
        for _ in 0..20 {
            soon(client.send(&piece), target).await;
        }
        assert!(client.header().await.starts_with(&format!("HTTP/1.1 {status}")), "{target}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_in_vain_is_let_go() {
    let gateway = strict().await;
    let mut client = Raw::connect(&gateway).await;
    client.send(b"PUT /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n").await;
    client.send(b"expect: 100-continue\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn the_limit_is_exact() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let gateway = Gateway::start(&format!("{config}limits: {{request_body_bytes: 1000}}\n")).await;
    let body = |size: usize| {
        let mut body = json!({"model": "m"}).to_string();
        body.extend(std::iter::repeat_n(' ', size - body.len()));
        body
    };
    assert_eq!(post(&gateway, body(1000)).await, 200);
    assert_eq!(post(&gateway, body(1001)).await, 413);
    assert_eq!(upstream.counts().requests, 1);
}

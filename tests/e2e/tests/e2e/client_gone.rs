//! Promise: when a client goes, its request ends at once, up to the provider (field 12).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dialects::{ALL, Dialect, behind, behind_h2c, soon, sse};
use crate::gateway::{Gateway, PATIENCE};

/// What a provider must be told within (field 12).
const AT_ONCE: Duration = Duration::from_secs(1);

async fn started(dialect: Dialect, script: Script, over_h2c: bool) -> (Gateway, MockUpstream) {
    match over_h2c {
        false => behind(dialect, script, "").await,
        true => behind_h2c(dialect, script, "").await,
    }
}

/// A client of which every byte is known.
async fn client(gateway: &Gateway, stream: bool) -> TcpStream {
    let body = json!({
        "model": "m",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
    })
    .to_string();
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// It closes: FIN.
    Close,
    /// Its process ends with data unread: RST.
    Reset,
}

fn leave(socket: TcpStream, way: Way) {
    match way {
        Way::Close => drop(socket),
        Way::Reset => {
            socket.set_zero_linger().unwrap();
            drop(socket);
        }
    }
}

/// Sees that everybody learned of it.
async fn check_gone(gateway: &Gateway, upstream: &MockUpstream, what: &str) -> Value {
    let left = Instant::now();
    let counts = soon(upstream.until(|seen| seen.gone == 1), what).await;
    let took = left.elapsed();
    assert!(took < AT_ONCE, "{what}: the upstream learned of it after {took:?}");
    assert_eq!(counts.in_flight, 0);
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!(line["status"], 499, "{what}: {line}");
    let none_in_flight = async {
        while gateway.metric("penstock_requests_in_flight", &[]).await > 0.5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, none_in_flight).await.expect("nothing is in flight");
    let labels = ["status=\"499\"", "provider=\"up\"", "model=\"m\""];
    let counted = gateway.metric("penstock_requests_total", &labels).await;
    assert!((counted - 1.0).abs() < 0.1, "{what}: {counted}");
    // Nobody failed.
    assert_eq!(line.get("error").filter(|error| !error.is_null()), None, "{what}: {line}");
    line
}

#[tokio::test]
async fn a_client_that_goes_before_the_answer_ends_the_request() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            for (stream, way) in [(false, Way::Close), (true, Way::Close), (true, Way::Reset)] {
                let what = format!("{dialect:?}, h2c {over_h2c}, stream {stream}, {way:?}");
                let script = Script::always(Reply::hang());
                let (gateway, upstream) = started(dialect, script, over_h2c).await;
                let socket = client(&gateway, stream).await;
                soon(upstream.until(|seen| seen.in_flight == 1), &what).await;
                leave(socket, way);
                check_gone(&gateway, &upstream, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_a_stream_ends_the_request() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            for way in [Way::Close, Way::Reset] {
                let what = format!("{dialect:?}, h2c {over_h2c}, {way:?}");
                let gate = Gate::shut();
                let script = Script::always(sse(dialect.events(&["one", "two"])).paced(&gate));
                let (gateway, upstream) = started(dialect, script, over_h2c).await;
                let mut socket = client(&gateway, true).await;
                gate.admit(dialect.opening().len() + 1);
                let mut seen = Vec::new();
                let reading = async {
                    while !String::from_utf8_lossy(&seen).contains("one") {
                        assert_ne!(socket.read_buf(&mut seen).await.unwrap(), 0, "{what}");
                    }
                };
                soon(reading, &what).await;
                leave(socket, way);
                check_gone(&gateway, &upstream, &what).await;
            }
        }
    }
}

/// Field 13: the tokens that were reported before it went are counted.
#[tokio::test]
async fn what_an_interrupted_answer_has_cost_so_far_is_counted() {
    let dialect = Dialect::Anthropic;
    let gate = Gate::shut();
    let script = Script::always(sse(dialect.events(&["one", "two"])).paced(&gate));
    let (gateway, upstream) = behind(dialect, script, "").await;
    let mut socket = client(&gateway, true).await;
    gate.admit(dialect.opening().len() + 1);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("one") {
        soon(socket.read_buf(&mut seen), "the first word").await.unwrap();
    }
    drop(socket);
    let line = check_gone(&gateway, &upstream, "interrupted").await;
    assert_eq!(line["input_tokens"], 11, "{line}");
    let labels = ["kind=\"cache_read\"", "model=\"m\""];
    let counted = gateway.metric("penstock_tokens_total", &labels).await;
    assert!((counted - 3.0).abs() < 0.1, "{counted}");
}

#[tokio::test]
async fn a_client_that_goes_before_its_request_is_complete_bothers_no_provider() {
    let (gateway, upstream) = behind(Dialect::OpenAi, Script::always(Reply::hang()), "").await;
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{\"mo";
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!(line["status"], 499, "{line}");
    assert_eq!(upstream.counts().requests, 0);
}

#[tokio::test]
async fn the_next_client_is_served_after_one_has_gone() {
    for over_h2c in [false, true] {
        let dialect = Dialect::Gemini;
        let script = Script::sequence(vec![Reply::hang(), dialect.whole("fine")]);
        let (gateway, upstream) = started(dialect, script, over_h2c).await;
        let socket = client(&gateway, false).await;
        soon(upstream.until(|seen| seen.in_flight == 1), "the first request").await;
        drop(socket);
        check_gone(&gateway, &upstream, "the first one").await;
        assert_eq!(gateway.ask("m").await.status(), 200);
    }
}

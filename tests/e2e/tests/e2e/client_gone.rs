//! Promise: when a client goes, its request ends at once, up to the provider (field 12).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Transport, openai};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dialects::{ALL, Dialect, behind, behind_h2c, soon, sse};
use crate::gateway::{Gateway, PATIENCE};
use crate::wire::{self, Client, Doors, Version};

/// What a provider must be told within (field 12), however busy the machine that tests …
const AT_ONCE: Duration = Duration::from_secs(1);
/// … and in the best of a few tries.
const PROMISED: Duration = Duration::from_millis(100);

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

/// How clients of both versions go.
#[derive(Clone, Copy, Debug)]
enum Parting {
    /// The connection ends, and all that is on it.
    Connection(Version),
    /// RST_STREAM: the connection stays.
    Stream,
}

const PARTINGS: [Parting; 3] =
    [Parting::Connection(Version::Http1), Parting::Connection(Version::Http2), Parting::Stream];

impl Parting {
    async fn client(self, doors: &Doors) -> Client {
        match self {
            Self::Connection(version) => doors.client(version).await,
            Self::Stream => doors.client(Version::Http2).await,
        }
    }

    /// Lets go of what was asked or answered. Returns when, and what is left of the client.
    fn leave<T>(self, client: Client, asked: T) -> (Instant, Option<Client>) {
        let now = Instant::now();
        drop(asked);
        (now, matches!(self, Self::Stream).then_some(client))
    }
}

fn question() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
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

#[tokio::test]
async fn over_http2_too_the_provider_learns_of_it_at_once_before_and_after_the_first_byte() {
    let dialect = Dialect::Anthropic;
    for parting in PARTINGS {
        for (transport, more) in [(Transport::Http1, ""), (Transport::H2c, "http_version: h2c,")] {
            for begun in [false, true] {
                let what = format!("{parting:?}, {transport:?}, begun {begun}");
                let mut best = AT_ONCE;
                for _ in 0..3 {
                    let gate = Gate::shut();
                    let script = Script::always(sse(dialect.events(&["one", "two"])).paced(&gate));
                    let upstream = MockUpstream::start_as(script, transport).await.unwrap();
                    let doors = Doors::open(&dialect.config(&upstream.url(), more)).await;
                    let mut client = parting.client(&doors).await;
                    let asked = client.ask(&question());
                    soon(upstream.until(|seen| seen.in_flight == 1), &what).await;
                    let (left, _client) = if begun {
                        gate.admit(dialect.opening().len() + 1);
                        let mut answer = soon(asked, &what).await.unwrap().into_body();
                        soon(wire::next(&mut answer), &what).await.unwrap().unwrap();
                        parting.leave(client, answer)
                    } else {
                        parting.leave(client, asked)
                    };
                    soon(upstream.until(|seen| seen.gone == 1), &what).await;
                    best = best.min(left.elapsed());
                    let line = check_gone(&doors.gateway, &upstream, &what).await;
                    // What it cost until then; what nobody has reported is estimated.
                    let asked = question().to_string().len() / 4;
                    let tokens = if begun { 11 } else { asked };
                    assert_eq!(line["input_tokens"], tokens, "{what}: {line}");
                    assert!(line.get("tokens_estimated").is_some(), "{what}: {line}");
                    let labels = ["kind=\"cache_read\"", "model=\"m\""];
                    let counted = doors.gateway.metric("penstock_tokens_total", &labels).await;
                    assert!((counted - if begun { 3.0 } else { 0.0 }).abs() < 0.1, "{counted}");
                    if best < PROMISED {
                        break;
                    }
                }
                assert!(best < PROMISED, "{what}: the provider learned of it after {best:?}");
            }
        }
    }
}

#[tokio::test]
async fn who_goes_while_waiting_for_room_leaves_the_queue_and_bothers_nobody() {
    for parting in PARTINGS {
        let what = format!("{parting:?}");
        let upstream = MockUpstream::start(Script::always(Reply::hang())).await.unwrap();
        let doors = Doors::open(&format!(
            "queue: {{wait: 20s}}\n\
             providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", \
             accounts: [{{name: a, api_key: k, limits: {{concurrent: 1}}}}]}}]\n\
             models: [{{name: m, targets: [{{provider: up, model: m}}]}}]\n",
            upstream.url()
        ))
        .await;
        let mut first = doors.client(Version::Http1).await;
        let _hangs = first.ask(&question());
        soon(upstream.until(|seen| seen.in_flight == 1), &what).await;
        let mut client = parting.client(&doors).await;
        let asked = client.ask(&question());
        doors.gateway.until_metric("penstock_requests_waiting", &[], 1.0).await;
        let _client = parting.leave(client, asked);
        doors.gateway.until_metric("penstock_requests_waiting", &[], 0.0).await;
        doors.gateway.until_metric("penstock_requests_in_flight", &[], 1.0).await;
        let line = doors.gateway.access_log(1).await.remove(0);
        assert_eq!(line["status"], 499, "{what}: {line}");
        assert_eq!(upstream.counts().requests, 1, "{what}");
    }
}

#[tokio::test]
async fn who_goes_during_a_further_attempt_ends_that_one() {
    for parting in PARTINGS {
        let what = format!("{parting:?}");
        let script =
            Script::sequence(vec![openai::error(500, "server_error", None, "No"), Reply::hang()]);
        let upstream = MockUpstream::start(script).await.unwrap();
        let doors = Doors::open(&Dialect::OpenAi.config(&upstream.url(), "")).await;
        let mut client = parting.client(&doors).await;
        let asked = client.ask(&question());
        soon(upstream.until(|seen| seen.requests == 2), &what).await;
        let _client = parting.leave(client, asked);
        check_gone(&doors.gateway, &upstream, &what).await;
    }
}

#[tokio::test]
async fn who_goes_between_two_attempts_is_not_asked_for_again() {
    for parting in PARTINGS {
        let what = format!("{parting:?}");
        let busy = openai::error(503, "server_error", None, "No").header("retry-after", "1");
        let upstream = MockUpstream::start(Script::always(busy)).await.unwrap();
        let doors = Doors::open(&Dialect::OpenAi.config(&upstream.url(), "")).await;
        let mut client = parting.client(&doors).await;
        let asked = client.ask(&question());
        // The first one has failed, and the second is not due for a second.
        doors.gateway.until_metric("penstock_retries_total", &[], 1.0).await;
        let _client = parting.leave(client, asked);
        let line = doors.gateway.access_log(1).await.remove(0);
        assert_eq!(line["status"], 499, "{what}: {line}");
        doors.gateway.until_metric("penstock_account_requests_in_flight", &[], 0.0).await;
        assert_eq!(upstream.counts().requests, 1, "{what}");
    }
}

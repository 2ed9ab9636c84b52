//! Promise: an upstream that dies in an unusual way is found dead, in time, and costs the client no
//! more than one that dies in a usual way.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Script, Step, Transport, anthropic, openai};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dialects::{Dialect, behind, behind_h2c, sse};
use crate::gateway::{Gateway, Stream};

fn streaming() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

/// Two targets for the model `m`: `first` over HTTP/2, then one that answers.
async fn two_targets(first: &str, good: &MockUpstream, settings: &str) -> Gateway {
    Gateway::start(&format!(
        "{settings}providers: [{}, {}]\n\
         models: [{{name: m, targets: [{{provider: first, model: x}}, {{provider: good, model: y}}]}}]\n",
        Dialect::OpenAi.provider("first", first, "http_version: h2c,"),
        Dialect::OpenAi.provider("good", &good.url(), ""),
    ))
    .await
}

/// Passes connections on until it is told to freeze: from then on those that are open pass nothing
/// and close nothing, as when a cable is cut.
pub(crate) struct Cable {
    pub(crate) url: String,
    frozen: watch::Sender<u32>,
    _task: JoinSet<()>,
}

impl Cable {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (frozen, cut) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                open.spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, frozen, _task: task }
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_modify(|times| *times += 1);
    }
}

pub(crate) const PING: &str = "http2_ping: 1s\n";
/// The interval, and five seconds for the answer; the rest is for a busy machine.
pub(crate) const FOUND: std::ops::Range<Duration> =
    Duration::from_millis(900)..Duration::from_millis(7_500);

#[tokio::test]
async fn a_frozen_http2_peer_is_found_by_ping_in_the_middle_of_a_stream() {
    let gate = Gate::shut();
    let events = Dialect::OpenAi.events(&["Good", " morning"]);
    let script = Script::sequence(vec![sse(events.clone()).paced(&gate), sse(events)]);
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let good = MockUpstream::start(openai::answering("Never asked")).await.unwrap();
    let cable = Cable::to(upstream.address.port()).await;
    let gateway = two_targets(&cable.url, &good, PING).await;
    gate.admit(2);
    let mut answer = gateway.chat(&streaming()).await;
    let mut seen = String::new();
    while !seen.contains("Good") {
        seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    cable.freeze();
    let frozen = Instant::now();
    seen.push_str(&answer.text().await.unwrap());
    let took = frozen.elapsed();
    assert!(FOUND.contains(&took), "found after {took:?}");
    let stream = Stream { status: 200, text: seen };
    assert_eq!(stream.finish_reasons(), ["error"], "{}", stream.text);
    assert!(stream.is_done());
    // Nobody else is sent into the dead connection.
    assert_eq!(gateway.stream("m").await.content(), "Good morning");
    assert_eq!(good.counts().requests, 0);
}

#[tokio::test]
async fn a_frozen_http2_peer_is_found_by_ping_before_the_answer_and_another_connection_gives_it() {
    let script = openai::answering("Hej");
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let good = MockUpstream::start(openai::answering("Never asked")).await.unwrap();
    let cable = Cable::to(upstream.address.port()).await;
    let gateway = two_targets(&cable.url, &good, PING).await;
    assert_eq!(gateway.ask("m").await.status(), 200);
    cable.freeze();
    let frozen = Instant::now();
    let answer: Value = gateway.ask("m").await.json().await.unwrap();
    let took = frozen.elapsed();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hej");
    assert!(FOUND.contains(&took), "found after {took:?}");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An upstream that speaks just enough HTTP/2 to read a request, send `events`, if any, say GOAWAY
/// with this last stream and this code, and close.
pub(crate) async fn going_away(
    events: Option<Vec<Bytes>>,
    last: u32,
    code: u32,
) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).await.unwrap();
            socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
            // Up to the end of the request.
            loop {
                let mut head = [0; 9];
                socket.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                socket.read_exact(&mut vec![0; length as usize]).await.unwrap();
                let (kind, flags) = (head[3], head[4]);
                if kind == 4 && flags & 1 == 0 {
                    socket.write_all(&frame(4, 1, 0, &[])).await.unwrap();
                }
                if kind == 0 && flags & 1 == 1 {
                    break;
                }
            }
            let mut answer = Vec::new();
            if let Some(events) = &events {
                // `:status: 200` is the table's; the other is a literal with a new name.
                let mut header = vec![0x88, 0x00, 12];
                header.extend(b"content-type");
                header.push(17);
                header.extend(b"text/event-stream");
                answer.extend(frame(1, 4, 1, &header));
                events.iter().for_each(|event| answer.extend(frame(0, 0, 1, event)));
            }
            let goaway: Vec<u8> = [last.to_be_bytes(), code.to_be_bytes()].concat();
            answer.extend(frame(7, 0, 0, &goaway));
            socket.write_all(&answer).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (url, task)
}

#[tokio::test]
async fn a_provider_that_says_goaway_before_the_answer_is_followed_by_another() {
    for (last, code) in [(0, 0), (0, 2), (1, 11)] {
        let good = MockUpstream::start(openai::answering("Good morning")).await.unwrap();
        let (first, _task) = going_away(None, last, code).await;
        let gateway = two_targets(&first, &good, "").await;
        let stream = gateway.stream("m").await;
        assert_eq!(stream.content(), "Good morning", "{last}, {code}: {}", stream.text);
        assert_eq!(good.counts().requests, 1);
    }
}

#[tokio::test]
async fn a_provider_that_says_goaway_in_the_middle_of_a_stream_ends_it_well() {
    for code in [0, 2, 11] {
        let good = MockUpstream::start(openai::answering("Never asked")).await.unwrap();
        let events = vec![openai::opening(), openai::word("Good")];
        let (first, _task) = going_away(Some(events), 1, code).await;
        let gateway = two_targets(&first, &good, "").await;
        let stream = gateway.stream("m").await;
        assert_eq!(stream.content(), "Good", "{code}: {}", stream.text);
        assert_eq!(stream.finish_reasons(), ["error"], "{code}: {}", stream.text);
        assert!(stream.is_done());
        assert_eq!(good.counts().requests, 0);
    }
}

#[tokio::test]
async fn a_provider_whose_tls_cannot_be_trusted_is_followed_by_another() {
    let script = openai::answering("Never heard");
    let first = MockUpstream::start_as(script, Transport::Tls(&["h2", "http/1.1"])).await.unwrap();
    let good = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{}, {}]\n\
         models: [{{name: m, targets: [{{provider: first, model: x}}, {{provider: good, model: y}}]}}]\n",
        Dialect::OpenAi.provider("first", &first.url(), ""),
        Dialect::OpenAi.provider("good", &good.url(), ""),
    ))
    .await;
    let answer: Value = gateway.ask("m").await.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hej");
    let labels = ["provider=\"first\"", "reason=\"unreachable\""];
    let retries = gateway.metric("penstock_retries_total", &labels).await;
    assert!(retries > 0.5, "{retries}");
}

/// Whoever takes the arguments so far for the call would call a tool with half of what was meant.
#[tokio::test]
async fn a_tool_call_whose_provider_dies_is_never_passed_off_as_complete() {
    let pieces = ["{\"city\":", "\"Tromsø\",", "\"days\":", "3", "}"];
    for (dialect, reply, opening) in [
        (Dialect::OpenAi, openai::tool_call_stream("get_weather", &pieces), 1),
        (Dialect::Anthropic, anthropic::tool_use_stream("get_weather", &pieces), 2),
    ] {
        for over_h2c in [false, true] {
            // The last cut is behind the whole arguments, and before the word that they are.
            for (cut, last) in (1..=pieces.len())
                .flat_map(|cut| [(cut, Step::Reset), (cut, Step::Wait(Gate::shut()))])
            {
                let what = format!("{dialect:?}, h2c {over_h2c}, {cut} pieces, {last:?}");
                let script = Script::always(reply.clone().cut_after(opening + cut, last));
                let more = "timeouts: {idle: 200ms}, ";
                let (gateway, _upstream) = match over_h2c {
                    false => behind(dialect, script, more).await,
                    true => behind_h2c(dialect, script, more).await,
                };
                let stream = gateway.stream("m").await;
                assert!(stream.is_done(), "{what}: {}", stream.text);
                assert_eq!(stream.finish_reasons(), ["error"], "{what}: {}", stream.text);
                let said: String = stream
                    .chunks()
                    .iter()
                    .filter_map(|it| {
                        let call = &it["choices"][0]["delta"]["tool_calls"][0];
                        call["function"]["arguments"].as_str().map(str::to_owned)
                    })
                    .collect();
                assert_eq!(said, pieces[..cut].concat(), "{what}: as it came, nothing added");
            }
        }
    }
}

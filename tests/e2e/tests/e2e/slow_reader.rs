//! Promise: a client that does not read holds up its own answer and nothing else: the gateway keeps
//! little of it, the provider waits, the answer goes on whole, and who never reads is let go.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, Transport};

use crate::dialects::{Dialect, soon, sse};
use crate::gateway::{Gateway, PATIENCE, Stream, until};
use crate::wire::{self, Doors, Version, WINDOW};

/// Bytes in one word of a long answer.
const WORD: usize = 16 << 10;
/// Words in a long answer: 32 MiB, far more than sockets hold.
const WORDS: usize = 2 << 10;
/// What a client that does not read may cost the gateway.
const MOST: usize = 3 << 20;

fn question() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

/// A long answer; a short one to those who ask for that.
fn script(dialect: Dialect) -> Script {
    Script::new(move |request, _| {
        if String::from_utf8_lossy(&request.body).contains("Briefly") {
            return sse(dialect.events(&["Good", " morning"]));
        }
        let word = dialect.word(&"x".repeat(WORD));
        let words = std::iter::repeat_n(word, WORDS);
        sse(dialect.opening().into_iter().chain(words).chain(dialect.closing()))
    })
}

async fn upstream(script: Script, version: Version) -> (MockUpstream, &'static str) {
    let (transport, more) = match version {
        Version::Http1 => (Transport::Http1, ""),
        Version::Http2 => (Transport::H2c, "http_version: h2c,"),
    };
    (MockUpstream::start_as(script, transport).await.unwrap(), more)
}

/// Reads until there are words.
async fn begin(answer: &mut Incoming) -> Vec<u8> {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("xxx") {
        seen.extend(wire::next(answer).await.unwrap().unwrap());
    }
    seen
}

/// What the provider has got rid of, once that stays the same.
async fn stalled(upstream: &MockUpstream) -> u64 {
    let stalled = async {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let sent = upstream.counts().sent;
            if sent == before && sent > 0 {
                return sent;
            }
            before = sent;
        }
    };
    tokio::time::timeout(PATIENCE, stalled).await.expect("the provider has to wait")
}

/// Bytes of memory that the gateway uses.
fn resident(gateway: &Gateway) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn who_does_not_read_makes_the_provider_wait_and_loses_nothing() {
    use Version::{Http1, Http2};
    for (client, provider, dialect) in [
        (Http1, Http1, Dialect::OpenAi),
        (Http1, Http2, Dialect::Anthropic),
        (Http2, Http1, Dialect::Gemini),
        (Http2, Http2, Dialect::OpenAi),
    ] {
        let what = format!("client {client:?}, provider {provider:?}, {dialect:?}");
        let (upstream, more) = upstream(script(dialect), provider).await;
        // Shorter than it will take: a provider nobody listens to is not silent.
        let more = format!("{more} timeouts: {{idle: 300ms}},");
        let doors = Doors::open(&dialect.config(&upstream.url(), &more)).await;
        let mut clients = Vec::new();
        let briefly = json!({"model": "m", "stream": true,
            "messages": [{"role": "user", "content": "Briefly"}]});
        Stream::read(doors.gateway.chat(&briefly).await).await;
        let before = resident(&doors.gateway);
        for _ in 0..4 {
            let mut client = doors.client(client).await;
            let mut answer = client.chat(&question()).await.unwrap().into_body();
            let seen = begin(&mut answer).await;
            clients.push((client, answer, seen));
        }
        let sent = stalled(&upstream).await;
        let all = (clients.len() * WORDS * WORD) as u64;
        assert!(sent < all / 2, "{what}: {sent} of {all} bytes were taken");
        // Whoever shares a connection with them is not held up.
        let other = async { Stream::read(doors.gateway.chat(&briefly).await).await };
        assert_eq!(soon(other, &what).await.content(), "Good morning");
        let held = resident(&doors.gateway).saturating_sub(before);
        assert!(held < clients.len() * MOST, "{what}: {held} bytes are held");

        let (_reader, mut answer, mut seen) = clients.remove(0);
        seen.extend(wire::rest(&mut answer).await.expect(&what));
        let stream = Stream { status: 200, text: String::from_utf8(seen).unwrap() };
        assert!(stream.is_done() && stream.finish_reasons() == ["stop"], "{what}");
        assert_eq!(stream.content().len(), WORDS * WORD, "{what}");
        // The others go.
        drop(clients);
        soon(upstream.until(|seen| seen.gone == 3), &what).await;
        doors.gateway.until_metric("penstock_requests_in_flight", &[], 0.0).await;
    }
}

#[tokio::test]
async fn who_never_reads_again_is_let_go_and_the_provider_told() {
    for version in [Version::Http1, Version::Http2] {
        for provider in [Version::Http1, Version::Http2] {
            let what = format!("client {version:?}, provider {provider:?}");
            let dialect = Dialect::OpenAi;
            let (upstream, more) = upstream(script(dialect), provider).await;
            let config = dialect.config(&upstream.url(), more);
            let doors = Doors::open(&format!("limits: {{write_timeout: 1s}}\n{config}")).await;
            let mut client = doors.client(version).await;
            let mut answer = client.chat(&question()).await.unwrap().into_body();
            begin(&mut answer).await;
            let gone = upstream.until(|seen| seen.gone == 1);
            tokio::time::timeout(PATIENCE, gone).await.expect(&what);
            let line = doors.gateway.access_log(1).await.remove(0);
            assert_eq!(line["status"], 499, "{what}: {line}");
            doors.gateway.until_metric("penstock_requests_in_flight", &[], 0.0).await;
            // What it finds when it comes back is not taken for a whole answer.
            let rest = wire::rest(&mut answer).await;
            assert!(rest.is_err(), "{what}: {} bytes and an end", rest.unwrap().len());
            if version == Version::Http2 {
                // Only the stream is gone.
                let next = client.chat(&question()).await.expect(&what);
                assert_eq!(next.status(), 200);
            }
        }
    }
}

/// Over HTTP/2 a heartbeat may be cut off in the middle, by what the provider says next.
#[tokio::test]
async fn a_heartbeat_into_a_closed_window_tears_nothing() {
    let gates: Vec<_> = (0..=16).map(|_| Gate::shut()).collect();
    let script = {
        let gates = gates.clone();
        Script::new(move |request, attempt| {
            // The first request finds out how long everything else is.
            let asked = String::from_utf8_lossy(&request.body);
            let length = asked.split('~').nth(1).unwrap().parse().unwrap();
            let dialect = Dialect::OpenAi;
            let mut steps = vec![Step::Event(
                [dialect.opening().concat(), dialect.word(&"x".repeat(length)).to_vec()]
                    .concat()
                    .into(),
            )];
            if let Some(gate) = attempt.checked_sub(1) {
                steps.push(Step::Wait(gates[gate].clone()));
            }
            let more = ["the", "end"].map(|word| dialect.word(word)).into_iter();
            steps.extend(more.chain(dialect.closing()).map(Step::Event));
            Reply::sse(steps)
        })
    };
    let upstream = MockUpstream::start(script).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let doors = Doors::open(&format!("heartbeat: {{after: 100ms, every: 100ms}}\n{config}")).await;
    let ask = |length: usize| {
        json!({"model": "m", "stream": true,
            "messages": [{"role": "user", "content": format!("~{length}~")}]})
    };
    let mut client = doors.client(Version::Http2).await;
    let mut answer = client.chat(&ask(1000)).await.unwrap().into_body();
    let text = String::from_utf8(wire::rest(&mut answer).await.unwrap()).unwrap();
    let beside = text.match_indices("\n\n").nth(1).unwrap().0 + 2 - 1000;

    for (left, gate) in gates.iter().enumerate() {
        // All of the window but so many bytes.
        let length = WINDOW as usize - beside - left;
        let beats = doors.gateway.metric("penstock_heartbeats_total", &[]).await;
        let mut client = doors.client(Version::Http2).await;
        let mut answer = client.chat(&ask(length)).await.unwrap().into_body();
        let beaten = async {
            while doors.gateway.metric("penstock_heartbeats_total", &[]).await <= beats {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, beaten).await.expect("a heartbeat");
        gate.open();
        let played = upstream.until(|seen| seen.played as usize == left + 2);
        tokio::time::timeout(PATIENCE, played).await.expect("the provider is done");
        let seen = wire::rest(&mut answer).await.unwrap();
        let stream = Stream { status: 200, text: String::from_utf8(seen).unwrap() };
        assert!(stream.is_done(), "{left} left: {}", stream.text);
        assert_eq!(stream.content(), format!("{}theend", "x".repeat(length)), "{left} left");
        for line in stream.text.lines() {
            let whole = line.is_empty() || line.starts_with("data: ") || line.starts_with(':');
            assert!(whole, "{left} left: {line}");
        }
    }
}

/// The client comes back for the rest while nothing new comes: the heartbeat is gone on with.
#[tokio::test]
async fn heartbeats_that_had_to_wait_arrive() {
    let gate = Gate::shut();
    let dialect = Dialect::OpenAi;
    let first =
        [dialect.opening().concat(), dialect.word(&"x".repeat(2 * WINDOW as usize)).to_vec()];
    let mut steps = vec![Step::Event(Bytes::from(first.concat())), Step::Wait(gate.clone())];
    steps.extend(dialect.closing().into_iter().map(Step::Event));
    let upstream = MockUpstream::start(Script::always(Reply::sse(steps))).await.unwrap();
    let config = dialect.config(&upstream.url(), "");
    let doors = Doors::open(&format!("heartbeat: {{after: 50ms, every: 50ms}}\n{config}")).await;
    for version in [Version::Http1, Version::Http2] {
        let mut client = doors.client(version).await;
        let mut answer = client.chat(&question()).await.unwrap().into_body();
        let mut seen = String::new();
        while seen.matches(": keep-alive\n\n").count() < 3 {
            let bytes = soon(wire::next(&mut answer), "heartbeats").await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        gate.admit(1);
        let rest = wire::rest(&mut answer).await.unwrap();
        seen.push_str(std::str::from_utf8(&rest).unwrap());
        let stream = Stream { status: 200, text: seen };
        assert!(stream.is_done(), "{version:?}");
        assert_eq!(stream.content().len(), 2 * WINDOW as usize, "{version:?}");
    }
    until(|| upstream.counts().in_flight == 0, "the end").await;
}

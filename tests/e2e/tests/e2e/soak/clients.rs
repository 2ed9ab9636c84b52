//! The clients: over HTTP/1.1 and HTTP/2, at their own pace, some slow to read, some gone early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::world::{CAPACITY, LONG, World, words};
use crate::gateway::Stream;
use crate::wire::{self, Version};

/// Each holds one request most of the time, so that half of what there is room for is in use.
pub(super) const CLIENTS: usize = CAPACITY * 3 / 5;
/// One of so many reads slowly.
const SLOW: usize = 5;
/// Clients over HTTP/2 that share one connection.
const SHARING: usize = 5;
/// Conversations that each client goes on with by turns.
const CONVERSATIONS: usize = 50;
/// The longest rest between an answer and the next request.
const REST: Duration = Duration::from_millis(50);
/// How long a slow reader stops first: longer than a provider may be silent.
const STOP: Duration = Duration::from_secs(3);
/// How long it is slow, that included.
const DAWDLING: Duration = Duration::from_secs(6);

/// Lines of the gateway's log that are shown with a failure.
const LAST_LINES: usize = 100;

/// What came of the requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) whole: AtomicUsize,
    pub(super) streamed: AtomicUsize,
    pub(super) read_slowly: AtomicUsize,
    pub(super) broken: AtomicUsize,
    pub(super) refused: AtomicUsize,
    pub(super) left: AtomicUsize,
}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

/// Runs all clients until then; panics if one of them saw anything that must not be.
pub(super) async fn run(world: &Arc<World>, round: usize, until: Instant, tally: &Arc<Tally>) {
    let shared: Vec<_> = (0..CLIENTS.div_ceil(SHARING)).map(|_| Line::http2(world)).collect();
    let clients = (0..CLIENTS).map(|at| {
        let seed = round * 1000 + at;
        let (world, tally) = (Arc::clone(world), Arc::clone(tally));
        // Every other one speaks HTTP/2.
        let version = if at % 2 == 0 { Version::Http1 } else { Version::Http2 };
        let line = match version {
            Version::Http1 => Line::http1(&world),
            Version::Http2 => shared[at / SHARING].clone(),
        };
        tokio::spawn(async move {
            match at % SLOW {
                0 => slow_client(seed, &world, version, until, &tally).await,
                _ => client(seed, line, until, &tally).await,
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        if let Err(panicked) = client.await {
            let log = world.doors.gateway.log();
            let last: Vec<_> = log.lines().rev().take(LAST_LINES).collect();
            panic!("an answer is not well-formed: {panicked}\n{}", last.join("\n"));
        }
    }
}

/// How a client reaches the gateway.
#[derive(Clone)]
struct Line {
    http: reqwest::Client,
    url: String,
}

impl Line {
    fn http1(world: &World) -> Self {
        let http = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
        let url = world.doors.gateway.url("/v1/chat/completions");
        Self { http, url }
    }

    fn http2(world: &World) -> Self {
        let root = reqwest::Certificate::from_pem(world.doors.authority.pem().as_bytes()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
        let url = format!("https://127.0.0.1:{}/v1/chat/completions", world.doors.tls_port);
        Self { http, url }
    }

    async fn ask(&self, body: &Value) -> reqwest::Response {
        self.http.post(&self.url).json(body).send().await.expect("an answer, at the first try")
    }
}

async fn client(seed: usize, line: Line, until: Instant, tally: &Tally) {
    let mut rng = StdRng::seed_from_u64(seed as u64);
    let mut at = 0;
    while Instant::now() < until {
        at += 1;
        let body = question(&mut rng, seed, at);
        let mut answer = line.ask(&body).await;
        if rng.random_bool(0.1) {
            // Leaves in the middle.
            let _ = answer.chunk().await;
            count(&tally.left);
            continue;
        }
        let status = answer.status().as_u16();
        let streamed = answer.headers()["content-type"] == "text/event-stream";
        let text = answer.text().await.expect("no connection is cut");
        match judge(status, streamed, text, false) {
            Came::Whole => count(&tally.whole),
            Came::Streamed => count(&tally.streamed),
            Came::Refused => count(&tally.refused),
            Came::Broken => count(&tally.broken),
        }
        tokio::time::sleep(REST.mul_f64(rng.random_range(0.0..1.0))).await;
    }
}

/// Asks for long answers on a connection each, and reads them a little at a time at first.
async fn slow_client(seed: usize, world: &World, version: Version, until: Instant, tally: &Tally) {
    let mut rng = StdRng::seed_from_u64(seed as u64);
    let mut at = 0;
    while Instant::now() < until {
        at += 1;
        let mut body = question(&mut rng, seed, at);
        body["stream"] = json!(true);
        body["messages"][0]["content"] = json!(format!("{seed} {} {LONG}", at % CONVERSATIONS));
        let mut client = world.doors.client(version).await;
        let answer = client.chat(&body).await.expect("an answer");
        let status = answer.status().as_u16();
        let streamed = answer.headers()["content-type"] == "text/event-stream";
        let mut answer = answer.into_body();
        let mut text = Vec::new();
        let began = Instant::now();
        while began.elapsed() < DAWDLING
            && let Some(bytes) = wire::next(&mut answer).await
        {
            let first = text.is_empty();
            text.extend_from_slice(&bytes.expect("no connection is cut"));
            tokio::time::sleep(if first { STOP } else { Duration::from_millis(200) }).await;
        }
        text.extend(wire::rest(&mut answer).await.expect("no connection is cut"));
        let text = String::from_utf8(text).expect("text");
        match judge(status, streamed, text, true) {
            Came::Whole | Came::Streamed => count(&tally.read_slowly),
            Came::Broken => count(&tally.broken),
            Came::Refused => count(&tally.refused),
        }
    }
}

fn question(rng: &mut StdRng, seed: usize, at: usize) -> Value {
    let model = ["openai", "anthropic", "gemini"][rng.random_range(0..3)];
    let content = format!("{seed} {}", at % CONVERSATIONS);
    json!({"model": model, "stream": rng.random_bool(0.6),
        "messages": [{"role": "user", "content": content}]})
}

enum Came {
    Whole,
    Streamed,
    Broken,
    Refused,
}

/// Says what came of a request; panics if it is not well-formed.
fn judge(status: u16, streamed: bool, text: String, long: bool) -> Came {
    // A provider that has an odd moment gives a short answer to those who asked for a long one.
    let expected =
        |said: &str| said == words(false).concat() || long && said == words(true).concat();
    match (status, streamed) {
        (200, true) => {
            let stream = Stream { status, text };
            assert!(stream.is_done(), "{}", stream.text);
            let reasons = stream.finish_reasons();
            assert_eq!(reasons.len(), 1, "{}", stream.text);
            if reasons == ["stop"] {
                assert!(expected(&stream.content()), "{}", stream.text);
                return Came::Streamed;
            }
            assert_eq!(reasons, ["error"], "{}", stream.text);
            Came::Broken
        }
        (200, false) => {
            let answer: Value = serde_json::from_str(&text).expect(&text);
            let said = answer["choices"][0]["message"]["content"].as_str();
            assert!(said.is_some_and(expected), "{text}");
            Came::Whole
        }
        _ => {
            let answer: Value = serde_json::from_str(&text).expect(&text);
            let error = &answer["error"];
            assert!(error["message"].is_string() && error["request_id"].is_string(), "{text}");
            Came::Refused
        }
    }
}

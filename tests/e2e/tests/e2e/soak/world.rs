//! A gateway between clients of both versions of HTTP and providers of three dialects and two
//! versions of HTTP that fail in all kinds of ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tests_mock::{Gate, MockUpstream, Recorded, Reply, Script, Step, Transport};

use crate::dialects::{ALL, Dialect, sse};
use crate::wire::Doors;

/// Requests that one account takes at the same time.
const PLACES: usize = 8;
/// Accounts of each provider that fails now and then.
const MOODY: usize = 2;
/// Accounts of the one that never does.
const STEADY: usize = 4;
/// Requests that all accounts together take at the same time.
pub(super) const CAPACITY: usize = PLACES * (MOODY * ALL.len() + STEADY);
/// Stands in the requests for long answers.
pub(super) const LONG: &str = "at length";

/// What is running. Ends when dropped.
pub(super) struct World {
    pub(super) doors: Doors,
    _upstreams: Vec<MockUpstream>,
    _ca: NamedTempFile,
}

/// The words of an answer.
pub(super) fn words(long: bool) -> Vec<String> {
    match long {
        false => (0..12).map(|at| format!("word{at} ")).collect(),
        // More than all buffers on its way hold.
        true => (0..400).map(|at| format!("{at} {} ", "long ".repeat(800))).collect(),
    }
}

impl World {
    pub(super) async fn start() -> Self {
        let steady = MockUpstream::start(script(Dialect::OpenAi, false)).await.unwrap();
        // It is never late on purpose, and a machine that has too much to do is no fault of its own.
        let mut providers = vec![provider(Dialect::OpenAi, "steady", &steady, STEADY, "60s", "")];
        let mut upstreams = vec![steady];
        let mut models = Vec::new();
        let ca = NamedTempFile::new().unwrap();
        for dialect in ALL {
            let (transport, version) = match dialect {
                Dialect::OpenAi => (Transport::Http1, "http1"),
                Dialect::Anthropic => (Transport::H2c, "h2c"),
                Dialect::Gemini => (Transport::Tls(&["h2"]), "http2"),
            };
            let upstream = MockUpstream::start_as(script(dialect, true), transport).await.unwrap();
            let mut more = format!("http_version: {version},");
            if let Some(certificate) = upstream.certificate() {
                std::fs::write(&ca, certificate).unwrap();
                more.push_str(&format!(" ca_file: {},", ca.path().display()));
            }
            let name = dialect.name();
            providers.push(provider(dialect, name, &upstream, MOODY, "2s", &more));
            models.push(format!(
                "- {{name: {name}, targets: [{{provider: {name}, model: {}}}, \
                 {{provider: steady, model: g}}]}}",
                dialect.model()
            ));
            upstreams.push(upstream);
        }
        let doors = Doors::open(&format!(
            "heartbeat: {{after: 100ms, every: 200ms}}\nproviders:\n{}\nmodels:\n{}\n",
            providers.join("\n"),
            models.join("\n"),
        ))
        .await;
        Self { doors, _upstreams: upstreams, _ca: ca }
    }
}

fn provider(
    dialect: Dialect,
    name: &str,
    upstream: &MockUpstream,
    accounts: usize,
    patience: &str,
    more: &str,
) -> String {
    let accounts = (0..accounts)
        .map(|at| format!("{{name: a{at}, api_key: sk-{at}, limits: {{concurrent: {PLACES}}}}}"));
    format!(
        "- {{name: {name}, dialect: {}, base_url: \"{}\", {more} \
         timeouts: {{first_byte: {patience}, idle: {patience}, total: 60s}}, accounts: [{}]}}",
        dialect.name(),
        dialect.base_url(&upstream.url()),
        accounts.collect::<Vec<_>>().join(", "),
    )
}

/// Answers; `moody`, sometimes in one of the ways not to. The same in every run.
fn script(dialect: Dialect, moody: bool) -> Script {
    let count = AtomicUsize::new(0);
    Script::new(move |request, _| {
        let at = count.fetch_add(1, Ordering::Relaxed);
        let long = String::from_utf8_lossy(&request.body).contains(LONG);
        let streamed = streamed(request);
        match moody.then(|| mood(dialect, at % 40, streamed)).flatten() {
            Some(reply) => reply,
            None if streamed && long => sse(events(dialect, true)),
            None if streamed => sse(events(dialect, false)).slowly(Duration::from_millis(40)),
            None => {
                let text = words(long).concat();
                dialect.whole(&text).after(Step::Delay(Duration::from_millis(300)))
            }
        }
    })
}

fn streamed(request: &Recorded) -> bool {
    // Gemini says it in the path.
    request.path.contains("stream") || {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        body["stream"] == true
    }
}

fn events(dialect: Dialect, long: bool) -> Vec<Bytes> {
    let words = words(long);
    dialect.events(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// One of the ways to fail, or to behave oddly.
fn mood(dialect: Dialect, which: usize, streamed: bool) -> Option<Reply> {
    let status = |status| Reply::json(status, &[], &json!({"error": {"message": "No"}}));
    let said = dialect.opening().len() + 3;
    let stream = || sse(events(dialect, false)).slowly(Duration::from_millis(40));
    let put_in = |at: usize, step: Step| {
        let mut steps: Vec<_> = events(dialect, false).into_iter().map(Step::Event).collect();
        steps.insert(at, step);
        Reply::sse(steps).slowly(Duration::from_millis(40))
    };
    Some(match which {
        // Nothing of an answer has come.
        2 => Reply::reset(),
        6 => status(500),
        10 => status(429).header("retry-after", "1"),
        14 => Reply::raw(&b"garbage\r\n\r\n"[..]),
        18 => Reply::hang(),
        22 => status(503),
        26 if streamed => sse([dialect.overloaded_event("Busy")]),
        // Part of an answer has.
        3 if streamed => stream().cut_after(said, Step::Reset),
        9 if streamed => {
            stream().cut_after(said, Step::CutChunk(Bytes::from_static(b"data: {\"x")))
        }
        13 if streamed => stream().cut_after(said, Step::Wait(Gate::shut())),
        17 if streamed => stream().cut_after(said, Step::Close),
        21 if streamed => stream().cut_after(said, Step::Event(dialect.overloaded_event("Busy"))),
        // All of it comes.
        25 if streamed => put_in(said, Step::GoAway),
        29 if streamed => put_in(said, Step::event(&b"data: {\"x\n\n"[..])),
        33 if streamed => put_in(said, Step::Delay(Duration::from_millis(500))),
        _ => return None,
    })
}

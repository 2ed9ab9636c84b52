//! Promise: whatever upstreams and clients do, for however long, every answer is complete or a
//! well-formed error, and nothing is left behind.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, openai};

use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::{Gateway, Stream};

/// How long; `PENSTOCK_SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// Clients that ask one request after another.
const CLIENTS: u64 = 12;

/// Sometimes an answer, sometimes one of the ways not to give one; the same in every run.
fn moody(dialect: Dialect) -> Script {
    let count = AtomicUsize::new(0);
    Script::new(move |request, _| {
        let at = count.fetch_add(1, Ordering::Relaxed);
        let streaming = request.path.contains("stream") || {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            body["stream"] == true
        };
        let words = dialect.events(&["Good", " morning", ", world"]);
        let said = dialect.opening().len() + 1;
        let status = |status| Reply::json(status, &[], &json!({"error": {"message": "No"}}));
        match at % 20 {
            1 => Reply::reset(),
            3 => status(500),
            5 => status(429).header("retry-after", "1"),
            7 => Reply::raw(&b"garbage\r\n\r\n"[..]),
            9 if streaming => sse(words).cut_after(said, Step::Reset),
            11 if streaming => {
                sse(words).cut_after(said, Step::CutChunk(Bytes::from_static(b"data: {\"x")))
            }
            13 if streaming => sse(words).cut_after(said, Step::Wait(Gate::shut())),
            15 => Reply::hang(),
            17 if streaming => sse(words).slowly(Duration::from_millis(40)),
            19 => status(503),
            _ if streaming => sse(words),
            _ => dialect.whole("Good morning, world"),
        }
    })
}

#[derive(Default)]
struct Tally {
    whole: AtomicUsize,
    streamed: AtomicUsize,
    broken: AtomicUsize,
    refused: AtomicUsize,
    left: AtomicUsize,
}

fn seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long to soak is for whoever runs it")]
    let wished = std::env::var("PENSTOCK_SOAK_SECONDS");
    wished.ok().and_then(|it| it.parse().ok()).unwrap_or(SECONDS)
}

fn is_error(text: &str) -> bool {
    let answer: Value = serde_json::from_str(text).expect(text);
    answer["error"]["message"].is_string() && answer["error"]["request_id"].is_string()
}

async fn client(seed: u64, gateway: Arc<Gateway>, until: Instant, tally: Arc<Tally>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut at = 0;
    while Instant::now() < until {
        at += 1;
        let stream = rng.random_bool(0.6);
        let model = ["openai", "anthropic", "gemini"][rng.random_range(0..3)];
        let body = json!({"model": model, "stream": stream,
            "messages": [{"role": "user", "content": format!("{seed} {at}")}]});
        let request = http.post(gateway.url("/v1/chat/completions")).json(&body).send();
        let mut answer = request.await.expect("an answer");
        if rng.random_bool(0.1) {
            // Leaves in the middle.
            let _ = answer.chunk().await;
            tally.left.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let status = answer.status().as_u16();
        let streamed = answer.headers()["content-type"] == "text/event-stream";
        let text = answer.text().await.expect("no connection is cut");
        let of = match (status, streamed) {
            (200, true) => {
                let stream = Stream { status, text };
                assert!(stream.is_done(), "{}", stream.text);
                let reasons = stream.finish_reasons();
                assert_eq!(reasons.len(), 1, "{}", stream.text);
                if reasons == ["stop"] {
                    assert_eq!(stream.content(), "Good morning, world", "{}", stream.text);
                    &tally.streamed
                } else {
                    assert_eq!(reasons, ["error"], "{}", stream.text);
                    &tally.broken
                }
            }
            (200, false) => {
                let answer: Value = serde_json::from_str(&text).expect(&text);
                assert_eq!(answer["choices"][0]["message"]["content"], "Good morning, world");
                &tally.whole
            }
            _ => {
                assert!(is_error(&text), "{status}: {text}");
                &tally.refused
            }
        };
        of.fetch_add(1, Ordering::Relaxed);
    }
}

#[expect(clippy::print_stderr, reason = "for whoever soaks by hand")]
fn say(figures: &str) {
    eprintln!("{figures}");
}

/// Open descriptors, and memory in use in KiB.
fn footprint(gateway: &Gateway) -> (usize, u64) {
    let process = format!("/proc/{}", gateway.pid());
    let open = fs::read_dir(format!("{process}/fd")).unwrap().count();
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (open, resident.trim().trim_end_matches(" kB").parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_cut_and_nothing_is_left_behind() {
    let duration = Duration::from_secs(seconds());
    let good = MockUpstream::start(openai::answering("Good morning, world")).await.unwrap();
    let mut config = format!(
        "heartbeat: {{after: 100ms, every: 200ms}}\nproviders:\n- {}\n",
        Dialect::OpenAi.provider("good", &good.url(), "")
    );
    let mut upstreams = Vec::new();
    let mut models = String::from("models:\n");
    for dialect in ALL {
        let upstream = MockUpstream::start(moody(dialect)).await.unwrap();
        let name = dialect.name();
        let base = dialect.base_url(&upstream.url());
        config.push_str(&format!(
            "- {{name: {name}, dialect: {name}, base_url: \"{base}\", \
             timeouts: {{first_byte: 500ms, idle: 500ms, total: 20s}}, \
             accounts: [{{name: a, api_key: sk-1}}, {{name: b, api_key: sk-2}}]}}\n"
        ));
        models.push_str(&format!(
            "- {{name: {name}, targets: [{{provider: {name}, model: {}}}, \
             {{provider: good, model: g}}]}}\n",
            dialect.model()
        ));
        upstreams.push(upstream);
    }
    let gateway = Arc::new(Gateway::start(&format!("{config}{models}")).await);
    let tally = Arc::new(Tally::default());
    let run = async |until: Instant, round: u64| {
        let clients = (0..CLIENTS).map(|n| {
            let seed = round * 1000 + n;
            tokio::spawn(client(seed, Arc::clone(&gateway), until, Arc::clone(&tally)))
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("every answer is well-formed");
        }
        gateway.until_metric("penstock_requests_in_flight", &[], 0.0).await;
    };
    // Until memory has settled: pools and buffers grow to what the load needs.
    run(Instant::now() + duration / 3, 0).await;
    let (open_before, resident_before) = footprint(&gateway);
    run(Instant::now() + duration * 2 / 3, 1).await;
    let (open, resident) = footprint(&gateway);

    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    let Tally { whole, streamed, broken, refused, left } = &*tally;
    let all = [whole, streamed, broken, refused, left].map(count);
    say(&format!(
        "{all:?} whole, streamed, ended by an error, refused, left by the client; \
         {open_before} then {open} descriptors, {resident_before} then {resident} KiB; {} retries, \
         {} upstream connections open",
        gateway.metric("penstock_retries_total", &[]).await,
        gateway.metric("penstock_upstream_connections", &[]).await,
    ));
    assert!(count(whole) > 50 && count(streamed) > 50 && count(broken) > 0, "{all:?}");
    assert!(
        count(refused) * 4 <= all.iter().sum::<usize>(),
        "too few found somebody else: {all:?}"
    );
    let held = gateway.metric("penstock_account_requests_in_flight", &[]).await;
    assert!(held == 0.0, "{held} places were not given back");
    assert!(gateway.metric("penstock_requests_waiting", &[]).await == 0.0);
    assert!(gateway.metric("penstock_requests_unlogged_total", &[]).await == 0.0);
    assert!(open <= open_before + 64, "{open_before} descriptors became {open}");
    assert!(
        resident <= resident_before + resident_before / 4 + 16_384,
        "{resident_before} KiB became {resident} KiB"
    );
    assert!(!gateway.log().contains("panicked"));
}

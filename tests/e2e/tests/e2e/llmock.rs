//! Promise: the faults of `llmock`, a mock provider that judges its clients, cost the gateway's
//! clients nothing before content, and no well-formed end after it; and it has nothing to say
//! against us, not even a warning.
//!
//! It groups requests of one path and body into a call and looks at how the call went on. What it
//! cannot see is what else the gateway did: that the next attempt bore another account's key, or
//! went to another provider, or that the client of a stream without an end was told so. [`Place`]
//! says where each fault can be judged.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tests_mock::MockUpstream;
use tokio::task::JoinSet;

use crate::dialects::{ALL, Dialect};
use crate::gateway::{Gateway, Stream};

/// Seconds of silence that nobody waits for.
const SILENCE: f64 = 30.0;

/// A running llmock. Ends when dropped: its standard input does.
struct Llmock {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Llmock {
    /// `None` where there is no Python.
    fn start() -> Option<Self> {
        let mut child = Command::new(python()?)
            .arg(checkout().join("tests/e2e/sdk/faults.py"))
            // So that a client that hangs up is noticed before all is sent.
            .env("LLMOCK_STREAM_CHUNK_DELAY_MS", "20")
            .env("LLMOCK_RESPONSE_STYLE", "static")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Some(Self { child, url, http: reqwest::Client::builder().no_proxy().build().unwrap() })
    }

    fn base_url(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::OpenAi => format!("{}/v1", self.url),
            Dialect::Anthropic => format!("{}/anthropic", self.url),
            Dialect::Gemini => format!("{}/gemini", self.url),
        }
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}/_llmock/{path}", self.url);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/_llmock/{path}", self.url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Llmock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The Python that `./x test` has set up; `None` if the machine has none at all.
fn python() -> Option<PathBuf> {
    let path = checkout().join(".cache/python/bin/python");
    let there = Command::new("python3").arg("--version").output().is_ok();
    assert!(path.exists() || !there, "llmock is not installed; type: ./x test");
    path.exists().then_some(path)
}

/// Who else could answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Nobody: the same place, later. llmock sees how long we wait.
    Alone,
    /// Another account of the same provider: to llmock, the same call once more. It does not know
    /// that limits and keys are an account's own: a 429 whose time to come back is not over, or a
    /// refused key, it would rather not see again from anybody.
    Twin,
    /// Another provider, of which llmock sees nothing: to it, we gave up.
    Elsewhere,
}

/// What the client must get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// A whole answer.
    Answer,
    /// The provider's own error.
    Status(u16),
    /// A stream that ends with `finish_reason: "error"` and `[DONE]`.
    Broken,
    /// A stream that ends well, though a piece of it could not be read.
    Skipped,
}

use Expected::{Answer, Broken, Skipped, Status};
use Place::{Alone, Elsewhere, Twin};

/// A fault, and what becomes of a request that meets it.
#[derive(Clone, Debug)]
struct Case {
    behavior: Value,
    place: Place,
    stream: bool,
    expected: Expected,
}

impl Case {
    /// How long the provider may be silent: less than the fault lasts if that is silence, and else
    /// so long that a busy machine does not matter.
    fn patience(&self) -> &'static str {
        let silence = [&self.behavior["seconds"], &self.behavior["stall_seconds"]];
        let silent = silence.iter().any(|it| it.as_f64().is_some_and(|it| it >= SILENCE));
        if silent && self.behavior["kind"].as_str().is_none_or(|kind| kind == "stall") {
            "4s"
        } else {
            "30s"
        }
    }
}

fn stream_fault(kind: &str, after: usize) -> Value {
    json!({"type": "stream_fault", "kind": kind, "after_chunks": after, "stall_seconds": SILENCE})
}

fn fail(status: u16, retry_after: Option<f64>) -> Value {
    json!({"type": "fail", "status": status, "retry_after": retry_after})
}

/// Statuses that another attempt may help against.
const PASSING: [u16; 8] = [408, 409, 429, 500, 502, 503, 504, 529];

/// What goes wrong before there is content, whatever was asked.
fn before_content() -> Vec<Case> {
    let mut cases = Vec::new();
    for stream in [false, true] {
        let mut add = |behavior, place, expected| {
            cases.push(Case { behavior, place, stream, expected });
        };
        for status in PASSING {
            // With llmock's own choice of a time to come back: none, or a second.
            add(fail(status, None), Alone, Answer);
            add(fail(status, Some(0.4)), Alone, Answer);
            add(fail(status, Some(3.0)), Alone, Answer);
            add(fail(status, Some(0.0)), Twin, Answer);
            if status != 429 {
                // Trouble is the whole provider's: its other account waits as well.
                add(fail(status, None), Twin, Answer);
                add(fail(status, Some(0.6)), Twin, Answer);
            }
        }
        // The key's fault, or the model's: nobody asks there again.
        for status in [401, 402, 403, 404] {
            add(fail(status, None), Elsewhere, Answer);
        }
        // The request's own.
        for status in [400, 413, 422] {
            add(fail(status, None), Elsewhere, Status(status));
        }
        add(json!({"type": "delay", "seconds": 0.3}), Alone, Answer);
        add(json!({"type": "delay", "seconds": SILENCE}), Elsewhere, Answer);
        add(json!({"type": "tool_fault", "kind": "malformed_arguments"}), Alone, Answer);
        add(json!({"type": "tool_fault", "kind": "unknown_tool"}), Alone, Answer);
    }
    cases
}

/// What goes wrong in a stream before there is content.
fn before_words(dialect: Dialect) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |behavior, place| {
        cases.push(Case { behavior, place, stream: true, expected: Answer });
    };
    add(json!({"type": "slow_first_token", "seconds": 0.5}), Alone);
    add(json!({"type": "slow_first_token", "seconds": SILENCE}), Elsewhere);
    for after in 0..=dialect.opening_of_llmock() {
        for kind in ["disconnect", "truncate", "malformed"] {
            add(stream_fault(kind, after), Twin);
            add(stream_fault(kind, after), Alone);
        }
        // Who has let us wait once is not asked again.
        add(stream_fault("stall", after), Twin);
    }
    cases
}

/// What llmock takes for our giving up, or for impatience: the provider's time to come back is too
/// far off to wait for it, and somebody else is there.
fn beyond_its_sight() -> Vec<Case> {
    let far = PASSING.map(|status| Case {
        behavior: fail(status, Some(30.0)),
        place: Elsewhere,
        stream: true,
        expected: Answer,
    });
    let limit = Case { behavior: fail(429, None), place: Twin, stream: true, expected: Answer };
    far.into_iter().chain([limit]).collect()
}

/// What goes wrong after the first words.
fn after_content(dialect: Dialect) -> Vec<Case> {
    let said = dialect.opening_of_llmock() + 2;
    let kinds = [("disconnect", Broken), ("truncate", Broken), ("stall", Broken)];
    let kinds = kinds.into_iter().chain([("malformed", Skipped)]);
    let cases = kinds.map(|(kind, expected)| {
        let behavior = stream_fault(kind, said);
        Case { behavior, place: Elsewhere, stream: true, expected }
    });
    cases.collect()
}

impl Dialect {
    /// Events that llmock sends before the first words.
    fn opening_of_llmock(self) -> usize {
        match self {
            Self::OpenAi => 1,
            // The message, its first block, a ping.
            Self::Anthropic => 3,
            Self::Gemini => 0,
        }
    }
}

/// Everything that runs for one dialect.
struct Trial {
    dialect: Dialect,
    llmock: Llmock,
    gateway: Gateway,
    _elsewhere: MockUpstream,
    cases: Vec<Case>,
}

impl Trial {
    async fn start(dialect: Dialect, llmock: Llmock, cases: Vec<Case>) -> Self {
        let elsewhere = MockUpstream::start(Dialect::OpenAi.answering("elsewhere")).await.unwrap();
        let mut providers = vec![Dialect::OpenAi.provider("elsewhere", &elsewhere.url(), "")];
        let (mut models, mut keys) = (Vec::new(), Vec::new());
        // Each case has accounts, a model and a key of its own: what is learnt of one is not held
        // against another, and the budget for further attempts is that of its key.
        for (at, case) in cases.iter().enumerate() {
            let twin = if case.place == Twin { ", {name: b, api_key: sk-b}" } else { "" };
            let patience = case.patience();
            providers.push(format!(
                "{{name: p{at}, dialect: {}, base_url: \"{}\", \
                 timeouts: {{first_byte: {patience}, idle: {patience}, total: 60s}}, \
                 accounts: [{{name: a, api_key: sk-a}}{twin}]}}",
                dialect.name(),
                llmock.base_url(dialect),
            ));
            let second = match case.place {
                Elsewhere => ", {provider: elsewhere, model: m}",
                Alone | Twin => "",
            };
            let model = model(dialect, at);
            models.push(format!(
                "{{name: m{at}, targets: [{{provider: p{at}, model: {model}}}{second}]}}"
            ));
            keys.push(format!("{{name: k{at}, key: key-{at}-0123456789}}"));
        }
        let gateway = Gateway::start(&format!(
            "queue: {{wait: 10s}}\nauth: {{mode: keys, keys: [{}]}}\nproviders: [{}]\nmodels: [{}]\n",
            keys.join(", "),
            providers.join(", "),
            models.join(", ")
        ))
        .await;
        let trial = Self { dialect, llmock, gateway, _elsewhere: elsewhere, cases };
        trial.queue_faults().await;
        trial
    }

    async fn queue_faults(&self) {
        let behaviors = self.cases.iter().enumerate().map(|(at, case)| {
            let mut behavior = case.behavior.clone();
            behavior["match"] = json!({"model": model(self.dialect, at)});
            behavior
        });
        let behaviors = behaviors.collect::<Vec<_>>();
        self.llmock.post("scenario", &json!({ "behaviors": behaviors })).await;
    }

    /// All of them at the same time.
    async fn run(self: &Arc<Self>) {
        let mut all = JoinSet::new();
        for (at, case) in self.cases.iter().cloned().enumerate() {
            let trial = Arc::clone(self);
            all.spawn(async move { trial.ask(at, &case).await.err() });
        }
        let wrong: Vec<_> = all.join_all().await.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{:?}:\n{}", self.dialect, wrong.join("\n"));
        let left = self.llmock.get("scenario").await;
        assert_eq!(left["pending"], json!([]), "every fault was met");
    }

    async fn ask(&self, at: usize, case: &Case) -> Result<(), String> {
        let mut body = json!({"model": format!("m{at}"), "stream": case.stream,
            "messages": [{"role": "user", "content": "Tell me everything about the sea, please"}]});
        if case.behavior["type"] == "tool_fault" {
            let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
            body["tools"] = json!([{"type": "function", "function":
                {"name": "weather", "description": "The weather", "parameters": parameters}}]);
        }
        let request = self.gateway.client.post(self.gateway.url("/v1/chat/completions"));
        let request = request.bearer_auth(format!("key-{at}-0123456789"));
        let answer = request.json(&body).send().await.map_err(|e| format!("{case:?}: {e:?}"))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| format!("{case:?}: {error:?}"))?;
        let came = match (status, case.stream) {
            (200, false) => {
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                (!answer["choices"][0]["finish_reason"].is_null()).then_some(Answer)
            }
            (200, true) => {
                let stream = Stream { status, text: text.clone() };
                match (stream.is_done(), stream.finish_reasons().as_slice()) {
                    (true, [one]) if one == "error" => Some(Broken),
                    (true, [_]) => Some(Answer),
                    _ => None,
                }
            }
            _ => {
                let error: Value = serde_json::from_str(&text).unwrap_or_default();
                error["error"]["request_id"].is_string().then_some(Status(status))
            }
        };
        let expected = if case.expected == Skipped { Answer } else { case.expected };
        let right = came == Some(expected);
        right.then_some(()).ok_or_else(|| format!("{case:?}\n  got {status}: {text}"))
    }

    /// What llmock has against us: each finding, and the case it is about.
    async fn findings(&self) -> Vec<(String, Case)> {
        let (verdict, seen) = (self.llmock.get("verdict").await, self.llmock.get("requests").await);
        let seen = seen["requests"].as_array().unwrap().clone();
        let case_of = |finding: &Value| {
            let request = seen.iter().find(|it| it["seq"] == finding["requests"][0]).unwrap();
            let at = request["model"].as_str().unwrap().rsplit_once('-').unwrap().1;
            self.cases[at.parse::<usize>().unwrap()].clone()
        };
        let findings = verdict["findings"].as_array().unwrap().iter();
        findings.map(|it| (format!("{}: {}", it["code"], it["title"]), case_of(it))).collect()
    }
}

/// The upstream's name of the model of a case, by which llmock knows which fault is meant.
fn model(dialect: Dialect, at: usize) -> String {
    format!("{}-{at}", dialect.model())
}

#[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
async fn trial(dialect: Dialect, cases: Vec<Case>) -> Option<Arc<Trial>> {
    let Some(llmock) = Llmock::start() else {
        eprintln!("skipped: llmock wants Python, and there is none");
        return None;
    };
    let trial = Arc::new(Trial::start(dialect, llmock, cases).await);
    trial.run().await;
    Some(trial)
}

async fn check_before_content(dialect: Dialect) {
    // One gateway each: it does not allow any number of tries at a time.
    for cases in [before_content(), before_words(dialect)] {
        let Some(trial) = trial(dialect, cases).await else { return };
        let findings = trial.findings().await;
        assert!(findings.is_empty(), "{dialect:?}: {findings:#?}");
    }
}

#[tokio::test]
async fn faults_before_content_are_answered_and_nothing_is_held_against_us_openai() {
    check_before_content(Dialect::OpenAi).await;
}

#[tokio::test]
async fn faults_before_content_are_answered_and_nothing_is_held_against_us_anthropic() {
    check_before_content(Dialect::Anthropic).await;
}

#[tokio::test]
async fn faults_before_content_are_answered_and_nothing_is_held_against_us_gemini() {
    check_before_content(Dialect::Gemini).await;
}

/// Also shows that a finding would be seen.
#[tokio::test]
async fn who_cannot_be_waited_for_is_not_waited_for_whatever_llmock_thinks() {
    for dialect in ALL {
        let Some(trial) = trial(dialect, beyond_its_sight()).await else { return };
        let findings = trial.findings().await.into_iter().map(|(finding, case)| {
            (finding.split('"').nth(1).unwrap_or_default().to_owned(), case.place)
        });
        let all = findings.collect::<Vec<_>>();
        let gave_up = all.iter().filter(|it| **it == ("gave_up".to_owned(), Elsewhere)).count();
        let ignored = ("retry_after_ignored".to_owned(), Twin);
        assert_eq!((gave_up, all.len()), (PASSING.len(), PASSING.len() + 1), "{all:?}");
        assert!(all.contains(&ignored), "{all:?}");
    }
}

#[tokio::test]
async fn faults_after_content_end_the_stream_well() {
    for dialect in ALL {
        // What llmock thinks of it does not matter: that a stream without an end was passed off
        // as one that has it, it takes from our not asking again, which nobody may once there
        // was content.
        let Some(trial) = trial(dialect, after_content(dialect)).await else { return };
        let skipped = trial.gateway.metric("penstock_stream_events_malformed_total", &[]).await;
        assert!(skipped == 1.0, "{skipped} events were skipped");
    }
}

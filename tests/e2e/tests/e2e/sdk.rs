//! Promise: the official SDKs of OpenAI, Anthropic and Google work, whoever answers, and so do what is
//! built on them: LangChain, the Agents SDK, the AI SDK. llm-comply, a judge of servers, passes us.
//!
//! The scripts in `tests/e2e/sdk` do the asking and the checking, in the SDK's own language. Here
//! they get a gateway and, behind it, upstreams that play a scenario by the model's name.

mod scenario;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests_mock::MockUpstream;

use crate::gateway::Gateway;
use scenario::{UPSTREAMS, Upstream};

/// How long a script may take; a runtime takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "pk-sdk";

/// The mock, and a provider of each dialect that is called as its dialect.
async fn gateway() -> (Gateway, Vec<MockUpstream>) {
    let mut upstreams = Vec::new();
    let mut providers = vec!["{name: mock, dialect: mock}".to_owned()];
    for dialect in UPSTREAMS {
        let upstream = MockUpstream::start(scenario::script(dialect)).await.unwrap();
        let (name, url) = (dialect.name(), upstream.url() + dialect.base());
        providers.push(format!(
            "{{name: {name}, dialect: {name}, base_url: \"{url}\", \
             accounts: [{{name: main, api_key: sk-upstream-0123456789}}]}}"
        ));
        upstreams.push(upstream);
    }
    let config = format!(
        "auth: {{mode: keys, keys: [{{name: sdk, key: {KEY}}}]}}\n\
         providers: [{}]\n\
         models: [{{name: listed, targets: [{{provider: mock, model: m}}]}}, {}]\n",
        providers.join(", "),
        models().join(", "),
    );
    (Gateway::start(&config).await, upstreams)
}

/// `anthropic/json` and the like, for scenarios that not every model can play.
fn models() -> Vec<String> {
    let with_names = UPSTREAMS.into_iter().filter(|upstream| !upstream.model().is_empty());
    let named = |upstream: Upstream| {
        let (name, prefix) = (upstream.name(), upstream.model());
        ["json", "think"].map(|scenario| {
            format!(
                "{{name: {name}/{scenario}, targets: \
                 [{{provider: {name}, model: {prefix}{scenario}}}]}}"
            )
        })
    };
    with_names.flat_map(named).collect()
}

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Something that `./x test` installs.
fn installed(path: &str) -> PathBuf {
    let path = checkout().join(".cache").join(path);
    assert!(path.exists(), "the official SDKs are not installed; type: ./x test");
    path
}

fn python() -> Command {
    Command::new(installed("python/bin/python"))
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("SDK_DIRECTORY", installed("node/node_modules").parent().unwrap());
    command
}

/// Runs a script of `tests/e2e/sdk` against a gateway; it must succeed.
async fn assert_succeeds(mut command: Command, script: &str) {
    let (gateway, _upstreams) = gateway().await;
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("output");
    let writer = File::create(&output).unwrap();
    let mut child = command
        .arg(checkout().join("tests/e2e/sdk").join(script))
        .arg(gateway.url("/v1"))
        .env("OPENAI_API_KEY", KEY)
        // Whatever else whoever runs the tests has set for the SDKs.
        .env_remove("OPENAI_BASE_URL")
        .env_remove("OPENAI_ORG_ID")
        .env_remove("OPENAI_PROJECT_ID")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let said = fs::read_to_string(output).unwrap();
    let succeeded = status.is_some_and(|status| status.success());
    assert!(succeeded, "{script} ended with {status:?} (none: it took too long) and said:\n{said}");
    // A script that checks nothing succeeds too.
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks >= 30, "{script} made {checks} checks:\n{said}");
}

#[tokio::test]
async fn the_python_sdk_works_whoever_answers() {
    assert_succeeds(python(), "chat.py").await;
}

/// Runs a script that holds golden files against the types of an SDK; gives what it said.
fn judged(script: &str, folder: &str) -> String {
    let output = python()
        .arg(checkout().join("tests/e2e/sdk").join(script))
        .arg(checkout().join("tests/fixtures").join(folder))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} said:\n{said}{wrong}");
    said
}

/// What is asked of every provider, as its own SDK would have it.
#[test]
fn the_official_types_take_every_golden_request() {
    let said = judged("golden.py", "");
    // A script that checks nothing succeeds too.
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks >= 600, "golden.py made {checks} checks:\n{said}");
}

/// What clients of Anthropic and Gemini get, strictly, and read by the SDKs' own readers of streams.
#[test]
fn the_official_types_take_every_golden_answer() {
    for (script, folder, least) in [
        ("validate_anthropic.py", "anthropic", 20),
        ("validate_anthropic.py", "hosted", 8),
        ("validate_gemini.py", "gemini", 20),
        ("validate_gemini.py", "hosted", 20),
    ] {
        let said = judged(script, folder);
        let counted = said.lines().last().and_then(|line| line.split(' ').next()?.parse().ok());
        let checks: u32 = counted.unwrap_or_default();
        assert!(checks >= least, "{script} made {checks} checks:\n{said}");
    }
}

#[tokio::test]
async fn responses_of_the_python_sdk_work_whoever_answers() {
    assert_succeeds(python(), "responses.py").await;
}

#[tokio::test]
async fn anthropic_s_python_sdk_works_whoever_answers() {
    assert_succeeds(python(), "messages.py").await;
}

#[tokio::test]
async fn google_s_python_sdk_works_whoever_answers() {
    assert_succeeds(python(), "content.py").await;
}

#[tokio::test]
async fn the_javascript_sdk_works_whoever_answers() {
    assert_succeeds(node(), "chat.mjs").await;
}

#[tokio::test]
async fn responses_of_the_javascript_sdk_work_whoever_answers() {
    assert_succeeds(node(), "responses.mjs").await;
}

#[tokio::test]
async fn anthropic_s_typescript_sdk_works_whoever_answers() {
    assert_succeeds(node(), "messages.mjs").await;
}

#[tokio::test]
async fn google_s_javascript_sdk_works_whoever_answers() {
    assert_succeeds(node(), "content.mjs").await;
}

#[tokio::test]
async fn vercel_s_ai_sdk_works_whoever_answers() {
    assert_succeeds(node(), "vercel.mjs").await;
}

#[tokio::test]
async fn langchain_works_whoever_answers() {
    assert_succeeds(python(), "chains.py").await;
}

#[tokio::test]
async fn openai_s_agents_work_whoever_answers() {
    assert_succeeds(python(), "agents_run.py").await;
}

#[tokio::test]
async fn llm_comply_passes_every_dialect_whoever_answers() {
    assert_succeeds(python(), "comply.py").await;
}

/// Strictly, and put together from a stream: what the fixtures of the dialect say a client gets.
#[test]
fn responses_are_what_the_types_of_the_python_sdk_say() {
    let cases = ["responses", "hosted"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(checkout().join("tests/fixtures").join(folder)).unwrap());
    let files = cases.flat_map(|case| {
        ["client.expected.json", "client.expected.sse"]
            .map(|file| case.as_ref().unwrap().path().join(file))
    });
    let files: Vec<_> = files.filter(|file| file.exists()).collect();
    assert!(files.len() >= 10, "{files:?}");
    let output = python()
        .arg(checkout().join("tests/e2e/sdk/responses_types.py"))
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{why}");
}

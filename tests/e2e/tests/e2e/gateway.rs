//! The binary under test, started on free ports and stopped with the test.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway. Ends when dropped.
pub(crate) struct Gateway {
    child: Child,
    directory: TempDir,
    port: u16,
    admin_port: u16,
    pub(crate) client: reqwest::Client,
}

impl Gateway {
    /// Serves `config`, in which `{listen}` and `{admin}` stand for free addresses. They are put
    /// in front if they do not stand in it.
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same, with environment variables.
    pub(crate) async fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        // Somebody else may take a port between its choice and its use: then choose again.
        for _ in 0..5 {
            if let Some(gateway) = Self::try_start(config, environment).await {
                return gateway;
            }
        }
        panic!("the gateway does not start");
    }

    async fn try_start(config: &str, environment: &[(&str, &str)]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (port, admin_port) = (free_port(), free_port());
        if port == admin_port {
            return None;
        }
        let config = Self::fill_in(config, port, admin_port);
        fs::write(directory.path().join("penstock.yaml"), &config).unwrap();
        // Elsewhere: a log that grows beside the configuration keeps its directory from being quiet.
        fs::create_dir(directory.path().join("logs")).unwrap();
        let log = fs::File::create(directory.path().join("logs/stderr")).unwrap();
        let child = Command::new(binary())
            .args(["--log-format", "json", "serve", "--config"])
            .arg(directory.path().join("penstock.yaml"))
            .current_dir(directory.path())
            .env_remove("RUST_LOG")
            // A key of whoever runs the tests has no business here.
            .env_remove("OPENAI_API_KEY")
            .env_remove("ANTHROPIC_API_KEY")
            .env_remove("GEMINI_API_KEY")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut gateway = Self { child, directory, port, admin_port, client };
        gateway.wait_until_ready().await.then_some(gateway)
    }

    fn fill_in(config: &str, port: u16, admin_port: u16) -> String {
        let mut config = config.to_owned();
        if !config.contains("{admin}") {
            config = format!("admin: {{address: \"{{admin}}\"}}\n{config}");
        }
        if !config.contains("{listen}") {
            config = format!("listeners: [{{address: \"{{listen}}\"}}]\n{config}");
        }
        config
            .replace("{listen}", &format!("127.0.0.1:{port}"))
            .replace("{admin}", &format!("127.0.0.1:{admin_port}"))
    }

    /// False if it ended because a port was taken; panics if it ended for any other reason.
    async fn wait_until_ready(&mut self) -> bool {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.log();
                assert!(log.contains("in use"), "the gateway ended with {status}:\n{log}");
                return false;
            }
            let ready = self.client.get(self.admin("/readyz")).send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return true;
            }
            assert!(started.elapsed() < PATIENCE, "not ready in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// An address on the clients' listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The clients' listener.
    pub(crate) fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// An address on the admin listener.
    pub(crate) fn admin(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port)
    }

    /// The process, for signals.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process, to see how it ends.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.directory.path().join("penstock.yaml")
    }

    /// Replaces the configuration file at once, as editors and deployments do.
    pub(crate) fn write_config(&self, config: &str) {
        let config = Self::fill_in(config, self.port, self.admin_port);
        let new = self.directory.path().join("penstock.yaml.new");
        fs::write(&new, config).unwrap();
        fs::rename(new, self.config_path()).unwrap();
    }

    /// Everything it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("logs/stderr")).unwrap()
    }

    /// Its log lines about requests, once there are `count` of them.
    pub(crate) async fn access_log(&self, count: usize) -> Vec<Value> {
        let lines = || {
            let log = self.log();
            let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            parsed.filter(|line| line["target"] == "penstock::access").collect::<Vec<_>>()
        };
        until(|| lines().len() >= count, "the log lines").await;
        lines()
    }

    /// All metrics, in Prometheus' text format.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.client.get(self.admin("/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The sum of a metric over all lines that contain each of `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics().await, name, labels)
    }

    /// Waits until a metric, summed as [`metric`](Self::metric) does, is `value`.
    pub(crate) async fn until_metric(&self, name: &str, labels: &[&str], value: f64) {
        let started = Instant::now();
        while self.metric(name, labels).await != value {
            assert!(
                started.elapsed() < PATIENCE,
                "{name} is not {value}:\n{}",
                self.metrics().await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until its log says `words`.
    pub(crate) async fn until_log(&self, words: &str) {
        until(|| self.log().contains(words), words).await;
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Asks for a chat completion.
    pub(crate) async fn chat(&self, body: &Value) -> reqwest::Response {
        self.client.post(self.url("/v1/chat/completions")).json(body).send().await.unwrap()
    }

    /// Asks `model` for an answer to one line, in one piece.
    pub(crate) async fn ask(&self, model: &str) -> reqwest::Response {
        self.chat(&json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]}))
            .await
    }

    /// The same, as one of many conversations, each of which may go to another account.
    pub(crate) async fn ask_anew(&self, model: &str, conversation: usize) -> reqwest::Response {
        let content = format!("Hello, {conversation}");
        self.chat(&json!({"model": model, "messages": [{"role": "user", "content": content}]}))
            .await
    }

    /// Asks `model` for an answer to one line, streamed, and reads it to its end.
    pub(crate) async fn stream(&self, model: &str) -> Stream {
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": true,
        });
        Stream::read(self.chat(&body).await).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprint_log(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "shown with a test that failed")]
fn eprint_log(log: &str) {
    eprintln!("--- the gateway's log ---\n{log}");
}

/// A stream that has ended.
pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Stream {
    /// Reads to the end. Panics if the connection is cut instead.
    pub(crate) async fn read(answer: reqwest::Response) -> Self {
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("the stream has a well-formed end");
        Self { status, text }
    }

    /// The JSON of each event but the last.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        self.data()
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect(data))
            .collect()
    }

    /// The text of all events.
    pub(crate) fn content(&self) -> String {
        let chunks = self.chunks();
        let texts = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str());
        texts.collect()
    }

    /// The finish reasons of the first choice; there should be one.
    pub(crate) fn finish_reasons(&self) -> Vec<String> {
        let chunks = self.chunks();
        let reasons = chunks.iter().filter_map(|c| c["choices"][0]["finish_reason"].as_str());
        reasons.map(str::to_owned).collect()
    }

    /// Whether it ends as the dialect says.
    pub(crate) fn is_done(&self) -> bool {
        self.data().last() == Some("[DONE]") && self.text.ends_with("\n\n")
    }

    fn data(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(|line| line.strip_prefix("data: "))
    }
}

/// The sum of a metric in Prometheus' text over all lines that contain each of `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines
        .filter(|line| line[name.len()..].starts_with(['{', ' ']))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Waits until `condition` holds.
pub(crate) async fn until(condition: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The `penstock` beside this test, of the same build.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("penstock");
    assert!(binary.exists(), "{} is missing: cargo build -p proxy-gateway", binary.display());
    binary
}

/// A port that was free a moment ago, and a new one each time: the system may give one twice.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

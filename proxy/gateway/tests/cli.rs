//! What the command line promises: every mistake with its place, a status for scripts, and a
//! first try that needs no file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]
#![expect(clippy::disallowed_methods, reason = "what is tested runs by the real clock")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
const GOOD: &str = "
providers: [{name: mock, dialect: mock}]
models: [{name: mock, targets: [{provider: mock, model: mock}]}]
";
/// One mistake a line.
const BAD: &str = "listners: []
providers:
  - {name: a, dialect: opnai}
models: [{name: m, targets: [{provider: nobody, model: x}]}]
";
/// Where each mistake of `BAD` is, and its key.
const MISTAKES: [&str; 3] = [
    "bad.yaml:1:1: listners: ",
    "bad.yaml:3:24: providers[0].dialect: ",
    "bad.yaml:4:41: models[0].targets[0].provider: ",
];

/// A command without the environment's own settings, in an empty directory.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["RUST_LOG", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Said::by(child)
    }
}

/// How a command ended, and what it said.
struct Said {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    /// Waits for the end; panics if it does not come.
    fn by(child: Child) -> Self {
        let id = child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(PATIENCE) else {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            panic!("the command does not end");
        };
        let Output { status, stdout, stderr } = output.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

fn conf() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf"))
}

#[test]
fn check_says_every_problem_with_its_place_and_its_key_and_fails() {
    let bench = Bench::new();
    bench.file("bad.yaml", BAD);
    let said = bench.run(&["check", "--config", "bad.yaml"]);
    assert_eq!(said.status, Some(1), "{}", said.stdout);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), MISTAKES.len() + 1, "{}", said.stdout);
    for (line, mistake) in lines.iter().zip(MISTAKES) {
        assert!(line.starts_with(mistake), "{line}\ndoes not start with\n{mistake}");
    }
    assert_eq!(lines[3], "bad.yaml: 3 errors");
}

#[test]
fn check_of_a_good_file_says_so_and_succeeds() {
    let bench = Bench::new();
    bench.file("good.yaml", GOOD);
    let said = bench.run(&["check", "-c", "good.yaml"]);
    assert_eq!((said.status, said.stdout.as_str()), (Some(0), "good.yaml: ok\n"));
}

#[test]
fn check_warns_of_secrets_that_are_written_out_and_does_not_repeat_them() {
    let bench = Bench::new();
    bench.file(
        "plain.yaml",
        "providers:
  - {name: p, dialect: openai, accounts: [{name: a, api_key: sk-swordfish}]}
auth: {mode: keys, keys: [{name: k, key: pk-swordfish}]}
",
    );
    let said = bench.run(&["check", "--config", "plain.yaml"]);
    assert_eq!(said.status, Some(0), "{}", said.stdout);
    for place in [
        "plain.yaml:2:62: warning: providers[0].accounts[0].api_key: ",
        "plain.yaml:3:42: warning: auth.keys[0].key: ",
        "plain.yaml: ok, with 2 warnings\n",
    ] {
        assert!(said.stdout.contains(place), "{}", said.stdout);
    }
    assert!(!said.stdout.contains("swordfish") && !said.stderr.contains("swordfish"));
}

#[test]
fn check_of_a_file_that_is_not_there_names_it_and_fails() {
    let said = Bench::new().run(&["check", "--config", "nowhere.yaml"]);
    assert_eq!(said.status, Some(1));
    assert!(
        said.stdout.starts_with("nowhere.yaml: cannot be read: No such file"),
        "{}",
        said.stdout
    );
}

#[test]
fn every_file_we_ship_can_be_used() {
    let bench = Bench::new();
    let files = fs::read_dir(conf()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let said = bench.run(&["check", "--config", file.to_str().unwrap()]);
        assert_eq!(said.status, Some(0), "{}", said.stdout);
    }
}

#[test]
fn the_schema_is_json_and_names_every_section() {
    let said = Bench::new().run(&["schema"]);
    assert_eq!(said.status, Some(0));
    let schema: Value = serde_json::from_str(&said.stdout).unwrap();
    for section in
        ["admin", "auth", "direct_models", "limits", "listeners", "models", "providers", "state"]
    {
        assert!(schema["properties"][section].is_object(), "{section} is missing");
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    let expected = concat!("penstock ", env!("CARGO_PKG_VERSION"), "\n");
    for arguments in [["version"], ["--version"], ["-V"]] {
        let said = Bench::new().run(&arguments);
        assert_eq!((said.status, said.stdout.as_str()), (Some(0), expected));
    }
}

#[test]
fn help_names_every_command_and_shows_how_to_use_them() {
    let said = Bench::new().run(&["--help"]);
    assert_eq!(said.status, Some(0));
    for words in ["serve", "check", "schema", "version", "Examples:", "SIGHUP", "RUST_LOG"] {
        assert!(said.stdout.contains(words), "{words} is missing:\n{}", said.stdout);
    }
    let said = Bench::new().run(&["serve", "--help"]);
    assert!(said.stdout.contains("--config") && said.stdout.contains("conf/quickstart.yaml"));
}

#[test]
fn a_command_that_does_not_exist_is_a_mistake_of_use() {
    for arguments in [&["sevre"][..], &[], &["serve", "--port", "1"]] {
        let said = Bench::new().run(arguments);
        assert_eq!(said.status, Some(2), "{arguments:?}");
        assert!(said.stderr.contains("Usage:"), "{}", said.stderr);
    }
}

#[test]
fn a_reader_that_hangs_up_causes_no_panic() {
    let bench = Bench::new();
    bench.file("bad.yaml", BAD);
    for arguments in
        [&["schema"][..], &["version"], &["--help"], &["check"], &["check", "--config", "bad.yaml"]]
    {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(arguments);
        let said = Said::by(command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap());
        assert!(!said.stderr.contains("panicked"), "{arguments:?}: {}", said.stderr);
        assert!(matches!(said.status, Some(0 | 1)), "{arguments:?}: {:?}", said.status);
    }
}

#[test]
fn serve_refuses_a_configuration_with_mistakes_says_them_all_and_binds_nothing() {
    let bench = Bench::new();
    // An address that is taken: who tries to bind it would say so.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listeners = format!("listeners: [{{address: \"{address}\"}}]\n");
    bench.file("bad.yaml", &format!("{BAD}{listeners}"));
    let said = bench.run(&["serve", "--config", "bad.yaml"]);
    assert_eq!(said.status, Some(1));
    for mistake in MISTAKES {
        assert!(said.stderr.contains(mistake), "{mistake} is missing:\n{}", said.stderr);
    }
    assert!(
        !said.stderr.contains("listen on") && !said.stderr.contains("in use"),
        "{}",
        said.stderr
    );
}

#[test]
fn serve_says_which_address_is_in_use_and_fails() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    for (listen, admin) in
        [(taken.to_string(), "127.0.0.1:0"), ("127.0.0.1:0".to_owned(), &*taken.to_string())]
    {
        let addresses =
            format!("listeners: [{{address: \"{listen}\"}}]\nadmin: {{address: \"{admin}\"}}\n");
        bench.file("taken.yaml", &format!("{addresses}{GOOD}"));
        let said = bench.run(&["serve", "--config", "taken.yaml"]);
        assert_eq!(said.status, Some(1), "{}", said.stderr);
        assert!(said.stderr.contains(&taken.to_string()), "{}", said.stderr);
        assert!(said.stderr.contains("in use"), "{}", said.stderr);
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    }
}

#[test]
fn check_without_a_file_checks_the_one_built_in() {
    let said = Bench::new().run(&["check"]);
    assert_eq!(said.status, Some(0), "{}", said.stdout);
    assert!(said.stdout.contains("conf/quickstart.yaml (built in): ok"), "{}", said.stdout);
}

#[test]
fn the_quick_start_is_read_from_the_checkout_if_there_is_one() {
    let bench = Bench::new();
    fs::create_dir(bench.0.path().join("conf")).unwrap();
    bench.file("conf/quickstart.yaml", "mistake: 1");
    let said = bench.run(&["check"]);
    assert_eq!(said.status, Some(1), "{}", said.stdout);
    assert!(said.stdout.starts_with("conf/quickstart.yaml:1:1: mistake: "), "{}", said.stdout);
}

/// Ports 8080 and 8081 are the promise, so nothing else can be tried where they are taken; then
/// `check_without_a_file_checks_the_one_built_in` is what is left.
#[test]
fn the_binary_alone_in_an_empty_directory_serves_the_quick_start() {
    let free = |address: &str| TcpListener::bind(address).is_ok();
    if !free("127.0.0.1:8080") || !free("127.0.0.1:8081") {
        return;
    }
    let bench = Bench::new();
    let mut command = bench.command(&["serve"]);
    let mut serving =
        Serving(command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let body = r#"{"model":"mock","messages":[{"role":"user","content":"Hello"}]}"#;
    let Some(answer) = serving.ask(body) else { return };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"chat.completion\""), "{answer}");
}

/// A gateway on the default addresses, ended with the test.
struct Serving(Child);

impl Serving {
    /// The whole answer; `None` if somebody else took the port.
    fn ask(&mut self, body: &str) -> Option<String> {
        let started = Instant::now();
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect("127.0.0.1:8080") {
                break stream;
            }
            if let Some(status) = self.0.try_wait().unwrap() {
                let mut log = String::new();
                self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
                assert!(log.contains("in use"), "ended with {status}: {log}");
                return None;
            }
            assert!(started.elapsed() < PATIENCE, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Some(answer)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

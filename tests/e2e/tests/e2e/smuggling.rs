//! Promise: a request that two servers could read in two ways is refused, and nothing that was
//! hidden in one reaches an upstream.
//!
//! The requests are in `tests/fixtures/smuggling`: a line that says what is wrong, what the gateway
//! must do (`# status:`, `# answers:`, `# upstream:`), and the bytes, escaped. Line ends of the file
//! itself do not count, and `<y*3>` is `yyy`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tests_mock::{MockUpstream, Script, openai};
use tokio::task::JoinSet;

use crate::dialects::Dialect;
use crate::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, STATUS_200,
    STATUS_400, frame, literal,
};
use crate::gateway::Gateway;
use crate::raw::{self, Raw};

const QUICK: &str = "limits: {header_timeout: 1s, body_timeout: 1s, idle_timeout: 300ms}\n";

struct Case {
    name: String,
    status: String,
    answers: usize,
    upstream: usize,
    bytes: Vec<u8>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let said = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {key}: ")));
            line.map(str::to_owned)
        };
        let count = |key: &str, default| said(key).map_or(default, |it| it.parse().unwrap());
        let body: String = text.lines().filter(|line| !line.starts_with("# ")).collect();
        Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            status: said("status").expect("a case has a status"),
            answers: count("answers", 1),
            upstream: count("upstream", 0),
            bytes: unescape(&repeat(&body)),
        }
    }

    /// Sends it on a connection of its own and holds what comes back against what should.
    async fn run(&self, gateway: &Gateway) {
        let Self { name, status, .. } = self;
        let mut connection = Raw::open(gateway).await;
        connection.send(&self.bytes).await;
        let said = connection.until_closed().await;
        let answers = raw::answers(&said);
        assert_eq!(answers.len(), self.answers, "{name}: {}", said.escape_ascii());
        let first = answers[0].status.to_string();
        let fits = *status == first || (status == "4xx" && first.starts_with('4'));
        assert!(fits, "{name}: {status} was due: {}", said.escape_ascii());
        if first.starts_with('4') {
            let head = answers[0].head.to_ascii_lowercase();
            let kept = !head.contains("connection: close");
            assert!(!kept || first == "400" && self.may_be_kept(), "{name}: {head}");
        }
    }

    /// Not the request is wrong, but its JSON.
    fn may_be_kept(&self) -> bool {
        self.name.starts_with("request-behind-")
    }
}

/// `<y*3>` is `yyy`.
fn repeat(text: &str) -> String {
    let Some((before, rest)) = text.split_once('<') else { return text.to_owned() };
    let (repeated, after) = rest.split_once('>').unwrap();
    let (what, count) = repeated.rsplit_once('*').unwrap();
    format!("{before}{}{after}", what.repeat(count.parse().unwrap()))
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match characters.next().unwrap() {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            'x' => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => panic!("\\{other} is no escape"),
        });
    }
    bytes
}

#[tokio::test]
async fn every_case_is_refused_or_read_in_one_way_only() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let config = format!("{QUICK}{}", Dialect::OpenAi.config(&upstream.url(), ""));
    let gateway = Arc::new(Gateway::start(&config).await);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/smuggling");
    let mut cases = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        cases.push(Arc::new(Case::read(&entry.unwrap().path())));
    }
    assert!(cases.len() > 60, "the cases are gone");
    let mut running = JoinSet::new();
    for case in cases.clone() {
        let gateway = Arc::clone(&gateway);
        running.spawn(async move { case.run(&gateway).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    let seen = upstream.requests();
    let bodies: Vec<_> = seen.iter().map(|it| String::from_utf8_lossy(&it.body)).collect();
    assert!(!bodies.iter().any(|body| body.contains("SMUGGLED")), "{bodies:?}");
    for case in cases {
        let quoted = format!("\"{}\"", case.name);
        let reached = bodies.iter().filter(|body| body.contains(&quoted)).count();
        assert_eq!(reached, case.upstream, "{}", case.name);
    }
}

/// What an HTTP/2 stream was answered with.
#[derive(Debug, Eq, PartialEq)]
enum Verdict {
    Served,
    /// A 400, a reset, or the end of the connection.
    Refused,
}

async fn ask_http2(gateway: &Gateway, fields: &[(&str, &str)], body: &[u8]) -> Verdict {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend(literal(name, value));
    }
    let mut connection = Raw::open(gateway).await;
    let mut sent = PREFACE.to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    sent.extend(frame(HEADERS, END_HEADERS, 1, &block));
    sent.extend(frame(DATA, END_STREAM, 1, body));
    connection.send(&sent).await;
    let said = connection.until_closed().await;
    let mut rest = &said[..];
    while let [a, b, c, kind, _, _, _, _, stream, after @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = &after[..length];
        match (*kind, *stream) {
            (HEADERS, 1) if payload[0] == STATUS_200 => return Verdict::Served,
            (HEADERS, 1) => {
                assert_eq!(payload[0], STATUS_400, "{fields:?}");
                return Verdict::Refused;
            }
            (RST_STREAM, 1) => return Verdict::Refused,
            // The end of an idle connection is none of these.
            (GOAWAY, _) if payload[4..8] != [0; 4] => return Verdict::Refused,
            _ => rest = &after[length..],
        }
    }
    panic!("no answer to {fields:?}: {}", said.escape_ascii());
}

#[tokio::test]
async fn http2_takes_no_framing_from_http1() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let config = format!(
        "listeners: [{{address: \"{{listen}}\", h2c: true}}]\n{QUICK}{}",
        Dialect::OpenAi.config(&upstream.url(), "")
    );
    let gateway = Gateway::start(&config).await;
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let length = body.len().to_string();
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&usual[..], more].concat();
    let right = [&usual[..], &[("content-length", length.as_str())]].concat();
    assert_eq!(ask_http2(&gateway, &right, body).await, Verdict::Served);
    let wrong = [
        with(&[("content-length", "5")]),
        with(&[("content-length", "5000")]),
        with(&[("content-length", "57"), ("content-length", "5")]),
        with(&[("content-length", "+57")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "h2c")]),
        with(&[("keep-alive", "1")]),
        with(&[("X-Upper", "a")]),
        with(&[("x-a", "b\r\nx: y")]),
        with(&[("x-a", "b\0c")]),
        with(&[("x a", "b")]),
        with(&[(":path", "/v1/models")]),
        with(&[("host", "b")]),
        with(&[("te", "gzip")]),
        usual[..2].to_vec(),
        [&usual[..3], &[(":path", "http://b/v1/chat/completions")]].concat(),
        [&usual[..3], &[(":path", "/v1/chat completions")]].concat(),
        [&[("x-a", "b")], &usual[..]].concat(),
    ];
    for fields in wrong {
        assert_eq!(ask_http2(&gateway, &fields, body).await, Verdict::Refused, "{fields:?}");
    }
    assert_eq!(upstream.counts().requests, 1);
}

#[tokio::test]
async fn what_was_refused_is_seen() {
    let upstream = MockUpstream::start(Script::always(openai::chat("Hej"))).await.unwrap();
    let gateway = Gateway::start(&Dialect::OpenAi.config(&upstream.url(), "")).await;
    let mut connection = Raw::open(&gateway).await;
    connection.send("GET / HTTP/1.1\r\n\r\n").await;
    let said = connection.until_closed().await;
    let answer = &raw::answers(&said)[0];
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_request"));
    let lines = gateway.access_log(1).await;
    assert_eq!((&lines[0]["status"], &lines[0]["client"]), (&400.into(), &"127.0.0.1".into()));
    let id = lines[0]["request_id"].as_str().unwrap();
    assert!(answer.head.contains(id), "the client was told the same id");
    let refused = "penstock_client_connections_refused_total";
    gateway.until_metric(refused, &["reason=\"malformed\""], 1.0).await;
    gateway.until_metric("penstock_requests_total", &["status=\"400\""], 1.0).await;
}

//! Promise: the official SDKs find the endpoints beside the conversation, whoever answers.
//!
//! The asking and the checking is in `tests/e2e/sdk/endpoints.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Recorded, Reply, Script, Step};

use crate::dialects::{ALL, Dialect};
use crate::gateway::Gateway;

const KEY: &str = "pk-sdk";

/// What a provider of any dialect says, by the path it is asked at.
fn script() -> Script {
    Script::new(|request, _| {
        let asked = request.json();
        let path = request.path.as_str();
        let body = if path.ends_with("/input_tokens") {
            json!({"object": "response.input_tokens", "input_tokens": 31})
        } else if path.ends_with("/count_tokens") {
            json!({"input_tokens": 31})
        } else if path.ends_with(":countTokens") {
            json!({"totalTokens": 31})
        } else if path.ends_with("/embeddings") {
            embeddings(&asked)
        } else if path.ends_with(":batchEmbedContents") {
            let vectors = asked["requests"].as_array().into_iter().flatten();
            let vectors: Vec<_> = vectors.map(|_| json!({"values": VECTOR})).collect();
            json!({"embeddings": vectors, "usageMetadata": {"promptTokenCount": 7}})
        } else {
            return other(request);
        };
        Reply::json(200, &[], &body)
    })
}

const VECTOR: [f32; 4] = [0.5, -0.25, 0.125, 0.8];
const PACKED: &str = "AAAAPwAAgL4AAAA+zcxMPw==";

fn embeddings(asked: &Value) -> Value {
    let vector = match asked["encoding_format"] == "base64" {
        true => json!(PACKED),
        false => json!(VECTOR),
    };
    let count = asked["input"].as_array().map_or(1, Vec::len);
    let entry = |at| json!({"object": "embedding", "index": at, "embedding": vector});
    json!({"object": "list", "model": "e", "data": (0..count).map(entry).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": 7, "total_tokens": 7}})
}

/// What OpenAI says at its other endpoints.
fn other(request: &Recorded) -> Reply {
    let path = request.path.strip_prefix("/v1").unwrap_or_default();
    let text = String::from_utf8_lossy(&request.body);
    let file = json!({"id": "file-1", "object": "file", "bytes": SOUND, "created_at": 1,
        "filename": "a.jsonl", "purpose": "batch", "status": "processed"});
    let batch = |status: &str| {
        json!({"id": "batch-1", "object": "batch", "status": status,
        "endpoint": "/v1/embeddings", "input_file_id": "file-1", "completion_window": "24h",
        "created_at": 1})
    };
    let list = |one: &Value| json!({"object": "list", "data": [one], "has_more": false});
    let body = match (request.method.as_str(), path) {
        ("POST", "/moderations") => json!({"id": "m", "model": "omni", "results": [
            {"flagged": false, "categories": {}, "category_scores": {}}]}),
        ("POST", "/completions") if request.json()["stream"] == true => return completion(),
        ("POST", "/completions") => json!({"id": "c", "object": "text_completion", "created": 1,
            "model": "text", "choices": [{"index": 0, "text": "Good morning", "logprobs": null,
            "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}),
        ("POST", "/images/generations" | "/images/edits") => {
            json!({"created": 1, "data": [{"b64_json": "AAAA"}]})
        }
        ("POST", "/audio/transcriptions") if text.contains("\r\n\r\ntext\r\n") => {
            return Reply::whole(200, &[("content-type", "text/plain")], "Hello");
        }
        ("POST", "/audio/transcriptions") => {
            json!({"text": format!("{}, {} bytes", field(request, "model"), file_length(request))})
        }
        ("POST", "/audio/speech") => {
            let sound: Vec<u8> = (0..=255).collect();
            return Reply::whole(200, &[("content-type", "audio/mpeg")], sound);
        }
        ("POST", "/files") if file_length(request) == SOUND => file,
        ("GET", "/files") if request.query.as_deref() == Some("purpose=batch") => list(&file),
        ("GET", "/files/file-1") => file,
        ("GET", "/files/file-1/content") => {
            let header = [("content-type", "application/octet-stream")];
            return Reply::whole(200, &header, "{\"a\":1}\n");
        }
        ("DELETE", "/files/file-1") => {
            json!({"id": "file-1", "object": "file", "deleted": true})
        }
        ("POST", "/batches") => batch("validating"),
        ("GET", "/batches") => list(&batch("in_progress")),
        ("GET", "/batches/batch-1") => batch("in_progress"),
        ("POST", "/batches/batch-1/cancel") => batch("cancelling"),
        _ => return elsewhere(request),
    };
    Reply::json(200, &[], &body)
}

/// How long the script's file is.
const SOUND: usize = 4 + 256 * 1000;

fn completion() -> Reply {
    let chunk = |text: &str| {
        let choice = json!({"index": 0, "text": text, "logprobs": null, "finish_reason": null});
        let chunk = json!({"id": "c", "object": "text_completion", "created": 1, "model": "text",
            "choices": [choice]});
        Step::event(format!("data: {chunk}\n\n"))
    };
    Reply::sse(vec![chunk("Good"), chunk(" morning"), Step::event("data: [DONE]\n\n")])
}

/// The value of a short field of a form.
fn field(request: &Recorded, name: &str) -> String {
    let text = String::from_utf8_lossy(&request.body);
    let behind = text.split_once(&format!("name=\"{name}\"\r\n\r\n")).map(|(_, it)| it);
    behind.and_then(|it| it.split_once("\r\n")).map_or_else(String::new, |(it, _)| it.to_owned())
}

/// How long the file of a form is.
fn file_length(request: &Recorded) -> usize {
    let body = &request.body;
    let find = |from: usize, what: &[u8]| {
        let rest = &body[from..];
        rest.windows(what.len()).position(|it| it == what).map(|at| from + at)
    };
    let Some(start) = find(0, b"RIFF") else { return 0 };
    find(start, b"\r\n--").map_or(0, |end| end - start)
}

fn elsewhere(request: &Recorded) -> Reply {
    let message = format!("nobody told me of {}", request.path);
    Reply::json(404, &[], &json!({"error": {"message": message}}))
}

/// The mock, a provider of each dialect that is called as its dialect, and one that imitates OpenAI's
/// chat completions and nothing more.
async fn gateway() -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(script()).await.unwrap();
    let url = upstream.url();
    let mut providers = vec!["{name: mock, dialect: mock}".to_owned()];
    for dialect in ALL {
        let more = if dialect == Dialect::OpenAi { "responses: true," } else { "" };
        providers.push(dialect.provider(dialect.name(), &url, more));
    }
    providers.push(Dialect::OpenAi.provider("imitator", &url, ""));
    let config = format!(
        "auth: {{mode: keys, keys: [{{name: sdk, key: {KEY}}}]}}\nproviders: [{}]\n",
        providers.join(", "),
    );
    (Gateway::start(&config).await, upstream)
}

#[tokio::test]
async fn the_endpoints_beside_the_conversation_work_with_the_python_sdks() {
    let (gateway, _upstream) = gateway().await;
    let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let python: PathBuf = checkout.join(".cache/python/bin/python");
    assert!(python.exists(), "the official SDKs are not installed; type: ./x test");
    let mut command = Command::new(python);
    command
        .arg(checkout.join("tests/e2e/sdk/endpoints.py"))
        .arg(gateway.url("/v1"))
        .env("OPENAI_API_KEY", KEY)
        .env_remove("OPENAI_BASE_URL")
        .env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "endpoints.py said:\n{said}{wrong}");
    // A script that checks nothing succeeds too.
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks >= 30, "endpoints.py made {checks} checks:\n{said}");
}

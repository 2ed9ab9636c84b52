//! Promise: the official SDKs find the endpoints beside the conversation, whoever answers.
//!
//! The asking and the checking is in `tests/e2e/sdk/endpoints.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Recorded, Reply, Script};

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
            return elsewhere(request);
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
    assert!(checks >= 20, "endpoints.py made {checks} checks:\n{said}");
}

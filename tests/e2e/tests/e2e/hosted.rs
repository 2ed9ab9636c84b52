//! Promise: tools that a provider runs itself are asked for and told of across dialects, and are
//! never a call that the client must answer.

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script};

use crate::clients::{CLIENTS, Client, Heard};
use crate::dialects::Dialect;
use crate::gateway::Gateway;

/// A recorded form of an answer: whole or streamed, as it is asked for.
fn answering(case: &str) -> Script {
    let folder = format!("{}/../fixtures/hosted/{case}", env!("CARGO_MANIFEST_DIR"));
    let whole: Value =
        serde_json::from_slice(&std::fs::read(format!("{folder}/response.json")).unwrap()).unwrap();
    let events = Bytes::from(std::fs::read(format!("{folder}/stream.sse")).unwrap());
    Script::new(move |request, _| {
        let asked = request.json();
        if asked["stream"] == true || request.path.contains("stream") {
            Reply::whole(200, &[("content-type", "text/event-stream")], events.clone())
        } else {
            Reply::json(200, &[], &whole)
        }
    })
}

async fn behind(dialect: Dialect, model: &str, case: &str) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(answering(case)).await.unwrap();
    let provider = dialect.provider("up", &upstream.url(), "");
    let models = format!("models: [{{name: m, targets: [{{provider: up, model: {model}}}]}}]\n");
    let gateway = Gateway::start(&format!("providers: [{provider}]\n{models}")).await;
    (gateway, upstream)
}

async fn ask(gateway: &Gateway, client: Client, stream: bool, more: Value) -> Heard {
    let mut body = client.request("m", "How tall is moss?", stream);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.send(gateway, "m", stream, &body).await
}

#[tokio::test]
async fn a_search_of_responses_is_asked_of_anthropic_and_told_as_its_own() {
    let (gateway, upstream) =
        behind(Dialect::Anthropic, "claude-sonnet-5", "anthropic_search").await;
    let tools = json!([{"type": "web_search", "search_context_size": "high",
        "filters": {"allowed_domains": ["moss.example"]}}]);
    let heard = ask(&gateway, Client::Responses, false, json!({"tools": tools})).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    let tool = &upstream.requests()[0].json()["tools"][0];
    assert_eq!(tool["type"], "web_search_20250305");
    assert_eq!(tool["allowed_domains"], json!(["moss.example"]));
    let lost = heard.headers["x-penstock-losses"].to_str().unwrap();
    assert!(lost.contains("tools[0].search_context_size;dropped"), "{lost}");
    let answer = heard.json();
    // Between them stands what Anthropic must be sent back.
    let items = answer["output"].as_array().unwrap();
    let shown: Vec<_> = items.iter().filter(|item| item["type"] != "reasoning").collect();
    let kinds: Vec<_> = shown.iter().map(|item| item["type"].clone()).collect();
    assert_eq!(kinds, ["message", "web_search_call", "message"], "{answer}");
    assert_eq!(shown[1]["action"]["query"], "how tall is moss");
    assert_eq!(shown[2]["content"][0]["annotations"][0]["url"], "https://moss.example/a");
    assert_eq!(answer["tool_usage"]["web_search"]["num_requests"], 1);

    let heard = ask(&gateway, Client::Responses, true, json!({"tools": tools})).await;
    let events = heard.events();
    let has = |kind: &str| events.iter().any(|event| event["type"] == kind);
    for step in ["in_progress", "searching", "completed"] {
        assert!(has(&format!("response.web_search_call.{step}")), "{step} {}", heard.text);
    }
    assert!(heard.ended_well(), "{}", heard.text);
}

#[tokio::test]
async fn a_search_of_messages_is_asked_of_gemini_and_told_as_its_own() {
    let (gateway, upstream) = behind(Dialect::Gemini, "gemini-3-pro", "gemini_grounded").await;
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"},
        {"type": "web_fetch_20250910", "name": "web_fetch"}]);
    for stream in [false, true] {
        let heard = ask(&gateway, Client::Messages, stream, json!({"tools": tools})).await;
        assert_eq!(heard.status, 200, "{}", heard.text);
        for word in ["\"server_tool_use\"", "\"web_search_tool_result\"", "end_turn"] {
            assert!(heard.text.contains(word), "{stream} {word} {}", heard.text);
        }
    }
    let asked = upstream.requests()[0].json();
    assert_eq!(asked["tools"], json!([{"googleSearch": {}}, {"urlContext": {}}]));
}

/// Whoever asked for what: a search that nobody offered may be told of too.
#[tokio::test]
async fn no_client_is_asked_to_answer_what_a_provider_did_itself() {
    for (dialect, model, case) in [
        (Dialect::Anthropic, "claude-sonnet-5", "anthropic_search"),
        (Dialect::Anthropic, "claude-sonnet-5", "anthropic_mcp"),
        (Dialect::Gemini, "gemini-3-pro", "gemini_code"),
    ] {
        let (gateway, _upstream) = behind(dialect, model, case).await;
        for client in CLIENTS {
            for stream in [false, true] {
                let heard = client.ask(&gateway, "m", stream).await;
                let what = format!("{case} {client:?} {stream}: {}", heard.text);
                assert_eq!(heard.status, 200, "{what}");
                for word in
                    ["\"tool_calls\"", "\"tool_use\"", "\"function_call\"", "functionCall\""]
                {
                    assert!(!heard.text.contains(word), "{word} {what}");
                }
                assert!(!stream || heard.ended_well(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn anthropic_is_told_of_the_beta_that_servers_of_tools_need() {
    let (gateway, upstream) = behind(Dialect::Anthropic, "claude-sonnet-5", "anthropic_mcp").await;
    let server = json!({"type": "mcp", "server_label": "sums", "server_url": "https://sums.example",
        "authorization": "tok-1", "require_approval": "never"});
    let heard = ask(&gateway, Client::Responses, false, json!({"tools": [server]})).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    let asked = &upstream.requests()[0];
    assert_eq!(asked.header("anthropic-beta"), Some("mcp-client-2025-11-20"));
    assert_eq!(asked.json()["mcp_servers"][0]["authorization_token"], "tok-1");
    let answer = heard.json();
    assert_eq!(answer["output"][0]["type"], "mcp_call", "{answer}");
    assert_eq!(answer["output"][0]["output"], "3");
}

/// Encrypted as it is: without it Anthropic could not cite what it found in an earlier turn.
#[tokio::test]
async fn what_anthropic_found_goes_back_to_it_through_a_client_of_another_dialect() {
    let (gateway, upstream) =
        behind(Dialect::Anthropic, "claude-sonnet-5", "anthropic_search").await;
    let first = Client::Responses.ask(&gateway, "m", false).await.json();
    let mut input = vec![json!({"role": "user", "content": "How tall is moss?"})];
    input.extend(first["output"].as_array().unwrap().clone());
    input.push(json!({"role": "user", "content": "And grass?"}));
    let heard = ask(&gateway, Client::Responses, false, json!({"input": input})).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    let sent = upstream.requests()[1].json();
    let said = sent["messages"][1]["content"].as_array().unwrap();
    let kinds: Vec<_> = said.iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["text", "server_tool_use", "web_search_tool_result", "text"], "{sent}");
    assert_eq!(said[2]["content"][0]["encrypted_content"], "EqgfCioIARgB");
}

/// The client wants to be asked first, and nobody else asks.
#[tokio::test]
async fn a_server_whose_calls_must_be_approved_is_not_offered() {
    let (gateway, upstream) =
        behind(Dialect::Anthropic, "claude-sonnet-5", "anthropic_search").await;
    let server =
        json!({"type": "mcp", "server_label": "sums", "server_url": "https://sums.example"});
    let heard = ask(&gateway, Client::Responses, false, json!({"tools": [server]})).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    assert_eq!(upstream.requests()[0].json().get("mcp_servers"), None);
    let lost = heard.headers["x-penstock-losses"].to_str().unwrap();
    assert!(lost.contains("tools[0].require_approval;dropped"), "{lost}");
}

/// What Gemini looked up came to the client as blocks of Anthropic's form; Anthropic never wrote
/// them, and is not shown them.
#[tokio::test]
async fn what_another_provider_looked_up_does_not_reach_anthropic_as_its_own() {
    let (gateway, _upstream) = behind(Dialect::Gemini, "gemini-3-pro", "gemini_grounded").await;
    let first = Client::Messages.ask(&gateway, "m", false).await.json();
    let (gateway, upstream) =
        behind(Dialect::Anthropic, "claude-sonnet-5", "anthropic_search").await;
    let messages = json!([
        {"role": "user", "content": "How tall is moss?"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "And grass?"},
    ]);
    let heard = ask(&gateway, Client::Messages, false, json!({"messages": messages})).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    let sent = upstream.requests()[0].json();
    let said = sent["messages"][1]["content"].as_array().unwrap();
    assert!(!said.is_empty(), "{sent}");
    for block in said {
        assert_eq!((&block["type"], &block["citations"]), (&json!("text"), &Value::Null), "{sent}");
    }
}

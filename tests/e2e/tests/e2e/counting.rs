//! Promise: whoever wants to know how many tokens a conversation has is told, whoever counts.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Recorded, Reply, Script};

use crate::clients::Client;
use crate::dialects::{ALL, Dialect, behind};
use crate::gateway::Gateway;

/// The clients that have an endpoint for it.
const COUNTING: [Client; 3] = [Client::Messages, Client::Gemini, Client::Responses];

fn path(client: Client) -> &'static str {
    match client {
        Client::Messages => "/v1/messages/count_tokens",
        Client::Gemini => "/v1beta/models/m:countTokens",
        Client::Responses => "/v1/responses/input_tokens",
        Client::Chat => unreachable!("chat completions count no tokens"),
    }
}

fn request(client: Client) -> Value {
    let mut request = client.request("m", "Hello", false);
    if let Some(request) = request.as_object_mut() {
        request.retain(|name, _| !matches!(name.as_str(), "stream" | "max_tokens"));
    }
    request
}

async fn count(gateway: &Gateway, client: Client, body: &Value) -> (u16, Value) {
    let url = gateway.url(path(client));
    let answer = gateway.client.post(url).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the client is told.
fn told(client: Client, answer: &Value) -> Option<u64> {
    answer[if client == Client::Gemini { "totalTokens" } else { "input_tokens" }].as_u64()
}

fn counted(dialect: Dialect) -> Reply {
    Reply::json(
        200,
        &[],
        &match dialect {
            Dialect::OpenAi => json!({"object": "response.input_tokens", "input_tokens": 31}),
            Dialect::Anthropic => json!({"input_tokens": 31}),
            Dialect::Gemini => json!({"totalTokens": 31, "promptTokensDetails": []}),
        },
    )
}

/// Only OpenAI's Responses count tokens, so a provider has to say that it has them.
fn more(dialect: Dialect) -> &'static str {
    if dialect == Dialect::OpenAi { "responses: true," } else { "" }
}

fn counting_path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "/v1/responses/input_tokens",
        Dialect::Anthropic => "/v1/messages/count_tokens",
        Dialect::Gemini => "/v1beta/models/gemini-2.5-flash:countTokens",
    }
}

/// The words that are to be counted, wherever the dialect has them.
fn asks_about(request: &Recorded, words: &str) -> bool {
    request.json().to_string().contains(words)
}

#[tokio::test]
async fn a_count_reaches_every_client_from_every_provider() {
    for dialect in ALL {
        let script = Script::always(counted(dialect));
        let (gateway, upstream) = behind(dialect, script, more(dialect)).await;
        for client in COUNTING {
            let (status, answer) = count(&gateway, client, &request(client)).await;
            assert_eq!(status, 200, "{client:?} {dialect:?}: {answer}");
            assert_eq!(told(client, &answer), Some(31), "{client:?} {dialect:?}: {answer}");
        }
        let requests = upstream.requests();
        assert_eq!(requests.len(), 3);
        for asked in requests {
            assert_eq!(asked.path, counting_path(dialect));
            assert!(asks_about(&asked, "Hello"), "{asked:?}");
            assert_eq!(asked.json().get("stream"), None);
            assert_eq!(asked.json().get("max_output_tokens"), None);
        }
    }
}

#[tokio::test]
async fn a_count_passes_unchanged_where_both_speak_one_dialect() {
    let script = Script::always(Reply::json(200, &[], &json!({"input_tokens": 5, "new": [1]})));
    let (gateway, upstream) = behind(Dialect::Anthropic, script, "").await;
    let asked = gateway
        .client
        .post(gateway.url("/v1/messages/count_tokens"))
        .header("anthropic-beta", "a-beta")
        .header("content-type", "application/json")
        .body(r#"{ "model":"m",  "x_new": {"a":1e2}, "messages":[{"role":"user","content":"é"}]}"#);
    let answer: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({"input_tokens": 5, "new": [1]}));
    let sent = &upstream.requests()[0];
    assert_eq!(
        String::from_utf8_lossy(&sent.body),
        r#"{ "model":"claude-sonnet-4-5",  "x_new": {"a":1e2}, "messages":[{"role":"user","content":"é"}]}"#
    );
    assert_eq!(sent.header("anthropic-beta"), Some("a-beta"));
    let script = Script::always(counted(Dialect::Gemini));
    let (gateway, upstream) = behind(Dialect::Gemini, script, "").await;
    let body = json!({"generateContentRequest": {"model": "models/m", "xNew": 1,
        "contents": [{"parts": [{"text": "Hello"}]}]}});
    // The SDK asks under `/v1/` by default.
    let url = gateway.url("/v1/models/m:countTokens");
    let answer: Value =
        gateway.client.post(url).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["promptTokensDetails"], json!([]));
    let mut expected = body;
    expected["generateContentRequest"]["model"] = "models/gemini-2.5-flash".into();
    assert_eq!(upstream.requests()[0].json(), expected);
}

#[tokio::test]
async fn whoever_cannot_count_is_not_asked_and_the_client_is_told_in_its_own_dialect() {
    let (gateway, upstream) = behind(Dialect::OpenAi, openai_silent(), "").await;
    for client in COUNTING {
        let (status, answer) = count(&gateway, client, &request(client)).await;
        assert_eq!(status, 400, "{client:?}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("`up`") && message.contains("counts no tokens"), "{message}");
        match client {
            Client::Messages => assert_eq!(answer["error"]["type"], "invalid_request_error"),
            Client::Gemini => assert_eq!(answer["error"]["status"], "INVALID_ARGUMENT"),
            Client::Chat | Client::Responses => {
                assert_eq!(answer["error"]["code"], "unsupported_value");
                assert_eq!(answer["error"]["param"], "model");
            }
        }
    }
    assert_eq!(upstream.counts().requests, 0);
}

fn openai_silent() -> Script {
    Script::always(Reply::hang())
}

#[tokio::test]
async fn somebody_else_counts_if_the_first_cannot_or_fails() {
    let failing =
        MockUpstream::start(Script::always(Reply::json(529, &[], &json!({})))).await.unwrap();
    let counting = MockUpstream::start(Script::always(counted(Dialect::Gemini))).await.unwrap();
    let config = format!(
        "providers:\n- {}\n- {}\n- {}\n\
         models: [{{name: m, targets: [{{provider: oa, model: gpt-4o}}, \
           {{provider: an, model: claude-sonnet-4-5}}, {{provider: go, model: gemini-2.5-flash}}]}}]\n",
        Dialect::OpenAi.provider("oa", "http://127.0.0.1:9", ""),
        Dialect::Anthropic.provider("an", &failing.url(), ""),
        Dialect::Gemini.provider("go", &counting.url(), ""),
    );
    let gateway = Gateway::start(&config).await;
    let (status, answer) = count(&gateway, Client::Messages, &request(Client::Messages)).await;
    assert_eq!((status, &answer["input_tokens"]), (200, &json!(31)), "{answer}");
    assert_eq!((failing.counts().requests, counting.counts().requests), (1, 1));
}

#[tokio::test]
async fn counting_is_no_usage_but_a_request_like_any_other() {
    let script = Script::always(counted(Dialect::Anthropic));
    let (gateway, _upstream) = behind(Dialect::Anthropic, script, "").await;
    for client in [Client::Messages, Client::Gemini] {
        assert_eq!(count(&gateway, client, &request(client)).await.0, 200);
    }
    for (line, route) in gateway
        .access_log(2)
        .await
        .iter()
        .zip(["/v1/messages/count_tokens", "/v1beta/models/{model}:countTokens"])
    {
        assert_eq!((&line["route"], &line["status"]), (&json!(route), &json!(200)), "{line}");
        assert_eq!((&line["model"], &line["provider"]), (&json!("m"), &json!("up")), "{line}");
        assert!(line["input_tokens"].is_null() && line["output_tokens"].is_null(), "{line}");
    }
    assert_eq!(gateway.metric("penstock_tokens_total", &[]).await, 0.0);
    let asked = ["provider=\"up\"", "status=\"200\""];
    assert_eq!(gateway.metric("penstock_requests_total", &asked).await, 2.0);
    let of = ["gen_ai_operation_name=\"count_tokens\""];
    let duration = "gen_ai_client_operation_duration_seconds_count";
    assert_eq!(gateway.metric(duration, &of).await, 2.0);
}

#[tokio::test]
async fn the_mock_counts_what_its_answers_say_they_cost() {
    let config = "auth: {mode: keys, keys: [{name: ci, key: sk-mine-0123456789}]}\n\
        providers: [{name: mock, dialect: mock}]\n\
        models: [{name: m, targets: [{provider: mock, model: mock}]}]\n";
    let mut gateway = Gateway::start(config).await;
    let (status, _) = count(&gateway, Client::Messages, &request(Client::Messages)).await;
    assert_eq!(status, 401, "a key is needed, as everywhere");
    let key = [("x-api-key", "sk-mine-0123456789")];
    let headers = key.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let with_key = reqwest::Client::builder().no_proxy();
    gateway.client = with_key.default_headers(headers.into_iter().collect()).build().unwrap();
    for client in COUNTING {
        let (status, answer) = count(&gateway, client, &request(client)).await;
        assert_eq!(status, 200, "{client:?}: {answer}");
        let heard = client.ask(&gateway, "m", false).await;
        assert_eq!(told(client, &answer), Some(heard.tokens(false).0), "{client:?}: {answer}");
    }
}

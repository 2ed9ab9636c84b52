//! Promise: whatever the gateway itself refuses, it says so in OpenAI's words and says why.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tests_mock::{MockUpstream, openai};

use crate::dialects::{ALL, Dialect, behind};
use crate::gateway::Gateway;

const CHAT: &str = "/v1/chat/completions";

/// A gateway that never gets as far as a provider.
async fn gateway() -> Gateway {
    Gateway::start(
        "providers: [{name: up, dialect: openai, base_url: \"http://127.0.0.1:9/v1\", \
         accounts: [{name: main}]}]\n\
         models:\n\
         - {name: gpt-4o, targets: [{provider: up, model: x}]}\n\
         - {name: gpt-4o-mini, targets: [{provider: up, model: x}]}\n\
         limits: {request_body_bytes: 64KiB}\n",
    )
    .await
}

/// An error as the client sees it.
struct Seen {
    status: u16,
    headers: HeaderMap,
    error: Value,
}

impl Seen {
    async fn read(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).expect(&text);
        let seen = Self { status, headers, error: body["error"].clone() };
        seen.check_form(&body);
        seen
    }

    /// What holds for each error.
    fn check_form(&self, body: &Value) {
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        assert_eq!(self.headers["content-type"], "application/json");
        let error = self.error.as_object().expect("an object");
        assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{body}");
        assert!(error["type"].is_string(), "{body}");
        assert!(error["param"].is_string() || error["param"].is_null(), "{body}");
        assert!(error["code"].is_string() || error["code"].is_null(), "{body}");
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(error["request_id"], id, "{body}");
        assert!(!id.is_empty());
    }

    #[track_caller]
    fn is(&self, status: u16, kind: &str, code: &str, param: Option<&str>) -> &Self {
        let Self { error, .. } = self;
        let got = (self.status, &error["type"], &error["code"], &error["param"]);
        let expected = (status, &json!(kind), &json!(code), &json!(param));
        assert_eq!(got, expected, "{error}");
        self
    }

    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        let message = self.error["message"].as_str().unwrap();
        for words in words {
            assert!(message.contains(words), "`{words}` is not in: {message}");
        }
        self
    }
}

async fn post(gateway: &Gateway, body: impl Into<reqwest::Body>) -> Seen {
    let request = gateway.client.post(gateway.url(CHAT));
    let request = request.header("content-type", "application/json").body(body);
    Seen::read(request.send().await.unwrap()).await
}

const INVALID: &str = "invalid_request_error";

#[tokio::test]
async fn json_that_cannot_be_read_is_refused_with_its_place() {
    let gateway = gateway().await;
    for (body, place) in [
        ("{\n  \"model\": \"gpt-4o\",\n  \"messages\": [,]\n}", "line 3, column 16"),
        ("{\"model\": \"gpt-4o\"", "line 1, column 18"),
        ("", "line 1, column 0"),
        ("{\"model\":\"gpt-4o\"} {}", "line 1, column 20"),
        ("nonsense", "line 1, column 2"),
    ] {
        post(&gateway, body).await.is(400, INVALID, "invalid_json", None).says(&[place]);
    }
    post(&gateway, b"{\"model\":\"\xff\"}".to_vec()).await.is(400, INVALID, "invalid_json", None);
}

#[tokio::test]
async fn an_error_never_quotes_the_prompt() {
    let gateway = gateway().await;
    for body in [
        r#"{"model":"gpt-4o","messages":"my secret"}x"#,
        r#"{"model":["my secret"]}"#,
        r#"{"model":"gpt-4o","stream":"my secret"}"#,
        r#"["my secret"]"#,
        r#""my secret""#,
    ] {
        let seen = post(&gateway, body).await;
        assert_eq!(seen.status, 400);
        assert!(!seen.error.to_string().contains("secret"), "{}", seen.error);
    }
    assert!(!gateway.log().contains("my secret"));
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused_with_the_parameter_at_fault() {
    let gateway = gateway().await;
    for (body, code, param) in [
        (json!([]), "invalid_value", "$"),
        (json!("x"), "invalid_value", "$"),
        (json!({}), "missing_required_parameter", "model"),
        (json!({"model": null}), "invalid_value", "model"),
        (json!({"model": 5}), "invalid_value", "model"),
        (json!({"model": ""}), "invalid_value", "model"),
        (json!({"model": "gpt-4o", "stream": "yes"}), "invalid_value", "stream"),
        (json!({"model": "gpt-4o", "stream_options": 1}), "invalid_value", "stream_options"),
        (
            json!({"model": "gpt-4o", "stream_options": {"include_usage": 1}}),
            "invalid_value",
            "stream_options.include_usage",
        ),
    ] {
        post(&gateway, body.to_string()).await.is(400, INVALID, code, Some(param));
    }
    // Which one would the provider obey?
    post(&gateway, r#"{"model":"gpt-4o","model":"gpt-4o-mini"}"#)
        .await
        .is(400, INVALID, "invalid_value", Some("model"))
        .says(&["twice"]);
}

#[tokio::test]
async fn a_request_to_be_translated_is_refused_with_the_parameter_at_fault() {
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let (gateway, upstream) = behind(dialect, dialect.answering("Hej"), "").await;
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        for (body, code, param) in [
            (json!({}), "missing_required_parameter", "messages"),
            (json!({"messages": "Hello"}), "invalid_value", "messages"),
            (json!({"messages": [{"role": "user"}, {}]}), "", "messages["),
            (json!({"messages": [{"role": "wizard", "content": "x"}]}), "", "messages[0].role"),
            (json!({"messages": user(json!(7))}), "", "messages[0].content"),
            (json!({"messages": user(json!([{"type": "text"}]))}), "", "messages[0].content[0]"),
            (json!({"messages": user(json!("x")), "temperature": "hot"}), "", "temperature"),
            (json!({"messages": user(json!("x")), "tools": [{}]}), "", "tools[0]"),
        ] {
            let mut whole = json!({"model": "m"});
            whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let seen = post(&gateway, whole.to_string()).await;
            assert_eq!(seen.status, 400, "{dialect:?}, {whole}: {}", seen.error);
            assert_eq!(seen.error["type"], INVALID);
            let at = seen.error["param"].as_str().unwrap_or_default();
            assert!(at.starts_with(param), "{dialect:?}, {whole}: {}", seen.error);
            assert!(code.is_empty() || seen.error["code"] == code, "{}", seen.error);
        }
        assert_eq!(upstream.counts().requests, 0);
    }
}

#[tokio::test]
async fn a_conversation_without_messages_is_refused_before_a_provider_is_bothered() {
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let (gateway, upstream) = behind(dialect, dialect.answering("Hej"), "").await;
        let seen = post(&gateway, r#"{"model":"m","messages":[]}"#).await;
        assert_eq!((seen.status, &seen.error["param"]), (400, &json!("messages")), "{dialect:?}");
        assert_eq!(upstream.counts().requests, 0);
    }
}

#[tokio::test]
async fn an_unknown_model_is_not_found_and_similar_names_are_offered() {
    let gateway = gateway().await;
    let ask = async |model: &str| post(&gateway, json!({"model": model}).to_string()).await;
    ask("gpt-4o-mimi")
        .await
        .is(404, INVALID, "model_not_found", Some("model"))
        .says(&["`gpt-4o-mimi`", "did you mean `gpt-4o-mini`"]);
    let seen = ask("zzzzzzzzzzzzzz").await;
    seen.is(404, INVALID, "model_not_found", Some("model"));
    assert!(!seen.error["message"].as_str().unwrap().contains("did you mean"));
    ask("nobody/gpt-4o").await.is(404, INVALID, "model_not_found", Some("model"));
    ask("up/").await.is(404, INVALID, "model_not_found", Some("model"));
}

#[tokio::test]
async fn an_unknown_address_is_not_found() {
    let gateway = gateway().await;
    for path in ["/", "/v1", "/v1/chat", "/v1/chat/completions/", "/v1/completion", "/V1/models"] {
        for method in ["GET", "POST"] {
            let request = gateway.client.request(method.parse().unwrap(), gateway.url(path));
            let seen = Seen::read(request.send().await.unwrap()).await;
            seen.is(404, INVALID, "unknown_url", None).says(&[path]);
        }
    }
    let labels = ["status=\"404\"", "route=\"(none)\""];
    gateway.access_log(12).await;
    assert!(gateway.metric("penstock_requests_total", &labels).await >= 12.0);
}

#[tokio::test]
async fn a_known_address_names_the_method_it_takes() {
    let gateway = gateway().await;
    for (method, path, allowed) in [
        ("GET", CHAT, "POST"),
        ("PUT", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/gpt-4o", "GET"),
    ] {
        let request = gateway.client.request(method.parse().unwrap(), gateway.url(path));
        let seen = Seen::read(request.send().await.unwrap()).await;
        seen.is(405, INVALID, "method_not_allowed", None).says(&[path, method, allowed]);
        assert_eq!(seen.headers["allow"], allowed);
    }
}

#[tokio::test]
async fn another_media_type_is_refused_and_all_names_of_json_are_taken() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, openai::answering("Hej"), "").await;
    let send = async |media_type: &str| {
        let request = gateway.client.post(gateway.url(CHAT)).header("content-type", media_type);
        request.body(r#"{"model":"m"}"#).send().await.unwrap()
    };
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let seen = Seen::read(send(media_type).await).await;
        seen.is(415, INVALID, "unsupported_media_type", None);
    }
    for media_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "x/y+json"]
    {
        assert_eq!(send(media_type).await.status(), 200, "{media_type}");
    }
    let bare = gateway.client.post(gateway.url(CHAT)).body(r#"{"model":"m"}"#);
    assert_eq!(bare.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let gateway = gateway().await;
    let seen = post(&gateway, vec![b' '; 65 * 1024]).await;
    seen.is(413, INVALID, "request_too_large", None).says(&["65536"]);
    // Up to the limit it is read: this one is no JSON.
    post(&gateway, vec![b' '; 64 * 1024]).await.is(400, INVALID, "invalid_json", None);
}

#[tokio::test]
async fn only_who_shows_a_key_comes_in() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let config = format!(
        "auth: {{mode: keys, keys: [{{name: one, key: \"sk-client-1\"}}, \
         {{name: two, key: {{env: SECOND_KEY}}}}]}}\n{}",
        Dialect::OpenAi.config(&upstream.url(), "")
    );
    let gateway = Gateway::start_with(&config, &[("SECOND_KEY", "sk-client-2")]).await;
    let send = async |shown: Option<&str>| {
        let mut request = gateway.client.post(gateway.url(CHAT)).json(&json!({"model": "m"}));
        if let Some(shown) = shown {
            request = request.header("authorization", shown);
        }
        request.send().await.unwrap()
    };
    for shown in [
        "Bearer sk-client-1",
        "bearer sk-client-1",
        "BEARER sk-client-2",
        "Bearer  sk-client-2",
        "sk-client-1",
    ] {
        assert_eq!(send(Some(shown)).await.status(), 200, "{shown}");
    }
    let requests = upstream.counts().requests;
    for shown in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer sk-client-3"),
        Some("Bearer sk-client-"),
        Some("Bearer sk-client-11"),
        Some("Bearer SK-CLIENT-1"),
        Some("Basic sk-client-1"),
        Some("Bearer sk-client-1 sk-client-2"),
    ] {
        let seen = Seen::read(send(shown).await).await;
        seen.is(401, INVALID, "invalid_api_key", None);
        assert_eq!(seen.headers["www-authenticate"], "Bearer", "{shown:?}");
        assert!(!seen.error.to_string().contains("sk-client"), "{}", seen.error);
    }
    assert_eq!(upstream.counts().requests, requests);
    let models = gateway.client.get(gateway.url("/v1/models")).send().await.unwrap();
    Seen::read(models).await.is(401, INVALID, "invalid_api_key", None);
    let health = gateway.client.get(gateway.url("/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(!gateway.log().contains("sk-client"));
}

#[tokio::test]
async fn a_provider_without_its_credential_is_unavailable_and_the_others_serve() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let url = upstream.url();
    let gateway = Gateway::start(&format!(
        "providers:\n\
         - {{name: bare, dialect: openai, base_url: \"{url}/v1\", \
            accounts: [{{name: main, api_key: {{env: KEY_THAT_NOBODY_SET}}}}]}}\n\
         - {}\n",
        Dialect::OpenAi.provider("up", &url, "")
    ))
    .await;
    let seen = Seen::read(gateway.ask("bare/x").await).await;
    seen.is(503, "server_error", "provider_not_configured", None);
    seen.says(&["bare", "KEY_THAT_NOBODY_SET"]);
    assert_eq!(gateway.ask("up/x").await.status(), 200);
    assert_eq!(upstream.counts().requests, 1);
}

/// Whoever wrote the request can mend it without the operator.
#[tokio::test]
async fn a_mistake_of_the_client_is_told_before_one_of_the_operator() {
    let account = "accounts: [{name: main, api_key: {env: KEY_THAT_NOBODY_SET}}]";
    let gateway = Gateway::start(&format!(
        "providers: [{{name: bare, dialect: anthropic, {account}}}, \
         {{name: ai, dialect: openai, {account}}}]\n"
    ))
    .await;
    let ask = async |path: &str, model: &str, input: Value| {
        let body = json!({"model": model, "input": input});
        let url = gateway.url(path);
        Seen::read(gateway.client.post(url).json(&body).send().await.unwrap()).await
    };
    for (path, model) in [("/v1/responses", "bare/claude-sonnet-4-5"), ("/v1/embeddings", "ai/x")] {
        ask(path, model, json!(7)).await.is(400, INVALID, "invalid_value", Some("input"));
        let seen = ask(path, model, json!("Hi")).await;
        seen.is(503, "server_error", "provider_not_configured", None);
    }
    // What passes through is not read as anything.
    let files = gateway.client.get(gateway.url("/v1/files")).send().await.unwrap();
    Seen::read(files).await.is(503, "server_error", "provider_not_configured", None);
    let seen = ask("/v1/moderations", "ai/x", json!(7)).await;
    seen.is(503, "server_error", "provider_not_configured", None);
}

#[tokio::test]
async fn a_request_keeps_its_harmless_name_and_gets_one_otherwise() {
    for dialect in ALL {
        let (gateway, upstream) = behind(dialect, dialect.answering("Hej"), "").await;
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        let names = [
            ("req-1_2.3:/+=", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("a b", false),
            ("a\tb", false),
            ("\"quoted\"", false),
            ("{}", false),
            ("", false),
        ];
        for (count, (name, kept)) in (1..).zip(names) {
            let request = gateway.client.post(gateway.url(CHAT)).header("x-request-id", name);
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
            let answer = request.json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let given = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!(given == name, kept, "{name}: {given}");
            assert!(kept || (given.len() == 36 && given.as_bytes()[14] == b'7'), "{given}");
            let seen = upstream.requests().pop().unwrap();
            assert_eq!(seen.header("x-request-id"), Some(given.as_str()));
            let line = gateway.access_log(count).await.pop().unwrap();
            assert_eq!(line["request_id"], given.as_str());
        }
    }
}

//! Promise: an unmodified OpenAI client talks to every provider, and reads the same answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Recorded, anthropic, gemini, openai};

use crate::dialects::{ALL, Dialect, UPSTREAM_KEY, behind};
use crate::gateway::{Gateway, Stream};

fn asked(stream: bool) -> Value {
    json!({
        "model": "m",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
    })
}

fn path_and_query(request: &Recorded) -> String {
    match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    }
}

#[tokio::test]
async fn every_provider_is_asked_at_its_own_address_with_its_own_credential() {
    let bearer = format!("Bearer {UPSTREAM_KEY}");
    for dialect in ALL {
        let (gateway, upstream) = behind(dialect, dialect.answering("Hej"), "").await;
        for stream in [false, true] {
            let answer = gateway.chat(&asked(stream)).await;
            assert_eq!(answer.status(), 200, "{dialect:?}");
            answer.bytes().await.unwrap();
        }
        let requests = upstream.requests();
        let (paths, header, credential) = match dialect {
            Dialect::OpenAi => {
                (["/v1/chat/completions", "/v1/chat/completions"], "authorization", bearer.as_str())
            }
            Dialect::Anthropic => (["/v1/messages", "/v1/messages"], "x-api-key", UPSTREAM_KEY),
            Dialect::Gemini => (
                [
                    "/v1beta/models/gemini-2.5-flash:generateContent",
                    "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                ],
                "x-goog-api-key",
                UPSTREAM_KEY,
            ),
        };
        for (request, path) in requests.iter().zip(paths) {
            assert_eq!(request.method, "POST");
            assert_eq!(path_and_query(request), path);
            assert_eq!(request.header(header), Some(credential), "{dialect:?}");
            assert_eq!(request.header("host"), Some(upstream.address.to_string().as_str()));
        }
        assert_eq!(requests[0].header("accept"), Some("application/json"));
        assert_eq!(requests[1].header("accept"), Some("text/event-stream"));
        if dialect == Dialect::Anthropic {
            assert_eq!(requests[0].header("anthropic-version"), Some("2023-06-01"));
        }
    }
}

#[tokio::test]
async fn of_the_client_s_headers_only_harmless_ones_reach_a_provider() {
    for dialect in ALL {
        let (gateway, upstream) =
            behind(dialect, dialect.answering("Hej"), "forward_headers: [x-team, X-Absent], ")
                .await;
        let client = [
            ("authorization", "Bearer sk-client"),
            ("x-api-key", "sk-client"),
            ("x-goog-api-key", "sk-client"),
            ("api-key", "sk-client"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7"),
            ("accept-encoding", "gzip, br"),
            ("user-agent", "somebody/1.0"),
            ("x-stainless-lang", "python"),
            ("openai-organization", "org-1"),
            ("anthropic-version", "1999-01-01"),
            ("anthropic-beta", "everything"),
            ("te", "trailers"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("tracestate", "a=1"),
            ("idempotency-key", "once"),
            ("openai-beta", "new"),
            ("x-team", "blue"),
            ("x-request-id", "req-of-mine"),
        ];
        let mut request = gateway.client.post(gateway.url("/v1/chat/completions"));
        for (name, value) in client {
            request = request.header(name, value);
        }
        assert_eq!(request.json(&asked(false)).send().await.unwrap().status(), 200);

        let seen = &upstream.requests()[0];
        let names: BTreeSet<&str> = seen.headers.keys().map(|name| name.as_str()).collect();
        let mut expected = BTreeSet::from([
            "host",
            "content-type",
            "content-length",
            "accept",
            "accept-encoding",
            "user-agent",
            "x-request-id",
            "traceparent",
            "tracestate",
            "x-team",
        ]);
        expected.extend(match dialect {
            Dialect::OpenAi => &["authorization", "idempotency-key", "openai-beta"][..],
            Dialect::Anthropic => &["x-api-key", "anthropic-version"],
            Dialect::Gemini => &["x-goog-api-key"],
        });
        assert_eq!(names, expected, "{dialect:?}");
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        assert!(seen.header("user-agent").unwrap().starts_with("penstock/"));
        assert_eq!(seen.header("x-request-id"), Some("req-of-mine"));
        assert_eq!(seen.header("x-team"), Some("blue"));
        let all = format!("{:?}", seen.headers);
        assert!(!all.contains("sk-client") && !all.contains("1999-01-01"), "{all}");
    }
}

fn id_and_model(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::OpenAi => (openai::ID, openai::MODEL),
        Dialect::Anthropic => ("chatcmpl-msg_mock", anthropic::MODEL),
        Dialect::Gemini => ("chatcmpl-mock-response", gemini::MODEL),
    }
}

/// The mocks count alike: 11 tokens in, 3 of them cached, 7 out; Gemini thinks for 2 of them.
fn check_usage(dialect: Dialect, usage: &Value) {
    assert_eq!(usage["prompt_tokens"], 11, "{dialect:?}: {usage}");
    assert_eq!(usage["completion_tokens"], 7, "{dialect:?}: {usage}");
    assert_eq!(usage["total_tokens"], 18, "{dialect:?}: {usage}");
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 3, "{dialect:?}: {usage}");
    if dialect == Dialect::Gemini {
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 2, "{usage}");
    }
}

#[tokio::test]
async fn a_whole_answer_reads_alike_whoever_gave_it() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("Good morning"), "").await;
        let answer = gateway.chat(&asked(false)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let answer: Value = answer.json().await.unwrap();
        let (id, model) = id_and_model(dialect);
        assert_eq!(answer["id"], id);
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], model);
        assert!(answer["created"].as_u64().unwrap() > 1_700_000_000);
        assert_eq!(answer["choices"].as_array().unwrap().len(), 1);
        let choice = &answer["choices"][0];
        assert_eq!(choice["index"], 0);
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(choice["message"]["content"], "Good morning");
        assert_eq!(choice["message"]["refusal"], Value::Null);
        assert_eq!(choice["finish_reason"], "stop");
        check_usage(dialect, &answer["usage"]);
    }
}

#[tokio::test]
async fn a_streamed_answer_reads_alike_whoever_gave_it() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("Good morning"), "").await;
        let answer = gateway.chat(&asked(true)).await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        let stream = Stream::read(answer).await;
        assert!(stream.is_done(), "{}", stream.text);
        assert_eq!(stream.content(), "Good morning");
        assert_eq!(stream.finish_reasons(), ["stop"]);
        let chunks = stream.chunks();
        let (id, model) = id_and_model(dialect);
        for chunk in &chunks {
            assert_eq!(chunk["id"], id);
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(chunk["model"], model);
            assert_eq!(chunk["created"], chunks[0]["created"]);
            assert_eq!(chunk["choices"].as_array().unwrap().len(), 1, "{chunk}");
        }
        let roles: Vec<bool> =
            chunks.iter().map(|chunk| !chunk["choices"][0]["delta"]["role"].is_null()).collect();
        assert!(roles[0] && !roles[1..].contains(&true), "{}", stream.text);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    }
}

/// Field 19.
#[tokio::test]
async fn usage_comes_in_a_last_chunk_of_its_own_if_it_was_asked_for() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("Good morning"), "").await;
        let mut body = asked(true);
        body["stream_options"] = json!({"include_usage": true});
        let stream = Stream::read(gateway.chat(&body).await).await;
        assert!(stream.is_done(), "{}", stream.text);
        let chunks = stream.chunks();
        let (last, others) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        check_usage(dialect, &last["usage"]);
        for chunk in others {
            assert_eq!(chunk.get("usage"), Some(&Value::Null), "{dialect:?}: {chunk}");
        }
    }
}

#[tokio::test]
async fn usage_is_not_mentioned_in_a_stream_if_it_was_not_asked_for() {
    for dialect in ALL {
        let (gateway, _upstream) = behind(dialect, dialect.answering("Good morning"), "").await;
        for options in [Value::Null, json!({}), json!({"include_usage": false})] {
            let mut body = asked(true);
            body["stream_options"] = options;
            let stream = Stream::read(gateway.chat(&body).await).await;
            assert!(stream.is_done() && !stream.text.contains("usage"), "{}", stream.text);
        }
    }
}

fn conversation() -> Value {
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Speak Danish."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hej"},
            {"role": "user", "content": [
                {"type": "text", "text": "And "}, {"type": "text", "text": "goodbye?"},
            ]},
        ],
        "temperature": 0.25,
        "top_p": 0.5,
        "max_completion_tokens": 64,
        "stop": ["END", "STOP"],
    })
}

/// What an upstream of this dialect is sent for [`conversation`].
async fn sent(dialect: Dialect, body: &Value) -> Value {
    let (gateway, upstream) = behind(dialect, dialect.answering("Farvel"), "").await;
    let answer = gateway.chat(body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    upstream.requests()[0].json()
}

#[tokio::test]
async fn a_conversation_reaches_openai_as_it_is() {
    let mut expected = conversation();
    expected["model"] = "gpt-4o".into();
    assert_eq!(sent(Dialect::OpenAi, &conversation()).await, expected);
}

/// All texts at `value`, joined: a text may be a string or a list of blocks.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(words).collect::<Vec<_>>().join("|"),
        Value::Object(part) => words(&part["text"]),
        _ => String::new(),
    }
}

#[tokio::test]
async fn a_conversation_reaches_anthropic_in_its_own_words() {
    let sent = sent(Dialect::Anthropic, &conversation()).await;
    assert_eq!(sent["model"], "claude-sonnet-4-5");
    assert_eq!(sent["max_tokens"], 64);
    assert_eq!(sent["stop_sequences"], json!(["END", "STOP"]));
    let system = words(&sent["system"]);
    assert!(system.contains("Be brief.") && system.contains("Speak Danish."), "{sent}");
    let messages = sent["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(words(&messages[0]["content"]), "Hello");
    assert_eq!(words(&messages[1]["content"]), "Hej");
    assert_eq!(words(&messages[2]["content"]), "And |goodbye?");
}

#[tokio::test]
async fn a_conversation_reaches_gemini_in_its_own_words() {
    let sent = sent(Dialect::Gemini, &conversation()).await;
    assert_eq!(sent.get("model"), None);
    let config = &sent["generationConfig"];
    assert_eq!(config["maxOutputTokens"], 64);
    assert_eq!(config["temperature"], 0.25);
    assert_eq!(config["topP"], 0.5);
    assert_eq!(config["stopSequences"], json!(["END", "STOP"]));
    let system = words(&sent["systemInstruction"]["parts"]);
    assert!(system.contains("Be brief.") && system.contains("Speak Danish."), "{sent}");
    let contents = sent["contents"].as_array().unwrap();
    let roles: Vec<&str> = contents.iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user"]);
    assert_eq!(words(&contents[2]["parts"]), "And |goodbye?");
}

#[tokio::test]
async fn a_temperature_reaches_anthropic_as_it_was_said() {
    let mut body = conversation();
    body.as_object_mut().unwrap().remove("top_p");
    assert_eq!(sent(Dialect::Anthropic, &body).await["temperature"], 0.25);
}

#[tokio::test]
async fn anthropic_gets_the_token_limit_it_insists_on_even_if_the_client_sets_none() {
    let sent = sent(Dialect::Anthropic, &asked(false)).await;
    assert!(sent["max_tokens"].as_u64().unwrap() >= 1024, "{sent}");
}

#[tokio::test]
async fn what_a_provider_cannot_express_is_named_in_a_header_and_counted() {
    let mut body = asked(false);
    body["logit_bias"] = json!({"50256": -100});
    body["seed"] = 7.into();
    let (gateway, _upstream) =
        behind(Dialect::Anthropic, Dialect::Anthropic.answering("Hej"), "").await;
    let answer = gateway.chat(&body).await;
    assert_eq!(answer.status(), 200);
    let losses = answer.headers()["x-penstock-losses"].to_str().unwrap().to_owned();
    let losses: BTreeSet<&str> = losses.split(", ").collect();
    assert!(losses.contains("logit_bias;dropped"), "{losses:?}");
    assert!(losses.contains("seed;dropped"), "{losses:?}");
    gateway.access_log(1).await;
    let counted = gateway.metric("penstock_translation_losses_total", &["up", "dropped"]).await;
    assert!(counted >= 2.0, "{counted}");

    let plain = gateway.chat(&asked(false)).await;
    assert_eq!(plain.headers().get("x-penstock-losses"), None);
}

#[tokio::test]
async fn a_provider_s_model_is_reached_directly_unless_that_is_switched_off() {
    let upstream = MockUpstream::start(anthropic::answering("Hej")).await.unwrap();
    let config =
        format!("providers: [{}]\n", Dialect::Anthropic.provider("an", &upstream.url(), ""));
    let gateway = Gateway::start(&config).await;
    let answer = gateway.ask("an/claude-x").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.requests()[0].json()["model"], "claude-x");
    gateway.access_log(1).await;
    // A name that a client made up must not become a label.
    assert!(!gateway.metrics().await.contains("claude-x"));

    let closed = format!(
        "direct_models: false\n{config}models: [{{name: m, targets: [{{provider: an, model: x}}]}}]"
    );
    let gateway = Gateway::start(&closed).await;
    assert_eq!(gateway.ask("an/claude-x").await.status(), 404);
    assert_eq!(gateway.ask("m").await.status(), 200);
}

#[tokio::test]
async fn accounts_share_the_load_by_weight() {
    let upstream = MockUpstream::start(openai::answering("Hej")).await.unwrap();
    let gateway = Gateway::start(&format!(
        "providers: [{{name: up, dialect: openai, base_url: \"{}/v1\", accounts: [\
           {{name: light, api_key: \"sk-light\"}},\
           {{name: heavy, api_key: \"sk-heavy\", weight: 9}}]}}]",
        upstream.url()
    ))
    .await;
    for conversation in 0..200 {
        assert_eq!(gateway.ask_anew("up/x", conversation).await.status(), 200);
    }
    let mut shares = BTreeMap::<String, u32>::new();
    for request in upstream.requests() {
        *shares.entry(request.header("authorization").unwrap().to_owned()).or_default() += 1;
    }
    // 20 are expected for the lighter one; that it be none or a quarter of all is beyond chance.
    let light = shares["Bearer sk-light"];
    assert!((1..=50).contains(&light), "{shares:?}");
    assert_eq!(light + shares["Bearer sk-heavy"], 200);
    let counted = gateway.metric("penstock_requests_total", &["account=\"light\""]).await;
    assert!((counted - f64::from(light)).abs() < 1.5, "{counted} of {light}");
}

#[tokio::test]
async fn the_models_are_listed_and_found_by_names_with_slashes() {
    let provider = Dialect::Gemini.provider("up", "http://127.0.0.1:9", "");
    let gateway = Gateway::start(&format!(
        "providers: [{provider}]\nmodels:\n\
         - {{name: team/fast, targets: [{{provider: up, model: x}}]}}\n\
         - {{name: m, targets: [{{provider: up, model: x}}]}}\n"
    ))
    .await;
    let get = async |path: &str| gateway.client.get(gateway.url(path)).send().await.unwrap();

    let list = get("/v1/models").await;
    assert_eq!(list.status(), 200);
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["object"], "list");
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["team/fast", "m"]);
    assert_eq!(list["data"][0]["object"], "model");
    assert_eq!(list["data"][0]["owned_by"], "up");
    assert!(list["data"][0]["created"].is_u64());

    for path in ["/v1/models/team/fast", "/v1/models/team%2Ffast", "/v1/models/team%2ffast"] {
        let one = get(path).await;
        assert_eq!(one.status(), 200, "{path}");
        assert_eq!(one.json::<Value>().await.unwrap()["id"], "team/fast", "{path}");
    }
    let direct = get("/v1/models/up/anything").await;
    assert_eq!(direct.json::<Value>().await.unwrap()["id"], "up/anything");
    let unknown = get("/v1/models/team/slow").await;
    assert_eq!(unknown.status(), 404);
    let error = unknown.json::<Value>().await.unwrap()["error"].take();
    assert_eq!(error["code"], "model_not_found");
}

//! Promise: whatever a client speaks and whoever answers, it gets the answer, or the reason why not,
//! in its own dialect.

use serde_json::{Value, json};
use tests_mock::{MockUpstream, Reply, Script, Step};

use crate::clients::{CLIENTS, Client};
use crate::dialects::{ALL, Dialect, behind, sse};
use crate::gateway::Gateway;

#[tokio::test]
async fn a_whole_answer_reaches_every_client_from_every_provider() {
    for dialect in ALL {
        let (gateway, _upstream) =
            behind(dialect, dialect.answering("Good morning, world"), "").await;
        for client in CLIENTS {
            let heard = client.ask(&gateway, "m", false).await;
            assert_eq!(heard.status, 200, "{client:?} {dialect:?}: {}", heard.text);
            assert_eq!(heard.whole_words(), "Good morning, world", "{client:?} {dialect:?}");
            assert_eq!(heard.tokens(false), (11, 7), "{client:?} {dialect:?}: {}", heard.text);
        }
    }
}

#[tokio::test]
async fn a_streamed_answer_reaches_every_client_from_every_provider() {
    for dialect in ALL {
        let (gateway, _upstream) =
            behind(dialect, dialect.answering("Good morning, world"), "").await;
        for client in CLIENTS {
            let heard = client.ask(&gateway, "m", true).await;
            let what = format!("{client:?} {dialect:?}: {}", heard.text);
            assert_eq!(heard.status, 200, "{what}");
            assert_eq!(heard.headers["content-type"], "text/event-stream", "{what}");
            assert_eq!(heard.streamed_words(), "Good morning, world", "{what}");
            assert_eq!(heard.tokens(true), (11, 7), "{what}");
            assert!(heard.ended_well(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_every_client_s_own_form() {
    for dialect in ALL {
        for client in CLIENTS {
            let events = dialect.events(&["Good", " morning"]);
            let said = dialect.opening().len() + 1;
            let script = Script::always(sse(events).cut_after(said, Step::Reset));
            let (gateway, _upstream) = behind(dialect, script, "").await;
            let heard = client.ask(&gateway, "m", true).await;
            let what = format!("{client:?} {dialect:?}: {}", heard.text);
            assert_eq!(heard.status, 200, "{what}");
            assert_eq!(heard.streamed_words(), "Good", "{what}");
            assert!(heard.broke_off() && !heard.ended_well(), "{what}");
        }
    }
}

#[tokio::test]
async fn an_error_of_a_provider_reaches_every_client_with_its_status() {
    for dialect in ALL {
        let refusal = || {
            let said = json!({"error": {"type": "invalid_request_error", "code": 400,
                "status": "INVALID_ARGUMENT", "message": "The moon is full"}});
            Reply::json(400, &[], &said)
        };
        let (gateway, _upstream) = behind(dialect, Script::always(refusal()), "").await;
        for client in CLIENTS {
            for stream in [false, true] {
                let heard = client.ask(&gateway, "m", stream).await;
                let what = format!("{client:?} {dialect:?}: {}", heard.text);
                assert_eq!(heard.status, 400, "{what}");
                assert_eq!(heard.error_message(), "The moon is full", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_gateway_itself_refuses_is_said_in_every_client_s_form() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, Dialect::OpenAi.answering("Hej"), "").await;
    for client in CLIENTS {
        let heard = client.ask(&gateway, "no-such-model", false).await;
        assert_eq!(heard.status, 404, "{client:?}: {}", heard.text);
        let error = heard.json();
        match client {
            Client::Chat | Client::Responses => {
                assert_eq!(error["error"]["code"], "model_not_found");
            }
            Client::Messages => {
                assert_eq!(error["type"], "error");
                assert_eq!(error["error"]["type"], "not_found_error");
                assert!(error["request_id"].is_string(), "{error}");
                assert!(heard.headers.contains_key("request-id"));
            }
            Client::Gemini => {
                assert_eq!(error["error"]["code"], 404);
                assert_eq!(error["error"]["status"], "NOT_FOUND");
            }
        }
    }
}

#[tokio::test]
async fn the_keys_of_all_sdks_are_taken_and_wrong_ones_are_not() {
    let upstream = MockUpstream::start(Dialect::OpenAi.answering("Hej")).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let config =
        format!("auth: {{mode: keys, keys: [{{name: ci, key: sk-mine-0123456789}}]}}\n{config}");
    let gateway = Gateway::start(&config).await;
    let ask = |name: Option<&'static str>, key: &'static str| {
        let client = Client::Messages;
        let url = gateway.url(&client.path("m", false));
        let mut request = gateway.client.post(url).json(&client.request("m", "Hello", false));
        if let Some(name) = name {
            request = request.header(name, key);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ask(Some("x-api-key"), "sk-mine-0123456789").await, 200);
    assert_eq!(ask(Some("authorization"), "Bearer sk-mine-0123456789").await, 200);
    assert_eq!(ask(Some("x-goog-api-key"), "sk-mine-0123456789").await, 200);
    assert_eq!(ask(Some("x-api-key"), "sk-other").await, 401);
    assert_eq!(ask(None, "").await, 401);
    let url = gateway.url("/v1beta/models/m:generateContent?key=sk-mine-0123456789");
    let body = Client::Gemini.request("m", "Hello", false);
    let answer = gateway.client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for request in upstream.requests() {
        assert!(!format!("{request:?}").contains("sk-mine"), "a client's key went upstream");
    }
}

#[tokio::test]
async fn an_anthropic_client_of_an_anthropic_provider_is_passed_through() {
    let (gateway, upstream) =
        behind(Dialect::Anthropic, Dialect::Anthropic.answering("Hej"), "").await;
    let body = json!({"model": "m", "max_tokens": 9, "a_new_field": {"b": [1]},
        "messages": [{"role": "user", "content": "Hello"}]});
    let url = gateway.url("/v1/messages");
    let asked = gateway.client.post(url).json(&body).header("anthropic-version", "2026-10-21");
    let answer = asked.header("anthropic-beta", "a-beta").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("x-penstock-losses"), None);
    let sent = &upstream.requests()[0];
    assert_eq!(sent.path, "/v1/messages");
    assert_eq!(sent.header("anthropic-version"), Some("2026-10-21"));
    assert_eq!(sent.header("anthropic-beta"), Some("a-beta"));
    let mut expected = body;
    expected["model"] = Dialect::Anthropic.model().into();
    assert_eq!(sent.json(), expected);
}

#[tokio::test]
async fn a_gemini_client_of_a_gemini_provider_is_passed_through() {
    let (gateway, upstream) = behind(Dialect::Gemini, Dialect::Gemini.answering("Hej"), "").await;
    let body = json!({"contents": [{"parts": [{"text": "Hello"}]}], "aNewField": {"b": [1]}});
    // The AI SDK leaves out `models/` if there is a slash in the model's name.
    for path in ["v1beta/models/m", "v1/models/m", "v1beta/up/gemini-2.5-flash"] {
        let url = gateway.url(&format!("/{path}:generateContent"));
        let answer = gateway.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let model = Dialect::Gemini.model();
    for sent in upstream.requests() {
        assert_eq!(sent.path, format!("/v1beta/models/{model}:generateContent"));
        assert_eq!(sent.json(), body);
    }
}

#[tokio::test]
async fn a_gemini_client_that_asks_for_no_events_gets_an_array() {
    for dialect in ALL {
        let (gateway, _upstream) =
            behind(dialect, dialect.answering("Good morning, world"), "").await;
        let url = gateway.url("/v1beta/models/m:streamGenerateContent");
        let body = Client::Gemini.request("m", "Hello", true);
        let answer = gateway.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json", "{dialect:?}");
        let chunks: Vec<Value> = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let words = |it: &Value| {
            it["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap_or("").to_owned()
        };
        assert_eq!(chunks.iter().map(words).collect::<String>(), "Good morning, world");
    }
}

#[tokio::test]
async fn models_are_listed_in_every_client_s_form() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, Dialect::OpenAi.answering("Hej"), "").await;
    let get = |path: &'static str, header: Option<(&'static str, &'static str)>| {
        let mut request = gateway.client.get(gateway.url(path));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let openai = get("/v1/models", None).await;
    assert_eq!((&openai["object"], &openai["data"][0]["id"]), (&json!("list"), &json!("m")));
    let anthropic = get("/v1/models", Some(("anthropic-version", "2023-06-01"))).await;
    assert_eq!(anthropic["data"][0]["type"], "model");
    assert_eq!(anthropic["has_more"], false);
    for gemini in [
        get("/v1beta/models", None).await,
        get("/v1/models", Some(("x-goog-api-key", "any"))).await,
    ] {
        assert_eq!(gemini["models"][0]["name"], "models/m");
    }
    assert_eq!(get("/v1beta/models/m", None).await["name"], "models/m");
    assert_eq!(get("/v1/models/m", None).await["id"], "m");
}

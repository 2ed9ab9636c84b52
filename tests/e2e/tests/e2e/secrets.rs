//! Promise: keys stay where they belong, prompts are seen by nobody but the provider, and headers
//! travel only if they are meant to.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use serde_json::json;
use tests_mock::{MockUpstream, Recorded, Reply, Script, Step, anthropic, gemini, openai};

use crate::dialects::{ALL, Dialect, UPSTREAM_KEY, sse};
use crate::gateway::Gateway;

const CLIENT_KEY: &str = "pk-client-swordfish";
const PROMPT: &str = "the prompt is swordfish";
const ANSWER: &str = "the answer is swordfish";
/// Everything our own crates say.
const TALKATIVE: &str = "info,penstock=trace,proxy_pingora=trace,proxy_admin=trace,\
                         proxy_admit=trace,proxy_route=trace,conf_load=trace,conf_schema=trace,\
                         adapters_openai=trace,adapters_anthropic=trace,adapters_gemini=trace";

/// What a client may send along, and nobody behind us should get.
const PRIVATE: [(&str, &str); 9] = [
    ("cookie", "session=swordfish"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-host", "swordfish.example"),
    ("forwarded", "for=203.0.113.7"),
    ("x-real-ip", "203.0.113.7"),
    ("x-api-key", "sk-swordfish-of-another-dialect"),
    ("x-goog-api-key", "sk-swordfish-of-a-third"),
    ("referer", "https://swordfish.example/page"),
    ("x-whatever", "swordfish"),
];

/// A gateway that wants a key, and says everything it can say.
async fn guarded(dialect: Dialect, upstream: &MockUpstream, more: &str) -> Gateway {
    let config = dialect.config(&upstream.url(), more);
    let auth = format!("auth: {{mode: keys, keys: [{{name: me, key: {CLIENT_KEY}}}]}}\n");
    Gateway::start_with(&format!("{auth}{config}"), &[("RUST_LOG", TALKATIVE)]).await
}

/// A request with everything that must not travel.
fn request(gateway: &Gateway, stream: bool) -> RequestBuilder {
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": stream,
    });
    let url = gateway.url("/v1/chat/completions");
    let request = gateway.client.post(url).bearer_auth(CLIENT_KEY).json(&body);
    PRIVATE.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// What it is answered, whole or streamed as it is asked.
fn answer(dialect: Dialect, request: &Recorded) -> Reply {
    let streamed =
        request.json()["stream"] == true || request.path.ends_with(":streamGenerateContent");
    if streamed { sse(dialect.events(&[ANSWER])) } else { dialect.whole(ANSWER) }
}

fn header_names(request: &Recorded) -> BTreeSet<&str> {
    request.headers.keys().map(|name| name.as_str()).collect()
}

#[tokio::test]
async fn an_upstream_gets_these_headers_and_no_others() {
    for dialect in ALL {
        let upstream = MockUpstream::start(dialect.answering(ANSWER)).await.unwrap();
        let gateway = guarded(dialect, &upstream, "").await;
        for stream in [false, true] {
            let answer = request(&gateway, stream)
                .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                .header("tracestate", "vendor=1")
                .header("idempotency-key", "once")
                .header("openai-beta", "something=v2")
                .header("user-agent", "OpenAI/Python 3.54.0")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
        }
        let common = [
            "host",
            "content-type",
            "content-length",
            "accept",
            "accept-encoding",
            "user-agent",
            "x-request-id",
            "traceparent",
            "tracestate",
        ];
        let own: &[&str] = match dialect {
            Dialect::OpenAi => &["authorization", "idempotency-key", "openai-beta"],
            Dialect::Anthropic => &["x-api-key", "anthropic-version"],
            Dialect::Gemini => &["x-goog-api-key"],
        };
        let expected: BTreeSet<&str> = common.iter().chain(own).copied().collect();
        for request in upstream.requests() {
            assert_eq!(header_names(&request), expected, "{dialect:?}");
            assert!(!format!("{:?}", request.headers).contains("swordfish"));
            assert_eq!(request.header("accept-encoding"), Some("identity"));
            assert!(request.header("user-agent").unwrap().starts_with("penstock/"));
            assert!(!request.query.as_deref().unwrap_or_default().contains("key"));
        }
    }
}

/// Whole and streamed, answered, refused, unreadable and cut off: with the log at its loudest.
#[tokio::test]
async fn keys_and_prompts_are_in_no_log_and_no_metric() {
    for dialect in ALL {
        let upstream = MockUpstream::start(Script::new(move |request, attempt| match attempt {
            0 => refusal(dialect, 400, &format!("cannot answer `{PROMPT}`")),
            1 => refusal(dialect, 401, &format!("Incorrect API key provided: {UPSTREAM_KEY}.")),
            2 => Reply::whole(200, &[("content-type", "application/json")], PROMPT),
            3 => {
                let mut events = dialect.events(&[ANSWER]);
                events.insert(1, format!("data: {PROMPT}\n\n").into());
                sse(events)
            }
            4 => answer(dialect, request),
            5 => sse(dialect.opening()).cut_after(9, Step::Reset),
            _ => Reply::reset(),
        }))
        .await
        .unwrap();
        let gateway = guarded(dialect, &upstream, "").await;
        for stream in [false, false, false, true, false, true, false] {
            // Some of them end with the connection: the next one is not to meet its end.
            let request = request(&gateway, stream).header("connection", "close");
            let _body = request.send().await.unwrap().text().await.unwrap();
        }
        let post = |key| gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
        let wrong = post("pk-wrong-swordfish").json(&json!({"model": PROMPT}));
        assert_eq!(wrong.send().await.unwrap().status(), 401);
        let unknown = post(CLIENT_KEY).json(&json!({"model": PROMPT, "messages": []}));
        assert_eq!(unknown.send().await.unwrap().status(), 404);
        let malformed = post(CLIENT_KEY).header("content-type", "application/json");
        let malformed = malformed.body(format!("{{\"model\": \"m\", \"messages\": {PROMPT}}}"));
        assert_eq!(malformed.send().await.unwrap().status(), 400);
        gateway.access_log(10).await;
        for (what, text) in [("log", gateway.log()), ("metrics", gateway.metrics().await)] {
            for secret in [UPSTREAM_KEY, "swordfish", "203.0.113.7"] {
                assert!(!text.contains(secret), "{dialect:?}: {secret} is in the {what}:\n{text}");
            }
        }
    }
}

/// What a careless provider says when it refuses.
fn refusal(dialect: Dialect, status: u16, message: &str) -> Reply {
    match (dialect, status) {
        (Dialect::OpenAi, _) => openai::error(status, "invalid_request_error", None, message),
        (Dialect::Anthropic, 401) => anthropic::error(status, "authentication_error", message),
        (Dialect::Anthropic, _) => anthropic::error(status, "invalid_request_error", message),
        (Dialect::Gemini, 401) => gemini::error(status, "UNAUTHENTICATED", message),
        (Dialect::Gemini, _) => gemini::error(status, "INVALID_ARGUMENT", message),
    }
}

#[tokio::test]
async fn no_error_body_holds_a_key() {
    for dialect in ALL {
        let upstream = MockUpstream::start(Script::new(move |_, attempt| match attempt {
            0 => refusal(dialect, 401, &format!("Incorrect API key provided: {UPSTREAM_KEY}.")),
            1 => Reply::whole(200, &[("content-type", "application/json")], UPSTREAM_KEY),
            _ => Reply::reset(),
        }))
        .await
        .unwrap();
        let gateway = guarded(dialect, &upstream, "").await;
        for _ in 0..3 {
            let answer = request(&gateway, false).send().await.unwrap();
            assert!(answer.status().as_u16() >= 400);
            let body = answer.text().await.unwrap();
            assert!(body.contains("\"error\""), "{dialect:?}: {body}");
            assert!(!body.contains(UPSTREAM_KEY), "{dialect:?}: {body}");
        }
        let wrong = gateway.client.get(gateway.url("/v1/models")).bearer_auth("pk-wrong-swordfish");
        let body = wrong.send().await.unwrap().text().await.unwrap();
        assert!(body.contains("\"error\"") && !body.contains("swordfish"), "{body}");
    }
}

#[tokio::test]
async fn a_header_of_the_configuration_is_forwarded_in_every_dialect() {
    for dialect in ALL {
        let upstream = MockUpstream::start(dialect.answering(ANSWER)).await.unwrap();
        let gateway = guarded(dialect, &upstream, "forward_headers: [x-tenant],").await;
        let answer = request(&gateway, false).header("x-tenant", "blue").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(upstream.requests()[0].header("x-tenant"), Some("blue"), "{dialect:?}");
    }
}

/// RFC 9110 §7.6.1: what `connection` names is meant for the next hop, which is us.
#[tokio::test]
async fn a_header_that_is_meant_for_us_alone_is_not_forwarded() {
    let upstream = MockUpstream::start(openai::answering(ANSWER)).await.unwrap();
    let gateway = guarded(Dialect::OpenAi, &upstream, "forward_headers: [x-tenant, x-team],").await;
    let answer = request(&gateway, false)
        .header("connection", "X-Tenant, traceparent, keep-alive")
        .header("x-tenant", "blue")
        .header("x-team", "red")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let request = &upstream.requests()[0];
    for name in ["x-tenant", "traceparent", "connection", "keep-alive", "te"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("x-team"), Some("red"));
}

/// What providers send along, and what of it a client should see.
const LIMITS: [(&str, &str); 2] =
    [("x-ratelimit-remaining-requests", "99"), ("x-ratelimit-reset-tokens", "6ms")];
const INTERNAL: [(&str, &str); 7] = [
    ("set-cookie", "__cf_bm=swordfish; path=/"),
    ("openai-organization", "org-swordfish"),
    ("openai-processing-ms", "123"),
    ("anthropic-organization-id", "swordfish"),
    ("server", "cloudflare"),
    ("cf-ray", "swordfish-OSL"),
    ("alt-svc", "h3=\":443\""),
];

fn with_headers(mut reply: Reply) -> Reply {
    for (name, value) in LIMITS.iter().chain(&INTERNAL) {
        reply = reply.header(name, value);
    }
    reply
}

#[tokio::test]
async fn a_client_sees_its_limits_and_nothing_of_the_providers_insides() {
    for dialect in ALL {
        let upstream = MockUpstream::start(Script::new(move |request, _| {
            with_headers(answer(dialect, request))
        }))
        .await
        .unwrap();
        let gateway = guarded(dialect, &upstream, "").await;
        for stream in [false, true] {
            let answer = request(&gateway, stream).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            for (name, value) in LIMITS {
                assert_eq!(answer.headers()[name], value, "{dialect:?}");
            }
            for (name, _) in INTERNAL {
                assert!(!answer.headers().contains_key(name), "{dialect:?}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_is_refused_sees_its_limits_too() {
    let script = Script::always(with_headers(openai::rate_limited(7)));
    let upstream = MockUpstream::start(script).await.unwrap();
    let gateway = guarded(Dialect::OpenAi, &upstream, "").await;
    let answer = request(&gateway, false).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
    for (name, value) in LIMITS {
        assert_eq!(answer.headers().get(name).map(|v| v.to_str().unwrap()), Some(value), "{name}");
    }
    for (name, _) in INTERNAL {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_a_provider_quotes_is_taken_out_of_what_it_says() {
    for dialect in ALL {
        let quoted = format!("the key {UPSTREAM_KEY} is not for this");
        let upstream =
            MockUpstream::start(Script::always(refusal(dialect, 400, &quoted))).await.unwrap();
        let gateway = guarded(dialect, &upstream, "").await;
        let answer = request(&gateway, false).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let error = answer.text().await.unwrap();
        assert!(error.contains("the key *** is not for this"), "{dialect:?}: {error}");
    }
}

//! Promise: what a provider fails at is told to the client in OpenAI's words, with its cause.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_mock::{
    Blackhole, Gate, MockUpstream, RefusingPort, Reply, Script, Step, anthropic, gemini, openai,
};

use crate::dialects::{ALL, Dialect, UPSTREAM_KEY, behind, behind_h2c};
use crate::gateway::Gateway;

/// The error that a client sees, streaming or not.
struct Seen {
    status: u16,
    retry_after: [Option<String>; 2],
    error: Value,
}

async fn ask(gateway: &Gateway, stream: bool) -> Seen {
    let body = json!({
        "model": "m",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
    });
    let answer = gateway.chat(&body).await;
    let header =
        |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let retry_after = [header("retry-after"), header("retry-after-ms")];
    let (status, id) = (answer.status().as_u16(), header("x-request-id"));
    assert_eq!(header("content-type").as_deref(), Some("application/json"), "{status}");
    let text = answer.text().await.unwrap();
    let error = serde_json::from_str::<Value>(&text).expect(&text)["error"].take();
    assert_eq!(error["request_id"].as_str(), id.as_deref(), "{error}");
    assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{text}");
    Seen { status, retry_after, error }
}

impl Seen {
    #[track_caller]
    fn is(&self, status: u16, kind: &str, code: Option<&str>) -> &Self {
        let got = (self.status, &self.error["type"], &self.error["code"]);
        assert_eq!(got, (status, &json!(kind), &json!(code)), "{}", self.error);
        self
    }
}

/// A provider that answers with `reply`, asked for a whole and for a streamed answer.
async fn refused(dialect: Dialect, reply: Reply) -> [Seen; 2] {
    // One gateway each: what the first request learns would keep the second one from going there.
    [refused_once(dialect, reply.clone(), false).await, refused_once(dialect, reply, true).await]
}

async fn refused_once(dialect: Dialect, reply: Reply, stream: bool) -> Seen {
    let (gateway, upstream) = behind(dialect, Script::always(reply), "").await;
    let seen = ask(&gateway, stream).await;
    assert!((1..=2).contains(&upstream.counts().requests), "asked at most once more");
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!(line["status"], seen.status);
    assert!(line["error"].is_string(), "{line}");
    seen
}

#[tokio::test]
async fn openai_s_errors_keep_their_status_type_code_and_words() {
    for (status, kind, code) in [
        (400, "invalid_request_error", Some("context_length_exceeded")),
        (400, "invalid_request_error", None),
        (404, "invalid_request_error", Some("model_not_found")),
        (429, "tokens", Some("rate_limit_exceeded")),
        (429, "insufficient_quota", Some("insufficient_quota")),
        (422, "weird_error", Some("weird_code")),
    ] {
        let reply = openai::error(status, kind, code, "These very words");
        for seen in refused(Dialect::OpenAi, reply).await {
            let code = match (status, code) {
                (429, None) => Some("rate_limit_exceeded"),
                (_, code) => code,
            };
            seen.is(status, kind, code);
            assert_eq!(seen.error["message"], "These very words");
            assert_eq!(seen.error["provider"], "up");
        }
    }
}

#[tokio::test]
async fn anthropic_s_errors_keep_their_status_type_and_words() {
    for (status, kind, code) in [
        (400, "invalid_request_error", None),
        (402, "billing_error", Some("insufficient_quota")),
        (404, "not_found_error", Some("not_found")),
        (413, "request_too_large", Some("request_too_large")),
        (429, "rate_limit_error", Some("rate_limit_exceeded")),
        (500, "api_error", None),
        (529, "overloaded_error", Some("overloaded")),
    ] {
        let reply = anthropic::error(status, kind, "These very words");
        for seen in refused(Dialect::Anthropic, reply).await {
            seen.is(status, kind, code);
            assert_eq!(seen.error["message"], "These very words");
        }
    }
    let words = "prompt is too long: 250000 tokens > 200000 maximum";
    for seen in
        refused(Dialect::Anthropic, anthropic::error(400, "invalid_request_error", words)).await
    {
        seen.is(400, "invalid_request_error", Some("context_length_exceeded"));
    }
}

#[tokio::test]
async fn gemini_s_errors_keep_their_status_word_and_message() {
    for (status, word, kind) in [
        (400, "INVALID_ARGUMENT", "invalid_request_error"),
        (404, "NOT_FOUND", "invalid_request_error"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit_error"),
        (500, "INTERNAL", "server_error"),
        (503, "UNAVAILABLE", "overloaded_error"),
        (504, "DEADLINE_EXCEEDED", "timeout_error"),
    ] {
        let reply = gemini::error(status, word, "These very words");
        for seen in refused(Dialect::Gemini, reply).await {
            seen.is(status, kind, Some(word));
            assert_eq!(seen.error["message"], "These very words");
        }
    }
}

#[tokio::test]
async fn an_error_without_readable_words_keeps_its_status() {
    let html = [("content-type", "text/html")];
    for dialect in ALL {
        for status in [400, 402, 404, 429, 500, 502, 503, 529] {
            for reply in [
                Reply::whole(status, &html, "<html><h1>nginx</h1></html>"),
                Reply::whole(status, &[], ""),
            ] {
                for seen in refused(dialect, reply).await {
                    assert_eq!(seen.status, status, "{dialect:?}: {}", seen.error);
                    assert!(seen.error["type"].is_string(), "{}", seen.error);
                    assert!(!seen.error.to_string().contains("nginx"), "{}", seen.error);
                }
            }
        }
    }
}

/// Providers quote parts of the key they refuse.
#[tokio::test]
async fn the_words_of_a_refused_credential_stay_here() {
    let words = format!("Incorrect API key provided: {UPSTREAM_KEY}. Ask admin@example.com.");
    for (dialect, status, reply) in [
        (
            Dialect::OpenAi,
            401,
            openai::error(401, "invalid_request_error", Some("invalid_api_key"), &words),
        ),
        (
            Dialect::OpenAi,
            403,
            openai::error(403, "forbidden", Some("unsupported_country"), &words),
        ),
        (Dialect::Anthropic, 401, anthropic::error(401, "authentication_error", &words)),
        (Dialect::Anthropic, 403, anthropic::error(403, "permission_error", &words)),
        (Dialect::Gemini, 401, gemini::error(401, "UNAUTHENTICATED", &words)),
        (Dialect::Gemini, 403, gemini::error(403, "PERMISSION_DENIED", &words)),
    ] {
        for seen in refused(dialect, reply).await {
            assert_eq!(seen.status, status, "{dialect:?}");
            let text = seen.error.to_string();
            assert!(!text.contains("sk-upstream") && !text.contains("admin@"), "{text}");
            assert!(text.contains("`up`") && text.contains("credential"), "{text}");
        }
    }
}

#[tokio::test]
async fn when_to_come_back_is_passed_on() {
    let ms = openai::rate_limited(2).header("retry-after-ms", "1500");
    for (dialect, reply, seconds, millis) in [
        (Dialect::OpenAi, openai::rate_limited(17), "17", None),
        (Dialect::OpenAi, ms, "2", Some("1500")),
        (Dialect::Anthropic, anthropic::rate_limited(17), "17", None),
        (Dialect::Anthropic, anthropic::overloaded().header("retry-after", "3"), "3", None),
        (Dialect::Gemini, gemini::quota_exhausted(34.4), "35", Some("34400")),
        (Dialect::Gemini, gemini::quota_exhausted(7.0), "7", None),
    ] {
        for seen in refused(dialect, reply).await {
            let [after, after_ms] = &seen.retry_after;
            assert_eq!(after.as_deref(), Some(seconds), "{dialect:?}");
            assert_eq!(after_ms.as_deref(), millis, "{dialect:?}");
        }
    }
}

async fn at(address: SocketAddr, more: &str) -> Gateway {
    Gateway::start(&Dialect::OpenAi.config(&format!("http://{address}"), more)).await
}

#[tokio::test]
async fn a_provider_that_refuses_connections_is_a_bad_gateway() {
    let port = RefusingPort::reserve().unwrap();
    let gateway = at(port.address(), "").await;
    for stream in [false, true] {
        let seen = ask(&gateway, stream).await;
        seen.is(502, "server_error", Some("upstream_unreachable"));
        let message = seen.error["message"].as_str().unwrap();
        assert!(message.contains("connection refused"), "{message}");
        // Where a provider is, is not a client's affair.
        assert!(!message.contains("127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn a_provider_that_takes_no_connection_is_given_up_in_time() {
    let hole = Blackhole::open().await.unwrap();
    let gateway = at(hole.address(), "timeouts: {connect: 300ms}, ").await;
    let started = Instant::now();
    ask(&gateway, false).await.is(504, "server_error", Some("upstream_timeout"));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(280) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_provider_whose_name_is_unknown_is_a_bad_gateway() {
    let config = Dialect::OpenAi.config("http://no-such-host.invalid:1", "");
    let gateway = Gateway::start(&config).await;
    let seen = ask(&gateway, false).await;
    seen.is(502, "server_error", Some("upstream_unreachable"));
    assert!(
        seen.error["message"].as_str().unwrap().contains("name was not found"),
        "{}",
        seen.error
    );
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_in_time() {
    for dialect in ALL {
        for stream in [false, true] {
            for over_h2c in [false, true] {
                let more = "timeouts: {first_byte: 300ms}, ";
                let script = Script::always(Reply::hang());
                let (gateway, upstream) = match over_h2c {
                    false => behind(dialect, script, more).await,
                    true => behind_h2c(dialect, script, more).await,
                };
                let started = Instant::now();
                ask(&gateway, stream).await.is(504, "server_error", Some("upstream_timeout"));
                let took = started.elapsed();
                assert!(took >= Duration::from_millis(280), "{took:?}");
                assert!(took < Duration::from_secs(3), "{took:?}");
                let freed = upstream.until(|seen| seen.gone == 1);
                crate::dialects::soon(freed, "the upstream is let go").await;
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_closes_in_place_of_an_answer_is_a_bad_gateway() {
    for (what, reply) in [
        ("closed", Reply::close()),
        ("reset", Reply::reset()),
        ("garbage", Reply::raw("this is not HTTP\r\n\r\n")),
        ("half a header", Reply::raw("HTTP/1.1 200 OK\r\ncontent-le")),
    ] {
        let (gateway, _upstream) = behind(Dialect::Anthropic, Script::always(reply), "").await;
        for stream in [false, true] {
            let seen = ask(&gateway, stream).await;
            assert_eq!(seen.status, 502, "{what}: {}", seen.error);
            assert_eq!(seen.error["type"], "server_error", "{what}");
            assert_eq!(seen.error["provider"], "up", "{what}");
        }
    }
    for reply in [Reply::close(), Reply::reset()] {
        let (gateway, _upstream) = behind_h2c(Dialect::Gemini, Script::always(reply), "").await;
        assert_eq!(ask(&gateway, false).await.status, 502);
    }
}

/// The status must be an error's too: a 200 with an error in it is retried by nobody.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_bad_gateway() {
    for dialect in ALL {
        let good = dialect.whole("Hej").body();
        for (what, body) in [
            ("garbage", &b"this is not JSON"[..]),
            ("nothing", b""),
            ("a page", b"<html>Welcome</html>"),
            ("an array", b"[]"),
            ("half", &good[..good.len() / 2]),
        ] {
            // What passes through need only be JSON.
            if (dialect, what) == (Dialect::OpenAi, "an array") {
                continue;
            }
            let json = [("content-type", "application/json")];
            let reply = Reply::whole(200, &json, body.to_vec());
            let (gateway, _upstream) = behind(dialect, Script::always(reply), "").await;
            let seen = ask(&gateway, false).await;
            assert_eq!(seen.status, 502, "{dialect:?}, {what}: {}", seen.error);
            seen.is(502, "server_error", Some("upstream_malformed"));
            assert_eq!(gateway.access_log(1).await[0]["status"], 502, "{what}");
            let labels = ["status=\"502\"", "provider=\"up\""];
            assert!(gateway.metric("penstock_requests_total", &labels).await > 0.5, "{what}");
        }
    }
}

#[tokio::test]
async fn an_answer_cut_in_the_middle_is_a_bad_gateway() {
    for dialect in ALL {
        let good = dialect.whole("Hej").body();
        let half = Step::Event(good.slice(..good.len() / 2));
        let length = good.len().to_string();
        let json = ("content-type", "application/json");
        let announced = [json, ("content-length", length.as_str())];
        for (what, reply) in [
            ("reset", Reply::steps(200, &[json], vec![half.clone(), Step::Reset])),
            ("closed", Reply::steps(200, &[json], vec![half.clone(), Step::Close])),
            ("short", Reply::steps(200, &announced, vec![half.clone(), Step::Close])),
        ] {
            let (gateway, _upstream) = behind(dialect, Script::always(reply), "").await;
            let seen = ask(&gateway, false).await;
            assert_eq!(seen.status, 502, "{dialect:?}, {what}: {}", seen.error);
            seen.is(502, "server_error", Some("upstream_broke_off"));
        }
        let silent = Reply::steps(200, &[json], vec![half, Step::Wait(Gate::shut())]);
        let more = "timeouts: {idle: 300ms}, ";
        let (gateway, _upstream) = behind(dialect, Script::always(silent), more).await;
        ask(&gateway, false).await.is(504, "server_error", Some("upstream_timeout"));
    }
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_meanwhile_is_not_the_client_s_affair() {
    for stream in [false, true] {
        let words = "Good morning";
        let script = openai::answering(words);
        let upstream = MockUpstream::start(script.clone()).await.unwrap();
        let address = upstream.address;
        let gateway = at(address, "").await;
        let body = json!({"model": "m", "stream": stream});
        let answer = gateway.chat(&body).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        gateway.access_log(1).await;
        // It goes with all its connections, and comes back.
        drop(upstream);
        let upstream = returned(address, script).await;
        for _ in 0..3 {
            let answer = gateway.chat(&body).await;
            assert_eq!(answer.status(), 200);
            assert!(answer.text().await.unwrap().contains("morning"));
        }
        assert_eq!(upstream.counts().requests, 3);
    }
}

/// An upstream at the address of one that has ended.
async fn returned(address: SocketAddr, script: Script) -> MockUpstream {
    let started = Instant::now();
    loop {
        let transport = tests_mock::Transport::Http1;
        match MockUpstream::start_at(address, script.clone(), transport).await {
            Ok(upstream) => return upstream,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(5), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The connection looks alive, and is closed when the request has been sent on it.
#[tokio::test]
async fn a_pooled_connection_that_closes_under_a_request_is_not_the_client_s_affair() {
    for dialect in ALL {
        let script = Script::new(move |request, attempt| match (attempt, request.connection) {
            (0, _) => dialect.whole("first"),
            // On the connection that was used before.
            (_, 0) => Reply::close(),
            _ => dialect.whole("second"),
        });
        let (gateway, upstream) = behind(dialect, script, "").await;
        for words in ["first", "second"] {
            let answer = gateway.ask("m").await;
            assert_eq!(answer.status(), 200, "{dialect:?}");
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["choices"][0]["message"]["content"], words);
            gateway.access_log(1).await;
        }
        let requests = upstream.requests();
        let last = requests.last().unwrap();
        assert_eq!(last.body, requests[0].body, "the body is sent again whole");
    }
}

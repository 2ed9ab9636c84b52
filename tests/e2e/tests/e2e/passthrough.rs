//! Promise: between an OpenAI client and an OpenAI provider nothing changes but what must.

use bytes::Bytes;
use tests_mock::{Reply, Script, openai};

use crate::dialects::{Dialect, behind, sse};
use crate::gateway::{Gateway, Stream};

/// What no two JSON writers would write alike, and what no gateway knows.
const ODD_REQUEST: &str = "{ \"messages\" : [ {\"role\":\"user\",\"content\":\"caf\\u00e9 \u{1f600}\"} ],\n\
    \t\"temperature\":1.0, \"seed\": 12345678901234567890, \"x_new\":{\"a\":[1e2,-0.0,null]},\r\n\
    \"model\" : \"m\" , \"x_new\":2 }  ";

async fn post(gateway: &Gateway, body: impl Into<reqwest::Body>) -> reqwest::Response {
    gateway
        .client
        .post(gateway.url("/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap()
}

#[track_caller]
fn assert_text(got: &[u8], expected: &str) {
    assert_eq!(String::from_utf8_lossy(got), expected);
}

#[tokio::test]
async fn a_request_keeps_every_byte_but_the_model_s_name() {
    let (gateway, upstream) = behind(Dialect::OpenAi, openai::answering("Hej"), "").await;
    assert_eq!(post(&gateway, ODD_REQUEST).await.status(), 200);
    let expected = ODD_REQUEST.replace("\"model\" : \"m\"", "\"model\" : \"gpt-4o\"");
    assert_text(&upstream.requests()[0].body, &expected);
}

#[tokio::test]
async fn a_streamed_request_gains_the_wish_for_usage_and_nothing_else() {
    let (gateway, upstream) = behind(Dialect::OpenAi, openai::answering("Hej"), "").await;
    let without = r#"{"stream":true, "messages":[], "model":"m", "user":"u"}"#;
    let with = r#"{"stream":true,"model":"m","stream_options":{"include_usage":true},"n":1}"#;
    for body in [without, with] {
        let stream = Stream::read(post(&gateway, body).await).await;
        assert!(stream.is_done(), "{}", stream.text);
    }
    let requests = upstream.requests();
    let wish = r#""model":"gpt-4o","stream_options":{"include_usage":true}"#;
    assert_text(&requests[0].body, &without.replace(r#""model":"m""#, wish));
    assert_text(&requests[1].body, &with.replace(r#""model":"m""#, r#""model":"gpt-4o""#));
}

const ODD_ANSWER: &str = "{\"id\":\"x\",  \"object\":\"chat.completion\",\n \"model\":\"other\", \
    \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\\u0041\",\
    \"reasoning\":\"hm\",\"annotations\":[]},\"finish_reason\":\"a_new_reason\"}],\
    \"x_groq\":{\"id\":1.0},\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\
    \"total_tokens\":7,\"queue_time\":0.10}} \n";

#[tokio::test]
async fn a_whole_answer_keeps_every_byte() {
    let json = [("content-type", "application/json; charset=utf-8"), ("x-ratelimit-limit", "9")];
    let script = Script::always(Reply::whole(200, &json, ODD_ANSWER));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    let answer = gateway.ask("m").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-ratelimit-limit"], "9");
    assert_text(&answer.bytes().await.unwrap(), ODD_ANSWER);
}

/// Two frames with all sorts of things that must pass, and the end.
const ODD_STREAM: &[&str] = &[
    ": a comment\n\n",
    "id: 7\nevent: message\ndata: {\"id\":\"x\", \"choices\":[{\"index\":0,\"delta\":\
     {\"role\":\"assistant\",\"content\":\"\\u0041\"},\"finish_reason\":null}],\
     \"obfuscation\":\"zzz\",\"usage\":null}\n\n",
    "data:{\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"new\":[1.0]},\
     \"finish_reason\":\"stop\"}],\"usage\" : null}\r\n\r\n",
    "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\
     \"total_tokens\":7}}\n\n",
    "data: [DONE]\n\n",
];

fn odd_stream() -> Script {
    Script::always(sse(ODD_STREAM.iter().map(|frame| Bytes::from_static(frame.as_bytes()))))
}

#[tokio::test]
async fn a_stream_keeps_every_byte_if_the_client_asked_for_usage_itself() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, odd_stream(), "").await;
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let answer = post(&gateway, body).await;
    assert_text(&answer.bytes().await.unwrap(), &ODD_STREAM.concat());
}

/// Field 44.
#[tokio::test]
async fn a_stream_loses_the_usage_that_only_the_gateway_asked_for() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, odd_stream(), "").await;
    let answer = post(&gateway, r#"{"model":"m","stream":true}"#).await;
    let expected = [ODD_STREAM[0], ODD_STREAM[1], ODD_STREAM[2], ODD_STREAM[4]].concat();
    let expected = expected.replace(",\"usage\":null", "").replace(",\"usage\" : null", "");
    assert_text(&answer.bytes().await.unwrap(), &expected);
}

#[tokio::test]
async fn a_provider_that_sends_usage_unasked_in_the_finish_chunk_stays_readable() {
    let usage = "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}";
    let finish = format!(
        "data: {{\"id\":\"x\",{usage},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"A\"}},\
         \"finish_reason\":\"stop\"}}]}}\n\n"
    );
    let script = Script::always(sse([Bytes::from(finish), openai::done()]));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    let stream = gateway.stream("m").await;
    assert!(stream.is_done() && !stream.text.contains("usage"), "{}", stream.text);
    assert_eq!(stream.content(), "A");
    assert_eq!(stream.finish_reasons(), ["stop"]);
    gateway.access_log(1).await;
    check_tokens(&gateway, [5.0, 0.0, 2.0]).await;
}

/// Compares with what was counted as fresh input, cached input and output.
async fn check_tokens(gateway: &Gateway, expected: [f64; 3]) {
    let mut counted = [0.0; 3];
    for (slot, kind) in counted.iter_mut().zip(["input", "cache_read", "output"]) {
        let kind = format!("kind=\"{kind}\"");
        let labels = [kind.as_str(), "provider=\"up\"", "account=\"main\"", "model=\"m\""];
        *slot = gateway.metric("penstock_tokens_total", &labels).await;
    }
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn tokens_are_counted_whether_or_not_the_client_wants_to_know() {
    let (gateway, _upstream) = behind(Dialect::OpenAi, openai::answering("Hej"), "").await;
    let bodies = [
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","stream":true}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
    ];
    for (count, body) in (1_u8..).zip(bodies) {
        post(&gateway, body).await.bytes().await.unwrap();
        let lines = gateway.access_log(usize::from(count)).await;
        assert_eq!(lines.last().unwrap()["input_tokens"], 11);
        assert_eq!(lines.last().unwrap()["output_tokens"], 7);
        let count = f64::from(count);
        // Of 11 tokens of input 3 are cached.
        check_tokens(&gateway, [8.0 * count, 3.0 * count, 7.0 * count]).await;
    }
}

#[tokio::test]
async fn a_stream_without_usage_is_served_and_counts_no_tokens() {
    let script = Script::always(openai::stream_without_usage(&["Good", " morning"]));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    let stream = gateway.stream("m").await;
    assert_eq!(stream.content(), "Good morning");
    assert!(stream.is_done());
    let line = &gateway.access_log(1).await[0];
    assert_eq!(line.get("input_tokens").filter(|tokens| !tokens.is_null()), None);
    check_tokens(&gateway, [0.0; 3]).await;
}

#[tokio::test]
async fn connections_to_a_provider_are_used_again() {
    let (gateway, upstream) = behind(Dialect::OpenAi, openai::answering("Hej"), "").await;
    for count in 1..=10 {
        post(&gateway, r#"{"model":"m","stream":true}"#).await.bytes().await.unwrap();
        post(&gateway, r#"{"model":"m"}"#).await.bytes().await.unwrap();
        gateway.access_log(2 * count).await;
    }
    let connections = upstream.counts().connections;
    assert!(connections < 10, "{connections} connections for 20 requests, one after another");
}

//! The ready-made answers are what each provider would send.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde_json::{Value, json};
use tests_mock::{Reply, anthropic, gemini, openai};

/// The data of every event, parsed; `[DONE]` as a string.
fn events(reply: &Reply) -> Vec<Value> {
    let text = String::from_utf8(reply.body().to_vec()).unwrap().replace("\r\n", "\n");
    assert!(text.ends_with("\n\n"), "{text}");
    let data =
        |frame: &str| frame.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
    let frames = text.split_terminator("\n\n").map(|frame| data(frame).unwrap());
    frames.map(|it| serde_json::from_str(&it).unwrap_or_else(|_| it.into())).collect()
}

fn texts(reply: &Reply, pointer: &str) -> String {
    events(reply).iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body()).unwrap()
}

const WORDS: &[&str] = &["Good ", "mor", "ning"];

#[test]
fn streams_spell_out_their_words() {
    assert_eq!(texts(&openai::stream(WORDS), "/choices/0/delta/content"), "Good morning");
    assert_eq!(texts(&anthropic::stream(WORDS), "/delta/text"), "Good morning");
    let pointer = "/candidates/0/content/parts/0/text";
    assert_eq!(texts(&gemini::stream(WORDS), pointer), "Good morning");
}

#[test]
fn openai_ends_with_usage_only_where_it_is_wanted_and_always_with_done() {
    let with = events(&openai::stream(WORDS));
    assert_eq!(with.last().unwrap(), "[DONE]");
    assert_eq!(with[with.len() - 2]["choices"], json!([]));
    assert_eq!(with[with.len() - 2]["usage"]["prompt_tokens"], openai::USAGE.0);
    let without = events(&openai::stream_without_usage(WORDS));
    assert!(without.iter().all(|event| !event["usage"].is_object()));
    assert_eq!(without.last().unwrap(), "[DONE]");
}

#[test]
fn anthropic_names_every_event_as_its_type() {
    let body = anthropic::tool_use_stream("weather", &["{\"city\":", "\"Oslo\"}"]).body();
    let text = str::from_utf8(&body).unwrap();
    for frame in text.split_terminator("\n\n") {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
    }
}

#[test]
fn streamed_tool_calls_carry_their_arguments_in_order() {
    let pieces = &["{\"city\":", "\"Oslo\"}"];
    let pointer = "/choices/0/delta/tool_calls/0/function/arguments";
    let openai = texts(&openai::tool_call_stream("weather", pieces), pointer);
    let anthropic = texts(&anthropic::tool_use_stream("weather", pieces), "/delta/partial_json");
    assert_eq!(openai, "{\"city\":\"Oslo\"}");
    assert_eq!(anthropic, openai);
}

#[test]
fn whole_tool_calls_carry_their_arguments() {
    let input = json!({ "city": "Oslo" });
    let openai = json(&openai::tool_call("weather", &input));
    let call = &openai["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["arguments"], input.to_string());
    assert_eq!(json(&anthropic::tool_use("weather", &input))["content"][0]["input"], input);
    let gemini = json(&gemini::function_call("weather", &input));
    let part = &gemini["candidates"][0]["content"]["parts"][0];
    assert_eq!(part["functionCall"]["args"], input);
    assert_eq!(events(&gemini::function_call_stream("weather", &input))[0]["candidates"], {
        let mut candidates = gemini["candidates"].clone();
        candidates[0].as_object_mut().unwrap().remove("finishReason");
        candidates
    });
}

#[test]
fn errors_have_the_envelope_of_their_provider() {
    let openai = json(&openai::rate_limited(3));
    assert_eq!(openai["error"]["code"], "rate_limit_exceeded");
    let anthropic = json(&anthropic::overloaded());
    assert_eq!(
        (&anthropic["type"], &anthropic["error"]["type"]),
        (&json!("error"), &json!("overloaded_error"))
    );
    let gemini = json(&gemini::quota_exhausted(34.5));
    assert_eq!(gemini["error"]["details"][1]["retryDelay"], "34.5s");
}

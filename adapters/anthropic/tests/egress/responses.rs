//! Whole answers: `response.json` in, `response.expected.json` out.

use adapters_anthropic::egress::Anthropic;
use adapters_canonical::chat::{ChatResponse, Part};
use adapters_canonical::dialect::Egress as _;
use adapters_canonical::loss::{LossKind, Translated};
use adapters_canonical::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("anthropic").join(case);
    let body = tests_golden::read(dir.join("response.json"));
    let got = Anthropic.decode_response(&body).unwrap();
    tests_golden::assert_json(dir.join("response.expected.json"), &show(&got));
}

fn show(got: &Translated<ChatResponse>) -> Value {
    let answer = &got.value;
    json!({
        "id": answer.id,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "usage": answer.usage.as_ref().map(shown),
        "choices": answer.choices.iter().map(|choice| json!({
            "index": choice.index,
            "finish": format!("{:?}", choice.finish),
            "parts": choice.parts.iter().map(part).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "losses": super::requests::losses(&got.losses),
    })
}

/// The kinds of tokens that were reported.
pub(crate) fn shown(usage: &Usage) -> String {
    let debug = format!("{usage:?}");
    let kinds = debug.trim_start_matches("Usage { ").trim_end_matches(" }").split(", ");
    kinds.filter(|kind| !kind.ends_with("None")).collect::<Vec<_>>().join(", ")
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) if text.citations.is_empty() => json!({ "text": text.text }),
        Part::Text(text) => json!({
            "text": text.text,
            "citations": text.citations.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>(),
        }),
        Part::Reasoning(thought) => json!({
            "thought": thought.text,
            "signature": thought.signature,
            "redacted": thought.redacted,
        }),
        Part::Refusal(words) => json!({ "refusal": words }),
        Part::ToolCall(call) => json!({
            "call": call.name,
            "id": call.id,
            "arguments": call.arguments,
            "kind": format!("{:?}", call.kind),
        }),
        Part::Hosted(step) => json!({
            "hosted": step.id,
            "action": format!("{:?}", step.action),
            "outcome": format!("{:?}", step.outcome),
            "own": step.own.as_ref().map(|own| own.json.get()),
        }),
        Part::Opaque(opaque) => json!({
            "dialect": opaque.dialect.to_string(),
            "json": opaque.json.get(),
        }),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::ToolResult(_) => panic!("no answer has this: {part:?}"),
    }
}

#[test]
fn a_text_has_its_usage_and_its_tier() {
    check("response_text");
}

#[test]
fn thoughts_calls_and_unknown_blocks_keep_their_bytes() {
    check("response_blocks");
}

#[test]
fn cached_tokens_are_kept_apart() {
    check("response_cache");
}

#[test]
fn a_pause_is_a_stop_that_keeps_its_name() {
    check("response_pause");
}

#[test]
fn a_refusal_explains_itself() {
    check("response_refusal");
}

#[test]
fn every_loss_of_an_answer_is_adapted_or_dropped() {
    let body = br#"{"type":"message","content":[],"stop_reason":"pause_turn"}"#;
    let losses = Anthropic.decode_response(body).unwrap().losses;
    let kinds: Vec<_> = losses.iter().map(|loss| loss.kind).collect();
    assert_eq!(kinds, [LossKind::Adapted]);
}

#[test]
fn citations_and_searches_are_read() {
    check("response_citations");
}

#[test]
fn a_count_of_tokens_is_read() {
    use adapters_anthropic::egress::decode_count;

    assert_eq!(decode_count(br#"{"input_tokens":2095,"new":1}"#), Ok(2095));
    assert_eq!(decode_count(b"{}").unwrap_err().path(), Some("input_tokens"));
    assert!(decode_count(b"<html>").is_err());
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Anthropic.decode_response(&bytes).is_err());
        let error = Anthropic.decode_error(502, &http::HeaderMap::new(), &bytes);
        prop_assert_eq!(error.status, 502);
    }
}

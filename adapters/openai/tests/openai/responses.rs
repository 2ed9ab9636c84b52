//! A whole answer: read from a provider, written for a client.

use adapters_canonical::chat::ChatResponse;
use adapters_canonical::dialect::Egress;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_openai::egress::OpenAi;
use adapters_openai::ingress::encode_response;
use serde_json::{Value, json};

use crate::drive::{context, fixture};

#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("openai").join(case);
    let read = OpenAi.decode_response(&fixture(case, "response.json")).unwrap();
    tests_golden::assert_text(dir.join("canonical.expected.txt"), &format!("{read:#?}\n"));
    let Translated { value: body, losses } = encode_response(&read.value, &context());
    let written: Value = serde_json::from_slice(&body).unwrap();
    let lost = format!("{losses:#?}\n");
    tests_golden::assert_text(dir.join("client_losses.expected.txt"), &lost);
    let again = OpenAi.decode_response(&body).unwrap().value;
    assert_eq!(again.usage, read.value.usage, "field 36");
    tests_golden::assert_json(dir.join("client.expected.json"), &written);
}

/// field 36, 37
#[test]
fn an_answer_keeps_its_words_and_its_usage() {
    check("response_text");
}

#[test]
fn calls_thoughts_refusals_and_pictures_come_through() {
    check("response_calls");
}

/// field 36, 37
#[test]
fn citations_probabilities_sound_and_what_is_unknown_come_through_or_are_reported() {
    check("response_annotated");
}

#[test]
fn a_blocked_prompt_is_still_one_choice() {
    let written = encode_response(&ChatResponse::default(), &context());
    let written: Value = serde_json::from_slice(&written.value).unwrap();
    assert_eq!(
        written,
        json!({
            "id": "chatcmpl-req_1", "object": "chat.completion", "created": 1_790_000_001,
            "model": "team/fast",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": null, "refusal": null,
                    "annotations": []},
                "logprobs": null,
                "finish_reason": "content_filter",
            }],
        })
    );
}

#[test]
fn a_success_that_holds_an_error_is_none() {
    let path = |body: &[u8]| match OpenAi.decode_response(body) {
        Err(DecodeError::Shape { path, .. }) => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path(br#"{"error":{"message":"no"}}"#), "error");
    assert_eq!(path(br#"{"object":"list"}"#), "choices");
    assert_eq!(path(br#"{"choices":[{"message":{"content":7}}]}"#), "choices[0].message.content");
}

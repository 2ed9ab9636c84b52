//! Whole answers.

use adapters_canonical::chat::{FinishReason, Part};
use adapters_canonical::dialect::Egress;
use adapters_canonical::loss::DecodeError;
use adapters_gemini::egress::Gemini;

use crate::order::{collect, join_runs};
use crate::streams;

/// Compares what `response.json` says with `response.expected.txt`, and with what it says as the
/// only chunk of a stream.
#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("gemini").join(case);
    let body = tests_golden::read(dir.join("response.json"));
    let got = Gemini.decode_response(&body).unwrap();
    tests_golden::assert_text(dir.join("response.expected.txt"), &format!("{got:#?}\n"));

    let lines = String::from_utf8(body).unwrap();
    let event: String = lines.lines().map(|line| format!("data: {line}\r\n")).collect();
    let (deltas, end) = streams::decode(&[event.as_bytes()]);
    assert_eq!(end, Ok(()));
    let whole = join_runs(got.value);
    assert_eq!(format!("{:#?}", collect(&deltas)), format!("{whole:#?}"));
}

#[test]
fn words_and_tokens_are_read() {
    check("text");
}

#[test]
fn a_seal_on_words_stays_on_them() {
    check("thought_and_sealed_text");
}

#[test]
fn calls_keep_their_seal_and_their_bytes_and_get_an_id_if_they_have_none() {
    check("parallel_calls");
}

#[test]
fn several_answers_are_told_apart() {
    check("two_candidates");
}

#[test]
fn what_only_gemini_knows_is_kept_as_it_is() {
    check("code_execution");
}

#[test]
fn a_blocked_prompt_is_an_answer_that_the_filter_ended() {
    check("blocked_prompt");
}

#[test]
fn a_picture_is_a_picture() {
    let body = br#"{"candidates":[{"content":{"parts":[
        {"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="},"thoughtSignature":"c2lnbg=="},
        {"inlineData":{"mimeType":"image/png","data":"AAAA"},"thought":true}]},
        "finishReason":"STOP"}]}"#;
    let answer = Gemini.decode_response(body).unwrap().value;
    let parts = &answer.choices[0].parts;
    assert!(
        matches!(&parts[0], Part::Image(image) if image.mime_type.as_deref() == Some("image/png"))
    );
    assert!(
        matches!(&parts[1], Part::Reasoning(seal) if seal.signature.as_deref() == Some("c2lnbg=="))
    );
    assert!(matches!(&parts[2], Part::Opaque(_)), "a thought in pictures is no answer");
}

#[test]
fn null_stands_for_absent() {
    let body = br#"{"candidates":[{"content":{"parts":[{"text":"hi","thought":null,
        "thoughtSignature":null,"functionCall":null,"inlineData":null,"new":null}],"role":null},
        "finishReason":"STOP","index":null}],"usageMetadata":null,"promptFeedback":null,
        "modelVersion":null,"responseId":null,"error":null}"#;
    let answer = Gemini.decode_response(body).unwrap().value;
    assert_eq!(answer.choices[0].parts.len(), 1);
    assert_eq!(answer.choices[0].finish.reason, FinishReason::Stop);
    assert_eq!(answer.usage, None);
}

#[test]
fn neither_an_answer_nor_a_reason_is_an_error() {
    for body in ["{}", r#"{"candidates":[]}"#, r#"{"usageMetadata":{"promptTokenCount":1}}"#] {
        let error = Gemini.decode_response(body.as_bytes()).unwrap_err();
        assert_eq!(error.path(), Some("candidates"), "{body}");
    }
    let error = Gemini.decode_response(b"{\"candidates\":\"no secret\"}").unwrap_err();
    assert!(matches!(&error, DecodeError::Syntax { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
}

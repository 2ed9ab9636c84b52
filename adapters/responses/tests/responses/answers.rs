//! A whole answer: read from a provider, written for a client.

use adapters_canonical::chat::ChatResponse;
use adapters_canonical::chat::{Choice, FinishReason, Part};
use adapters_canonical::dialect::{Dialect, Egress};
use adapters_canonical::ingress::Ingress;
use adapters_canonical::loss::DecodeError;
use adapters_responses::egress::ResponsesUpstream;
use adapters_responses::ingress::Responses;
use serde_json::{Value, json};

use crate::drive::{context, fixture};

#[track_caller]
fn check(case: &str) -> Value {
    let dir = tests_golden::fixture("responses").join(case);
    let read = ResponsesUpstream.decode_response(&fixture(case, "response.json")).unwrap();
    tests_golden::assert_text(dir.join("canonical.expected.txt"), &format!("{read:#?}\n"));
    let written = Responses.encode_response(&read.value, &context());
    assert!(written.losses.is_empty(), "{:?}", written.losses);
    let written: Value = serde_json::from_slice(&written.value).unwrap();
    tests_golden::assert_json(dir.join("client.expected.json"), &written);
    written
}

/// field 36, 37
#[test]
fn every_item_comes_through_in_order() {
    let written = check("response_every_item");
    let read: Value =
        serde_json::from_slice(&fixture("response_every_item", "response.json")).unwrap();
    // What only this dialect knows is the same, byte for byte.
    assert_eq!(written["output"][1], read["output"][1]);
    assert_eq!(written["usage"], read["usage"]);
    assert_eq!(written["tool_usage"]["web_search"]["num_requests"], 1);
}

#[test]
fn an_answer_that_was_cut_off_says_why() {
    let written = check("response_incomplete");
    assert_eq!(written["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(written["output"][0]["status"], "incomplete");
}

#[test]
fn a_failed_response_stays_one() {
    let written = check("response_failed");
    assert_eq!(written["status"], "failed");
    assert_eq!(written["error"], json!({"code": "server_error", "message": "it broke"}));
}

#[test]
fn a_blocked_prompt_is_incomplete() {
    let written = Responses.encode_response(&ChatResponse::default(), &context()).value;
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!((&written["id"], &written["status"]), (&json!("resp_req_1"), &json!("incomplete")));
    assert_eq!(written["incomplete_details"], json!({"reason": "content_filter"}));
    assert_eq!((&written["output"], &written["usage"]), (&json!([]), &Value::Null));
}

#[test]
fn the_request_is_repeated_as_the_client_wrote_it() {
    let written = Responses.encode_response(&ChatResponse::default(), &context()).value;
    let written: Value = serde_json::from_slice(&written).unwrap();
    let asked: Value = serde_json::from_slice(&context().request).unwrap();
    for member in ["tools", "tool_choice", "metadata", "temperature", "top_p", "text"] {
        assert_eq!(written[member], asked[member], "{member}");
    }
    for member in ["max_output_tokens", "parallel_tool_calls", "truncation", "service_tier"] {
        assert_eq!(written[member], asked[member], "{member}");
    }
    // Nothing is kept here, whatever was asked for.
    assert_eq!(written["store"], false);
}

#[test]
fn a_second_answer_and_foreign_parts_are_reported() {
    let opaque = adapters_canonical::chat::Opaque {
        dialect: Dialect::Anthropic,
        json: serde_json::value::to_raw_value(&json!({"type": "x"})).unwrap(),
    };
    let choice =
        |index, parts| Choice { index, parts, finish: FinishReason::Stop.into(), logprobs: None };
    let choices = vec![choice(0, vec![Part::Opaque(opaque)]), choice(1, vec![])];
    let answer = ChatResponse { choices, ..ChatResponse::default() };
    let losses = Responses.encode_response(&answer, &context()).losses;
    let paths: Vec<_> = losses.iter().map(|loss| &*loss.path).collect();
    assert_eq!(paths, ["choices[0].parts[0]", "choices[1]"]);
}

#[test]
fn a_success_that_holds_an_error_is_none() {
    let path = |body: &[u8]| match ResponsesUpstream.decode_response(body) {
        Err(DecodeError::Shape { path, .. }) => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path(br#"{"error":{"message":"no"}}"#), "error");
    assert_eq!(path(br#"{"object":"list"}"#), "output");
    assert_eq!(path(br#"{"output":[{"type":"message","content":7}]}"#), "output[0].content");
}

//! A stream for a client.

use adapters_canonical::chat::{FinishReason, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::{Framing, Ingress};
use adapters_canonical::usage::Usage;
use adapters_responses::ingress::Responses;
use serde_json::{Value, json};

use crate::drive::{context, encode, events, well_formed};

fn start() -> Delta {
    Delta::Start(Start { id: "msg_up".to_owned(), model: "deep-1".to_owned(), created: Some(7) })
}

fn begin(part: u32, kind: PartKind) -> Delta {
    Delta::PartStart { part, choice: 0, kind }
}

fn text(part: u32, text: &str) -> Delta {
    Delta::Text { part, text: text.to_owned() }
}

fn call(id: &str) -> PartKind {
    PartKind::ToolCall { id: id.to_owned(), name: "f".to_owned(), kind: ToolKind::Function }
}

fn finish(reason: FinishReason) -> Delta {
    Delta::Finish { choice: 0, finish: reason.into() }
}

fn broken(deltas: &[Delta], failure: &Failure) -> String {
    let mut encoder = Responses.encode_stream(context());
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    encoder.fail(failure, &mut out);
    let whole = out.len();
    // Called again, it has nothing to say.
    encoder.finish(&mut out);
    assert_eq!(out.len(), whole);
    String::from_utf8(out).unwrap()
}

fn broke_off() -> Failure {
    Failure::UpstreamBrokeOff { provider: "acme".to_owned() }
}

#[test]
fn the_first_and_the_last_event_carry_the_whole_response() {
    let usage = Usage { input: Some(3), output: Some(2), ..Usage::default() };
    let events = well_formed(&encode(&[
        start(),
        begin(0, PartKind::Text),
        text(0, "Hi"),
        Delta::PartEnd { part: 0 },
        Delta::Usage(usage),
        finish(FinishReason::Stop),
    ]));
    let (first, last) = (&events[0]["response"], &events.last().unwrap()["response"]);
    for response in [first, last] {
        assert_eq!(response["id"], "resp_msg_up");
        assert_eq!((&response["model"], &response["created_at"]), (&json!("deep-1"), &json!(7)));
        assert_eq!(response["temperature"], 0.5);
    }
    assert_eq!((&first["status"], &first["usage"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(last["status"], "completed");
    assert_eq!(last["usage"]["total_tokens"], 5);
    assert_eq!(last["output"][0]["content"][0]["text"], "Hi");
}

/// field 1, 9
#[test]
fn a_stream_that_breaks_off_ends_with_a_failed_response() {
    let written = broken(&[start(), begin(0, PartKind::Text), text(0, "Ha")], &broke_off());
    let events = well_formed(&written);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    let response = &last["response"];
    assert_eq!(response["status"], "failed");
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert_eq!(response["output"][0]["content"][0]["text"], "Ha");
    let error = &response["error"];
    assert_eq!(error["code"], "server_error");
    assert_eq!(
        (&error["reason"], &error["request_id"]),
        (&json!("upstream_broke_off"), &json!("req_1"))
    );
    assert_eq!(error["provider"], "acme");
}

#[test]
fn a_stream_that_fails_before_it_starts_still_begins_as_sdks_expect() {
    let failure = Failure::UpstreamRefused {
        provider: "acme".to_owned(),
        error: UpstreamError::from_status(401),
    };
    let written = broken(&[], &failure);
    let names: Vec<_> = well_formed(&written).iter().map(|it| it["type"].clone()).collect();
    assert_eq!(names, ["response.created", "response.in_progress", "response.failed"]);
    assert!(written.contains("refused the gateway's credential"), "{written}");
}

#[test]
fn a_call_that_is_not_complete_is_never_said_to_be() {
    let arguments = Delta::Arguments { part: 0, fragment: "{\"rm\":".to_owned() };
    let written = broken(&[start(), begin(0, call("a")), arguments], &broke_off());
    let events = well_formed(&written);
    assert!(!events.iter().any(|event| event["type"].as_str().unwrap().ends_with(".done")));
    assert_eq!(events.last().unwrap()["response"]["output"], json!([]));
}

/// field 23
#[test]
fn a_call_without_arguments_is_an_empty_object() {
    let deltas =
        [start(), begin(0, call("a")), Delta::PartEnd { part: 0 }, finish(FinishReason::ToolCalls)];
    let events = well_formed(&encode(&deltas));
    let said = |name: &str, member: &str| {
        let event = events.iter().find(|event| event["type"] == name).unwrap();
        event[member].clone()
    };
    assert_eq!(said("response.function_call_arguments.delta", "delta"), "{}");
    assert_eq!(said("response.function_call_arguments.done", "arguments"), "{}");
}

#[test]
fn an_answer_that_reached_its_limit_is_incomplete() {
    let deltas = [
        start(),
        begin(0, PartKind::Text),
        text(0, "Ha"),
        Delta::PartEnd { part: 0 },
        finish(FinishReason::Length),
    ];
    let events = well_formed(&encode(&deltas));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn a_second_answer_is_left_out() {
    let other = Delta::PartStart { part: 0, choice: 1, kind: PartKind::Text };
    let deltas = [start(), other, text(0, "no"), Delta::PartEnd { part: 0 }];
    assert_eq!(well_formed(&encode(&deltas)).len(), 3);
}

#[test]
fn a_heartbeat_is_a_comment() {
    let beat = String::from_utf8(Responses.heartbeat(Framing::Events).to_vec()).unwrap();
    assert!(beat.starts_with(": ") && beat.ends_with("\n\n"));
    assert!(events(&beat).is_empty());
}

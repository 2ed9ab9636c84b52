//! A stream that passes unchanged.

use adapters_canonical::failure::{ErrorKind, Failure};
use adapters_canonical::ingress::{Ingress, StreamTap};
use adapters_canonical::loss::DecodeError;
use adapters_responses::ingress::Responses;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::drive::{STREAMS, context, events, fixture};

struct Passed {
    tap: Box<dyn StreamTap>,
    text: String,
    end: Result<(), DecodeError>,
}

fn pass<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Passed {
    let mut tap = Responses.pass_stream(context(), false);
    let mut out = Vec::new();
    for piece in pieces {
        tap.push(piece, &mut out).unwrap();
    }
    let end = tap.finish(&mut out);
    Passed { tap, text: String::from_utf8_lossy(&out).into_owned(), end }
}

fn text(case: &str) -> String {
    String::from_utf8(fixture(case, "stream.sse")).unwrap()
}

fn failed(mut passed: Passed) -> (Vec<Value>, Value) {
    let failure = Failure::UpstreamBrokeOff { provider: "acme".to_owned() };
    let mut out = passed.text.clone().into_bytes();
    passed.tap.fail(&failure, &mut out);
    let events = events(&String::from_utf8(out).unwrap());
    let last = events.last().unwrap().clone();
    (events, last)
}

/// field 13
#[test]
fn the_words_that_no_usage_counts_are_measured() {
    let delta = |kind: &str, delta: &str| {
        format!("data: {{\"type\":\"response.{kind}.delta\",\"delta\":\"{delta}\"}}\n\n")
    };
    let said = delta("output_text", "twelve bytes") + &delta("function_call_arguments", "[1,2]");
    assert_eq!(pass([said.as_bytes()]).tap.unreported(), 12 + 5);
    let usage = json!({"input_tokens": 3, "output_tokens": 9, "total_tokens": 12});
    let last = json!({"type": "response.completed", "response": {"id": "r", "usage": usage}});
    let counted = format!("{said}data: {last}\n\n");
    assert_eq!(pass([counted.as_bytes()]).tap.unreported(), 0);
}

#[test]
fn a_stream_passes_byte_for_byte() {
    for case in STREAMS {
        let (passed, whole) = (pass([text(case).as_bytes()]), text(case));
        match *case {
            "stream_failed" | "stream_error" => assert!(whole.starts_with(&passed.text), "{case}"),
            "stream_odd_lines" => {
                let kept = whole.replace("data: {oops\n\n", "").replace("data: [7]\n\n", "");
                assert_eq!(passed.text, kept);
                assert_eq!(passed.tap.malformed(), 2);
            }
            _ => assert_eq!(passed.text, whole, "{case}"),
        }
    }
}

#[test]
fn the_usage_is_that_of_the_last_event() {
    let passed = pass([text("stream_text").as_bytes()]);
    let usage = passed.tap.usage().unwrap();
    assert_eq!((usage.total_input(), usage.output), (Some(100), Some(12)));
    assert_eq!((usage.cache_read, usage.reasoning), (Some(60), Some(5)));
    assert!(passed.tap.is_complete() && passed.tap.saw_content());
    assert_eq!(passed.end, Ok(()));
    // One that failed costs something all the same.
    assert!(pass([text("stream_failed").as_bytes()]).tap.usage().is_some());
}

/// field 4
#[test]
fn what_only_opens_a_response_is_no_content() {
    let stream = text("stream_text");
    let mut tap = Responses.pass_stream(context(), false);
    let mut out = Vec::new();
    for frame in stream.split_inclusive("\n\n") {
        let opens = ["created", "in_progress", "output_item.added", "content_part.added"]
            .iter()
            .any(|name| frame.starts_with(&format!("event: response.{name}\n")));
        tap.push(frame.as_bytes(), &mut out).unwrap();
        assert_eq!(tap.saw_content(), !opens, "{frame}");
        if !opens {
            break;
        }
    }
    let empty = r#"{"type":"response.output_text.delta","delta":""}"#;
    let passed = pass([format!("data: {empty}\n\n").as_bytes()]);
    assert!(!passed.tap.saw_content());
}

/// field 4, 5, 9
#[test]
fn an_error_before_there_is_content_leaves_another_attempt() {
    let passed = pass([text("stream_failed").as_bytes()]);
    assert!(!passed.tap.saw_content() && !passed.tap.is_complete());
    assert_eq!(passed.tap.error().map(|error| error.kind), Some(ErrorKind::RateLimit));
    assert!(!passed.text.contains("response.failed"));
    let (_, last) = failed(passed);
    assert_eq!(last["response"]["error"]["code"], "server_error");
}

/// field 9
#[test]
fn a_failure_in_the_middle_is_the_providers_own_and_is_noted() {
    let passed = pass([text("stream_failed_late").as_bytes()]);
    assert_eq!(passed.text, text("stream_failed_late"));
    assert_eq!(passed.tap.error().map(|error| error.status), Some(500));
    assert!(!passed.tap.is_complete());
    // It is the end of the stream already.
    let (events, last) = failed(passed);
    assert_eq!(events.iter().filter(|it| it["type"] == "response.failed").count(), 1);
    assert_eq!(last["response"]["error"]["message"], "it broke");
}

/// field 1, 16
#[test]
fn a_stream_that_breaks_off_goes_on_with_its_own_response_and_number() {
    for case in ["stream_truncated", "stream_error"] {
        let passed = pass([text(case).as_bytes()]);
        assert_eq!(passed.end, Err(DecodeError::Truncated), "{case}");
        let (events, last) = failed(passed);
        assert_eq!(last["type"], "response.failed");
        let before = events[events.len() - 2]["sequence_number"].as_u64().unwrap();
        assert!(last["sequence_number"].as_u64().unwrap() > before, "{case}");
        let (first, response) = (&events[0]["response"], &last["response"]);
        for member in ["id", "model", "created_at", "tools", "tool_choice", "instructions"] {
            assert_eq!(first[member], response[member], "{case} {member}");
        }
        assert_eq!(response["status"], "failed");
        assert_eq!(response["error"]["reason"], "upstream_broke_off");
    }
    // What is complete of its output stands in it.
    let (_, last) = failed(pass([text("stream_truncated").as_bytes()]));
    assert_eq!(last["response"]["output"][0]["encrypted_content"], "gAAAAAwhole");
    // A stream that never began still begins as SDKs expect.
    let (events, _) = failed(pass([]));
    let names: Vec<_> = events.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(names, ["response.created", "response.in_progress", "response.failed"]);
}

#[test]
fn after_a_well_formed_end_there_is_nothing_to_add() {
    let (events, last) = failed(pass([text("stream_text").as_bytes()]));
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["status"], json!("completed"));
    assert_eq!(events.len(), super::drive::events(&text("stream_text")).len());
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    for case in STREAMS {
        let stream = text(case);
        let whole = pass([stream.as_bytes()]);
        for at in 0..=stream.len() {
            let (before, after) = stream.as_bytes().split_at(at);
            let cut = pass([before, after]);
            assert_eq!((&cut.text, &cut.end), (&whole.text, &whole.end), "{case} cut at {at}");
            assert_eq!(cut.tap.usage(), whole.tap.usage());
            assert_eq!(cut.tap.saw_content(), whole.tap.saw_content());
            assert_eq!(cut.tap.error(), whole.tap.error());
        }
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(
        stream in prop::collection::vec(prop::sample::select(&b"data: {}[]\"\\\r\n:,1xe\xFF"[..]), 0..200),
    ) {
        drop(failed(pass([&*stream])));
    }
}

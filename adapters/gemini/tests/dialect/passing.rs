//! Streams that pass unchanged, and what is learned of them.

use adapters_canonical::dialect::Egress;
use adapters_canonical::failure::ErrorKind;
use adapters_canonical::ingress::{Framing, Ingress, StreamTap};
use adapters_canonical::loss::DecodeError;
use adapters_gemini::egress::Gemini;
use adapters_gemini::ingress::GenerateContent;
use proptest::prelude::*;
use serde_json::Value;

use crate::said::{broken, context};
use crate::{order, streams};

struct Passed {
    out: Vec<u8>,
    end: Result<(), DecodeError>,
    tap: Box<dyn StreamTap>,
}

fn pass(pieces: &[&[u8]], framing: Framing) -> Passed {
    let mut tap = GenerateContent.pass_stream(context(framing), false);
    let mut out = Vec::new();
    for piece in pieces {
        tap.push(piece, &mut out).unwrap();
    }
    let end = tap.finish(&mut out);
    Passed { out, end, tap }
}

fn body(case: &str) -> Vec<u8> {
    tests_golden::read(tests_golden::fixture("gemini").join(case).join("stream.sse"))
}

const CASES: &[&[&str]] = &[streams::WELL, streams::CUT];

#[test]
fn a_stream_of_events_passes_byte_for_byte() {
    for case in ["stream_text", "stream_parallel_calls", "stream_two_candidates"] {
        let body = body(case);
        let passed = pass(&[&body], Framing::Events);
        let same = passed.out == body;
        assert!(same && passed.end == Ok(()) && passed.tap.malformed() == 0, "{case}");
    }
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    for case in CASES.concat() {
        for framing in [Framing::Events, Framing::JsonArray] {
            let body = body(case);
            let whole = pass(&[&body], framing);
            for at in 1..body.len() {
                let (left, right) = body.split_at(at);
                let cut = pass(&[left, right], framing);
                assert_eq!((&cut.out, &cut.end), (&whole.out, &whole.end), "{case} cut at {at}");
                assert_eq!(cut.tap.usage(), whole.tap.usage(), "{case} cut at {at}");
            }
        }
    }
}

#[test]
fn the_tap_learns_what_the_decoder_reads() {
    for case in CASES.concat() {
        let body = body(case);
        let (deltas, end) = streams::decode(&[&body]);
        let read = order::collect(&deltas);
        for framing in [Framing::Events, Framing::JsonArray] {
            let passed = pass(&[&body], framing);
            assert_eq!(passed.tap.usage(), read.usage.as_ref(), "{case}");
            let failed = passed.tap.error().is_some();
            assert_eq!(passed.end.is_ok(), end.is_ok() && !failed, "{case}");
            if passed.end.is_ok() {
                let (again, end) = streams::decode(&[&passed.out]);
                assert_eq!(end, Ok(()), "{case}");
                let told = format!("{:#?}", order::collect(&again));
                assert_eq!(told, format!("{read:#?}"), "{case}");
            }
        }
    }
}

#[test]
fn a_client_that_wants_an_array_gets_one_however_it_ends() {
    for case in CASES.concat() {
        let mut passed = pass(&[&body(case)], Framing::JsonArray);
        if passed.end.is_err() {
            passed.tap.fail(&broken(), &mut passed.out);
        }
        let chunks: Vec<Value> = serde_json::from_slice(&passed.out).unwrap();
        assert_eq!(chunks.last().is_some_and(|it| it["error"].is_object()), passed.end.is_err());
    }
}

// field 2, 4, 5
#[test]
fn an_error_is_left_out_and_so_is_what_follows() {
    let error = br#"data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
    let mut stream = error.to_vec();
    stream.extend_from_slice(b"\r\n\r\n");
    stream.extend_from_slice(&body("stream_text"));
    let Passed { mut out, end, mut tap } = pass(&[&stream], Framing::Events);
    assert_eq!((out.len(), end), (0, Err(DecodeError::Truncated)));
    assert_eq!(
        tap.error().map(|error| (error.status, error.kind)),
        Some((503, ErrorKind::Overloaded))
    );
    assert!(!tap.saw_content() && !tap.is_complete());
    tap.fail(&broken(), &mut out);
    assert!(out.starts_with(br#"data: {"error":{"code":502,"#));
}

// Google's Python SDK takes every line that does not begin with `data: ` for a chunk.
#[test]
fn what_an_sdk_would_stumble_over_is_framed_anew_or_left_out() {
    let chunk = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let expected = format!("data: {chunk}\r\n\r\n");
    for odd in [
        format!(": ping\n\ndata: {chunk}\r\n\r\n"),
        format!("data:{chunk}\n\n"),
        format!("event: chunk\ndata: {chunk}\n\n"),
        format!("id: 7\r\ndata: {chunk}\r\n\r\n"),
        format!("[{chunk}]"),
        format!("[{chunk}\n,\r\n]"),
        format!("data: {chunk}\r\n\r\ndata: [DONE]\r\n\r\n"),
        format!("data: {chunk}"),
    ] {
        let passed = pass(&[odd.as_bytes()], Framing::Events);
        assert_eq!(String::from_utf8(passed.out).unwrap(), expected, "{odd}");
        assert_eq!(passed.end, Ok(()), "{odd}");
    }
    let lines = chunk.replace(",\"finish", ",\r\n\"finish");
    let passed = pass(&[format!("[{lines}]").as_bytes()], Framing::Events);
    assert_eq!(String::from_utf8(passed.out).unwrap().lines().count(), 2, "one event");
}

#[test]
fn one_bad_event_is_left_out_and_counted() {
    let passed = pass(&[&body("stream_bad_event")], Framing::Events);
    assert_eq!((passed.end, passed.tap.malformed()), (Ok(()), 1));
    let strange = b"data: {\"candidates\":7}\r\n\r\n";
    let passed = pass(&[strange], Framing::Events);
    assert_eq!((&*passed.out, passed.tap.malformed()), (&strange[..], 0));
    // Strange first, and no JSON behind that.
    let passed = pass(&[b"data: {\"candidates\":7,\"usageMetadata\":}\r\n\r\n"], Framing::Events);
    assert_eq!((&*passed.out, passed.tap.malformed()), (&b""[..], 1));
}

#[test]
fn an_end_without_an_answer_is_no_end() {
    let blocked = br#"data: {"promptFeedback":{"blockReason":"SAFETY"}}"#;
    let passed = pass(&[blocked], Framing::Events);
    assert!(passed.end.is_ok() && passed.tap.is_complete() && !passed.tap.saw_content());
    assert_eq!(pass(&[b""], Framing::Events).end, Err(DecodeError::Truncated));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        array in any::<bool>(),
    ) {
        let framing = if array { Framing::JsonArray } else { Framing::Events };
        let mut tap = GenerateContent.pass_stream(context(framing), false);
        let mut out = Vec::new();
        let _ = tap.push(&bytes, &mut out);
        if tap.finish(&mut out).is_err() {
            tap.fail(&broken(), &mut out);
        }
        if array {
            prop_assert!(serde_json::from_slice::<Vec<Value>>(&out).is_ok());
        }
    }
}

#[test]
fn usage_of_a_whole_answer_is_that_of_the_decoder() {
    for case in ["text", "parallel_calls", "two_candidates"] {
        let body =
            tests_golden::read(tests_golden::fixture("gemini").join(case).join("response.json"));
        let read = Gemini.decode_response(&body).unwrap().value.usage;
        assert_eq!(GenerateContent.read_usage(&body), read, "{case}");
    }
}

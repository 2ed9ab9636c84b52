//! A stream that passes unchanged.

use adapters_canonical::dialect::{AnswerContext, StreamErrors};
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::DecodeError;
use adapters_openai::passthrough::ChunkTap;
use proptest::prelude::*;

use crate::drive::{chunks, context, fixture};

const STREAMS: &[&str] = &[
    "stream_text",
    "stream_injected_usage",
    "stream_calls",
    "stream_calls_odd",
    "stream_azure",
    "stream_merged_usage",
    "stream_thoughts",
    "stream_error",
    "stream_truncated",
    "stream_choices",
    "stream_odd_lines",
    "stream_annotated",
    "stream_named_thoughts",
];

struct Passed {
    tap: ChunkTap,
    text: String,
    end: Result<(), DecodeError>,
}

fn pass<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, injected: bool) -> Passed {
    let include_usage = !injected;
    let context = AnswerContext { include_usage, ..context() };
    let mut tap = ChunkTap::new(context, injected);
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

#[test]
fn a_stream_passes_byte_for_byte() {
    for case in
        ["stream_text", "stream_injected_usage", "stream_calls", "stream_azure", "stream_thoughts"]
    {
        let passed = pass([text(case).as_bytes()], false);
        assert_eq!((passed.text, passed.end), (text(case), Ok(())), "{case}");
    }
}

/// field 44
#[test]
fn usage_that_only_we_asked_for_does_not_reach_the_client() {
    let passed = pass([text("stream_injected_usage").as_bytes()], true);
    let expected: String = text("stream_injected_usage")
        .split_inclusive("\n\n")
        .filter(|frame| !frame.contains("prompt_tokens"))
        .map(|frame| frame.replace(r#"],"usage":null,"ob"#, r#"],"ob"#))
        .collect();
    assert_eq!((passed.text, passed.end), (expected, Ok(())));
    let usage = passed.tap.usage().unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.output), (Some(9), Some(0), Some(2)));
    assert!(passed.tap.is_complete() && passed.tap.saw_content());
    assert_eq!((passed.tap.id(), passed.tap.model()), ("chatcmpl-1", "small-1"));
}

/// field 19
#[test]
fn usage_in_the_last_chunk_is_cut_out_and_a_missing_done_is_supplied() {
    let passed = pass([text("stream_merged_usage").as_bytes()], true);
    assert!(!passed.text.contains("usage"), "{}", passed.text);
    assert_eq!(chunks(&passed.text)[1]["choices"][0]["finish_reason"], "length");
    assert_eq!(passed.tap.usage().and_then(|usage| usage.output), Some(1));
}

/// field 13
#[test]
fn the_words_that_no_usage_counts_are_measured() {
    let chunk = |delta: &str| format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
    let said = chunk(r#"{"role":"assistant","content":""}"#)
        + &chunk(r#"{"content":"twelve bytes"}"#)
        + &chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#);
    assert_eq!(pass([said.as_bytes()], false).tap.unreported(), 12 + 7);
    let counted = said + "data: {\"choices\":[],\"usage\":{\"completion_tokens\":9}}\n\n";
    assert_eq!(pass([counted.as_bytes()], false).tap.unreported(), 0);
    let more = counted + &chunk(r#"{"content":"four"}"#);
    assert_eq!(pass([more.as_bytes()], false).tap.unreported(), 4);
}

#[test]
fn the_end_of_nothing_is_no_end() {
    for stream in ["data: [DONE]\n\n", "data: {\"cho\n\ndata: [DONE]\n\n"] {
        let passed = pass([stream.as_bytes()], false);
        assert_eq!((passed.text.as_str(), passed.end), ("", Err(DecodeError::Truncated)));
    }
}

/// field 2, 15
#[test]
fn bad_frames_are_left_out_and_odd_ones_pass() {
    let passed = pass([text("stream_odd_lines").as_bytes()], false);
    let expected = text("stream_odd_lines").replace("data: not json\r\n\r\n", "") + "\n\n";
    assert_eq!((passed.text, passed.tap.malformed()), (expected, 1));
    let passed = pass([text("stream_odd_lines").as_bytes()], true);
    assert!(!passed.text.contains("usage"), "{}", passed.text);
    assert!(passed.text.contains("\"delta\":{\"content\":\"Hi\"}}]"), "{}", passed.text);
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    for case in STREAMS {
        let stream = fixture(case, "stream.sse");
        for injected in [false, true] {
            let whole = pass([&*stream], injected);
            for at in 0..=stream.len() {
                let cut = pass([&stream[..at], &stream[at..]], injected);
                assert_eq!((&cut.text, &cut.end), (&whole.text, &whole.end), "{case} at {at}");
            }
            let cut = pass(stream.chunks(1), injected);
            assert_eq!((&cut.text, cut.tap.usage()), (&whole.text, whole.tap.usage()), "{case}");
        }
    }
}

fn broken(case: &str, stream_errors: StreamErrors) -> Vec<serde_json::Value> {
    let context = AnswerContext { include_usage: true, stream_errors, ..context() };
    let mut tap = ChunkTap::new(context, false);
    let mut out = Vec::new();
    tap.push(&fixture(case, "stream.sse"), &mut out).unwrap();
    tap.fail(&Failure::UpstreamBrokeOff { provider: "acme".to_owned() }, &mut out);
    let length = out.len();
    tap.fail(&Failure::Internal, &mut out);
    assert_eq!(out.len(), length, "a stream ends once");
    chunks(&String::from_utf8(out).unwrap())
}

/// field 1, 16
#[test]
fn a_broken_stream_ends_under_its_own_name() {
    let chunks = broken("stream_truncated", StreamErrors::Graceful);
    let last = chunks.last().unwrap();
    assert_eq!(chunks.len(), 3);
    assert_eq!(last["id"], "chatcmpl-1");
    assert_eq!(last["model"], "small-1");
    assert_eq!(last["created"], 1_790_000_000);
    assert_eq!(last["choices"][0]["finish_reason"], "error");
    assert_eq!(last["gateway_error"]["code"], "upstream_broke_off");
    assert_eq!(last["gateway_error"]["request_id"], "req_1");
    let explicit = broken("stream_truncated", StreamErrors::Explicit);
    assert_eq!(explicit.last().unwrap()["error"]["code"], "upstream_broke_off");
}

#[test]
fn a_choice_that_has_ended_is_not_ended_again() {
    let chunks = broken("stream_merged_usage", StreamErrors::Graceful);
    assert_eq!(chunks.len(), 2, "{chunks:?}");
    let nothing = pass([b"".as_slice()], false);
    assert_eq!((nothing.text.as_str(), nothing.end), ("", Err(DecodeError::Truncated)));
}

/// field 1, 5
#[test]
fn an_error_is_held_back_for_the_caller_to_end_with() {
    let mut passed = pass([text("stream_error").as_bytes()], false);
    assert_eq!(passed.end, Err(DecodeError::Truncated));
    let error = passed.tap.error().unwrap().clone();
    assert_eq!((error.status, error.message.as_str()), (502, "gone away"));
    assert!(passed.tap.saw_content());
    let mut rest = Vec::new();
    let failure = Failure::UpstreamRefused { provider: "acme".to_owned(), error };
    passed.tap.fail(&failure, &mut rest);
    let chunks = chunks(&(passed.text + std::str::from_utf8(&rest).unwrap()));
    assert_eq!(chunks[1]["gateway_error"]["message"], "gone away");
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "error");
    assert_eq!(chunks[2]["usage"]["prompt_tokens"], 4);
}

/// field 4
#[test]
fn a_role_is_no_content_and_a_call_is() {
    let saw = |delta: &str| {
        let chunk = format!("data: {{\"choices\":[{{\"delta\":{{{delta}}}}}]}}\n\n");
        pass([chunk.as_bytes()], false).tap.saw_content()
    };
    for nothing in ["", r#""role":"assistant","content":"","refusal":null"#, r#""tool_calls":[]"#] {
        assert!(!saw(nothing), "{nothing}");
    }
    for something in [
        r#""content":"x""#,
        r#""reasoning_content":"x""#,
        r#""content":[{"type":"text"}]"#,
        r#""tool_calls":[{"index":0}]"#,
        r#""function_call":{"name":"f"}"#,
    ] {
        assert!(saw(something), "{something}");
    }
}

#[test]
fn the_member_is_cut_out_wherever_it_stands() {
    for (chunk, expected) in [
        (r#"{"usage":null,"choices":[]}"#, r#"{"choices":[]}"#),
        (r#"{ "usage" : null , "choices":[]}"#, r#"{  "choices":[]}"#),
        (r#"{"choices":[] , "usage": null }"#, r#"{"choices":[]  }"#),
        (
            r#"{"a":"}{\"usage\":1,","usage":null,"choices":[]}"#,
            r#"{"a":"}{\"usage\":1,","choices":[]}"#,
        ),
        (r#"{"usage":null}"#, "{}"),
        (
            r#"{"choices":[{"usage":null,"delta":{}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"usage":null,"delta":{}}]}"#,
        ),
    ] {
        let passed = pass([format!("data: {chunk}\n\n").as_bytes()], true);
        assert_eq!(passed.text, format!("data: {expected}\n\n"));
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_hides_a_comment(
        stream in prop::collection::vec(prop::sample::select(&b"data: {}[]\"\\\r\n:,1xe\xFF"[..]), 0..200),
        size in 1_usize..50,
    ) {
        let whole = pass([&*stream], true);
        let split = pass(stream.chunks(size), true);
        prop_assert_eq!(whole.text, split.text);
    }
}

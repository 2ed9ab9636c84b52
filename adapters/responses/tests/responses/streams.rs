//! A provider's stream, read and written again.

use adapters_canonical::delta::Delta;
use adapters_canonical::loss::DecodeError;
use proptest::prelude::*;

use crate::drive::{End, STREAMS, collect, decode, encode, fixture, well_formed};

/// No arguments of a function are written as `{}`, since clients parse them.
const NO_ARGUMENTS: &str = r#"arguments: "", kind: Function"#;
const EMPTY_OBJECT: &str = r#"arguments: "{}", kind: Function"#;

fn shown(deltas: &[Delta]) -> String {
    deltas.iter().fold(String::new(), |text, delta| text + &format!("{delta:?}\n"))
}

/// Compares the deltas of a stream, and what a client gets of one that ends well.
#[track_caller]
fn compare(case: &str) -> (Vec<Delta>, End) {
    let dir = tests_golden::fixture("responses").join(case);
    let (deltas, end) = decode([&*fixture(case, "stream.sse")]);
    let text = format!("{}{end:?}\n", shown(&deltas));
    tests_golden::assert_text(dir.join("deltas.expected.txt"), &text);
    drop(collect(&deltas));
    (deltas, end)
}

#[track_caller]
fn check(case: &str) {
    let (deltas, end) = compare(case);
    assert_eq!(end, Ok(()));
    let written = encode(&deltas);
    well_formed(&written);
    let dir = tests_golden::fixture("responses").join(case);
    tests_golden::assert_text(dir.join("client.expected.sse"), &written);
}

#[test]
fn text_comes_with_its_citations_and_probabilities() {
    check("stream_text");
}

/// field 31
#[test]
fn the_cipher_of_a_thought_is_the_one_of_the_complete_item() {
    check("stream_thoughts");
    let (deltas, _) = decode([&*fixture("stream_thoughts", "stream.sse")]);
    let seals: Vec<_> = deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::Signature { signature, .. } => Some(signature.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(seals, ["gAAAAAwhole"]);
}

/// The number of a hidden item is left out in the stream and in the last event.
#[test]
fn what_was_streamed_is_not_said_again_though_a_number_was_left_out() {
    check("stream_gap");
    let (deltas, _) = decode([&*fixture("stream_gap", "stream.sse")]);
    let said: String = deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, "I look it up.It is four.");
}

#[test]
fn thoughts_word_for_word_are_thoughts_too() {
    check("stream_words");
}

/// field 29
#[test]
fn parallel_calls_may_alternate() {
    check("stream_calls");
}

#[test]
fn tools_of_the_provider_are_kept_whole_and_unknown_events_are_counted() {
    check("stream_provider_tools");
    let (deltas, _) = decode([&*fixture("stream_provider_tools", "stream.sse")]);
    let losses = deltas.iter().filter(|delta| matches!(delta, Delta::Loss(_))).count();
    assert_eq!(losses, 1);
}

#[test]
fn an_answer_that_was_cut_off_is_incomplete() {
    check("stream_incomplete");
}

#[test]
fn refusals_are_streamed() {
    check("stream_refusal");
}

/// field 24
#[test]
fn what_would_overlap_waits_for_its_turn() {
    check("stream_overlap");
}

#[test]
fn what_came_without_fragments_is_said_whole() {
    check("stream_sparse");
}

/// field 2
#[test]
fn one_bad_event_does_not_end_a_stream() {
    check("stream_odd_lines");
    let (deltas, _) = decode([&*fixture("stream_odd_lines", "stream.sse")]);
    let malformed = deltas.iter().filter(|delta| matches!(delta, Delta::Malformed(_))).count();
    assert_eq!(malformed, 3);
}

/// field 4, 5
#[test]
fn an_error_inside_a_stream_is_a_failure() {
    for (case, status) in
        [("stream_failed", 429), ("stream_failed_late", 500), ("stream_error", 500)]
    {
        let (deltas, end) = compare(case);
        assert_eq!(end, Ok(()), "{case}");
        match deltas.last() {
            Some(Delta::Failure(error)) => assert_eq!(error.status, status, "{case}"),
            other => panic!("{other:?}"),
        }
    }
}

/// field 16
#[test]
fn a_stream_that_stops_early_is_truncated_and_keeps_what_it_said() {
    let (deltas, end) = compare("stream_truncated");
    assert_eq!(end, Err(DecodeError::Truncated));
    assert!(deltas.iter().any(|delta| matches!(delta, Delta::Text { .. })));
    assert_eq!(decode([b"".as_slice()]).1, Err(DecodeError::Truncated));
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    // Between them these have every kind of event; the others are cut between all bytes at once.
    let everywhere = ["stream_text", "stream_thoughts", "stream_calls", "stream_odd_lines"];
    for case in STREAMS {
        let stream = fixture(case, "stream.sse");
        let (whole, end) = decode([&*stream]);
        let whole = shown(&whole);
        let cuts = if everywhere.contains(case) { 0..=stream.len() } else { 0..=0 };
        for at in cuts {
            let (deltas, cut) = decode([&stream[..at], &stream[at..]]);
            assert_eq!((shown(&deltas), &cut), (whole.clone(), &end), "{case} cut at {at}");
        }
        let (deltas, cut) = decode(stream.chunks(1));
        assert_eq!((shown(&deltas), cut), (whole, end), "{case} byte by byte");
    }
}

#[test]
fn what_we_write_we_read_as_the_same_answer() {
    for case in STREAMS {
        let (deltas, _) = decode([&*fixture(case, "stream.sse")]);
        let Ok(first) = collect(&deltas) else { continue };
        let (again, end) = decode([encode(&deltas).as_bytes()]);
        assert_eq!(end, Ok(()), "{case}");
        let second = collect(&again).unwrap();
        let [first, second] = [first, second].map(|it| format!("{:?} {:?}", it.choices, it.usage));
        assert_eq!(first.replace(NO_ARGUMENTS, EMPTY_OBJECT), second, "{case}");
    }
}

/// Something a provider might write.
fn frame() -> impl Strategy<Value = String> {
    let (at, content, text) = (0_u64..3, 0_u64..2, "[a-c]{0,3}");
    let item = prop::sample::select(vec![
        r#"{"type":"message","id":"m","content":[{"type":"output_text","text":"abc"}]}"#,
        r#"{"type":"reasoning","id":"r","summary":[{"text":"t"}],"encrypted_content":"e"}"#,
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#,
        r#"{"type":"custom_tool_call","call_id":"d","name":"g","input":"x"}"#,
        r#"{"type":"web_search_call","id":"w"}"#,
        r#"{"type":"message"}"#,
        "{}",
    ]);
    let verb = prop::sample::select(vec!["added", "done"]);
    let item = (verb, at.clone(), item).prop_map(|(verb, at, item)| {
        format!(r#"{{"type":"response.output_item.{verb}","output_index":{at},"item":{item}}}"#)
    });
    let kind = prop::sample::select(vec![
        "output_text.delta",
        "output_text.done",
        "refusal.delta",
        "content_part.added",
        "content_part.done",
        "reasoning_summary_text.delta",
        "reasoning_text.delta",
        "function_call_arguments.delta",
        "output_text.annotation.added",
        "novelty",
    ]);
    let step = (kind, at, content, text).prop_map(|(kind, at, content, text)| {
        format!(
            r#"{{"type":"response.{kind}","output_index":{at},"content_index":{content},
                "summary_index":{content},"delta":"{text}","text":"{text}",
                "part":{{"type":"output_text"}},"annotation":
                {{"type":"url_citation","url":"u","start_index":0,"end_index":1}}}}"#
        )
        .replace('\n', " ")
    });
    prop_oneof![
        6 => item,
        10 => step,
        1 => Just("{oops".to_owned()),
        1 => Just(r#"{"type":"response.completed","response":{"status":"completed"}}"#.to_owned()),
        1 => Just(r#"{"type":"response.failed","response":{}}"#.to_owned()),
        1 => Just(r#"{"type":"error","message":"m"}"#.to_owned()),
    ]
}

proptest! {
    /// field 24, 28
    #[test]
    fn deltas_keep_their_order_and_are_written_well_whatever_comes_in(
        frames in prop::collection::vec(frame(), 0..16),
        size in 1_usize..40,
    ) {
        let stream: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        let (deltas, end) = decode([stream.as_bytes()]);
        let whole = collect(&deltas);
        if end.is_ok() && !matches!(deltas.last(), Some(Delta::Failure(_))) {
            let first = whole.unwrap();
            let written = encode(&deltas);
            well_formed(&written);
            let second = collect(&decode([written.as_bytes()]).0).unwrap();
            let [first, second] = [first, second].map(|it| format!("{:?}", it.choices));
            prop_assert_eq!(first.replace(NO_ARGUMENTS, EMPTY_OBJECT), second);
        }
        let (split, split_end) = decode(stream.as_bytes().chunks(size));
        prop_assert_eq!((shown(&split), split_end), (shown(&deltas), end));
    }

    #[test]
    fn garbage_never_panics(
        stream in prop::collection::vec(prop::sample::select(&b"data: {}[]\"\\\r\n:,1xe\xFF"[..]), 0..200),
    ) {
        let (deltas, _) = decode([&*stream]);
        drop(collect(&deltas));
    }
}

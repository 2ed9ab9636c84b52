//! A provider's stream, read and written again.

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::loss::DecodeError;
use proptest::prelude::*;

use crate::drive::{Assembly, context, decode, encode, fixture};

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

fn shown(deltas: &[Delta]) -> String {
    deltas.iter().fold(String::new(), |text, delta| text + &format!("{delta:?}\n"))
}

/// Compares the deltas of a stream that ends well.
#[track_caller]
fn check(case: &str) {
    let (_, end) = compare(case);
    assert_eq!(end, Ok(()));
}

#[track_caller]
fn compare(case: &str) -> (Vec<Delta>, Result<(), DecodeError>) {
    let dir = tests_golden::fixture("openai").join(case);
    let (deltas, end) = decode([&*fixture(case, "stream.sse")]);
    let text = format!("{}{end:?}\n", shown(&deltas));
    tests_golden::assert_text(dir.join("deltas.expected.txt"), &text);
    Assembly::of(&deltas);
    (deltas, end)
}

#[test]
fn text_that_looks_like_a_member_is_text() {
    check("stream_text");
}

#[test]
fn usage_comes_in_a_chunk_of_its_own() {
    check("stream_injected_usage");
}

/// field 19
#[test]
fn usage_comes_with_the_end_and_done_is_missing() {
    check("stream_merged_usage");
}

#[test]
fn calls_are_told_apart_by_their_index() {
    check("stream_calls");
}

/// field 21, 28
#[test]
fn calls_without_index_or_id_are_told_apart_all_the_same() {
    check("stream_calls_odd");
}

#[test]
fn a_first_chunk_may_have_no_choice() {
    check("stream_azure");
}

/// field 32
#[test]
fn thoughts_are_not_doubled() {
    check("stream_thoughts");
}

#[test]
fn citations_probabilities_pictures_and_sound_come_through() {
    check("stream_annotated");
}

/// field 35
#[test]
fn a_thought_says_whose_it_is() {
    check("stream_named_thoughts");
}

#[test]
fn choices_may_alternate() {
    check("stream_choices");
}

/// field 2, 15
#[test]
fn one_bad_line_does_not_end_a_stream() {
    check("stream_odd_lines");
}

/// field 5
#[test]
fn an_error_inside_a_stream_is_a_failure() {
    let (deltas, _) = compare("stream_error");
    match deltas.last() {
        Some(Delta::Failure(error)) => assert_eq!(error.status, 502),
        other => panic!("{other:?}"),
    }
}

/// field 16
#[test]
fn a_stream_that_stops_early_is_truncated_and_keeps_what_it_said() {
    let (deltas, end) = compare("stream_truncated");
    assert_eq!(end, Err(DecodeError::Truncated));
    assert!(deltas.iter().any(|delta| matches!(delta, Delta::Text { .. })));
    assert_eq!(decode([b"".as_slice()]).1, Err(DecodeError::Truncated));
    assert_eq!(decode([b"data: [DONE]\n\n".as_slice()]).1, Err(DecodeError::Truncated));
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    for case in STREAMS {
        let stream = fixture(case, "stream.sse");
        let (whole, end) = decode([&*stream]);
        let whole = shown(&whole);
        for at in 0..=stream.len() {
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
        let (deltas, end) = decode([&*fixture(case, "stream.sse")]);
        if end.is_err() || deltas.iter().any(|delta| matches!(delta, Delta::Failure(_))) {
            continue;
        }
        let context = AnswerContext { include_usage: true, ..context() };
        let written = encode(&deltas, context);
        let (again, end) = decode([written.as_bytes()]);
        assert_eq!(end, Ok(()), "{case}");
        let (mut first, mut second) = (Assembly::of(&deltas).whole(), Assembly::of(&again).whole());
        if case == &"stream_annotated" {
            // What only a provider's own clients know is not written for others.
            let known = |part: &String| !part.starts_with("Opaque");
            let choices = first.choices.iter_mut();
            choices.for_each(|(_, parts, _)| parts.retain(known));
        }
        // The seal of a call stands in its id too.
        for (_, parts, _) in &mut second.choices {
            parts.iter_mut().for_each(|part| *part = part.replace("__thought__Y2FsbA", ""));
        }
        if case == &"stream_calls" {
            // No arguments are written as `{}`, since clients parse them.
            for (_, parts, _) in &mut second.choices {
                parts[1] = parts[1].replace("\"{}\"", "\"\"");
            }
        }
        assert_eq!(first, second, "{case}");
    }
}

/// Something a provider might write as a delta.
fn delta() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,3}".prop_map(|text| format!(r#""content":"{text}""#)),
        "[a-c]{0,3}".prop_map(|text| format!(r#""reasoning_content":"{text}""#)),
        "[a-c]{0,3}".prop_map(|text| format!(r#""refusal":"{text}""#)),
        Just(
            r#""reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s"}]"#.into()
        ),
        Just(r#""reasoning_details":[{"type":"reasoning.encrypted","data":"e"}]"#.into()),
        (
            prop::option::of(0_u32..3),
            prop::option::of("[xy]"),
            prop::option::of("[fg]"),
            "[{}1]{0,2}"
        )
            .prop_map(|(index, id, name, arguments)| {
                let index = index.map_or(String::new(), |it| format!(r#""index":{it},"#));
                let id = id.map_or(String::new(), |it| format!(r#""id":"{it}","#));
                let name = name.map_or(String::new(), |it| format!(r#""name":"{it}","#));
                let function = format!(r#"{{{name}"arguments":"{arguments}"}}"#);
                format!(r#""tool_calls":[{{{index}{id}"function":{function}}}]"#)
            }),
        Just(r#""function_call":{"name":"f","arguments":"1"}"#.into()),
    ]
}

fn frame() -> impl Strategy<Value = String> {
    let choice = (0_u32..2, delta(), prop::bool::weighted(0.15)).prop_map(|(at, delta, end)| {
        let reason = if end { r#""stop""# } else { "null" };
        format!(r#"{{"id":"r","choices":[{{"index":{at},"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#)
    });
    prop_oneof![
        12 => choice,
        1 => Just("{oops".to_owned()),
        1 => Just(r#"{"usage":{"prompt_tokens":1}}"#.to_owned()),
        1 => Just(r#"{"error":{"message":"m"}}"#.to_owned()),
        1 => Just("[DONE]".to_owned()),
    ]
}

proptest! {
    /// field 28
    #[test]
    fn deltas_keep_their_order_whatever_comes_in(
        frames in prop::collection::vec(frame(), 0..14),
        size in 1_usize..40,
    ) {
        let stream: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        let (deltas, end) = decode([stream.as_bytes()]);
        let assembly = Assembly::of(&deltas).whole();
        let failed = matches!(deltas.last(), Some(Delta::Failure(_)));
        if end.is_ok() && !failed {
            prop_assert!(assembly.choices.iter().all(|(_, _, finish)| finish.is_some()));
        }
        let (split, split_end) = decode(stream.as_bytes().chunks(size));
        prop_assert_eq!((shown(&split), split_end), (shown(&deltas), end));
    }

    #[test]
    fn garbage_never_panics(
        stream in prop::collection::vec(prop::sample::select(&b"data: {}[]\"\\\r\n:,1xe\xFF"[..]), 0..200),
    ) {
        let (deltas, _) = decode([&*stream]);
        Assembly::of(&deltas);
    }
}

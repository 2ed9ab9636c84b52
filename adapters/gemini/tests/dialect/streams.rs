//! Streamed answers.

use adapters_canonical::chat::ToolKind;
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::Egress;
use adapters_canonical::failure::ErrorKind;
use adapters_canonical::loss::DecodeError;
use adapters_gemini::egress::Gemini;
use proptest::prelude::*;

use crate::order;

/// Streams that end well.
pub(crate) const WELL: &[&str] = &[
    "stream_text",
    "stream_parallel_calls",
    "stream_arguments_in_pieces",
    "stream_finish_before_usage",
    "stream_two_candidates",
    "stream_blocked_prompt",
    "stream_bad_event",
    "stream_array",
    "stream_error_in_the_middle",
    "stream_bare_error",
    "stream_opaque",
    "stream_two_searches",
];

/// Streams that stop in the middle.
pub(crate) const CUT: &[&str] =
    &["stream_cut_in_a_call", "stream_without_finish_reason", "stream_searched_and_cut"];

pub(crate) fn decode(chunks: &[&[u8]]) -> (Vec<Delta>, Result<(), DecodeError>) {
    let mut decoder = Gemini.decode_stream();
    let mut deltas = Vec::new();
    for chunk in chunks {
        if let Err(error) = decoder.push(chunk, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = decoder.finish(&mut deltas);
    order::check(&deltas);
    (deltas, end)
}

fn body(case: &str) -> Vec<u8> {
    tests_golden::read(tests_golden::fixture("gemini").join(case).join("stream.sse"))
}

/// One delta a line, and how it ended.
fn tell(deltas: &[Delta], end: &Result<(), DecodeError>) -> String {
    let lines = deltas.iter().map(|delta| format!("{delta:?}\n"));
    lines.chain([format!("{end:?}\n")]).collect()
}

#[track_caller]
fn check(case: &str) {
    let (deltas, end) = decode(&[&body(case)]);
    assert_eq!(end.is_ok(), WELL.contains(&case), "{end:?}");
    let path = tests_golden::fixture("gemini").join(case).join("stream.expected.txt");
    tests_golden::assert_text(path, &tell(&deltas, &end));
}

#[test]
fn runs_of_thoughts_and_words_are_one_part_each() {
    check("stream_text");
}

// field 21
#[test]
fn parallel_calls_are_numbered_over_the_whole_stream() {
    check("stream_parallel_calls");
}

#[test]
fn arguments_in_pieces_are_put_together() {
    check("stream_arguments_in_pieces");
}

#[test]
fn searches_are_counted_over_all_candidates() {
    check("stream_two_searches");
}

#[test]
fn searches_of_a_stream_that_breaks_off_are_counted() {
    check("stream_searched_and_cut");
}

#[test]
fn words_and_tokens_may_follow_the_finish_reason() {
    check("stream_finish_before_usage");
}

#[test]
fn several_answers_may_take_turns() {
    check("stream_two_candidates");
}

#[test]
fn a_blocked_prompt_ends_well() {
    check("stream_blocked_prompt");
}

// field 2
#[test]
fn one_bad_event_does_not_end_the_stream() {
    check("stream_bad_event");
}

#[test]
fn an_array_is_a_stream_too() {
    check("stream_array");
}

#[test]
fn an_error_in_the_middle_ends_what_is_open() {
    check("stream_error_in_the_middle");
}

#[test]
fn an_error_may_come_without_an_event() {
    check("stream_bare_error");
}

#[test]
fn what_only_gemini_knows_is_a_part_of_its_own() {
    check("stream_opaque");
}

#[test]
fn a_call_that_was_cut_off_does_not_look_whole() {
    check("stream_cut_in_a_call");
}

// field 1
#[test]
fn a_stream_without_a_finish_reason_was_cut_off() {
    check("stream_without_finish_reason");
}

#[test]
fn where_the_bytes_are_split_means_nothing() {
    for case in WELL.iter().chain(CUT) {
        let body = body(case);
        let (deltas, end) = decode(&[&body]);
        let expected = tell(&deltas, &end);
        for at in 1..body.len() {
            let (left, right) = body.split_at(at);
            let (deltas, end) = decode(&[left, right]);
            assert_eq!(tell(&deltas, &end), expected, "{case} split at {at}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        let (deltas, end) = decode(&bytes);
        assert_eq!(tell(&deltas, &end), expected, "{case} byte by byte");
    }
}

#[test]
fn line_ends_of_every_kind_mean_the_same() {
    for case in WELL.iter().chain(CUT).filter(|case| !case.contains("array")) {
        let body = String::from_utf8(body(case)).unwrap();
        let (deltas, end) = decode(&[body.as_bytes()]);
        let unix = body.replace("\r\n", "\n");
        assert_ne!(unix, body, "{case} has the line ends that Gemini sends");
        let (unix_deltas, unix_end) = decode(&[unix.as_bytes()]);
        assert_eq!(tell(&unix_deltas, &unix_end), tell(&deltas, &end), "{case}");
    }
}

#[test]
fn an_empty_body_was_cut_off() {
    assert_eq!(decode(&[]).1, Err(DecodeError::Truncated));
    assert_eq!(decode(&[b"\r\n"]).1, Err(DecodeError::Truncated));
}

#[test]
fn an_error_in_place_of_a_stream_is_a_failure() {
    let error = br#"[{"error":{"code":429,"message":"slower","status":"RESOURCE_EXHAUSTED"}}]"#;
    for body in [&error[..], &error[1..error.len() - 1]] {
        let (deltas, end) = decode(&[body]);
        let [Delta::Failure(failure)] = &deltas[..] else { panic!("{deltas:?}") };
        assert_eq!((failure.status, failure.kind), (429, ErrorKind::RateLimit));
        assert_eq!(end, Ok(()));
    }
}

#[test]
fn an_own_id_is_kept_and_a_repeated_one_is_not() {
    let call = r#"{"functionCall":{"id":"own","name":"f","args":{}}}"#;
    let body = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{call},{call}]}},\"finishReason\":\"STOP\"}}]}}\n\n"
    );
    let (deltas, _) = decode(&[body.as_bytes()]);
    let ids: Vec<_> = deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::PartStart { kind: PartKind::ToolCall { id, kind, .. }, .. } => {
                assert_eq!(*kind, ToolKind::Function);
                Some(id.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(ids[0], "own");
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn nothing_follows_a_failure() {
    let body = b"data: {\"error\":{\"code\":500}}\n\ndata: {\"candidates\":[]}\n\n";
    let (deltas, end) = decode(&[body]);
    assert_eq!((deltas.len(), end), (1, Ok(())));
}

#[test]
fn a_frame_without_end_is_refused() {
    let mut decoder = Gemini.decode_stream();
    let mut deltas = Vec::new();
    let mut result = decoder.push(b"data: ", &mut deltas);
    for _ in 0..18 {
        result = result.and_then(|()| decoder.push(&[b'x'; 1 << 20], &mut deltas));
    }
    assert!(matches!(result, Err(DecodeError::Framing(_))), "{result:?}");
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,3}".prop_map(|text| format!(r#"{{"text":"{text}"}}"#)),
        "[a-z]{0,3}".prop_map(|text| format!(r#"{{"text":"{text}","thought":true}}"#)),
        Just(r#"{"text":"","thoughtSignature":"c2ln"}"#.to_owned()),
        Just(r#"{"text":"t","thought":true,"thoughtSignature":"c2ln"}"#.to_owned()),
        Just(r#"{"functionCall":{"name":"f","args":{"a":1}}}"#.to_owned()),
        Just(r#"{"functionCall":{"name":"f","id":"same"}}"#.to_owned()),
        Just(r#"{"functionCall":{"name":"g","willContinue":true},"thoughtSignature":"cw=="}"#.to_owned()),
        Just(r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}"#.to_owned()),
        Just(r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.b[1]","numberValue":1}]}}"#.to_owned()),
        Just(r#"{"functionCall":{}}"#.to_owned()),
        Just(r#"{"functionCall":{"args":{"late":true}}}"#.to_owned()),
        Just(r#"{"executableCode":{"code":"1"}}"#.to_owned()),
        Just("{}".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = String> {
    let finish = prop_oneof![
        4 => Just(String::new()),
        1 => Just(r#","finishReason":"STOP""#.to_owned()),
    ];
    let chunk = (proptest::collection::vec(part(), 0..4), 0..3_u32, finish).prop_map(
        |(parts, index, finish)| {
            let parts = parts.join(",");
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"index":{index}{finish}}}]}}"#
            )
        },
    );
    prop_oneof![
        12 => chunk,
        1 => Just(r#"{"usageMetadata":{"promptTokenCount":3}}"#.to_owned()),
        1 => Just("{broken".to_owned()),
        1 => Just(r#"{"candidates":7}"#.to_owned()),
        1 => Just(r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#.to_owned()),
        1 => Just(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#.to_owned()),
    ]
}

proptest! {
    // field 28: `decode` checks the order of whatever comes out.
    #[test]
    fn deltas_keep_their_order_whatever_comes_in(events in proptest::collection::vec(event(), 0..12)) {
        let body: String = events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect();
        let (deltas, end) = decode(&[body.as_bytes()]);
        let said_why = deltas
            .iter()
            .any(|delta| matches!(delta, Delta::Finish { .. } | Delta::Failure(_)));
        prop_assert!(said_why || end == Err(DecodeError::Truncated), "{:?}", deltas);
    }

    #[test]
    fn random_splits_mean_nothing(
        case in proptest::sample::select([WELL, CUT].concat()),
        cuts in proptest::collection::vec(0..4000_usize, 0..8),
    ) {
        let body = body(case);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % body.len()).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&body[from..cut]);
            from = cut;
        }
        pieces.push(&body[from..]);
        let (whole, split) = (decode(&[&body]), decode(&pieces));
        prop_assert_eq!(tell(&whole.0, &whole.1), tell(&split.0, &split.1));
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[&bytes]);
        let _ = Gemini.decode_response(&bytes);
        let _ = Gemini.decode_error(500, &http::HeaderMap::new(), &bytes);
    }

    #[test]
    fn a_damaged_stream_never_panics(
        case in proptest::sample::select([WELL, CUT].concat()),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = body(case);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = decode(&[&body]);
        let _ = Gemini.decode_response(&body);
    }
}

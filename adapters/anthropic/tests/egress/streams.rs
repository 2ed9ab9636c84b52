//! Streamed answers: `stream.sse` in, `stream.expected.txt` out, however the bytes are cut.

use adapters_anthropic::egress::Anthropic;
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::Egress as _;
use proptest::prelude::*;

use crate::order;
use crate::responses::shown;

/// What `pieces` say, one delta a line, and how it ended.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut decoder = Anthropic.decode_stream();
    let mut deltas: Vec<Delta> = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut deltas).unwrap();
    }
    let end = decoder.finish(&mut deltas);
    order::check(&deltas, end.is_ok());
    let mut said: String = deltas
        .iter()
        .map(|delta| match delta {
            Delta::Usage(usage) => format!("Usage({})\n", shown(usage)),
            other => format!("{other:?}\n"),
        })
        .collect();
    said.push_str(&format!("{end:?}\n"));
    said
}

fn streams() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(tests_golden::fixture("anthropic"))
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let bytes = std::fs::read(entry.path().join("stream.sse")).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), bytes))
        })
        .collect();
    found.sort();
    assert!(found.len() > 10, "the fixtures must be found");
    found
}

#[track_caller]
fn check(case: &str) {
    let dir = tests_golden::fixture("anthropic").join(case);
    let stream = tests_golden::read(dir.join("stream.sse"));
    tests_golden::assert_text(dir.join("stream.expected.txt"), &run([stream.as_slice()]));
}

macro_rules! goldens {
    ($($claim:ident => $case:literal,)*) => {
        $(#[test] fn $claim() { check($case); })*

        #[test]
        fn every_stream_has_a_test_of_its_own() {
            let mut listed = vec![$($case.to_owned()),*];
            listed.sort();
            let found: Vec<_> = streams().into_iter().map(|(case, _)| case).collect();
            assert_eq!(listed, found);
        }
    };
}

goldens! {
    words_come_as_they_are_sent => "stream_text",
    thoughts_keep_their_signature_before_their_end => "stream_thinking",
    hidden_thoughts_keep_their_signature => "stream_thinking_omitted",
    text_and_two_calls_are_three_parts => "stream_tools",
    a_call_without_arguments_gets_an_empty_object => "stream_tool_no_arguments",
    arguments_that_begin_the_block_are_sent_once => "stream_tool_input_at_start",
    tools_that_the_provider_runs_are_not_the_clients => "stream_server_tool",
    // Field 18.
    a_repeated_message_start_is_one_start => "stream_duplicate_start",
    // Field 18.
    a_message_inside_a_message_goes_on => "stream_spliced_start",
    // Field 15.
    a_missing_message_start_is_made_up => "stream_missing_start",
    // Field 15.
    a_missing_message_stop_is_no_harm_after_a_reason => "stream_missing_stop",
    // Field 24.
    parts_do_not_overlap_when_block_stops_are_missing => "stream_missing_block_stop",
    interleaved_blocks_lose_no_words => "stream_interleaved",
    parallel_calls_may_be_interleaved => "stream_interleaved_calls",
    frames_without_names_and_unknown_events_pass => "stream_odd_framing",
    // Field 2.
    one_bad_event_does_not_end_the_stream => "stream_malformed_event",
    // Field 5.
    an_error_in_the_stream_ends_it_with_its_status => "stream_error",
    an_error_before_anything_else_is_a_failure => "stream_error_first",
    // Field 16.
    a_cut_stream_ends_its_parts_and_says_so => "stream_truncated",
    a_page_in_html_is_no_stream => "stream_html",
    an_error_in_json_is_a_failure => "stream_json_error",
    // Field 39, 40.
    the_last_usage_replaces_the_first => "stream_usage",
    a_refusal_explains_itself => "stream_refusal",
    // Field 18: nothing follows the end.
    what_follows_the_end_is_not_read => "stream_two_messages",
}

#[test]
fn every_cut_of_every_stream_says_the_same() {
    for (case, stream) in streams() {
        let whole = run([stream.as_slice()]);
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(run([head, tail]), whole, "{case} cut at {at}");
        }
        assert_eq!(run(stream.chunks(1)), whole, "{case} byte by byte");
    }
}

#[test]
fn every_stream_may_break_off_anywhere() {
    for (_, stream) in streams() {
        for at in 0..stream.len() {
            run([&stream[..at]]);
        }
    }
}

fn events() -> impl Strategy<Value = Vec<String>> {
    let block = prop_oneof![
        Just(r#"{"type":"text","text":""}"#),
        Just(r#"{"type":"text","text":"hi"}"#),
        Just(r#"{"type":"thinking","thinking":"","signature":""}"#),
        Just(r#"{"type":"redacted_thinking","data":"x"}"#),
        Just(r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#),
        Just(r#"{"type":"tool_use","id":"","name":"f","input":{"a":1}}"#),
        Just(r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#),
        Just(r#"{"type":7}"#),
    ];
    let delta = prop_oneof![
        Just(r#"{"type":"text_delta","text":"a"}"#),
        Just(r#"{"type":"thinking_delta","thinking":"b"}"#),
        Just(r#"{"type":"signature_delta","signature":"c"}"#),
        Just(r#"{"type":"input_json_delta","partial_json":"{}"}"#),
        Just(r#"{"type":"input_json_delta","partial_json":""}"#),
        Just(r#"{"type":"new_delta","new":1}"#),
    ];
    let event = prop_oneof![
        4 => (0..3_u8, block).prop_map(|(index, block)| format!(
            r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#
        )),
        6 => (0..3_u8, delta).prop_map(|(index, delta)| format!(
            r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#
        )),
        3 => (0..3_u8).prop_map(|index| format!(
            r#"{{"type":"content_block_stop","index":{index}}}"#
        )),
        2 => Just(r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}"#.to_owned()),
        1 => Just(r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"no"}},"usage":{"output_tokens":2}}"#.to_owned()),
        1 => Just(r#"{"type":"message_stop"}"#.to_owned()),
        1 => Just(r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#.to_owned()),
        1 => Just("{".to_owned()),
    ];
    prop::collection::vec(event, 0..24)
}

proptest! {
    #[test]
    fn any_events_in_any_order_keep_the_order_of_deltas(events in events()) {
        let stream: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
        run([stream.as_bytes()]);
    }

    #[test]
    fn any_cuts_of_any_events_say_the_same(
        events in events(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]);
        prop_assert_eq!(run(pieces), run([stream.as_bytes()]));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        run([bytes.as_slice()]);
    }

    #[test]
    fn a_stream_with_a_few_bytes_changed_never_panics(
        case in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let streams = streams();
        let mut stream = case.get(&streams).1.clone();
        for (at, byte) in changes {
            *at.get_mut(&mut stream) = byte;
        }
        run([stream.as_slice()]);
    }
}

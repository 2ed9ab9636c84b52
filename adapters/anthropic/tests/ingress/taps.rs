//! Streams that pass from Anthropic to a client of Anthropic, however the bytes are cut.

use adapters_anthropic::egress::Anthropic;
use adapters_anthropic::ingress::Messages;
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{Egress as _, Target};
use adapters_canonical::failure::{ErrorKind, Failure};
use adapters_canonical::ingress::{Asked, Ingress as _, StreamTap};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use proptest::prelude::*;

use crate::responses::context;

const START: &str = r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":9,"cache_read_input_tokens":0,"output_tokens":1}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const WORDS: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi."}}"#;
const STOP: &str = r#"{"type":"content_block_stop","index":0}"#;
const END: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#;
const DONE: &str = r#"{"type":"message_stop"}"#;

fn kind(data: &str) -> &str {
    let (_, rest) = data.split_once(r#""type":""#).unwrap();
    rest.split_once('"').unwrap().0
}

fn frames(events: &[&str]) -> String {
    events.iter().map(|data| format!("event: {}\ndata: {data}\n\n", kind(data))).collect()
}

/// What passed, how it ended, and what was learned.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, bool, Box<dyn StreamTap>) {
    let mut tap = Messages.pass_stream(context(), false);
    let mut out = Vec::new();
    for piece in pieces {
        tap.push(piece, &mut out).unwrap();
    }
    let ended = tap.finish(&mut out);
    (String::from_utf8(out).unwrap(), ended.is_ok(), tap)
}

fn passed(stream: &str) -> (String, bool, Box<dyn StreamTap>) {
    run([stream.as_bytes()])
}

fn broke_off() -> Failure {
    Failure::UpstreamBrokeOff { provider: "acme".to_owned() }
}

#[test]
fn a_stream_passes_byte_for_byte() {
    let stream = format!(": hello\r\n\r\n{}", frames(&[START, TEXT, WORDS, STOP, END, DONE]))
        + "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let (out, ended, tap) = passed(&stream);
    // What comes after the end does not pass.
    assert_eq!(out, stream.split("event: ping").next().unwrap());
    assert!(ended && tap.is_complete() && tap.saw_content() && tap.malformed() == 0);
}

// Field 39, 40: running totals replace, and what was not reported stays absent.
#[test]
fn usage_is_learned_on_the_way() {
    let (_, _, tap) = passed(&frames(&[START, TEXT, WORDS, STOP, END]));
    let (input, cache_read, output) = (Some(9), Some(0), Some(3));
    assert_eq!(tap.usage(), Some(&Usage { input, cache_read, output, ..Usage::default() }));
}

#[test]
fn only_what_says_something_is_content() {
    let saw = |events: &[&str]| passed(&frames(events)).2.saw_content();
    assert!(!saw(&[START]));
    assert!(!saw(&[START, TEXT]));
    assert!(saw(&[START, TEXT, WORDS]));
    let call = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;
    assert!(saw(&[START, call]));
    assert!(!saw(&[r#"{"type":"ping"}"#]));
}

// Field 15: a reason to stop is as good as the event that some never send.
#[test]
fn a_missing_end_is_supplied_after_a_reason() {
    let (out, ended, _) = passed(&frames(&[START, TEXT, WORDS, END]));
    assert!(ended);
    assert_eq!(out, frames(&[START, TEXT, WORDS, END, STOP, DONE]));
}

// Field 18.
#[test]
fn a_second_message_start_is_left_out() {
    let (out, ended, _) = passed(&frames(&[START, START, TEXT, WORDS, STOP, END, DONE]));
    assert!(ended);
    assert_eq!(out, frames(&[START, TEXT, WORDS, STOP, END, DONE]));
}

#[test]
fn a_message_that_comes_at_once_is_complete() {
    let whole = r#"{"type":"message_start","message":{"id":"m","content":[{"type":"text","text":"Hi."}],"stop_reason":"max_tokens","usage":{"input_tokens":1,"output_tokens":2}}}"#;
    let (out, ended, tap) = passed(&frames(&[whole]));
    assert!(ended && tap.saw_content());
    assert_eq!(out, frames(&[whole, DONE]));
    let mut decoder = Anthropic.decode_stream();
    let mut deltas = Vec::new();
    decoder.push(frames(&[whole]).as_bytes(), &mut deltas).unwrap();
    decoder.finish(&mut deltas).unwrap();
    let Some(Delta::Finish { finish, .. }) = deltas.last() else { panic!("a finish") };
    assert_eq!(finish.native.as_deref(), Some("max_tokens"));
}

// Field 18: a message that begins anew inside another goes on with the numbers of its blocks.
#[test]
fn a_message_inside_a_message_is_numbered_on() {
    let (out, ended, _) = passed(&frames(&[START, TEXT, WORDS, START, TEXT, WORDS, STOP, DONE]));
    let on = |event: &str| event.replace(r#""index":0"#, r#""index":1"#);
    let rest = [TEXT, WORDS, STOP].map(on);
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let expected = frames(&[START, TEXT, WORDS, STOP]) + &frames(&rest) + &frames(&[DONE]);
    assert_eq!((out, ended), (expected, true));
}

#[test]
fn a_frame_without_a_name_gets_one() {
    let stream = format!("data: {START}\n\ndata: {DONE}\n\n");
    assert_eq!(passed(&stream).0, frames(&[START, DONE]));
    let odd = "data: [DONE]\n\n";
    assert_eq!(passed(odd).0, "");
}

// Field 2: one bad event does not end a stream that goes on.
#[test]
fn what_cannot_be_read_is_left_out_and_counted() {
    let stream = frames(&[START]) + "event: x\ndata: {\"cut\n\n" + &frames(&[END, DONE]);
    let (out, ended, tap) = passed(&stream);
    assert_eq!((out, ended, tap.malformed()), (frames(&[START, END, DONE]), true, 1));
    assert_eq!(passed("data: [1]\n\n").2.malformed(), 1);
}

#[test]
fn unknown_events_and_other_shapes_pass() {
    let odd = "event: brand_new\ndata: {\"type\":\"brand_new\",\"index\":\"x\"}\n\n";
    let (out, _, tap) = passed(odd);
    assert_eq!((out.as_str(), tap.malformed()), (odd, 0));
}

// Field 5.
#[test]
fn an_error_is_left_out_and_so_is_what_follows() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let (out, ended, tap) = passed(&frames(&[START, error, TEXT, DONE]));
    assert_eq!((out, ended), (frames(&[START]), false));
    let said = tap.error().unwrap();
    assert_eq!((said.kind, said.status), (ErrorKind::Overloaded, 529));
    assert!(!tap.saw_content() && !tap.is_complete());
}

#[test]
fn a_broken_stream_closes_what_is_open_and_says_why() {
    let mut tap = Messages.pass_stream(context(), false);
    let mut out = Vec::new();
    tap.push(frames(&[START, TEXT, WORDS]).as_bytes(), &mut out).unwrap();
    assert_eq!(tap.finish(&mut out), Err(DecodeError::Truncated));
    tap.fail(&broke_off(), &mut out);
    tap.fail(&broke_off(), &mut out);
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\
        \"message\":\"the provider `acme` broke off in the middle of its answer\",\
        \"code\":\"upstream_broke_off\",\"provider\":\"acme\"},\"request_id\":\"req_1\"}\n\n";
    let expected = frames(&[START, TEXT, WORDS, STOP]) + error;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_stream_that_ended_cannot_fail_any_more() {
    let whole = frames(&[START, END, DONE]);
    let (mut out, _, mut tap) = passed(&whole);
    let mut more = Vec::new();
    tap.fail(&broke_off(), &mut more);
    out.push_str(std::str::from_utf8(&more).unwrap());
    assert_eq!(out, whole);
}

pub(crate) fn streams() -> Vec<(String, Vec<u8>)> {
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

/// All that can be seen of a tap from outside.
fn seen<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let (out, ended, tap) = run(pieces);
    format!(
        "{ended} {:?} {} {} {:?} {}\n{out}",
        tap.usage(),
        tap.saw_content(),
        tap.is_complete(),
        tap.error(),
        tap.malformed()
    )
}

#[test]
fn every_cut_of_every_stream_passes_the_same() {
    for (case, stream) in streams() {
        let whole = seen([stream.as_slice()]);
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(seen([head, tail]), whole, "{case} cut at {at}");
        }
        assert_eq!(seen(stream.chunks(1)), whole, "{case} byte by byte");
    }
}

/// The usage that a decoder reads.
fn decoded(stream: &[u8]) -> Option<Usage> {
    let mut decoder = Anthropic.decode_stream();
    let mut deltas = Vec::new();
    decoder.push(stream, &mut deltas).unwrap();
    let _ = decoder.finish(&mut deltas);
    let mut total = None;
    for delta in &deltas {
        if let Delta::Usage(usage) = delta {
            total.get_or_insert_with(Usage::default).update(usage);
        }
    }
    total
}

#[test]
fn the_tap_and_the_decoder_learn_the_same() {
    for (case, stream) in streams() {
        let (_, ended, tap) = run([stream.as_slice()]);
        assert_eq!(tap.usage(), decoded(&stream).as_ref(), "{case}");
        let mut decoder = Anthropic.decode_stream();
        let mut deltas = Vec::new();
        decoder.push(&stream, &mut deltas).unwrap();
        let failed = decoder.finish(&mut deltas).is_err()
            || deltas.iter().any(|delta| matches!(delta, Delta::Failure(_)));
        assert_eq!(ended, !failed, "{case}");
    }
}

#[test]
fn a_request_passes_but_for_its_model_and_goes_where_it_should() {
    let body = b"{ \"x\" : [1, 2.50],\n\"model\":\t\"a\" , \"y\":\"\\u00e9\" }";
    let envelope = Messages.read_envelope(&Asked::default(), body).unwrap();
    let pass = |model, api_version| {
        let target = Target { model, api_version };
        Messages.pass_request(body, &envelope, &target, true)
    };
    let asked = pass("b/\"c\"", Some("2026-10-21"));
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(
        asked.body,
        b"{ \"x\" : [1, 2.50],\n\"model\":\t\"b/\\\"c\\\"\" , \"y\":\"\\u00e9\" }"
    );
    assert_eq!(asked.headers.len(), 1);
    assert_eq!(
        (asked.headers[0].0.as_str(), &asked.headers[0].1),
        ("anthropic-version", &http::HeaderValue::from_static("2026-10-21"))
    );
    assert_eq!(pass("a", None).body, body);
    assert_eq!(pass("a", None).headers[0].1, "2023-06-01");
    let target = Target { model: "a", api_version: None };
    let count = adapters_anthropic::passthrough::pass_count_request(body, &envelope, &target);
    assert_eq!(count.path, "/v1/messages/count_tokens");
}

// Field 34: a conversation that went through another provider goes on with Anthropic.
#[test]
fn thoughts_of_other_providers_do_not_pass() {
    let body = br#"{"messages":[{"role":"assistant","content":[
        {"type":"thinking","thinking":"a","signature":"penstock:gemini:sig=a"},
        {"type":"text","text":"b"}]}],"model":"a"}"#;
    let envelope = Messages.read_envelope(&Asked::default(), body).unwrap();
    let target = Target { model: "b", api_version: None };
    let passed = Messages.pass_request(body, &envelope, &target, false).body;
    let expected = br#"{"messages":[{"role":"assistant","content":[
        {"type":"text","text":"b"}]}],"model":"b"}"#;
    assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(expected));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let mut tap = Messages.pass_stream(context(), false);
        let mut out = Vec::new();
        tap.push(&bytes, &mut out).unwrap();
        let _ = tap.finish(&mut out);
        tap.fail(&broke_off(), &mut out);
    }

    #[test]
    fn any_cuts_pass_the_same(
        case in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let streams = streams();
        let stream = &case.get(&streams).1;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(seen(pieces), seen([stream.as_slice()]));
    }
}

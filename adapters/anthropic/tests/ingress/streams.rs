//! Streamed answers, as a client of this dialect reads them.

use adapters_anthropic::egress::Anthropic;
use adapters_anthropic::ingress::Messages;
use adapters_canonical::annotation::{Citation, CitedSource};
use adapters_canonical::chat::{Finish, FinishReason, Opaque, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{Dialect, Egress as _};
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::Ingress as _;
use adapters_canonical::usage::Usage;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::responses::context;
use crate::taps::streams;

fn written(deltas: &[Delta], failure: Option<&Failure>) -> String {
    let mut encoder = Messages.encode_stream(context());
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    match failure {
        None => encoder.finish(&mut out),
        Some(failure) => encoder.fail(failure, &mut out),
    }
    // Whatever comes after the end is not written.
    encoder.finish(&mut out);
    encoder.push(&Delta::PartStart { part: 99, choice: 0, kind: PartKind::Text }, &mut out);
    String::from_utf8(out).unwrap()
}

/// The events of a stream, each of whose frames has the name its data says.
fn events(stream: &str) -> Vec<Value> {
    stream
        .split_terminator("\n\n")
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"], "{frame}");
            data
        })
        .collect()
}

/// Panics unless every block stands alone, in order, and the message begins and ends once.
fn nested(stream: &str, failed: bool) {
    let events = events(stream);
    let (mut open, mut next, mut begun, mut over) = (None, 0, false, false);
    for event in &events {
        assert!(!over, "something after the end: {event}");
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "message_start" => assert!(!std::mem::replace(&mut begun, true), "two starts"),
            "content_block_start" => {
                assert!(begun && open.is_none(), "blocks overlap: {event}");
                assert_eq!(index, Some(next));
                open = index;
                next += 1;
            }
            "content_block_delta" => assert!(open.is_some() && index == open, "{event}"),
            "content_block_stop" => {
                assert!(open.is_some() && index == open, "{event}");
                open = None;
            }
            "message_delta" => assert!(begun && open.is_none(), "{event}"),
            "message_stop" | "error" => {
                assert!(open.is_none());
                over = true;
            }
            other => panic!("{other}"),
        }
    }
    let last = events.last().unwrap()["type"].as_str().unwrap();
    assert_eq!(last, if failed { "error" } else { "message_stop" });
}

#[track_caller]
fn check(case: &str, deltas: &[Delta], failure: Option<&Failure>) {
    let stream = written(deltas, failure);
    nested(&stream, failure.is_some());
    let dir = tests_golden::fixture("anthropic").join(case);
    tests_golden::assert_text(dir.join("events.expected.txt"), &stream);
}

fn start() -> Delta {
    Delta::Start(Start { id: "msg_1".to_owned(), model: "m-1".to_owned(), created: None })
}

fn begin(part: u32, kind: PartKind) -> Delta {
    Delta::PartStart { part, choice: 0, kind }
}

fn thought(origin: Option<Dialect>) -> PartKind {
    PartKind::Reasoning { redacted: None, origin, id: None }
}

fn call(id: &str) -> PartKind {
    PartKind::ToolCall { id: id.to_owned(), name: "f".to_owned(), kind: ToolKind::Function }
}

fn text(part: u32, text: &str) -> Delta {
    Delta::Text { part, text: text.to_owned() }
}

fn arguments(part: u32, fragment: &str) -> Delta {
    Delta::Arguments { part, fragment: fragment.to_owned() }
}

fn seal(part: u32, signature: &str) -> Delta {
    Delta::Signature { part, signature: signature.to_owned() }
}

fn end(part: u32) -> Delta {
    Delta::PartEnd { part }
}

fn finish(reason: FinishReason) -> Delta {
    Delta::Finish { choice: 0, finish: Finish::from(reason) }
}

// Field 31, 40: the seal is the last a thought says; the truth about tokens is in the last event.
#[test]
fn a_thought_and_words() {
    let usage = |input, output| {
        Delta::Usage(Usage { input, output, cache_read: Some(0), ..Usage::default() })
    };
    let deltas = [
        start(),
        usage(Some(9), Some(1)),
        begin(0, thought(Some(Dialect::Anthropic))),
        text(0, "Hm.\n"),
        seal(0, "early"),
        text(0, "Yes."),
        seal(0, "c2ln+/=="),
        end(0),
        begin(1, PartKind::Text),
        text(1, "Hel"),
        text(1, "lo \"you\"."),
        end(1),
        finish(FinishReason::Stop),
        usage(None, Some(12)),
    ];
    check("client_stream_text", &deltas, None);
}

// Field 21-24.
#[test]
fn calls_that_are_open_at_once_come_one_after_the_other() {
    let deltas = [
        start(),
        begin(0, PartKind::Text),
        text(0, "Looking."),
        end(0),
        begin(1, call("t1")),
        begin(2, call("t2")),
        begin(3, call("t3")),
        arguments(2, "{\"b\""),
        arguments(1, "{\"a\":"),
        arguments(2, ":2}"),
        end(2),
        arguments(1, "1}"),
        arguments(3, "{\"c\":"),
        end(1),
        arguments(3, "3}"),
        end(3),
        begin(4, call("t4")),
        end(4),
        finish(FinishReason::ToolCalls),
    ];
    check("client_stream_calls", &deltas, None);
}

#[test]
fn what_other_providers_seal_can_be_given_back() {
    let kind = ToolKind::Custom;
    let custom = PartKind::ToolCall { id: "t2".to_owned(), name: "sql".to_owned(), kind };
    let redacted = |id: &str| PartKind::Reasoning {
        redacted: Some("gAAA=".to_owned()),
        origin: Some(Dialect::Responses),
        id: Some(id.to_owned()),
    };
    let deltas = [
        start(),
        begin(0, thought(Some(Dialect::Gemini))),
        text(0, "Hm."),
        seal(0, "R2Vt"),
        end(0),
        begin(1, redacted("rs_1")),
        end(1),
        begin(2, redacted("rs_2")),
        text(2, "Summary."),
        end(2),
        begin(3, thought(Some(Dialect::OpenAi))),
        text(3, "Unsealed."),
        end(3),
        begin(4, thought(None)),
        end(4),
        begin(5, call("t1")),
        arguments(5, "{}"),
        seal(5, "Y2FsbA=="),
        end(5),
        begin(6, custom),
        arguments(6, "SELECT \"a\"\n"),
        arguments(6, "FROM b"),
        end(6),
        finish(FinishReason::ToolCalls),
    ];
    check("client_stream_foreign", &deltas, None);
}

#[test]
fn citations_and_blocks_of_its_own_are_written_on_one_line() {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let web = "{\"type\":\"server_tool_use\",\n \"id\":\"s\", \"name\":\"web_search\",\r\n\"input\":{\"query\":\"a\\nb\"}}";
    let opaque = |dialect| PartKind::Opaque(Opaque { dialect, json: raw(web) });
    let source = CitedSource::Url("https://moss.example".to_owned());
    let deltas = [
        start(),
        begin(0, opaque(Dialect::Anthropic)),
        end(0),
        begin(1, opaque(Dialect::Gemini)),
        end(1),
        begin(2, PartKind::Text),
        text(2, "Green."),
        Delta::Citation { part: 2, citation: Citation { source, ..Citation::default() } },
        Delta::Citation { part: 2, citation: Citation::default() },
        end(2),
        finish(FinishReason::Stop),
    ];
    check("client_stream_own", &deltas, None);
}

#[test]
fn a_refusal_is_words_and_the_reason_to_stop() {
    let message = Some("Not this.".to_owned());
    let refused = Finish { message, ..Finish::from(FinishReason::ContentFilter) };
    let deltas = [
        start(),
        begin(0, PartKind::Refusal),
        text(0, "I will not."),
        end(0),
        Delta::Finish { choice: 0, finish: refused },
    ];
    check("client_stream_refusal", &deltas, None);
}

#[test]
fn a_stream_that_says_nothing_is_a_message() {
    check("client_stream_empty", &[], None);
}

#[test]
fn a_broken_stream_closes_what_is_open_and_says_why() {
    let deltas = [
        start(),
        begin(0, call("t1")),
        begin(1, call("t2")),
        arguments(0, "{\"a\":"),
        arguments(1, "{}"),
        end(1),
    ];
    let failure = Failure::UpstreamBrokeOff { provider: "acme".to_owned() };
    check("client_stream_broken", &deltas, Some(&failure));
    let error = UpstreamError::from_status(529);
    let failure = Failure::UpstreamRefused { provider: "acme".to_owned(), error };
    check("client_stream_overloaded", &[], Some(&failure));
}

// Other answers of the same stream have no place here, and disturb nothing.
#[test]
fn only_the_first_answer_is_written() {
    let other = Delta::PartStart { part: 1, choice: 1, kind: PartKind::Text };
    let deltas =
        [start(), begin(0, PartKind::Text), other, text(1, "no"), text(0, "yes"), end(1), end(0)];
    let stream = written(&deltas, None);
    nested(&stream, false);
    assert!(stream.contains("yes") && !stream.contains("\"no\""), "{stream}");
}

fn said_by(parts: &mut [(u32, String)], part: u32) -> &mut String {
    &mut parts.iter_mut().find(|(number, _)| *number == part).unwrap().1
}

/// What is said, part by part, without the numbers of the parts; fragments joined.
fn content(deltas: &[Delta]) -> Vec<String> {
    let mut parts: Vec<(u32, String)> = Vec::new();
    let mut rest = Vec::new();
    for delta in deltas {
        match delta {
            Delta::PartStart { part, kind, .. } => parts.push((*part, format!("{kind:?} "))),
            Delta::Text { part, text } => {
                said_by(&mut parts, *part).push_str(text);
            }
            Delta::Arguments { part, fragment } => {
                said_by(&mut parts, *part).push_str(fragment);
            }
            Delta::Signature { part, signature } => {
                let said = said_by(&mut parts, *part);
                said.truncate(said.find(" sealed ").unwrap_or(said.len()));
                said.push_str(&format!(" sealed {signature}"));
            }
            Delta::Citation { part, citation } => {
                let said = said_by(&mut parts, *part);
                said.push_str(&format!(" cites {:?}", citation.native));
            }
            Delta::Finish { finish, .. } => rest.push(format!("{:?}", finish.reason)),
            Delta::Start(start) => rest.push(start.id.clone()),
            Delta::PartEnd { .. }
            | Delta::Usage(_)
            | Delta::ServiceTier(_)
            | Delta::Logprobs { .. }
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
    }
    rest.extend(parts.into_iter().map(|(_, said)| said));
    rest
}

fn decoded(stream: &[u8]) -> Vec<Delta> {
    let mut decoder = Anthropic.decode_stream();
    let mut deltas = Vec::new();
    decoder.push(stream, &mut deltas).unwrap();
    decoder.finish(&mut deltas).unwrap();
    deltas
}

/// One step of an answer that keeps the order `Delta` promises.
#[derive(Clone, Debug)]
enum Step {
    Text(Vec<String>),
    Thought(Vec<String>, String),
    Calls(Vec<(usize, String)>, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = || prop::collection::vec("[a-z\"\\\\\n é]{1,6}", 1..4);
    let step = prop_oneof![
        words().prop_map(Step::Text),
        (words(), "[A-Za-z+/]{1,9}").prop_map(|(words, seal)| Step::Thought(words, seal)),
        (prop::collection::vec((0..3_usize, "[a-z\"\\\\{}:]{1,6}"), 0..9), 1..4_u8)
            .prop_map(|(pieces, calls)| Step::Calls(pieces, calls)),
    ];
    prop::collection::vec(step, 0..6)
}

fn stream_of(steps: Vec<Step>) -> Vec<Delta> {
    let mut deltas = vec![start()];
    let mut next = 0;
    let mut called = false;
    for step in steps {
        match step {
            Step::Text(words) => {
                deltas.push(begin(next, PartKind::Text));
                deltas.extend(words.iter().map(|word| text(next, word)));
                deltas.push(end(next));
                next += 1;
            }
            Step::Thought(words, signature) => {
                deltas.push(begin(next, thought(Some(Dialect::Anthropic))));
                deltas.extend(words.iter().map(|word| text(next, word)));
                deltas.extend([seal(next, &signature), end(next)]);
                next += 1;
            }
            Step::Calls(pieces, calls) => {
                called = true;
                let parts: Vec<u32> = (next..next + u32::from(calls)).collect();
                deltas.extend(parts.iter().map(|part| begin(*part, call(&format!("t{part}")))));
                for (at, fragment) in pieces {
                    deltas.push(arguments(parts[at % parts.len()], &fragment));
                }
                // They end in another order than they began, and none is without arguments.
                for part in parts.iter().rev() {
                    deltas.extend([arguments(*part, "!"), end(*part)]);
                }
                next += u32::from(calls);
            }
        }
    }
    deltas.push(finish(if called { FinishReason::ToolCalls } else { FinishReason::Stop }));
    deltas
}

proptest! {
    #[test]
    fn blocks_never_overlap_and_the_provider_side_reads_the_same(steps in steps()) {
        let deltas = stream_of(steps);
        let stream = written(&deltas, None);
        nested(&stream, false);
        prop_assert_eq!(content(&decoded(stream.as_bytes())), content(&deltas));
    }

    #[test]
    fn a_stream_may_break_off_anywhere(steps in steps(), at in any::<prop::sample::Index>()) {
        let deltas = stream_of(steps);
        let at = at.index(deltas.len() + 1);
        let failure = Failure::UpstreamBrokeOff { provider: "acme".to_owned() };
        nested(&written(&deltas[..at], Some(&failure)), true);
    }
}

#[test]
fn whatever_anthropic_streams_is_written_the_same() {
    for (case, stream) in streams() {
        let mut decoder = Anthropic.decode_stream();
        let mut deltas = Vec::new();
        decoder.push(&stream, &mut deltas).unwrap();
        let failed = decoder.finish(&mut deltas).is_err()
            || deltas.iter().any(|delta| matches!(delta, Delta::Failure(_)));
        let failure = Failure::Internal;
        let again = written(&deltas, failed.then_some(&failure));
        nested(&again, failed);
        let refused = deltas
            .iter()
            .any(|delta| matches!(delta, Delta::PartStart { kind: PartKind::Refusal, .. }));
        if !failed && !refused {
            let read = decoded(again.as_bytes());
            let said = |deltas: &[Delta]| {
                let empty = |said: &String| {
                    said == "Text " || said.starts_with("Reasoning") && said.ends_with("} ")
                };
                let mut content = content(deltas);
                // A thought must have a seal in this dialect, and be it one that says there is none.
                for said in &mut content {
                    *said = said.replace(" sealed penstock:anthropic:", "");
                    // So must a call have arguments, even one that broke off before its first.
                    if said.starts_with("ToolCall") && said.ends_with("} ") {
                        said.push_str("{}");
                    }
                }
                // Field 24: who called a tool waits for its result, whatever the provider says.
                if content.iter().any(|said| said.starts_with("ToolCall")) {
                    content[1] = "ToolCalls".to_owned();
                }
                // What says nothing is not written.
                content.retain(|said| !empty(said));
                if content.first().is_some_and(String::is_empty) {
                    content[0] = "msg_req_1".to_owned();
                }
                content
            };
            assert_eq!(said(&read), said(&deltas), "{case}");
        }
    }
}

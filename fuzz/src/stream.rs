//! Streamed answers: translated for every client, and passing to clients of their own dialect.

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{AnswerContext, Dialect, Egress};
use adapters_canonical::ingress::{Framing, Ingress, StreamTap};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;

use crate::order::in_order;
use crate::{Both, DIALECTS, is_json, split};

/// A stream is read alike however it is cut; its deltas keep their order; every client dialect writes
/// them as events of valid JSON; and passing, it stays the same however it is cut and costs what it
/// costs translated.
pub fn stream(dialect: &Both, input: &[u8]) {
    let Some((whole, before, after)) = split(input) else { return };
    let (deltas, end) = decode(dialect.provider, &[whole]);
    let cut = decode(dialect.provider, &[before, after]);
    assert_eq!(format!("{:?}", (&deltas, &end)), format!("{cut:?}"), "cut at {}", before.len());
    in_order(&deltas, end.is_ok());
    for client in DIALECTS {
        write(client.client, &deltas);
    }
    passing(dialect.client, [whole, before, after], &deltas);
}

fn decode(egress: &dyn Egress, pieces: &[&[u8]]) -> (Vec<Delta>, Result<(), DecodeError>) {
    let (mut decoder, mut deltas) = (egress.decode_stream(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = decoder.finish(&mut deltas);
    (deltas, end)
}

fn write(client: &dyn Ingress, deltas: &[Delta]) {
    let encoded = |framing| {
        let context = AnswerContext { include_usage: true, framing, ..AnswerContext::default() };
        let (mut encoder, mut out) = (client.encode_stream(context), Vec::new());
        deltas.iter().for_each(|delta| encoder.push(delta, &mut out));
        encoder.finish(&mut out);
        out
    };
    events(client.dialect(), &encoded(Framing::Events));
    // Others are never asked for one.
    if client.dialect() == Dialect::Gemini {
        is_json(&encoded(Framing::JsonArray), "an array of events");
    }
}

fn events(dialect: Dialect, stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some(("data", "[DONE]") | ("event", _)) => {}
            Some(("data", data)) => is_json(data.as_bytes(), "an event"),
            _ => panic!("a line of {dialect} that is none: {line}"),
        }
    }
}

fn passing(client: &dyn Ingress, [whole, before, after]: [&[u8]; 3], deltas: &[Delta]) {
    for framing in [Framing::Events, Framing::JsonArray] {
        if framing == Framing::JsonArray && client.dialect() != Dialect::Gemini {
            continue;
        }
        let (tap, out, end) = pass(client, framing, &[whole]);
        let (other, cut, cut_end) = pass(client, framing, &[before, after]);
        assert_eq!(seen(&*tap, &end), seen(&*other, &cut_end), "cut at {}", before.len());
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&cut),
            "cut at {}",
            before.len()
        );
        match framing {
            Framing::Events => all_json(&out),
            Framing::JsonArray if end.is_ok() => {
                is_json(String::from_utf8_lossy(&out).as_bytes(), "an array of passing events");
            }
            Framing::JsonArray => {}
        }
        if end.is_ok() && tap.malformed() == 0 {
            assert_eq!(tap.usage().cloned().unwrap_or_default(), usage(deltas), "what it cost");
        }
    }
}

/// Bytes that are no UTF-8 pass too, in texts that nothing looks at.
fn all_json(stream: &[u8]) {
    let mut decoder = adapters_sse::Decoder::new();
    // What was left out may leave a field that begins with a byte order mark at the very front.
    decoder.push(b"\n").unwrap();
    decoder.push(stream).unwrap();
    decoder.finish();
    while let Some(frame) = decoder.next_frame() {
        let data = String::from_utf8_lossy(frame.data.trim_ascii()).into_owned();
        if !data.is_empty() && data != "[DONE]" {
            is_json(data.as_bytes(), "a passing event");
        }
    }
}

fn pass(
    client: &dyn Ingress,
    framing: Framing,
    pieces: &[&[u8]],
) -> (Box<dyn StreamTap>, Vec<u8>, Result<(), DecodeError>) {
    let context = AnswerContext { framing, ..AnswerContext::default() };
    let (mut tap, mut out) = (client.pass_stream(context, true), Vec::new());
    let end = pieces.iter().try_for_each(|piece| tap.push(piece, &mut out));
    let end = end.and_then(|()| tap.finish(&mut out));
    (tap, out, end)
}

/// All that a tap has learned.
pub(crate) fn seen(tap: &dyn StreamTap, end: &Result<(), DecodeError>) -> String {
    let facts = (tap.saw_content(), tap.is_complete(), tap.malformed(), tap.unreported());
    format!("{:?}", (tap.usage(), facts, tap.error(), tap.kept_id(), end))
}

/// The last word on each kind of token.
fn usage(deltas: &[Delta]) -> Usage {
    let mut usage = Usage::default();
    for delta in deltas {
        if let Delta::Usage(newest) = delta {
            usage.update(newest);
        }
    }
    usage
}

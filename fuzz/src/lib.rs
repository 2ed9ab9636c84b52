//! What must hold for any bytes whatever. Each fuzz target is one line that calls a check here.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a finding is a panic")]

use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::{AnswerContext, Dialect, Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::DecodeError;
use serde_json::value::RawValue;

/// All client dialects: a new one is one line.
fn clients() -> [Box<dyn Ingress>; 4] {
    [
        Box::new(adapters_openai::ingress::ChatCompletions),
        Box::new(adapters_responses::ingress::Responses),
        Box::new(adapters_anthropic::ingress::Messages),
        Box::new(adapters_gemini::ingress::GenerateContent),
    ]
}

/// All providers' dialects: a new one is one line.
fn providers() -> [Box<dyn Egress>; 4] {
    [
        Box::new(adapters_openai::egress::OpenAi),
        Box::new(adapters_responses::egress::ResponsesUpstream),
        Box::new(adapters_anthropic::egress::Anthropic),
        Box::new(adapters_gemini::egress::Gemini),
    ]
}

/// The last bytes say where the rest is cut, so that a fixture is a seed as it is.
fn split(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (bytes, at) = input.split_last_chunk::<2>()?;
    let at = usize::from(u16::from_le_bytes(*at)) % (bytes.len() + 1);
    let (before, after) = bytes.split_at(at);
    Some((bytes, before, after))
}

/// Where the bytes of an event stream are cut means nothing, and no byte is lost.
pub fn framing(input: &[u8]) {
    let Some((whole, before, after)) = split(input) else { return };
    let frames = |pieces: &[&[u8]]| {
        let (mut decoder, mut seen, mut failed) = (adapters_sse::Decoder::new(), Vec::new(), false);
        for piece in pieces {
            failed |= decoder.push(piece).is_err();
            while let Some(frame) = decoder.next_frame() {
                seen.push((
                    frame.event.map(str::to_owned),
                    frame.data.to_vec(),
                    frame.raw.to_vec(),
                ));
            }
        }
        decoder.finish();
        while let Some(frame) = decoder.next_frame() {
            seen.push((frame.event.map(str::to_owned), frame.data.to_vec(), frame.raw.to_vec()));
        }
        (seen, failed)
    };
    assert_eq!(frames(&[whole]), frames(&[before, after]), "cut at {}", before.len());
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

/// A stream is read alike however it is cut; its deltas keep their order; and every client dialect
/// writes them as events of valid JSON.
pub fn stream(egress: &dyn Egress, input: &[u8]) {
    let Some((whole, before, after)) = split(input) else { return };
    let (deltas, end) = decode(egress, &[whole]);
    let cut = decode(egress, &[before, after]);
    assert_eq!(format!("{:?}", (&deltas, &end)), format!("{cut:?}"), "cut at {}", before.len());
    in_order(&deltas, end.is_ok());
    for client in clients() {
        let context = AnswerContext { include_usage: true, ..AnswerContext::default() };
        let (mut encoder, mut out) = (client.encode_stream(context), Vec::new());
        deltas.iter().for_each(|delta| encoder.push(delta, &mut out));
        encoder.finish(&mut out);
        events(client.dialect(), &out);
    }
}

fn events(dialect: Dialect, stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let data = match line.split_once(": ") {
            Some(("data", "[DONE]") | ("event", _)) => continue,
            Some(("data", data)) => data,
            _ => panic!("a line of {dialect} that is none: {line}"),
        };
        if let Err(error) = serde_json::from_str::<&RawValue>(data) {
            panic!("an event of {dialect} that is not JSON: {error}: {data}");
        }
    }
}

/// The order that [`Delta`] promises.
fn in_order(deltas: &[Delta], ended: bool) {
    let (mut started, mut over) = (false, false);
    // Of each part: its choice, whether it is open, whether it is a call.
    let mut parts: Vec<(u32, bool, bool)> = Vec::new();
    let (mut finished, mut begun) = (Vec::new(), Vec::new());
    for delta in deltas {
        assert!(!over, "{delta:?} after a failure");
        let open = |part: &u32| parts.get(*part as usize).is_some_and(|(_, open, _)| *open);
        match delta {
            Delta::Malformed(_) | Delta::Loss(_) => continue,
            Delta::Failure(_) => {
                over = true;
                continue;
            }
            Delta::Start(_) => assert!(!started, "two starts"),
            Delta::PartStart { part, choice, kind } => {
                assert_eq!(*part as usize, parts.len(), "parts are numbered in order");
                assert!(!finished.contains(choice), "a part after the end of its choice");
                let call = matches!(kind, PartKind::ToolCall { .. });
                if let PartKind::ToolCall { id, .. } = kind {
                    assert!(!id.is_empty(), "a call without an id");
                }
                let overlaps = parts.iter().any(|it| it.0 == *choice && it.1 && !(it.2 && call));
                assert!(!overlaps, "parts overlap");
                parts.push((*choice, true, call));
                begun.push(*choice);
            }
            Delta::Text { part, .. }
            | Delta::Arguments { part, .. }
            | Delta::Signature { part, .. }
            | Delta::Citation { part, .. } => assert!(open(part), "{delta:?} of no open part"),
            Delta::PartEnd { part } => {
                assert!(open(part), "{delta:?} of no open part");
                parts[*part as usize].1 = false;
            }
            Delta::Finish { choice, .. } => {
                assert!(!finished.contains(choice), "finished twice");
                assert!(!parts.iter().any(|it| it.0 == *choice && it.1), "a part is open");
                finished.push(*choice);
            }
            Delta::Usage(_) | Delta::ServiceTier(_) | Delta::Logprobs { .. } => {}
        }
        started |= matches!(delta, Delta::Start(_));
        assert!(started, "{delta:?} before the start");
    }
    if ended && !over {
        assert!(begun.iter().all(|choice| finished.contains(choice)), "a choice does not end");
    }
}

/// A whole answer is read or refused, and what is read is written as valid JSON for every client.
pub fn answer(egress: &dyn Egress, input: &[u8]) {
    let _ = egress.decode_error(400, &Default::default(), input);
    let Ok(answer) = egress.decode_response(input) else { return };
    for client in clients() {
        let written = client.encode_response(&answer.value, &AnswerContext::default());
        if let Err(error) = serde_json::from_slice::<&RawValue>(&written.value) {
            panic!("an answer of {} that is not JSON: {error}", client.dialect());
        }
    }
}

/// A request is read or refused with a place, and what is read is said to every provider as valid
/// JSON, or refused.
pub fn request(ingress: &dyn Ingress, input: &[u8]) {
    let asked = Asked { model: Some("m"), ..Asked::default() };
    let _ = ingress.opening(input);
    let Ok(envelope) = ingress.read_envelope(&asked, input) else { return };
    let target = Target { model: "upstream", api_version: None };
    let passed = ingress.pass_request(input, &envelope, &target, true);
    if let Err(error) = serde_json::from_slice::<&RawValue>(&passed.body) {
        panic!("a passing request is no JSON any more: {error}");
    }
    let Ok(request) = ingress.decode_request(input, &envelope) else { return };
    for provider in providers() {
        let Ok(written) = provider.encode_request(&request.value, &target) else { continue };
        if let Err(error) = serde_json::from_slice::<&RawValue>(&written.value.body) {
            panic!("a request that is not JSON: {error}");
        }
    }
}

/// Fitting a request to a server leaves JSON.
pub fn quirks(input: &[u8]) {
    use adapters_openai::passthrough::adapt_request;
    use adapters_openai::quirk::{Quirk, Quirks};

    let Some((body, bits)) = input.split_last_chunk::<4>() else { return };
    let bits = u32::from_le_bytes(*bits);
    let chosen = Quirk::ALL.iter().enumerate().filter(|(at, _)| bits >> (at % 32) & 1 == 1);
    let quirks: Quirks = chosen.map(|(_, quirk)| *quirk).collect();
    if serde_json::from_slice::<&RawValue>(body).is_err() {
        return;
    }
    let once = adapt_request(body, quirks).value;
    if let Err(error) = serde_json::from_slice::<&RawValue>(&once) {
        panic!("a fitted request is no JSON any more: {error}");
    }
}

/// Where a form is cut means nothing to who watches it, a field that is there twice is noticed by
/// both readers, and what is put in the place of a field is what is found there.
pub fn multipart(input: &[u8]) {
    use adapters_openai::multipart::{Field, Watch, find, replace};

    let Some((whole, before, after)) = split(input) else { return };
    let watched = |pieces: &[&[u8]]| {
        let mut watch = Watch::new("B", "model");
        pieces.iter().try_for_each(|piece| watch.push(piece))
    };
    let seen = format!("{:?}", watched(&[whole]));
    assert_eq!(seen, format!("{:?}", watched(&[before, after])), "cut at {}", before.len());
    match find(whole, "B", "model") {
        Field::Twice => assert!(watched(&[whole]).is_err(), "only one reader sees the field twice"),
        // An empty name is refused, and nothing put in its place.
        Field::Found(at) if !at.is_empty() => {
            let changed = replace(whole, at.clone(), "m");
            let found = find(&changed, "B", "model");
            assert!(
                matches!(&found, Field::Found(span) if changed[span.clone()] == *b"m"),
                "{at:?}"
            );
        }
        Field::Found(_) | Field::NotYet | Field::Absent | Field::Malformed => {}
    }
}

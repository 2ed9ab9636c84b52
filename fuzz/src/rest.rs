//! Frames, forms, and requests fitted to servers.

use adapters_canonical::ingress::StreamTap;
use adapters_openai::passthrough::PlainTap;
use serde_json::value::RawValue;

use crate::stream::seen;
use crate::{is_json, split};

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
    assert_eq!(plain(&[whole]), plain(&[before, after]), "cut at {}", before.len());
    let _ = adapters_openai::passthrough::read_any_usage(whole);
}

/// A stream of an endpoint that is not translated: what passes, and all that is learned of it.
fn plain(pieces: &[&[u8]]) -> (Vec<u8>, String) {
    let (mut tap, mut out) = (PlainTap::new(String::new()), Vec::new());
    let end = pieces.iter().try_for_each(|piece| tap.push(piece, &mut out));
    let end = end.and_then(|()| tap.finish(&mut out));
    (out, seen(&tap, &end))
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
    is_json(&once, "a fitted request");
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

//! Carries seals of other providers in `thoughtSignature`, and knows them again.
//!
//! A Gemini client sends every `thoughtSignature` back as it got it, but knows of no other place
//! for a seal. So the seal of an Anthropic or OpenAI thought travels there too, in a form that
//! says what it is: standard base64 of
//!
//! ```text
//! penstock:<dialect>:{"signature":"…","redacted":"…","id":"…","covers":N}
//! ```
//!
//! with the dialect as [`Dialect`] writes itself, empty if it is not known, and only those members
//! that there are. `covers` is how many bytes of thought a seal is for, as in a stream: those of its
//! own part and of the parts before it. Nine bytes are twelve characters of base64, so that every such seal
//! begins with [`MARK`]. A seal of Gemini's own is passed as it is.

use std::borrow::Cow;

use adapters_canonical::chat::Thought;
use adapters_canonical::dialect::Dialect;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};

/// What every seal that was wrapped here begins with: base64 of `penstock:`.
pub const MARK: &str = "cGVuc3RvY2s6";
const PREFIX: &[u8] = b"penstock:";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Default, Deserialize, Serialize)]
struct Seal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    covers: Option<usize>,
}

/// What a `thoughtSignature` says.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Opened {
    /// Gemini's own seal, in standard base64.
    Own(String),
    /// A seal of another provider; the thought has no words. `covers` as the module says.
    Foreign { thought: Thought, covers: Option<usize> },
}

/// The `thoughtSignature` of a thought; `None` if nothing seals it. `covers` as the module says.
pub(super) fn wrap<'a>(thought: &'a Thought, covers: Option<usize>) -> Option<Cow<'a, str>> {
    let Thought { text: _, signature, redacted, origin, id } = thought;
    let signature = signature.as_deref().filter(|signature| !signature.is_empty());
    if *origin == Some(Dialect::Gemini) {
        return signature.map(own);
    }
    if signature.is_none() && redacted.is_none() {
        return None;
    }
    let seal = Seal {
        signature: signature.map(Cow::Borrowed),
        redacted: redacted.as_deref().map(Cow::Borrowed),
        id: id.as_deref().map(Cow::Borrowed),
        covers,
    };
    Some(Cow::Owned(encode(*origin, &seal)))
}

/// The `thoughtSignature` of words or a call, whose seals are Gemini's own, or are not known to be
/// another's. What is not base64 would make a client's SDK fail, and is wrapped.
pub(super) fn own(signature: &str) -> Cow<'_, str> {
    if LENIENT.decode(&*standard(signature)).is_ok() {
        return Cow::Borrowed(signature);
    }
    let seal = Seal { signature: Some(Cow::Borrowed(signature)), ..Seal::default() };
    Cow::Owned(encode(None, &seal))
}

fn encode(origin: Option<Dialect>, seal: &Seal<'_>) -> String {
    let mut bytes = PREFIX.to_vec();
    bytes.extend(origin.iter().flat_map(|origin| origin.to_string().into_bytes()));
    bytes.push(b':');
    adapters_json::write::json(&mut bytes, seal);
    STANDARD.encode(bytes)
}

/// Reads what a client sends back: in whichever base64, since SDKs write it anew.
pub(super) fn open(signature: &str) -> Opened {
    let standard = standard(signature);
    match unwrap(&standard) {
        Some(opened) => opened,
        None => Opened::Own(standard.into_owned()),
    }
}

fn unwrap(standard: &str) -> Option<Opened> {
    if !standard.starts_with(MARK) {
        return None;
    }
    let bytes = LENIENT.decode(standard).ok()?;
    let text = std::str::from_utf8(bytes.strip_prefix(PREFIX)?).ok()?;
    let (dialect, json) = text.split_once(':')?;
    let origin = match dialect {
        "openai" => Some(Dialect::OpenAi),
        "responses" => Some(Dialect::Responses),
        "anthropic" => Some(Dialect::Anthropic),
        "gemini" => Some(Dialect::Gemini),
        _ => None,
    };
    let Seal { signature, redacted, id, covers } = serde_json::from_str(json).ok()?;
    let [signature, redacted, id] = [signature, redacted, id].map(|it| it.map(Cow::into_owned));
    let thought = Thought { text: String::new(), signature, redacted, origin, id };
    Some(Opened::Foreign { thought, covers })
}

/// Base64 in its standard alphabet, with its padding: the Python SDK writes the URL-safe one.
pub(super) fn standard(data: &str) -> Cow<'_, str> {
    let padding = match data.len() % 4 {
        2 if !data.ends_with('=') => "==",
        3 if !data.ends_with('=') => "=",
        _ => "",
    };
    if padding.is_empty() && memchr::memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return Cow::Borrowed(data);
    }
    let mut standard = data.replace('-', "+").replace('_', "/");
    standard.push_str(padding);
    Cow::Owned(standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_seal_comes_back_as_it_went_however_it_is_spelled() {
        for origin in [None, Some(Dialect::Anthropic), Some(Dialect::Responses)] {
            let thought = Thought {
                signature: Some("a+/=\"ü>>>???".to_owned()),
                redacted: Some("ciph\u{10ffff}er".to_owned()),
                id: Some("rs_1".to_owned()),
                origin,
                text: String::new(),
            };
            let sealed = wrap(&thought, Some(7)).unwrap().into_owned();
            assert!(sealed.starts_with(MARK), "{sealed}");
            let url_safe = sealed.replace('+', "-").replace('/', "_");
            let bare = url_safe.trim_end_matches('=');
            for sent in [&*sealed, &*url_safe, bare] {
                let expected = Opened::Foreign { thought: thought.clone(), covers: Some(7) };
                assert_eq!(open(sent), expected, "{sent}");
            }
        }
    }

    #[test]
    fn geminis_own_seal_is_passed_as_it_is() {
        let signature = Some("EpAI+/8=".to_owned());
        let thought = Thought { signature, origin: Some(Dialect::Gemini), ..Thought::default() };
        assert_eq!(wrap(&thought, None).as_deref(), Some("EpAI+/8="));
        assert_eq!(open("EpAI-_8"), Opened::Own("EpAI+/8=".to_owned()));
        assert_eq!(open("cGVuc3RvY2s6"), Opened::Own("cGVuc3RvY2s6".to_owned()));
    }

    #[test]
    fn what_is_not_base64_is_wrapped_and_nothing_is_no_seal() {
        assert!(own("no base64!").starts_with(MARK));
        assert_eq!(wrap(&Thought::default(), None), None);
    }
}

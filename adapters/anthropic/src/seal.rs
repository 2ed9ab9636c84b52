//! How a thought of another provider travels through this dialect and back.
//!
//! A `thinking` block has one place for a provider's seal, its `signature`, and clients send it
//! back unread. Anthropic's own seals stand there as they are. Whatever must go back to another
//! provider is written there in a form that names its origin:
//!
//! ```text
//! penstock:<origin>:<field>&<field>…
//! ```
//!
//! | part       | what it says                                                                |
//! |------------|-----------------------------------------------------------------------------|
//! | `<origin>` | `openai`, `responses`, `anthropic` or `gemini`; `unknown` if nobody knows   |
//! | `sig=…`    | the seal                                                                    |
//! | `data=…`   | the thought itself, enciphered                                              |
//! | `id=…`     | the provider's name for the thought                                         |
//! | `of=block` | the seal belongs to the block before it and there is no thought: a carrier  |
//!
//! `%` and `&` inside a field are written `%25` and `%26`, nothing else is changed. A thought
//! without seal has no fields. A thought of which there is nothing to read is written as
//! `redacted_thinking`, whose `data` has the same form. No seal is longer than [`MOST`] bytes: a
//! longer one is not written, and not read.

use std::borrow::Cow;

use adapters_canonical::chat::Thought;
use adapters_canonical::dialect::Dialect;

/// The longest seal, in bytes.
pub(crate) const MOST: usize = 1 << 20;

/// How every seal of ours begins.
pub(crate) const PREFIX: &str = "penstock:";

const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];
const UNKNOWN: &str = "unknown";
const CARRIER: (&str, &str) = ("of", "block");

/// What a seal of ours says.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Seal {
    pub(crate) origin: Option<Dialect>,
    pub(crate) signature: Option<String>,
    pub(crate) redacted: Option<String>,
    pub(crate) id: Option<String>,
    /// Whether it belongs to the block before it.
    pub(crate) carrier: bool,
}

/// What stands in the place of Anthropic's seal on `thought`; `None` if it is too long.
pub(crate) fn of_thought(thought: &Thought) -> Option<Cow<'_, str>> {
    let own = matches!(thought.origin, None | Some(Dialect::Anthropic));
    let sealed = thought.signature.as_deref().filter(|seal| !seal.is_empty());
    match (sealed, &thought.redacted, &thought.id) {
        (Some(seal), None, None) if own => Some(Cow::Borrowed(seal)),
        (None, Some(data), None) if own && thought.text.is_empty() => Some(Cow::Borrowed(data)),
        _ => {
            let fields = [
                ("id", thought.id.as_deref()),
                ("sig", sealed),
                ("data", thought.redacted.as_deref()),
            ];
            write(thought.origin, &fields).map(Cow::Owned)
        }
    }
}

/// The seal on the block before it.
pub(crate) fn of_block(origin: Dialect, signature: &str) -> Option<String> {
    write(Some(origin), &[(CARRIER.0, Some(CARRIER.1)), ("sig", Some(signature))])
}

fn write(origin: Option<Dialect>, fields: &[(&str, Option<&str>)]) -> Option<String> {
    let length: usize = fields.iter().filter_map(|(_, value)| value.map(str::len)).sum();
    if length > MOST {
        return None;
    }
    let mut seal = String::with_capacity(PREFIX.len() + 32 + length);
    seal.push_str(PREFIX);
    match origin {
        Some(dialect) => seal.push_str(&dialect.to_string()),
        None => seal.push_str(UNKNOWN),
    }
    let mut border = ':';
    for (name, value) in fields.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        seal.push(border);
        border = '&';
        seal.push_str(name);
        seal.push('=');
        for piece in value.split_inclusive(['%', '&']) {
            match piece.strip_suffix(['%', '&']) {
                Some(before) => {
                    seal.push_str(before);
                    seal.push_str(if piece.ends_with('%') { "%25" } else { "%26" });
                }
                None => seal.push_str(piece),
            }
        }
    }
    if border == ':' {
        seal.push(border);
    }
    (seal.len() <= MOST).then_some(seal)
}

/// Whether a seal is ours.
pub(crate) fn is_ours(seal: &str) -> bool {
    seal.starts_with(PREFIX)
}

/// Reads a seal of ours; `None` if it is none, or if somebody has changed it.
pub(crate) fn read(seal: &str) -> Option<Seal> {
    let (origin, fields) = seal.strip_prefix(PREFIX)?.split_once(':')?;
    if seal.len() > MOST {
        return None;
    }
    let origin = match origin {
        UNKNOWN => None,
        name => Some(DIALECTS.into_iter().find(|dialect| dialect.to_string() == name)?),
    };
    let mut read = Seal { origin, ..Seal::default() };
    for field in fields.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=')?;
        let slot = match name {
            "sig" => &mut read.signature,
            "data" => &mut read.redacted,
            "id" => &mut read.id,
            _ if (name, value) == CARRIER => {
                read.carrier = true;
                continue;
            }
            _ => return None,
        };
        *slot = Some(value.replace("%26", "&").replace("%25", "%"));
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_own_seal_stands_as_it_is_and_a_foreign_one_names_its_origin() {
        let sealed = |origin, signature: &str| {
            let signature = Some(signature.to_owned());
            of_thought(&Thought { origin, signature, ..Thought::default() }).map(Cow::into_owned)
        };
        assert_eq!(sealed(Some(Dialect::Anthropic), "Eo==").as_deref(), Some("Eo=="));
        assert_eq!(sealed(None, "Eo==").as_deref(), Some("Eo=="));
        let foreign = sealed(Some(Dialect::Gemini), "a&b%26=");
        assert_eq!(foreign.as_deref(), Some("penstock:gemini:sig=a%26b%2526="));
        let unsealed = Thought { text: "Hm.".to_owned(), ..Thought::default() };
        assert_eq!(of_thought(&unsealed).as_deref(), Some("penstock:unknown:"));
    }

    #[test]
    fn a_seal_has_a_bound_and_one_that_was_changed_is_none() {
        let long = "x".repeat(MOST);
        assert_eq!(of_block(Dialect::Gemini, &long), None);
        for changed in ["penstock:", "penstock:other:sig=a", "penstock:gemini:b", "Eo=="] {
            assert_eq!(read(changed), None, "{changed}");
        }
        let carrier = of_block(Dialect::Gemini, "s").unwrap();
        assert_eq!(carrier, "penstock:gemini:of=block&sig=s");
        assert!(read(&carrier).unwrap().carrier);
    }

    proptest! {
        #[test]
        fn what_is_sealed_comes_back(
            origin in prop::option::of(prop::sample::select(DIALECTS.as_slice())),
            signature in prop::option::of(".{1,20}"),
            redacted in prop::option::of(".{0,20}"),
            id in prop::option::of(".{0,20}"),
        ) {
            let thought = Thought {
                text: "words".to_owned(),
                signature: signature.clone(),
                redacted: redacted.clone(),
                origin,
                id: id.clone(),
            };
            let seal = of_thought(&thought).unwrap();
            prop_assume!(is_ours(&seal));
            let expected = Seal { origin, signature, redacted, id, carrier: false };
            prop_assert_eq!(read(&seal), Some(expected));
        }
    }
}

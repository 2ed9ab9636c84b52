//! The seals of other providers, in the one place where this dialect carries a seal.
//!
//! A client of Responses that keeps no state with the provider sends reasoning items back as it
//! got them, `encrypted_content` included. So what other providers want back travels there, as
//!
//! ```text
//! penstock:<dialect>:signature:<seal>              of the thought in this item's summary
//! penstock:<dialect>:redacted:<cipher>             a thought nobody may read
//! penstock:<dialect>:text:<seal>                   of the text in the message before this item
//! penstock:<dialect>:call:<length>:<call_id><seal> of the call with this id, of `length` bytes
//! ```
//!
//! `<dialect>` is `openai`, `anthropic` or `gemini`, or `any` where the provider is not known.
//! What does not begin with `penstock:` is OpenAI's own.

use adapters_canonical::dialect::Dialect;

const MARK: &str = "penstock";

/// How everything begins that is written here.
pub(crate) const PREFIX: &str = "penstock:";

/// What a seal is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seal<'a> {
    /// Of the thought it stands with.
    Signature(&'a str),
    /// The thought itself, enciphered.
    Redacted(&'a str),
    /// Of the text before it.
    Text(&'a str),
    /// Of a call.
    Call {
        /// Which call.
        id: &'a str,
        /// Its seal.
        seal: &'a str,
    },
}

/// Writes a seal of `origin`.
#[must_use]
pub fn write(origin: Option<Dialect>, seal: Seal<'_>) -> String {
    let origin = origin.map_or("any", word);
    match seal {
        Seal::Signature(seal) => format!("{MARK}:{origin}:signature:{seal}"),
        Seal::Redacted(cipher) => format!("{MARK}:{origin}:redacted:{cipher}"),
        Seal::Text(seal) => format!("{MARK}:{origin}:text:{seal}"),
        Seal::Call { id, seal } => format!("{MARK}:{origin}:call:{}:{id}{seal}", id.len()),
    }
}

/// Reads what [`write`](fn@write) wrote; `None` if it is OpenAI's own, or of a form not known.
#[must_use]
pub fn read(encrypted: &str) -> Option<(Option<Dialect>, Seal<'_>)> {
    let (origin, rest) = encrypted.strip_prefix(MARK)?.strip_prefix(':')?.split_once(':')?;
    let origin = match origin {
        "any" => None,
        word => Some(dialect(word)?),
    };
    let (kind, rest) = rest.split_once(':')?;
    let seal = match kind {
        "signature" => Seal::Signature(rest),
        "redacted" => Seal::Redacted(rest),
        "text" => Seal::Text(rest),
        "call" => {
            let (length, rest) = rest.split_once(':')?;
            let (id, seal) = rest.split_at_checked(length.parse().ok()?)?;
            Seal::Call { id, seal }
        }
        _ => return None,
    };
    Some((origin, seal))
}

fn word(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "openai",
        Dialect::Responses => "responses",
        Dialect::Anthropic => "anthropic",
        Dialect::Gemini => "gemini",
    }
}

fn dialect(name: &str) -> Option<Dialect> {
    let all = [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];
    all.into_iter().find(|dialect| word(*dialect) == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_byte_for_byte(
            origin in prop::option::of(prop::sample::select(vec![
                Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini,
            ])),
            id in ".{0,12}",
            seal in ".{0,40}",
        ) {
            let (id, seal) = (id.as_str(), seal.as_str());
            for one in [
                Seal::Signature(seal), Seal::Redacted(seal), Seal::Text(seal), Seal::Call { id, seal },
            ] {
                let written = write(origin, one);
                prop_assert_eq!(read(&written), Some((origin, one)));
            }
        }
    }

    #[test]
    fn what_openai_wrote_is_no_seal_of_ours() {
        for own in ["", "gAAAAABpPDIU", "penstock", "penstock:mars:text:x", "penstock:any:odd:x"] {
            assert_eq!(read(own), None, "{own}");
        }
        assert_eq!(read("penstock:any:call:9:ab"), None);
    }
}

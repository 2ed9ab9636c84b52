//! From an OpenAI client to an OpenAI provider and back, with as few bytes changed as possible.
//!
//! What is not changed is not re-encoded: members we do not know, their order and the spaces
//! between them reach the other side as they were written.

mod adapt;
mod embed;
mod members;
mod parts;
mod peek;
mod plain;
mod request;
mod tap;
mod words;

use std::sync::LazyLock;

pub use adapt::adapt_request;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::scan;
pub use embed::embed_images;
use memchr::memmem::Finder;
pub use plain::PlainTap;
pub use request::rewrite_request;
use serde::Deserialize;
pub use tap::ChunkTap;

pub use crate::address::pass_path;
use crate::wire::usage::Usage;

/// Where it stands in an answer.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""usage""#));

/// What a whole answer says it cost, without reading the rest of it.
#[must_use]
pub fn read_usage(body: &[u8]) -> Option<Tokens> {
    let usage = scan::late_member(body, &USAGE).or_else(|| {
        let usage = scan::member(body, "usage")?;
        serde_json::from_slice::<Option<Usage>>(usage).ok()
    })?;
    usage.map(Tokens::from)
}

/// The same in the words of whichever of OpenAI's endpoints: pictures and transcripts have input and
/// output tokens, and who ranks documents knows a total only.
#[must_use]
pub fn read_any_usage(body: &[u8]) -> Option<Tokens> {
    #[derive(Deserialize)]
    struct Other {
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        total_tokens: Option<u64>,
        input_tokens_details: Option<Details>,
    }

    #[derive(Deserialize)]
    struct Details {
        image_tokens: Option<u64>,
        audio_tokens: Option<u64>,
    }

    let usage = scan::member(body, "usage")?;
    let tokens = serde_json::from_slice::<Option<Usage>>(usage).ok()?.map(Tokens::from)?;
    if tokens.total().is_some() {
        return Some(tokens);
    }
    let other: Other = serde_json::from_slice(usage).ok()?;
    let details = other.input_tokens_details;
    Some(Tokens {
        input: other.input_tokens.or(other.total_tokens.filter(|_| other.output_tokens.is_none())),
        output: other.output_tokens,
        input_image: details.as_ref().and_then(|details| details.image_tokens),
        input_audio: details.as_ref().and_then(|details| details.audio_tokens),
        ..tokens
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_a_whole_answer_and_from_nowhere_else() {
        let body = br#"{"choices":[{"message":{"content":"{\"usage\":{}}"}}],
            "usage":{"prompt_tokens":3,"completion_tokens":0}}"#;
        let usage = read_usage(body).unwrap();
        assert_eq!((usage.input, usage.output), (Some(3), Some(0)));
        assert_eq!(read_usage(br#"{"choices":[]}"#), None);
        assert_eq!(read_usage(b"<html>"), None);
    }
}

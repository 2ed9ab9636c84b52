//! From an OpenAI client to an OpenAI provider and back, with as few bytes changed as possible.
//!
//! What is not changed is not re-encoded: members we do not know, their order and the spaces
//! between them reach the other side as they were written.

mod adapt;
mod members;
mod peek;
mod request;
mod tap;

pub use adapt::adapt_request;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::scan;
pub use request::rewrite_request;
pub use tap::ChunkTap;

use crate::wire::usage::Usage;

/// What a whole answer says it cost, without reading the rest of it.
#[must_use]
pub fn read_usage(body: &[u8]) -> Option<Tokens> {
    let usage = scan::member(body, "usage")?;
    serde_json::from_slice::<Option<Usage>>(usage).ok()?.map(Tokens::from)
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

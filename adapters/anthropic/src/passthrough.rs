//! From an Anthropic client to an Anthropic provider and back, with as few bytes changed as
//! possible.
//!
//! What is not changed is not re-encoded: members we do not know, their order and the spaces
//! between them reach the other side as they were written. Of a request only the name of the model
//! is replaced, and thoughts of other providers are cut.

mod foreign;
mod request;
mod tap;

use std::sync::LazyLock;

use adapters_canonical::usage::Usage;
use adapters_json::scan;
use memchr::memmem::Finder;
pub use request::{pass_count_request, pass_request};
use serde_json::value::RawValue;
pub use tap::EventTap;

use crate::egress;

/// Where it stands in an answer.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""usage""#));

/// What a whole answer says it cost, without reading the rest of it.
#[must_use]
pub fn read_usage(body: &[u8]) -> Option<Usage> {
    let raw: Option<&RawValue> = scan::late_member(body, &USAGE)
        .or_else(|| serde_json::from_slice(scan::member(body, "usage")?).ok())?;
    egress::read_usage(raw?).ok().map(|(usage, _)| usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_a_whole_answer_and_from_nowhere_else() {
        let body = br#"{"content":[{"input":{"usage":{"input_tokens":9}}}],
            "usage":{"input_tokens":3,"cache_read_input_tokens":0,"output_tokens":0}}"#;
        let usage = read_usage(body).unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output), (Some(3), Some(0), Some(0)));
        assert_eq!(usage.cache_write, None);
        assert_eq!(read_usage(br#"{"content":[]}"#), None);
        assert_eq!(read_usage(b"<html>"), None);
    }
}

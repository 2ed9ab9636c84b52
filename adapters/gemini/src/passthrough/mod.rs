//! From a Gemini client to a Gemini provider and back, with as few bytes changed as possible.

mod request;
mod tap;

pub use request::pass_method;
pub(crate) use request::pass_request;
pub use tap::ContentTap;

use std::sync::LazyLock;

use adapters_canonical::usage::Usage;
use adapters_json::scan;
use memchr::memmem::Finder;

use crate::egress::Tally;
use crate::wire::response::UsageMetadata;

/// Where it stands in an answer.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""usageMetadata""#));

/// What a whole answer says it cost, without reading the rest of it.
#[must_use]
pub fn read_usage(body: &[u8]) -> Option<Usage> {
    let usage: Option<UsageMetadata<'_>> = scan::late_member(body, &USAGE)
        .or_else(|| serde_json::from_slice(scan::member(body, "usageMetadata")?).ok())?;
    let mut tally = Tally::default();
    tally.update(&usage?);
    tally.usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_a_whole_answer_and_from_nowhere_else() {
        let body = br#"{"candidates":[{"content":{"parts":[{"text":"{\"usageMetadata\":{}}"}]}}],
            "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":0}}"#;
        let usage = read_usage(body).unwrap();
        assert_eq!((usage.input, usage.output), (Some(3), Some(0)));
        assert_eq!(read_usage(br#"{"candidates":[]}"#), None);
        assert_eq!(read_usage(b"<html>"), None);
    }
}

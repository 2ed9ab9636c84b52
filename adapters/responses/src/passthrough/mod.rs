//! From a Responses client to a Responses provider and back, with as few bytes changed as
//! possible.
//!
//! What is not changed is not re-encoded: members we do not know, their order and the spaces
//! between them reach the other side as they were written.

pub(crate) mod foreign;
mod tap;

use std::sync::LazyLock;

use adapters_canonical::usage::Usage as Tokens;
use adapters_json::scan;
use memchr::memmem::Finder;

use crate::wire::usage::{ToolUsage, Usage};

pub(crate) use tap::EventTap;

/// Where it stands in an answer.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""usage""#));

/// What a whole answer says it cost, without reading the rest of it.
pub(crate) fn read_usage(body: &[u8]) -> Option<Tokens> {
    let usage: Option<Usage> = scan::late_member(body, &USAGE)
        .or_else(|| serde_json::from_slice(scan::member(body, "usage")?).ok())?;
    let tools = scan::member(body, "tool_usage");
    let tools: Option<ToolUsage> = tools.and_then(|tools| serde_json::from_slice(tools).ok()?);
    tokens(usage, tools.as_ref())
}

/// What a response is called.
pub(crate) fn read_id(json: &[u8]) -> Option<String> {
    serde_json::from_slice(scan::member(json, "id")?).ok()
}

/// The usage of a response, its searches included.
pub(crate) fn tokens(usage: Option<Usage>, tools: Option<&ToolUsage>) -> Option<Tokens> {
    let web_searches = tools.and_then(ToolUsage::web_searches);
    usage.map(|usage| Tokens { web_searches, ..usage.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_a_whole_answer_and_from_nowhere_else() {
        let body = br#"{"output":[{"content":"{\"usage\":{}}"}],
            "usage":{"input_tokens":3,"output_tokens":0},
            "tool_usage":{"web_search":{"num_requests":2}}}"#;
        let usage = read_usage(body).unwrap();
        assert_eq!((usage.input, usage.output), (Some(3), Some(0)));
        assert_eq!(usage.web_searches, Some(2));
        assert_eq!(read_usage(br#"{"output":[],"usage":null}"#), None);
        assert_eq!(read_usage(b"<html>"), None);
    }
}

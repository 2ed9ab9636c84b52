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
use crate::hosted::Queries;
use crate::wire::response::{Candidate, UsageMetadata};

/// Where it stands in an answer.
static USAGE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""usageMetadata""#));

/// What an answer has that searched the web.
static SEARCHES: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""webSearchQueries""#));

/// What a whole answer says it cost, without reading the rest of it, unless it searched the web.
#[must_use]
pub fn read_usage(body: &[u8]) -> Option<Usage> {
    let tokens = read_tokens(body);
    let Some(searches) = SEARCHES.find(body).and_then(|_| read_searches(body)) else {
        return tokens;
    };
    Some(Usage { web_searches: Some(searches), ..tokens.unwrap_or_default() })
}

fn read_tokens(body: &[u8]) -> Option<Usage> {
    let usage: Option<UsageMetadata<'_>> = scan::late_member(body, &USAGE)
        .or_else(|| serde_json::from_slice(scan::member(body, "usageMetadata")?).ok())?;
    let mut tally = Tally::default();
    tally.update(&usage?);
    tally.usage()
}

/// How often the web was searched, for all candidates together: they are paid for each.
fn read_searches(body: &[u8]) -> Option<u64> {
    let candidates = scan::member(body, "candidates")?;
    let candidates: Vec<Candidate<'_>> = serde_json::from_slice(candidates).ok()?;
    let searches = candidates.iter().filter_map(|candidate| {
        let mut queries = Queries::default();
        queries.take(candidate);
        queries.count()
    });
    searches.reduce(u64::saturating_add)
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

    #[test]
    fn searches_that_cost_are_counted_in_answers_that_pass() {
        let body = br#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b","a"]}},
            {"groundingMetadata":{"webSearchQueries":["a"]}}],"usageMetadata":{"promptTokenCount":3}}"#;
        let usage = read_usage(body).unwrap();
        assert_eq!((usage.input, usage.web_searches), (Some(3), Some(3)));
    }
}

//! What a request must lose before a provider of this dialect sees it: thoughts of other providers,
//! and what they did with tools of their own.
//!
//! A conversation may have gone through another provider before. What that must be sent back came to
//! the client in reasoning items with a seal of ours (see `seal`), and what it looked up in items
//! with ids of ours (see `hosted`), and the client sends them back. The provider would refuse the
//! former, since it cannot decipher them, and has never heard of the latter.

use std::ops::Range;

use adapters_json::read;
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{hosted, seal};

/// Where in the body stand the items to cut, each with one comma beside it, in order.
///
/// A body without a mark of ours is only searched for one.
pub(crate) fn edits(body: &[u8]) -> Vec<(Range<usize>, Vec<u8>)> {
    let marks = [seal::PREFIX, hosted::MARK];
    if !marks.iter().any(|mark| memchr::memmem::find(body, mark.as_bytes()).is_some()) {
        return Vec::new();
    }
    items(body).unwrap_or_default()
}

fn items(body: &[u8]) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    #[derive(Deserialize)]
    struct Input<'a> {
        #[serde(borrow)]
        input: Vec<&'a RawValue>,
    }

    let json = read::text(body).ok()?;
    let Input { input } = serde_json::from_str(json).ok()?;
    let spans: Vec<_> =
        input.iter().map(|item| read::span(json, item.get())).collect::<Option<_>>()?;
    let gone: Vec<bool> = input.iter().map(|item| is_foreign(item)).collect();
    let mut edits = Vec::new();
    let stays = gone.iter().position(|gone| !gone)?;
    if let (Some(first), Some(kept)) = (spans.first(), spans.get(stays).filter(|_| stays > 0)) {
        edits.push((first.start..kept.start, Vec::new()));
    }
    let pairs = spans.iter().zip(spans.iter().skip(1)).zip(gone.iter().skip(1));
    for ((before, span), gone) in pairs.skip(stays) {
        if *gone {
            edits.push((before.end..span.end, Vec::new()));
        }
    }
    Some(edits)
}

fn is_foreign(item: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Str<'a>>,
        #[serde(borrow)]
        id: Option<Str<'a>>,
        #[serde(borrow)]
        encrypted_content: Option<Str<'a>>,
    }

    let Ok(Item { kind, id, encrypted_content }) = serde_json::from_str(item.get()) else {
        return false;
    };
    let sealed = encrypted_content.is_some_and(|content| content.starts_with(seal::PREFIX));
    kind.as_deref() == Some("reasoning") && sealed || id.is_some_and(|id| hosted::is_made_up(&id))
}

#[cfg(test)]
mod tests {
    use adapters_json::edit;

    use super::*;

    const SEALED: &str = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"penstock:any:text:x"}"#;
    const LOOKED: &str = r#"{"type":"web_search_call","id":"ws_penstock_1_0","action":{}}"#;
    const OWN: &str = r#"{"type":"reasoning","id":"rs_2","encrypted_content":"gAAA"}"#;
    const WORDS: &str = r#"{"role":"user","content":"penstock: ws_penstock_"}"#;

    #[track_caller]
    fn check(items: &str, expected: &str) {
        let body = |items: &str| format!(r#"{{"input":[ {items} ],"model":"m"}}"#);
        let given = body(items);
        let got = edit::splice(given.as_bytes(), &edits(given.as_bytes()));
        assert_eq!(String::from_utf8(got).unwrap(), body(expected));
    }

    #[test]
    fn what_another_provider_thought_and_did_is_cut_and_nothing_else_is_touched() {
        check(&format!("{OWN} ,{WORDS}"), &format!("{OWN} ,{WORDS}"));
        check(&format!("{WORDS}, {LOOKED},{SEALED} , {OWN}"), &format!("{WORDS} , {OWN}"));
        check(&format!("{SEALED}, {LOOKED},{WORDS}"), WORDS);
        check(&format!("{WORDS},{SEALED}"), WORDS);
    }

    #[test]
    fn a_body_of_another_shape_is_left_alone() {
        for body in [r#"{"input":"penstock:"}"#, "penstock:", r#"{"input":[7,"penstock:"]}"#] {
            assert_eq!(edits(body.as_bytes()), [], "{body}");
        }
    }
}

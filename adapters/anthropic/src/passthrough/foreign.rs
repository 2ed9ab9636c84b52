//! What a request must lose before Anthropic sees it: thoughts of other providers, what they did
//! with tools of their own, and what they cited.
//!
//! A conversation may have gone through another provider before. Its thoughts came to the client in
//! blocks with a seal of ours (see `seal`), what it looked up in blocks with ids of ours (see
//! `hosted`), and the client sends them back. Anthropic would refuse them, as it refuses every seal
//! but its own (field 34).

use std::ops::Range;

use adapters_json::read;
use serde_json::value::RawValue;

use crate::wire::answer::Tag;
use crate::wire::ask::{Content, Message};
use crate::{citation, hosted, seal};

/// Where in the body stand the blocks to cut, each with one comma beside it, in order.
///
/// A body without a seal of ours is only searched for one. A turn of which nothing would be left
/// keeps a place: there the first block is replaced.
pub(super) fn edits(body: &[u8]) -> Vec<(Range<usize>, Vec<u8>)> {
    let marks = [seal::PREFIX, hosted::MARK];
    if !marks.iter().any(|mark| memchr::memmem::find(body, mark.as_bytes()).is_some()) {
        return Vec::new();
    }
    let mut edits = messages(body).unwrap_or_default();
    edits.sort_by_key(|(span, _)| span.start);
    edits
}

fn messages(body: &[u8]) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    #[derive(serde::Deserialize)]
    struct Turns<'a> {
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
    }

    let json = read::text(body).ok()?;
    let turns: Turns<'_> = serde_json::from_str(json).ok()?;
    let mut edits = Vec::new();
    for turn in turns.messages {
        if let Some(Content::Blocks(blocks)) = turn.content {
            let kept = blocks.iter().filter(|block| !is_foreign(block));
            edits.extend(kept.filter_map(|block| uncited(json, block)));
            let spans = blocks.iter().map(|block| read::span(json, block.get()));
            cut(&blocks, &spans.collect::<Option<Vec<_>>>()?, &mut edits);
        }
    }
    Some(edits)
}

/// A block goes with what stands between it and the one before it; at the beginning, with what
/// stands between it and the first that stays.
fn cut(blocks: &[&RawValue], spans: &[Range<usize>], edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
    let gone: Vec<bool> = blocks.iter().map(|block| is_foreign(block)).collect();
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
    let Some(stays) = gone.iter().position(|gone| !gone) else {
        // The API takes no turn without content.
        edits.push((first.start..last.end, br#"{"type":"text","text":"..."}"#.to_vec()));
        return;
    };
    if let Some(kept) = spans.get(stays).filter(|_| stays > 0) {
        edits.push((first.start..kept.start, Vec::new()));
    }
    let pairs = spans.iter().zip(spans.iter().skip(1)).zip(gone.iter().skip(1));
    for ((before, span), gone) in pairs.skip(stays) {
        if *gone {
            edits.push((before.end..span.end, Vec::new()));
        }
    }
}

/// The citations of a text without those that we made, if there are any of these.
fn uncited(json: &str, block: &RawValue) -> Option<(Range<usize>, Vec<u8>)> {
    #[derive(serde::Deserialize)]
    struct Cited<'a> {
        #[serde(borrow)]
        citations: &'a RawValue,
    }

    let Cited { citations } = serde_json::from_str(block.get()).ok()?;
    let all: Vec<&RawValue> = serde_json::from_str(citations.get()).ok()?;
    let own: Vec<_> =
        all.iter().filter(|one| !citation::is_made_up(one)).map(|one| one.get()).collect();
    if own.len() == all.len() {
        return None;
    }
    let list = if own.is_empty() { "null".to_owned() } else { format!("[{}]", own.join(",")) };
    Some((read::span(json, citations.get())?, list.into_bytes()))
}

fn is_foreign(block: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Sealed<'a> {
        #[serde(borrow)]
        signature: Option<adapters_json::string::Str<'a>>,
        #[serde(borrow)]
        data: Option<adapters_json::string::Str<'a>>,
    }

    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<adapters_json::string::Str<'a>>,
        #[serde(borrow)]
        tool_use_id: Option<adapters_json::string::Str<'a>>,
    }

    if let Ok(Named { id, tool_use_id }) = serde_json::from_str(block.get())
        && [id, tool_use_id].into_iter().flatten().any(|id| hosted::is_made_up(&id))
    {
        return true;
    }
    let Ok(Tag { kind }) = serde_json::from_str(block.get()) else { return false };
    if !matches!(kind.as_deref(), Some("thinking" | "redacted_thinking")) {
        return false;
    }
    let Ok(Sealed { signature, data }) = serde_json::from_str(block.get()) else { return false };
    [signature, data].into_iter().flatten().any(|sealed| seal::is_ours(&sealed))
}

#[cfg(test)]
mod tests {
    use adapters_json::edit;

    use super::*;

    #[track_caller]
    fn check(blocks: &str, expected: &str) {
        let body = |blocks: &str| format!(r#"{{"messages":[{{"content":[ {blocks} ]}}],"m":1}}"#);
        let given = body(blocks);
        let got = edit::splice(given.as_bytes(), &edits(given.as_bytes()));
        assert_eq!(String::from_utf8(got).unwrap(), body(expected));
    }

    const OWN: &str = r#"{"type":"thinking","thinking":"a","signature":"Eo=="}"#;
    const SEALED: &str = r#"{"signature":"penstock:gemini:sig=a","type":"thinking"}"#;
    const HIDDEN: &str = r#"{"type":"redacted_thinking","data":"pen\u0073tock:responses:data=a"}"#;
    const WORDS: &str = r#"{"type":"text","text":"penstock:"}"#;

    #[test]
    fn foreign_thoughts_are_cut_and_nothing_else_is_touched() {
        check(&format!("{OWN} ,{WORDS}"), &format!("{OWN} ,{WORDS}"));
        check(&format!("{SEALED} , {WORDS}"), WORDS);
        check(&format!("{WORDS} , {SEALED}"), WORDS);
        check(&format!("{WORDS},{SEALED} , {HIDDEN}, {OWN}"), &format!("{WORDS}, {OWN}"));
        check(
            &format!("{SEALED},{HIDDEN},{WORDS},{SEALED}, {OWN},{SEALED}"),
            &format!("{WORDS}, {OWN}"),
        );
    }

    #[test]
    fn what_another_provider_did_and_cited_is_cut() {
        let used = r#"{"type":"server_tool_use","id":"srvtoolu_penstock_1","name":"web_search","input":{}}"#;
        let found =
            r#"{"tool_use_id":"srvtoolu_penstock_1","type":"web_search_tool_result","content":[]}"#;
        let own = r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#;
        check(&format!("{used},{found},{WORDS}"), WORDS);
        check(&format!("{own}, {used} ,{WORDS}"), &format!("{own} ,{WORDS}"));
        let text = |citations: &str| format!(r#"{{"type":"text","citations":{citations}}}"#);
        let ours =
            r#"{"type":"web_search_result_location","encrypted_index":"penstock:","url":"u"}"#;
        let theirs = r#"{"type":"web_search_result_location","encrypted_index":"E","url":"u"}"#;
        check(&text(&format!("[{ours}]")), &text("null"));
        check(&text(&format!("[{ours}, {theirs}]")), &text(&format!("[{theirs}]")));
        check(&format!("{used}, {}", text(&format!("[{ours}]"))), &text("null"));
    }

    #[test]
    fn a_turn_of_nothing_else_keeps_its_place() {
        check(&format!("{SEALED},{SEALED}"), r#"{"type":"text","text":"..."}"#);
    }

    #[test]
    fn a_body_of_another_shape_is_left_alone() {
        for body in [r#"{"messages":"penstock:"}"#, "penstock:", r#"{"messages":[7,"penstock:"]}"#]
        {
            assert_eq!(edits(body.as_bytes()), [], "{body}");
        }
    }
}

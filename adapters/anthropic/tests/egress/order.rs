//! The order that `Delta` promises, as a check that panics where it is broken.

use std::collections::BTreeMap;

use adapters_canonical::delta::{Delta, PartKind};

/// What a part takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    Words,
    Thought,
    Arguments,
    Nothing,
}

/// Panics unless `deltas` keep the order that [`Delta`] promises. `ended_well` says whether the
/// decoder's `finish` did.
#[track_caller]
pub(crate) fn check(deltas: &[Delta], ended_well: bool) {
    let mut started = false;
    let mut finished = false;
    let mut next = 0;
    let mut open: BTreeMap<u32, Takes> = BTreeMap::new();
    for (at, delta) in deltas.iter().enumerate() {
        let begun = |what: &str| assert!(started, "{what} before the start, at {at}");
        match delta {
            Delta::Start(_) => {
                assert!(!started, "a second start, at {at}");
                started = true;
            }
            Delta::PartStart { part, choice, kind } => {
                begun("a part");
                assert!(!finished, "a part after the finish, at {at}");
                assert_eq!((*part, *choice), (next, 0), "numbering, at {at}");
                next += 1;
                let takes = takes(kind);
                let calls = takes == Takes::Arguments
                    && open.values().all(|other| *other == Takes::Arguments);
                assert!(open.is_empty() || calls, "parts overlap, at {at}");
                open.insert(*part, takes);
            }
            Delta::Text { part, text } => {
                let takes = open.get(part);
                assert!(matches!(takes, Some(Takes::Words | Takes::Thought)), "text, at {at}");
                assert!(!text.is_empty(), "empty text, at {at}");
            }
            Delta::Arguments { part, fragment } => {
                assert_eq!(open.get(part), Some(&Takes::Arguments), "arguments, at {at}");
                assert!(!fragment.is_empty(), "empty arguments, at {at}");
            }
            Delta::Signature { part, .. } => {
                assert_eq!(open.get(part), Some(&Takes::Thought), "signature, at {at}");
            }
            Delta::PartEnd { part } => {
                assert!(open.remove(part).is_some(), "the end of no part, at {at}");
            }
            Delta::Usage(_) => begun("usage"),
            Delta::ServiceTier(_) => begun("the tier"),
            Delta::Finish { .. } => {
                begun("the finish");
                assert!(open.is_empty() && !finished, "finish, at {at}");
                finished = true;
            }
            Delta::Failure(_) => assert_eq!(at + 1, deltas.len(), "something after a failure"),
            Delta::Citation { part, .. } => {
                assert_eq!(open.get(part), Some(&Takes::Words), "a citation, at {at}");
            }
            Delta::Logprobs { .. } => begun("log probabilities"),
            Delta::Malformed(_) | Delta::Loss(_) => {}
        }
    }
    let failed = matches!(deltas.last(), Some(Delta::Failure(_)));
    assert!(open.is_empty(), "parts left open");
    assert_eq!(ended_well, finished || failed, "a good end has a finish or a failure");
}

fn takes(kind: &PartKind) -> Takes {
    match kind {
        PartKind::Text | PartKind::Refusal => Takes::Words,
        PartKind::Reasoning { .. } => Takes::Thought,
        PartKind::ToolCall { id, .. } => {
            assert!(!id.is_empty(), "a call without an id");
            Takes::Arguments
        }
        PartKind::Image(_) | PartKind::Audio(_) | PartKind::Hosted(_) | PartKind::Opaque(_) => {
            Takes::Nothing
        }
    }
}

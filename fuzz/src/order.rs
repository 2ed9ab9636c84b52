//! The order of a stream's deltas.

use adapters_canonical::delta::{Delta, PartKind};

/// The order that [`Delta`](adapters_canonical::delta::Delta) promises.
pub(crate) fn in_order(deltas: &[Delta], ended: bool) {
    let (mut started, mut over) = (false, false);
    // Of each part: its choice, whether it is open, whether it is a call.
    let mut parts: Vec<(u32, bool, bool)> = Vec::new();
    let (mut finished, mut begun) = (Vec::new(), Vec::new());
    for delta in deltas {
        assert!(!over, "{delta:?} after a failure");
        let open = |part: &u32| parts.get(*part as usize).is_some_and(|(_, open, _)| *open);
        match delta {
            Delta::Malformed(_) | Delta::Loss(_) => continue,
            Delta::Failure(_) => {
                over = true;
                continue;
            }
            Delta::Start(_) => assert!(!started, "two starts"),
            Delta::PartStart { part, choice, kind } => {
                assert_eq!(*part as usize, parts.len(), "parts are numbered in order");
                assert!(!finished.contains(choice), "a part after the end of its choice");
                let call = matches!(kind, PartKind::ToolCall { .. });
                if let PartKind::ToolCall { id, .. } = kind {
                    assert!(!id.is_empty(), "a call without an id");
                }
                let overlaps = parts.iter().any(|it| it.0 == *choice && it.1 && !(it.2 && call));
                assert!(!overlaps, "parts overlap");
                parts.push((*choice, true, call));
                begun.push(*choice);
            }
            Delta::Text { part, .. }
            | Delta::Arguments { part, .. }
            | Delta::Signature { part, .. }
            | Delta::Citation { part, .. } => assert!(open(part), "{delta:?} of no open part"),
            Delta::PartEnd { part } => {
                assert!(open(part), "{delta:?} of no open part");
                parts[*part as usize].1 = false;
            }
            Delta::Finish { choice, .. } => {
                assert!(!finished.contains(choice), "finished twice");
                assert!(!parts.iter().any(|it| it.0 == *choice && it.1), "a part is open");
                finished.push(*choice);
            }
            Delta::Usage(_) | Delta::ServiceTier(_) | Delta::Logprobs { .. } => {}
        }
        started |= matches!(delta, Delta::Start(_));
        assert!(started, "{delta:?} before the start");
    }
    if ended && !over {
        assert!(begun.iter().all(|choice| finished.contains(choice)), "a choice does not end");
    }
}

//! Which item of the stream an item of the last event is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

/// Where items with an id stand in the output.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, u64>);

impl Places {
    pub(super) fn note(&mut self, at: u64, item: &RawValue) {
        if let Some(id) = id(item) {
            self.0.insert(id, at);
        }
    }

    /// The place of each of `output`, of which `seen` were streamed.
    ///
    /// The last event does not number its items. Their ids tell where they stood; but there are
    /// servers that give an item another id in each event. If it is as many items as were streamed
    /// they are the same in the same order, though a number was left out in between. Otherwise they
    /// are counted. A place that nobody had is behind all others.
    pub(super) fn of(&self, output: &[&RawValue], seen: impl Iterator<Item = u64>) -> Vec<u64> {
        let seen: Vec<u64> = seen.collect();
        let known: Vec<Option<u64>> =
            output.iter().map(|item| id(item).and_then(|id| self.0.get(&id).copied())).collect();
        let mut taken: BTreeSet<u64> = known.iter().flatten().copied().collect();
        let mut behind = seen.last().map_or(0, |last| last.saturating_add(1));
        let mut place = |nth: u64, known: Option<u64>| {
            behind = behind.max(nth).saturating_add(1);
            let in_order = || usize::try_from(nth).ok().and_then(|nth| seen.get(nth)).copied();
            let guess = if seen.len() == output.len() { in_order() } else { Some(nth) };
            let free = guess.filter(|at| known.is_none() && taken.insert(*at));
            known.or(free).unwrap_or_else(|| {
                taken.insert(behind);
                behind
            })
        };
        (0..).zip(known).map(|(nth, known)| place(nth, known)).collect()
    }
}

fn id(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
    }

    serde_json::from_str::<Named>(item.get()).ok()?.id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of items with these ids, after others with their places and ids.
    fn places(output: &[&str], streamed: &[(u64, &str)]) -> Vec<u64> {
        let raw = |id: &str| {
            RawValue::from_string(format!(r#"{{"type": "message", "id": "{id}"}}"#)).unwrap()
        };
        let mut places = Places::default();
        for (at, id) in streamed {
            places.note(*at, &raw(id));
        }
        let output: Vec<_> = output.iter().map(|id| raw(id)).collect();
        let output: Vec<_> = output.iter().map(|item| &**item).collect();
        places.of(&output, streamed.iter().map(|(at, _)| *at))
    }

    #[test]
    fn an_item_is_known_by_its_id() {
        assert_eq!(places(&["a", "c"], &[(0, "a"), (2, "c")]), [0, 2]);
        assert_eq!(places(&["b"], &[(0, "a"), (1, "b")]), [1]);
    }

    #[test]
    fn ids_that_change_do_not_make_items_new() {
        assert_eq!(places(&["x", "y"], &[(0, "a"), (2, "c")]), [0, 2]);
        assert_eq!(places(&["x", "y"], &[(1, "b")]), [0, 1]);
    }

    #[test]
    fn an_item_that_was_not_streamed_is_nobody_else() {
        let at = places(&["x", "a"], &[(0, "a"), (1, "b"), (2, "c")]);
        assert!(at[0] > 2 && at[1] == 0, "{at:?}");
        let at = places(&["a", "x", "c"], &[(0, "a"), (1, "c")]);
        assert!(at[0] == 0 && at[1] > 2 && at[2] == 1, "{at:?}");
    }
}

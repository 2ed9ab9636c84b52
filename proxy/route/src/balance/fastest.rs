//! The shortest time to the first byte.

use rand::Rng;

use super::Contender;

/// One whose time is not known yet gets its share until it is. Times fade, so one that was slow
/// once is tried again.
pub(super) fn pick(open: impl Iterator<Item = Contender>, rng: &mut impl Rng) -> Option<usize> {
    let mut best: Option<Entry> = None;
    let mut first: Option<Entry> = None;
    let mut unknown: Option<Entry> = None;
    for contender in open {
        let entry = Entry { lot: contender.lot(rng), contender };
        keep(&mut first, entry, |a, b| a.lot < b.lot);
        if contender.starts_slowly() {
            continue;
        }
        match contender.view.latency {
            Some(_) => keep(&mut best, entry, |a, b| a.time() < b.time()),
            None => keep(&mut unknown, entry, |a, b| a.lot < b.lot),
        }
    }
    let first = first?;
    if first.contender.starts_slowly() && best.is_none_or(|best| first.time() < best.time()) {
        return Some(first.contender.index);
    }
    let chosen = match (best, unknown) {
        (Some(best), Some(unknown)) if unknown.lot < best.lot => unknown,
        (Some(best), _) => best,
        (None, Some(unknown)) => unknown,
        (None, None) => first,
    };
    Some(chosen.contender.index)
}

#[derive(Clone, Copy)]
struct Entry {
    lot: f64,
    contender: Contender,
}

impl Entry {
    fn time(&self) -> f64 {
        self.contender.view.latency.unwrap_or(0.0)
    }
}

fn keep(slot: &mut Option<Entry>, entry: Entry, better: impl Fn(&Entry, &Entry) -> bool) {
    if slot.as_ref().is_none_or(|held| better(&entry, held)) {
        *slot = Some(entry);
    }
}

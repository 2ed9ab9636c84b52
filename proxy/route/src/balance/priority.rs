//! The first one that has room.

use rand::{Rng, RngExt};

use super::Contender;

/// One that starts slowly is passed over for the next, but for its part of the requests.
pub(super) fn pick(open: impl Iterator<Item = Contender>, rng: &mut impl Rng) -> Option<usize> {
    let mut passed_over = None;
    for contender in open {
        if !contender.starts_slowly() || rng.random::<f64>() < contender.view.share {
            return Some(contender.index);
        }
        passed_over.get_or_insert(contender.index);
    }
    passed_over
}

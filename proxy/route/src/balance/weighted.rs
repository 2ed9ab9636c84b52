//! Any one, as often as its weight says.

use rand::Rng;

use super::Contender;

pub(super) fn pick(open: impl Iterator<Item = Contender>, rng: &mut impl Rng) -> Option<usize> {
    open.map(|contender| (contender.lot(rng), contender.index))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, index)| index)
}

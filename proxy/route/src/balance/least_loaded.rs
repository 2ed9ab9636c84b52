//! Least load for its weight; of many accounts the better of two drawn ones.

use rand::Rng;

use super::Contender;

/// Up to so many are all compared; of more, two are drawn (power of two choices).
const FEW: usize = 4;
/// Seconds to the first byte below which accounts are equally quick.
const ALIKE: f64 = 0.05;

/// Load is work in flight, times the time to the first byte, for a share of one. An account whose
/// time is not known yet counts as quick as the quickest beside it.
pub(super) fn pick(open: impl Iterator<Item = Contender>, rng: &mut impl Rng) -> Option<usize> {
    let mut seen = 0;
    let mut all_slow = true;
    let mut few: [Option<Lot>; FEW] = [None; FEW];
    let mut drawn: [Option<Lot>; 2] = [None; 2];
    for contender in open {
        let lot = Lot { lot: contender.lot(rng), contender };
        if let Some(place) = few.get_mut(seen) {
            *place = Some(lot);
        }
        all_slow &= contender.starts_slowly();
        seen += 1;
        draw(&mut drawn, lot);
    }
    let first = drawn[0]?.contender.index;
    let field: &[Option<Lot>] = if seen <= FEW { &few } else { &drawn };
    let field = field.iter().flatten().filter(|Lot { contender, .. }| {
        all_slow || !contender.starts_slowly() || contender.index == first
    });
    least(field)
}

#[derive(Clone, Copy)]
struct Lot {
    lot: f64,
    contender: Contender,
}

/// Keeps the two smallest lots, smallest first.
fn draw(drawn: &mut [Option<Lot>; 2], lot: Lot) {
    let beats = |other: Option<Lot>| other.is_none_or(|other| lot.lot < other.lot);
    if beats(drawn[0]) {
        drawn[1] = drawn[0];
        drawn[0] = Some(lot);
    } else if beats(drawn[1]) {
        drawn[1] = Some(lot);
    }
}

/// Equal loads are told apart by their lots, so at random. If nobody has anything to do, there is
/// no load to go by: then each is drawn as often as it is light, so that one that was slow once is
/// asked again, and shares follow the weights however little there is to share.
fn least<'a>(field: impl Iterator<Item = &'a Lot> + Clone) -> Option<usize> {
    let known = field.clone().filter_map(|lot| lot.contender.view.latency);
    let quickest = known.min_by(f64::total_cmp).unwrap_or(1.0);
    let load = |Contender { view, share, .. }: &Contender| {
        let latency = view.latency.unwrap_or(quickest).max(ALIKE);
        view.work * latency / share
    };
    let idle = field.clone().all(|lot| lot.contender.view.idle);
    // A lot is shorter the larger the share; the load has the share in it too.
    let drawn = |Lot { lot, contender }: &Lot| lot * contender.share * load(contender);
    if idle {
        return field.min_by(|a, b| drawn(a).total_cmp(&drawn(b))).map(|lot| lot.contender.index);
    }
    field
        .min_by(|a, b| {
            let by_load = load(&a.contender).total_cmp(&load(&b.contender));
            by_load.then(a.lot.total_cmp(&b.lot))
        })
        .map(|lot| lot.contender.index)
}

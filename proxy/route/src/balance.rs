//! Which of several accounts is next.
//!
//! | strategy            | over                     | takes                                        |
//! |---------------------|--------------------------|----------------------------------------------|
//! | `least_loaded`    | a target's accounts      | the least load for its weight                |
//! | `priority`        | a target's accounts      | the first                                    |
//! | `weighted`        | all targets' accounts    | any, as often as its weight says             |
//! | cheapest            | a target's accounts      | the least loaded one of the cheapest target  |
//! | `fastest`         | all targets' accounts    | the shortest time to the first byte          |
//!
//! All of them see only accounts that have room now, and all give an account that starts slowly
//! no more than its part of the share: it competes only when a draw by shares names it first.

mod fastest;
mod least_loaded;
mod priority;
mod weighted;

use std::ops::Range;
use std::time::Instant;

use conf_schema::plan::Strategy;
use rand::{Rng, RngExt};

use crate::account::{BlockReason, Blocked, View};
use crate::router::Wish;
use crate::table::{Candidate, Route};

/// An account that has room.
#[derive(Clone, Copy, Debug)]
struct Contender {
    /// Its place among the candidates.
    index: usize,
    /// What it may take of the load: its weight, less while it starts slowly.
    share: f64,
    view: View,
}

impl Contender {
    fn starts_slowly(&self) -> bool {
        self.view.share < 1.0
    }

    /// Draws a lot. The smallest of all lots is this one's as often as its share says.
    fn lot(&self, rng: &mut impl Rng) -> f64 {
        let drawn: f64 = rng.random();
        -(1.0 - drawn).ln() / self.share
    }
}

/// One look at the candidates of a route: who has room, and why the others have none.
pub(crate) struct Survey<'a> {
    candidates: &'a [Candidate],
    wish: &'a Wish<'a>,
    now: Instant,
    pub(crate) blockage: Blockage,
}

/// Why nobody has room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blockage {
    pub(crate) exhausted: bool,
    pub(crate) down: bool,
    pub(crate) refused: bool,
    pub(crate) tried: bool,
    /// When the first of them may have room.
    pub(crate) until: Option<Instant>,
}

impl Blockage {
    pub(crate) fn add(&mut self, blocked: Blocked) {
        match blocked.reason {
            BlockReason::Exhausted => self.exhausted = true,
            BlockReason::Down => self.down = true,
            BlockReason::CredentialRefused => {
                // It will most likely be refused again: nothing to wait for.
                self.refused = true;
                return;
            }
        }
        self.until = match (self.until, blocked.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

impl<'a> Survey<'a> {
    pub(crate) fn new(route: &'a Route, wish: &'a Wish<'a>, now: Instant) -> Self {
        Self { candidates: &route.candidates, wish, now, blockage: Blockage::default() }
    }

    /// The contenders of a range of candidates, in their order.
    fn open(&mut self, range: Range<usize>) -> impl Iterator<Item = Contender> {
        let candidates = self.candidates.get(range.clone()).unwrap_or_default();
        range.zip(candidates).filter_map(|(index, candidate)| {
            if !candidate.equipped || self.wish.bars(candidate.place.target) {
                return None;
            }
            if self.wish.tried.iter().any(|tried| tried.covers(candidate)) {
                self.blockage.tried = true;
                return None;
            }
            match candidate.account.view(candidate.lane, self.wish.estimated_tokens, self.now) {
                Ok(view) => {
                    let share = f64::from(candidate.weight.get()) * view.share;
                    Some(Contender { index, share, view })
                }
                Err(blocked) => {
                    self.blockage.add(blocked);
                    None
                }
            }
        })
    }
}

/// The place of the chosen candidate; `None` if none has room, and then the survey knows why.
///
/// `prices` has one per target, for [`Strategy::Cheapest`]; a target without one comes last.
pub(crate) fn select(
    strategy: Strategy,
    route: &Route,
    survey: &mut Survey<'_>,
    prices: &[f64],
    rng: &mut impl Rng,
) -> Option<usize> {
    let all = 0..route.candidates.len();
    let ranges = || route.targets.iter().map(|target| target.candidates.clone());
    match strategy {
        Strategy::LeastLoaded => {
            ranges().find_map(|range| least_loaded::pick(survey.open(range), rng))
        }
        Strategy::Priority => ranges().find_map(|range| priority::pick(survey.open(range), rng)),
        Strategy::Weighted => weighted::pick(survey.open(all), rng),
        Strategy::Fastest => fastest::pick(survey.open(all), rng),
        Strategy::Cheapest => by_price(route.targets.len(), prices).find_map(|target| {
            let range = route.targets.get(target)?.candidates.clone();
            least_loaded::pick(survey.open(range), rng)
        }),
    }
}

/// Places of targets, the cheapest first; of equal ones the first.
fn by_price(targets: usize, prices: &[f64]) -> impl Iterator<Item = usize> {
    let price = |at: usize| match prices.get(at) {
        Some(price) if !price.is_nan() => *price,
        _ => f64::INFINITY,
    };
    let order = move |a: &usize, b: &usize| price(*a).total_cmp(&price(*b)).then(a.cmp(b));
    let mut last = None;
    // Targets are few: looking for the next each time needs no list.
    std::iter::from_fn(move || {
        let next = (0..targets)
            .filter(|at| last.is_none_or(|last| order(at, &last).is_gt()))
            .min_by(order)?;
        last = Some(next);
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_by_price_and_without_one_last() {
        let order = |prices: &[f64]| by_price(4, prices).collect::<Vec<_>>();
        assert_eq!(order(&[3.0, 1.0, 2.0, 1.0]), [1, 3, 2, 0]);
        assert_eq!(order(&[f64::NAN, 5.0]), [1, 0, 2, 3]);
        assert_eq!(order(&[]), [0, 1, 2, 3]);
    }
}

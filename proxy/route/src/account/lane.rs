//! An account's dealings with one model: providers limit and fail by model.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Policy;
use crate::capacity::Learnt;

/// Lanes of models that are not in the configuration; clients can name as many as they like. More
/// than there are routes kept of such models, so that a route that is in use keeps its lane.
const UNLISTED: usize = 64;
/// How fast a latency measured once is forgotten.
const FORGETTING: Duration = Duration::from_secs(30);

/// The place of a model among an account's lanes. The first one is shared by models that have
/// none of their own, and by those whose lane has been given to another.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct LaneId {
    at: usize,
    generation: u32,
}

#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    names: HashMap<Box<str>, usize>,
    unlisted: usize,
}

#[derive(Debug)]
pub(crate) struct Lane {
    name: Box<str>,
    listed: bool,
    used: Instant,
    /// How many models have had this place.
    generation: u32,
    pub(crate) in_flight: u32,
    pub(crate) latency: PeakEwma,
    pub(crate) requests: Learnt,
    pub(crate) tokens: Learnt,
    pub(crate) rest: Rest,
    pub(crate) ramp: Ramp,
}

impl Lanes {
    pub(crate) fn new(now: Instant) -> Self {
        Self { lanes: vec![Lane::new("", true, now)], names: HashMap::new(), unlisted: 0 }
    }

    pub(crate) fn get(&mut self, id: LaneId) -> Option<&mut Lane> {
        let current = self.lanes.get(id.at).is_some_and(|lane| lane.generation == id.generation);
        self.lanes.get_mut(if current { id.at } else { 0 })
    }

    /// Notes that a lane is in use, so that it is not given to another model.
    pub(crate) fn touch(&mut self, id: LaneId, now: Instant) {
        if let Some(lane) = self.get(id) {
            lane.used = lane.used.max(now);
        }
    }

    fn id(&self, at: usize) -> LaneId {
        self.lanes
            .get(at)
            .map_or_else(LaneId::default, |lane| LaneId { at, generation: lane.generation })
    }

    pub(crate) fn find(&mut self, model: &str, listed: bool, now: Instant) -> LaneId {
        if let Some(&at) = self.names.get(model) {
            if let Some(lane) = self.lanes.get_mut(at) {
                lane.used = lane.used.max(now);
                if listed && !lane.listed {
                    lane.listed = true;
                    self.unlisted -= 1;
                }
            }
            return self.id(at);
        }
        if listed || self.unlisted < UNLISTED {
            self.unlisted += usize::from(!listed);
            self.lanes.push(Lane::new(model, listed, now));
            self.names.insert(model.into(), self.lanes.len() - 1);
            return self.id(self.lanes.len() - 1);
        }
        self.reuse(model, now)
    }

    /// The unlisted lane that was idle for longest. A reservation holds its lane by being counted
    /// there, so none is given away under it.
    fn reuse(&mut self, model: &str, now: Instant) -> LaneId {
        let idle = self.lanes.iter().enumerate().filter(|(_, l)| !l.listed && l.in_flight == 0);
        let Some(at) = idle.min_by_key(|(_, lane)| lane.used).map(|(at, _)| at) else {
            return LaneId::default();
        };
        if let Some(lane) = self.lanes.get_mut(at) {
            self.names.remove(&lane.name);
            let generation = lane.generation.wrapping_add(1);
            *lane = Lane { generation, ..Lane::new(model, false, now) };
        }
        self.names.insert(model.into(), at);
        self.id(at)
    }
}

impl Lane {
    fn new(name: &str, listed: bool, now: Instant) -> Self {
        Self {
            name: name.into(),
            listed,
            used: now,
            generation: 0,
            in_flight: 0,
            latency: PeakEwma::default(),
            requests: Learnt::default(),
            tokens: Learnt::default(),
            rest: Rest::default(),
            ramp: Ramp::default(),
        }
    }

    /// The shared lane carries strangers: what one of them met says nothing of the next.
    pub(crate) fn is_shared(&self) -> bool {
        self.name.is_empty()
    }
}

/// A moving average that jumps to a peak at once and comes down slowly (Finagle's peak EWMA).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeakEwma(Option<(f64, Instant)>);

impl PeakEwma {
    pub(crate) fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let average = match self.0 {
            Some((average, at)) if took < average => {
                let keep = keep(at, now);
                average * keep + took * (1.0 - keep)
            }
            Some(_) | None => took,
        };
        self.0 = Some((average, now));
    }

    /// Seconds. Fades while nothing is measured, so that a slow account is tried again.
    pub(crate) fn seconds(&self, now: Instant) -> Option<f64> {
        self.0.map(|(average, at)| average * keep(at, now))
    }
}

fn keep(at: Instant, now: Instant) -> f64 {
    (-now.saturating_duration_since(at).as_secs_f64() / FORGETTING.as_secs_f64()).exp()
}

/// A time to leave an account or a lane alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rest {
    until: Option<Instant>,
    rounds: u32,
}

impl Rest {
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Rests for as long as the provider says, else for longer each time. `jitter` is 0 to 1 and
    /// only ever lengthens: never back before the provider said, never all at once.
    ///
    /// Says when it will be over, unless it rests for longer already.
    pub(crate) fn begin(
        &mut self,
        told: Option<Duration>,
        jitter: f64,
        policy: &Policy,
        now: Instant,
    ) -> Option<Instant> {
        let resting = self.until(now);
        let pause = match told {
            Some(told) => told.min(policy.longest_wait),
            None if resting.is_some() => return None,
            None => policy.rest.saturating_mul(1 << self.rounds.min(16)).min(policy.longest_rest),
        };
        if resting.is_some_and(|until| now + pause <= until) {
            return None;
        }
        self.rounds = self.rounds.saturating_add(u32::from(resting.is_none()));
        let until = now + pause + (pause / 4 + policy.rest / 4).mul_f64(jitter.clamp(0.0, 1.0));
        self.until = Some(until);
        self.until
    }

    /// It works again.
    pub(crate) fn forgive(&mut self) {
        self.rounds = 0;
    }
}

/// Slow start: from a small part of the share to all of it, evenly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ramp(Option<Instant>);

impl Ramp {
    pub(crate) fn from(start: Instant) -> Self {
        Self(Some(start))
    }

    /// 0 to 1; above 0.
    pub(crate) fn share(&self, policy: &Policy, now: Instant) -> f64 {
        let Some(start) = self.0 else { return 1.0 };
        let passed = now.saturating_duration_since(start);
        if passed >= policy.slow_start {
            return 1.0;
        }
        let floor = policy.slow_start_floor.clamp(1e-3, 1.0);
        floor + (1.0 - floor) * passed.as_secs_f64() / policy.slow_start.as_secs_f64()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_fades_slowly() {
        let now = Instant::now();
        let mut latency = PeakEwma::default();
        latency.observe(Duration::from_secs(1), now);
        latency.observe(Duration::from_secs(9), now);
        assert_eq!(latency.seconds(now), Some(9.0));
        latency.observe(Duration::from_secs(1), now + Duration::from_secs(3));
        let after = latency.seconds(now + Duration::from_secs(3)).unwrap();
        assert!((8.0..8.5).contains(&after), "{after}");
        let idle = latency.seconds(now + Duration::from_secs(120)).unwrap();
        assert!(idle < 0.2, "{idle}");
    }

    #[test]
    fn a_rest_is_never_shorter_than_told_and_many_refusals_at_once_are_one() {
        let (now, policy) = (Instant::now(), Policy::default());
        let mut rest = Rest::default();
        let told = Duration::from_secs(8);
        assert_eq!(rest.begin(Some(told), 0.0, &policy, now), Some(now + told));
        assert_eq!(rest.begin(Some(told), 1.0, &policy, now), None);
        assert_eq!(rest.begin(None, 1.0, &policy, now), None);
        let longer = Duration::from_secs(16);
        let until = rest.begin(Some(longer), 1.0, &policy, now).unwrap();
        assert_eq!(until, now + Duration::from_millis(20_250));
        assert_eq!(rest.until(now), Some(until));
        assert_eq!(rest.until(until), None);
        let day = Duration::from_secs(86_400);
        assert!(rest.begin(Some(day), 1.0, &policy, until).unwrap() < until + day / 10);
    }

    #[test]
    fn rests_of_unknown_length_grow_until_it_works_again() {
        let (mut now, policy) = (Instant::now(), Policy::default());
        let mut rest = Rest::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = rest.begin(None, 0.0, &policy, now).unwrap();
            assert_eq!(until - now, Duration::from_secs(seconds));
            now = until;
        }
        rest.forgive();
        assert_eq!(rest.begin(None, 0.0, &policy, now), Some(now + policy.rest));
    }

    #[test]
    fn names_that_clients_make_up_do_not_pile_up() {
        let now = Instant::now();
        let mut lanes = Lanes::new(now);
        let listed = lanes.find("listed", true, now);
        let busy = lanes.find("busy", false, now);
        lanes.get(busy).unwrap().in_flight = 1;
        for n in 0..1000_u64 {
            lanes.find(&format!("made up {n}"), false, now + Duration::from_secs(n));
        }
        assert_eq!(lanes.lanes.len(), UNLISTED + 2);
        assert_eq!(lanes.names.len(), UNLISTED + 1);
        assert_eq!(lanes.find("listed", true, now), listed);
        assert_eq!(lanes.find("busy", false, now), busy, "what is in use stays");
    }

    #[test]
    fn whoever_lost_a_lane_does_not_find_another_model_in_it() {
        let now = Instant::now();
        let mut lanes = Lanes::new(now);
        let (kept, lost) = (lanes.find("kept", false, now), lanes.find("lost", false, now));
        for n in 1..1000_u64 {
            let now = now + Duration::from_secs(n);
            lanes.touch(kept, now);
            lanes.find(&format!("made up {n}"), false, now);
        }
        assert!(lanes.get(lost).unwrap().is_shared());
        assert_eq!(&*lanes.get(kept).unwrap().name, "kept");
    }
}

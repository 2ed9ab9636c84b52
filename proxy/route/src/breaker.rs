//! Takes an account that keeps failing out of use, and brings it back with care.
//!
//! ```text
//!            failures in a row, or too many of all
//!   closed ─────────────────────────────────────────▶ open
//!     ▲                                                 │ after a jittered, growing pause
//!     │ enough probes passed                            ▼
//!     └───────────────────────────────────────────── half open ──▶ open, if a probe fails
//! ```

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::window::Window;

/// When a breaker opens and how it closes.
#[derive(Clone, Copy, Debug)]
pub struct BreakerPolicy {
    /// So many failures in a row open it.
    pub consecutive: u32,
    /// So large a part of all answers of the last 30 seconds opens it, 0 to 1 …
    pub ratio: f64,
    /// … if there were at least so many.
    pub volume: u64,
    /// The first pause; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Probes at the same time, and probes that must pass.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            consecutive: 5,
            ratio: 0.5,
            volume: 20,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            probes: 2,
        }
    }
}

/// Closed for so long, a breaker forgets how often it opened.
const FORGIVEN: Duration = Duration::from_secs(120);

/// What a request holds that was let through a half-open breaker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Probe {
    generation: u32,
}

/// Whether a breaker lets a request through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Passage {
    Free,
    Probe,
    /// Not before this moment.
    Shut(Instant),
}

#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Results of requests from before the last opening mean nothing any more.
    generation: u32,
    in_a_row: u32,
    good: Window<30>,
    bad: Window<30>,
    rounds: u32,
    closed_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { running: u32, passed: u32 },
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            generation: 0,
            in_a_row: 0,
            good: Window::new(now),
            bad: Window::new(now),
            rounds: 0,
            closed_at: now,
        }
    }

    pub(crate) fn passage(&self, policy: &BreakerPolicy, now: Instant) -> Passage {
        match self.state {
            State::Closed => Passage::Free,
            State::Open { until } if now < until => Passage::Shut(until),
            State::HalfOpen { running, .. } if running >= policy.probes.max(1) => {
                Passage::Shut(now + policy.pause)
            }
            State::Open { .. } | State::HalfOpen { .. } => Passage::Probe,
        }
    }

    /// Call when [`Self::passage`] said [`Passage::Probe`].
    pub(crate) fn start_probe(&mut self) -> Probe {
        let (running, passed) = match self.state {
            State::HalfOpen { running, passed } => (running, passed),
            State::Closed | State::Open { .. } => (0, 0),
        };
        self.state = State::HalfOpen { running: running + 1, passed };
        Probe { generation: self.generation }
    }

    /// A probe ended without a result.
    pub(crate) fn end_probe(&mut self, probe: Probe) {
        if let State::HalfOpen { running, .. } = &mut self.state
            && probe.generation == self.generation
        {
            *running = running.saturating_sub(1);
        }
    }

    /// An answer came. Says whether this closed the breaker.
    pub(crate) fn success(
        &mut self,
        probe: Option<Probe>,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> bool {
        match (&mut self.state, probe) {
            (State::Closed, _) => {
                self.in_a_row = 0;
                self.good.add(1, now);
                false
            }
            (State::HalfOpen { running, passed }, Some(probe))
                if probe.generation == self.generation =>
            {
                *running = running.saturating_sub(1);
                *passed += 1;
                if *passed < policy.probes {
                    return false;
                }
                self.state = State::Closed;
                (self.good, self.bad, self.in_a_row) = (Window::new(now), Window::new(now), 0);
                self.closed_at = now;
                true
            }
            (State::Open { .. } | State::HalfOpen { .. }, _) => false,
        }
    }

    pub(crate) fn failure(
        &mut self,
        probe: Option<Probe>,
        policy: &BreakerPolicy,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let opens = match self.state {
            State::Closed => {
                self.in_a_row += 1;
                self.bad.add(1, now);
                self.in_a_row >= policy.consecutive || self.too_many(policy, now)
            }
            State::HalfOpen { .. } => {
                probe.is_some_and(|probe| probe.generation == self.generation)
            }
            State::Open { .. } => false,
        };
        if opens {
            self.open(policy, now, rng);
        }
    }

    fn too_many(&mut self, policy: &BreakerPolicy, now: Instant) -> bool {
        let (good, bad) = (self.good.sum(now), self.bad.sum(now));
        let all = good + bad;
        all >= policy.volume && crate::capacity::part(bad, all) >= policy.ratio
    }

    fn open(&mut self, policy: &BreakerPolicy, now: Instant, rng: &mut impl Rng) {
        if matches!(self.state, State::Closed)
            && now.saturating_duration_since(self.closed_at) > FORGIVEN
        {
            self.rounds = 0;
        }
        let pause = policy.pause.saturating_mul(1 << self.rounds.min(16));
        let until = now + pause.min(policy.longest_pause).mul_f64(rng.random_range(0.75..1.25));
        self.rounds = self.rounds.saturating_add(1);
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Open { until };
        self.in_a_row = 0;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the first")]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    struct Bench {
        breaker: Breaker,
        policy: BreakerPolicy,
        rng: StdRng,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            let (policy, rng) = (BreakerPolicy::default(), StdRng::seed_from_u64(3));
            Self { breaker: Breaker::new(now), policy, rng, now }
        }

        fn passage(&self) -> Passage {
            self.breaker.passage(&self.policy, self.now)
        }

        fn fail(&mut self, probe: Option<Probe>) {
            self.breaker.failure(probe, &self.policy, self.now, &mut self.rng);
        }

        fn pass(&mut self, probe: Option<Probe>) -> bool {
            self.breaker.success(probe, &self.policy, self.now)
        }

        /// Opens it, and says for how long.
        fn trip(&mut self) -> Duration {
            for _ in 0..self.policy.consecutive {
                self.fail(None);
            }
            self.pause()
        }

        fn pause(&self) -> Duration {
            let Passage::Shut(until) = self.passage() else { panic!("{:?}", self.breaker) };
            until - self.now
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut bench = Bench::new();
        for _ in 0..bench.policy.consecutive - 1 {
            bench.fail(None);
        }
        bench.pass(None);
        bench.fail(None);
        assert_eq!(bench.passage(), Passage::Free);
        bench.trip();
    }

    #[test]
    fn half_of_many_open_it() {
        let mut bench = Bench::new();
        for _ in 0..9 {
            bench.fail(None);
            bench.pass(None);
        }
        assert_eq!(bench.passage(), Passage::Free, "too few to tell");
        bench.pass(None);
        bench.fail(None);
        bench.fail(None);
        assert!(matches!(bench.passage(), Passage::Shut(_)));
    }

    #[test]
    fn pauses_grow_and_are_forgiven() {
        let mut bench = Bench::new();
        let first = bench.trip();
        assert!((750..1250).contains(&first.as_millis()));
        for round in 1..10 {
            bench.now += Duration::from_secs(80);
            assert_eq!(bench.passage(), Passage::Probe);
            let probe = bench.breaker.start_probe();
            bench.fail(Some(probe));
            let full = Duration::from_secs(1 << round).min(bench.policy.longest_pause);
            let pause = bench.pause();
            assert!(full.mul_f64(0.75) <= pause && pause < full.mul_f64(1.25), "{round}");
        }
        bench.now += Duration::from_secs(80);
        for _ in 0..bench.policy.probes {
            let probe = bench.breaker.start_probe();
            bench.pass(Some(probe));
        }
        bench.now += FORGIVEN + Duration::from_secs(1);
        assert!(bench.trip() < Duration::from_millis(1250));
    }

    #[test]
    fn probes_are_few_and_enough_of_them_close_it() {
        let mut bench = Bench::new();
        let pause = bench.trip();
        bench.now += pause;
        let one = bench.breaker.start_probe();
        assert_eq!(bench.passage(), Passage::Probe);
        let two = bench.breaker.start_probe();
        assert!(matches!(bench.passage(), Passage::Shut(_)));
        bench.breaker.end_probe(one);
        assert_eq!(bench.passage(), Passage::Probe, "a probe without a result makes room");
        let three = bench.breaker.start_probe();
        assert!(!bench.pass(Some(two)));
        assert!(bench.pass(Some(three)));
        assert_eq!(bench.passage(), Passage::Free);
    }

    #[test]
    fn what_was_sent_before_it_opened_means_nothing_after() {
        let mut bench = Bench::new();
        let pause = bench.trip();
        bench.now += pause;
        let (old, failed) = (bench.breaker.start_probe(), bench.breaker.start_probe());
        bench.fail(Some(failed));
        let pause = bench.pause();
        bench.fail(Some(old));
        bench.fail(None);
        assert_eq!(bench.pause(), pause);
        bench.now += pause;
        let fresh = bench.breaker.start_probe();
        assert!(!bench.pass(Some(old)) && !bench.pass(Some(old)) && !bench.pass(None));
        bench.breaker.end_probe(old);
        bench.fail(None);
        bench.breaker.start_probe();
        assert!(matches!(bench.passage(), Passage::Shut(_)));
        bench.pass(Some(fresh));
        assert!(matches!(bench.passage(), Passage::Probe));
    }
}

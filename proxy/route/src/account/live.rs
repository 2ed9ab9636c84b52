//! What the mutex of an account guards.

use std::time::{Duration, Instant};

use conf_schema::plan::AccountLimits;
use rand::{Rng, RngExt};

use super::lane::{LaneId, Lanes, Ramp, Rest};
use super::{BlockReason, Blocked, Policy, View};
use crate::breaker::{Breaker, Passage, Probe};
use crate::capacity::{Allowance, LimitReport};
use crate::retry::Failure;

/// So many tokens are as much work as one request.
const TOKENS_PER_REQUEST: f64 = 4_000.0;
/// From this part of a limit on, an account is used less.
const NEAR_FULL: f64 = 0.8;
/// How much less it is used at the limit itself.
const FULL_PENALTY: f64 = 10.0;
/// How much the latest result counts in the rate of failures.
const LATEST: f64 = 0.2;
/// How fast the rate of failures fades.
const FORGETTING: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) in_flight: u32,
    pub(crate) tokens_in_flight: u64,
    pub(crate) lanes: Lanes,
    allowance: Allowance,
    breaker: Breaker,
    /// Of the whole account, as when it is not paid for.
    rest: Rest,
    ramp: Ramp,
    /// The credential in force, and when it is tried again if it was refused.
    credential: u64,
    refused: Option<Instant>,
    failures: (f64, Instant),
}

/// What a reservation gives back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) lane: LaneId,
    pub(crate) tokens: u64,
    pub(crate) probe: Option<Probe>,
    pub(crate) credential: u64,
    /// Whether it tries a credential that was refused.
    pub(crate) trial: bool,
    pub(crate) at: Instant,
}

/// How a request comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// As a probe of the breaker.
    probe: bool,
    /// To try a credential that was refused.
    trial: bool,
}

impl Live {
    pub(crate) fn new(limits: AccountLimits, credential: u64, fresh: bool, now: Instant) -> Self {
        Self {
            in_flight: 0,
            tokens_in_flight: 0,
            lanes: Lanes::new(now),
            allowance: Allowance::new(limits, now),
            breaker: Breaker::new(now),
            rest: Rest::default(),
            ramp: if fresh { Ramp::from(now) } else { Ramp::default() },
            credential,
            refused: None,
            failures: (0.0, now),
        }
    }

    pub(crate) fn change(&mut self, limits: AccountLimits, credential: u64) {
        self.allowance.change(limits);
        if self.credential != credential {
            (self.credential, self.refused) = (credential, None);
        }
    }

    /// Whether a request of `tokens` may come in, and as what.
    pub(crate) fn check(
        &mut self,
        policy: &Policy,
        lane: LaneId,
        tokens: u64,
        now: Instant,
    ) -> Result<Pass, Blocked> {
        let blocked = |reason, until| Err(Blocked { reason, until });
        if let Some(until) = self.refused.filter(|until| now < *until) {
            return blocked(BlockReason::CredentialRefused, Some(until));
        }
        let trial = self.refused.is_some();
        if let Some(until) = self.rest.until(now) {
            return blocked(BlockReason::Down, Some(until));
        }
        let probe = match self.breaker.passage(&policy.breaker, now) {
            Passage::Free => false,
            Passage::Probe => true,
            Passage::Shut(until) => return blocked(BlockReason::Down, Some(until)),
        };
        let mut room = self.allowance.room_at(tokens, self.in_flight, now);
        if let Some(lane) = self.lanes.get(lane) {
            room = room.max(lane.rest.until(now).unwrap_or(now));
            room = room.max(lane.requests.room_at(1, now)).max(lane.tokens.room_at(tokens, now));
        }
        if room > now {
            return blocked(BlockReason::Exhausted, Some(room));
        }
        Ok(Pass { probe, trial })
    }

    pub(crate) fn view(
        &mut self,
        policy: &Policy,
        lane: LaneId,
        tokens: u64,
        now: Instant,
    ) -> View {
        let mut share = self.ramp.share(policy, now);
        let mut pressure = self.allowance.pressure(self.in_flight, now);
        let mut latency = None;
        if let Some(lane) = self.lanes.get(lane) {
            share = share.min(lane.ramp.share(policy, now));
            pressure = pressure.max(lane.requests.pressure(now)).max(lane.tokens.pressure(now));
            latency = lane.latency.seconds(now);
        }
        let beyond = ((pressure - NEAR_FULL) / (1.0 - NEAR_FULL)).clamp(0.0, 1.0);
        let crowding = 1.0 + (FULL_PENALTY - 1.0) * beyond;
        let failing = 1.0 / (1.0 - 0.9 * self.failure_rate(now));
        let tokens = tokens.saturating_add(self.tokens_in_flight);
        #[expect(clippy::cast_precision_loss, reason = "a weight need not be exact")]
        let work = f64::from(self.in_flight) + 1.0 + tokens as f64 / TOKENS_PER_REQUEST;
        View { share, work: work * crowding * failing, latency, idle: self.in_flight == 0 }
    }

    pub(crate) fn take(
        &mut self,
        policy: &Policy,
        lane: LaneId,
        tokens: u64,
        pass: Pass,
        now: Instant,
    ) -> (Option<Probe>, bool) {
        self.lanes.touch(lane, now);
        self.in_flight += 1;
        self.tokens_in_flight = self.tokens_in_flight.saturating_add(tokens);
        self.allowance.take(tokens, now);
        if let Some(lane) = self.lanes.get(lane) {
            lane.in_flight += 1;
            lane.requests.take(1);
            lane.tokens.take(tokens);
        }
        if pass.trial {
            // One at a time, however long it takes.
            self.refused = Some(now + policy.refused_rest);
        }
        (pass.probe.then(|| self.breaker.start_probe()), pass.trial)
    }

    /// Gives the place back; without a result a probe proved nothing.
    pub(crate) fn release(&mut self, held: &Held) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tokens_in_flight = self.tokens_in_flight.saturating_sub(held.tokens);
        if let Some(lane) = self.lanes.get(held.lane) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        if let Some(probe) = held.probe {
            self.breaker.end_probe(probe);
        }
    }

    pub(crate) fn hear(&mut self, lane: LaneId, report: &LimitReport, now: Instant) {
        let Some(lane) = self.lanes.get(lane).filter(|lane| !lane.is_shared()) else { return };
        let LimitReport { requests_limit, requests_remaining, requests_reset, .. } = *report;
        lane.requests.hear(requests_remaining, requests_limit, requests_reset, now);
        lane.tokens.hear(report.tokens_remaining, report.tokens_limit, report.tokens_reset, now);
    }

    /// The first byte came. A probe has done its work: the rest of a stream may take long.
    pub(crate) fn answered(
        &mut self,
        held: &mut Held,
        first_byte: Duration,
        policy: &Policy,
        now: Instant,
    ) {
        if let Some(lane) = self.lanes.get(held.lane) {
            lane.latency.observe(first_byte, now);
            lane.rest.forgive();
        }
        self.accepted(held, now);
        if held.probe.is_some() {
            self.passed(held, policy, now);
        }
    }

    /// The provider took the credential: if it was refused before, that has passed.
    fn accepted(&mut self, held: &mut Held, now: Instant) {
        let trial = std::mem::take(&mut held.trial);
        if trial && self.credential == held.credential && self.refused.take().is_some() {
            self.ramp = Ramp::from(now);
        }
    }

    fn passed(&mut self, held: &mut Held, policy: &Policy, now: Instant) {
        if self.breaker.success(held.probe.take(), &policy.breaker, now) {
            self.ramp = Ramp::from(now);
        }
    }

    /// The answer is complete.
    pub(crate) fn succeeded(
        &mut self,
        held: &mut Held,
        tokens: Option<u64>,
        policy: &Policy,
        now: Instant,
    ) {
        if let Some(tokens) = tokens {
            self.allowance.settle(held.tokens, tokens, held.at, now);
        }
        self.rest.forgive();
        self.note_result(false, now);
        self.passed(held, policy, now);
    }

    pub(crate) fn failed(
        &mut self,
        held: &mut Held,
        failure: Failure,
        policy: &Policy,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        self.refund(held, failure, now);
        match failure {
            Failure::Credential => {
                if self.credential == held.credential {
                    let rest = policy.refused_rest.mul_f64(rng.random_range(1.0..1.25));
                    self.refused = Some(now + rest);
                }
            }
            Failure::Unpaid => {
                let until = self.rest.begin(Some(policy.unpaid_rest), rng.random(), policy, now);
                if let Some(until) = until {
                    self.ramp = Ramp::from(until);
                }
            }
            Failure::Limited { retry_after } => {
                self.accepted(held, now);
                self.rest_lane(held, retry_after, policy, now, rng);
            }
            Failure::Overloaded { retry_after: told @ Some(_) } => {
                self.rest_lane(held, told, policy, now, rng);
            }
            // Overload without a time to come back is common and passes: only much of it counts.
            Failure::Overloaded { retry_after: None }
            | Failure::Unreachable
            | Failure::Broken
            | Failure::TimedOut
            | Failure::BrokeOff => {
                self.note_result(true, now);
                self.breaker.failure(held.probe.take(), &policy.breaker, now, rng);
            }
            // The account answered: it is well.
            Failure::ModelMissing
            | Failure::Conflict
            | Failure::ContextWindow
            | Failure::ContentPolicy
            | Failure::Request => {
                self.accepted(held, now);
                self.passed(held, policy, now);
            }
            Failure::NotExpressible | Failure::ClientGone => {}
        }
    }

    fn rest_lane(
        &mut self,
        held: &Held,
        told: Option<Duration>,
        policy: &Policy,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        if let Some(lane) = self.lanes.get(held.lane).filter(|lane| !lane.is_shared())
            && let Some(until) = lane.rest.begin(told, rng.random(), policy, now)
        {
            lane.ramp = Ramp::from(until);
        }
    }

    /// What was not used counts no more: all of it if the provider never saw the request.
    fn refund(&mut self, held: &Held, failure: Failure, now: Instant) {
        match failure {
            Failure::Unreachable | Failure::NotExpressible => {
                self.allowance.refund(held.tokens, held.at, now);
                if let Some(lane) = self.lanes.get(held.lane) {
                    lane.requests.give_back(1);
                    lane.tokens.give_back(held.tokens);
                }
            }
            Failure::Credential
            | Failure::Unpaid
            | Failure::ModelMissing
            | Failure::Limited { .. }
            | Failure::Overloaded { .. }
            | Failure::Conflict
            | Failure::Broken
            | Failure::ContextWindow
            | Failure::ContentPolicy
            | Failure::Request => {
                self.allowance.settle(held.tokens, 0, held.at, now);
                if let Some(lane) = self.lanes.get(held.lane) {
                    lane.tokens.give_back(held.tokens);
                }
            }
            // It may well have worked on it.
            Failure::TimedOut | Failure::BrokeOff | Failure::ClientGone => {}
        }
    }

    fn note_result(&mut self, failed: bool, now: Instant) {
        let rate = self.failure_rate(now);
        let latest = if failed { 1.0 } else { 0.0 };
        self.failures = (rate + (latest - rate) * LATEST, now);
    }

    /// 0 to 1; fades while nothing happens.
    fn failure_rate(&self, now: Instant) -> f64 {
        let (rate, at) = self.failures;
        let passed = now.saturating_duration_since(at).as_secs_f64();
        rate * (-passed / FORGETTING.as_secs_f64()).exp()
    }
}

//! A place on an account, held until the request is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::live::Held;
use super::{Account, AccountId, LaneId};
use crate::breaker::Probe;
use crate::capacity::LimitReport;
use crate::retry::Failure;

/// A place on an account: one request in flight and its estimated tokens.
///
/// Given back when dropped, however the request ends. Say how it ended with
/// [`succeeded`](Self::succeeded) or [`failed`](Self::failed) if it did; a drop without either
/// says nothing about the account.
#[derive(Debug)]
#[must_use = "dropping a reservation gives the place back"]
pub struct Reservation {
    account: Arc<Account>,
    held: Held,
    answered: bool,
}

/// How a request went that got its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Success {
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Input and output tokens by the provider's count; `None` if it did not say.
    pub tokens: Option<u64>,
}

impl Reservation {
    pub(super) fn new(
        account: Arc<Account>,
        lane: LaneId,
        credential: u64,
        tokens: u64,
        (probe, trial): (Option<Probe>, bool),
        at: Instant,
    ) -> Self {
        let held = Held { lane, tokens, probe, credential, trial, at };
        Self { account, held, answered: false }
    }

    /// Whose place it is.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account.id
    }

    /// Notes what the provider says of its limits: once its header is there, whatever its status.
    pub fn limits(&self, report: &LimitReport, now: Instant) {
        self.account.live().hear(self.held.lane, report, now);
    }

    /// Notes that the first byte came. Worth calling for streams, whose end may be far.
    pub fn answered(&mut self, first_byte: Duration, now: Instant) {
        if !self.answered {
            self.answered = true;
            let policy = self.account.policy;
            self.account.live().answered(&mut self.held, first_byte, &policy, now);
        }
    }

    /// The answer is complete.
    pub fn succeeded(mut self, success: Success, now: Instant) {
        self.answered(success.first_byte, now);
        let policy = self.account.policy;
        let Self { account, held, .. } = &mut self;
        account.live().succeeded(held, success.tokens, &policy, now);
    }

    /// There is no answer, or not all of it. `rng` spreads the moments when accounts come back.
    pub fn failed(mut self, failure: Failure, now: Instant, rng: &mut impl Rng) {
        let policy = self.account.policy;
        let Self { account, held, .. } = &mut self;
        account.live().failed(held, failure, &policy, now, rng);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.live().release(&self.held);
    }
}

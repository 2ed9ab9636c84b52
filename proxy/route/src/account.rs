//! What is known of an account right now, and the reservation of a place on it.
//!
//! One short mutex per account covers everything that one decision must see together: whoever
//! finds room has taken it when the lock is released. Nothing slow happens under it.

mod lane;
mod live;
mod reservation;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conf_name::{AccountName, ProviderName};
use conf_schema::plan::AccountLimits;

pub use reservation::{Reservation, Success};

pub(crate) use lane::LaneId;
use live::Live;

use crate::breaker::BreakerPolicy;

/// How accounts are treated that fail, recover or are new.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// When failures take an account out of use.
    pub breaker: BreakerPolicy,
    /// For how long a new or recovered account gets less than its share.
    pub slow_start: Duration,
    /// The part of its share it starts with, above 0 and up to 1; grows evenly to 1.
    pub slow_start_floor: f64,
    /// The rest after a refusal that names no time; each further one is twice as long.
    pub rest: Duration,
    /// The longest such rest.
    pub longest_rest: Duration,
    /// The longest wait a provider can impose: after it, better to ask again.
    pub longest_wait: Duration,
    /// The rest of an account that is not paid for.
    pub unpaid_rest: Duration,
    /// How often a credential that was refused is tried again, with one request. A refusal is
    /// meant to last until the credential changes, so this is rare; but providers have refused
    /// good keys for some minutes, and that should not need an operator.
    pub refused_rest: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            breaker: BreakerPolicy::default(),
            slow_start: Duration::from_secs(30),
            slow_start_floor: 0.1,
            rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(60),
            longest_wait: Duration::from_secs(60 * 60),
            unpaid_rest: Duration::from_secs(5 * 60),
            refused_rest: Duration::from_secs(5 * 60),
        }
    }
}

/// An account of a provider.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AccountId {
    /// The provider's name in the configuration.
    pub provider: ProviderName,
    /// The account's name, unique within its provider.
    pub account: AccountName,
}

/// What an account is doing; for metrics and the admin interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccountStatus {
    /// Requests that hold a place.
    pub in_flight: u32,
    /// Their tokens, estimated.
    pub tokens_in_flight: u64,
    /// Why a further request has no place, if so.
    pub blocked: Option<Blocked>,
}

/// Why an account does not take a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// In general terms.
    pub reason: BlockReason,
    /// When that may be over.
    pub until: Option<Instant>,
}

/// Why an account does not take a request, in general terms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockReason {
    /// It has no room: a limit is reached, or the provider wants it to wait.
    Exhausted,
    /// It fails, or is not paid for.
    Down,
    /// Its credential was refused; it is out until that changes, but for a rare trial.
    CredentialRefused,
}

/// The live state of an account. Outlives the configuration it came from.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    policy: Policy,
    live: Mutex<Live>,
}

/// What a choice between accounts goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The part of its share it may get while it starts slowly; 1 for most.
    pub(crate) share: f64,
    /// Requests and tokens in flight with this one among them, worsened by failures and
    /// nearness to a limit; above 0.
    pub(crate) work: f64,
    /// Seconds to the first byte, if known.
    pub(crate) latency: Option<f64>,
    /// Whether nothing is in flight.
    pub(crate) idle: bool,
}

impl Account {
    /// `fresh` accounts start slowly.
    pub(crate) fn new(
        id: AccountId,
        limits: AccountLimits,
        credential: u64,
        policy: Policy,
        fresh: bool,
        now: Instant,
    ) -> Self {
        let live = Live::new(limits, credential, fresh, now);
        Self { id, policy, live: Mutex::new(live) }
    }

    /// Follows a change of the configuration. A new credential brings an account back whose old
    /// one was refused.
    pub(crate) fn change(&self, limits: AccountLimits, credential: u64) {
        self.live().change(limits, credential);
    }

    /// The lane of a model. `listed` ones stay for good; of the others only so many are kept.
    pub(crate) fn lane(&self, model: &str, listed: bool, now: Instant) -> LaneId {
        self.live().lanes.find(model, listed, now)
    }

    /// Whether a request of `tokens` would get a place, and what speaks for and against it.
    pub(crate) fn view(&self, lane: LaneId, tokens: u64, now: Instant) -> Result<View, Blocked> {
        let mut live = self.live();
        live.check(&self.policy, lane, tokens, now)?;
        Ok(live.view(&self.policy, lane, tokens, now))
    }

    /// Takes a place, at once and for as long as the reservation lives.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        lane: LaneId,
        credential: u64,
        tokens: u64,
        now: Instant,
    ) -> Result<Reservation, Blocked> {
        let taken = {
            let mut live = self.live();
            let pass = live.check(&self.policy, lane, tokens, now)?;
            live.take(&self.policy, lane, tokens, pass, now)
        };
        Ok(Reservation::new(Arc::clone(self), lane, credential, tokens, taken, now))
    }

    pub(crate) fn status(&self, now: Instant) -> AccountStatus {
        let mut live = self.live();
        let blocked = live.check(&self.policy, LaneId::default(), 0, now).err();
        AccountStatus {
            in_flight: live.in_flight,
            tokens_in_flight: live.tokens_in_flight,
            blocked,
        }
    }

    /// State that another thread left while panicking is as good as any: it is only counters.
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

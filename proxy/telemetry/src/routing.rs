//! Where requests went, why they went elsewhere, and how much room there is.

use std::fmt;
use std::sync::OnceLock;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::metric::{Chat, counter, counters, gauge, gauges};

/// Shows what it sees whenever the metrics are looked at.
type Eye = Box<dyn Fn(&Routing) + Send + Sync>;

/// What is counted of the way requests take.
pub struct Routing {
    retries: IntCounterVec,
    given_up: IntCounterVec,
    moves: IntCounterVec,
    saturated: IntCounterVec,
    waiting: IntGauge,
    waits: IntCounterVec,
    heartbeats: IntCounter,
    account_requests: IntGaugeVec,
    account_tokens: IntGaugeVec,
    account_available: IntGaugeVec,
    eye: OnceLock<Eye>,
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routing").finish_non_exhaustive()
    }
}

/// An account as the metrics show it.
#[derive(Clone, Copy, Debug)]
pub struct AccountGauges<'a> {
    /// The provider's name in the configuration.
    pub provider: &'a str,
    /// The account's name in the configuration.
    pub account: &'a str,
    /// Requests that hold a place on it.
    pub requests: u32,
    /// Their tokens, estimated.
    pub tokens: u64,
    /// Whether it takes a further request.
    pub available: bool,
}

impl Routing {
    pub(crate) fn new(with: &Registry) -> prometheus::Result<Self> {
        let account = ["provider", "account"];
        Ok(Self {
            retries: counters(
                with,
                "penstock_retries_total",
                "Attempts that failed and were followed by another, by what went wrong.",
                &["provider", "account", "reason"],
            )?,
            given_up: counters(
                with,
                "penstock_retries_given_up_total",
                "Failed attempts that another might have mended, by why there was none.",
                &["reason"],
            )?,
            moves: counters(
                with,
                "penstock_session_moves_total",
                "Sessions that moved to another account, by why.",
                &["reason"],
            )?,
            saturated: counters(
                with,
                "penstock_requests_without_account_total",
                "Requests that no account took, by why.",
                &["model", "reason"],
            )?,
            waiting: gauge(with, "penstock_requests_waiting", "Requests that wait for room.")?,
            waits: counters(
                with,
                "penstock_request_waits_total",
                "Waits for room, by how they ended.",
                &["result"],
            )?,
            heartbeats: counter(
                with,
                "penstock_heartbeats_total",
                "Signs of life sent to clients while nothing else was to be said.",
            )?,
            account_requests: gauges(
                with,
                "penstock_account_requests_in_flight",
                "Requests that hold a place on an account.",
                &account,
            )?,
            account_tokens: gauges(
                with,
                "penstock_account_tokens_in_flight",
                "Tokens of the requests on an account, estimated.",
                &account,
            )?,
            account_available: gauges(
                with,
                "penstock_account_available",
                "1 if an account takes a further request.",
                &account,
            )?,
            eye: OnceLock::new(),
        })
    }

    /// A failed attempt is followed by another.
    pub fn retry(&self, chat: &Chat<'_>, reason: &'static str) {
        self.retries.with_label_values(&[chat.provider, chat.account, reason]).inc();
    }

    /// A failed attempt is not followed by another, though it might have been.
    pub fn given_up(&self, reason: &'static str) {
        self.given_up.with_label_values(&[reason]).inc();
    }

    /// A session moved.
    pub fn session_moved(&self, reason: &'static str) {
        self.moves.with_label_values(&[reason]).inc();
    }

    /// No account took a request for `model`, a name of the configuration.
    pub fn saturated(&self, model: &str, reason: &'static str) {
        self.saturated.with_label_values(&[model, reason]).inc();
    }

    /// A request begins to wait; the result is to be ended.
    #[must_use]
    pub fn wait(&self) -> Wait<'_> {
        self.waiting.inc();
        Wait { routing: self, result: "left" }
    }

    /// Counts heartbeats.
    #[must_use]
    pub fn heartbeats(&self) -> Heartbeats {
        Heartbeats(self.heartbeats.clone())
    }

    /// What `eye` shows with [`show`](Self::show) is looked at whenever the metrics are. Only the
    /// first one given is.
    pub fn look_at(&self, eye: impl Fn(&Self) + Send + Sync + 'static) {
        let _ = self.eye.set(Box::new(eye));
    }

    /// Shows what an account is doing.
    pub fn show(&self, gauges: &AccountGauges<'_>) {
        let labels = [gauges.provider, gauges.account];
        self.account_requests.with_label_values(&labels).set(i64::from(gauges.requests));
        let tokens = i64::try_from(gauges.tokens).unwrap_or(i64::MAX);
        self.account_tokens.with_label_values(&labels).set(tokens);
        self.account_available.with_label_values(&labels).set(i64::from(gauges.available));
    }

    /// Forgets accounts that are no longer there.
    pub fn forget_accounts(&self) {
        for gauges in [&self.account_requests, &self.account_tokens, &self.account_available] {
            gauges.reset();
        }
    }

    pub(crate) fn look(&self) {
        if let Some(eye) = self.eye.get() {
            eye(self);
        }
    }
}

/// Counts the signs of life sent to clients.
#[derive(Clone, Debug)]
pub struct Heartbeats(IntCounter);

impl Heartbeats {
    /// One more.
    pub fn sent(&self) {
        self.0.inc();
    }
}

/// A request that waits for room.
#[derive(Debug)]
pub struct Wait<'a> {
    routing: &'a Routing,
    result: &'static str,
}

impl Wait<'_> {
    /// It found a place, or gave up.
    pub fn end(mut self, placed: bool) {
        self.result = if placed { "placed" } else { "in_vain" };
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.routing.waiting.dec();
        self.routing.waits.with_label_values(&[self.result]).inc();
    }
}

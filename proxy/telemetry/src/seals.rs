//! What was remembered of the model's turns, and for whom it was of use.

use prometheus::{IntCounterVec, IntGauge, Registry};

use crate::metric::{counters, gauge};

/// What is counted of the seals that are kept for clients that forget them.
#[derive(Debug)]
pub struct Seals {
    kept: IntCounterVec,
    recalls: IntCounterVec,
    forgotten: IntCounterVec,
    turns: IntGauge,
    bytes: IntGauge,
}

/// How a turn was found that came back without its seals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recall {
    /// By the id of one of its calls.
    Call,
    /// By what it says where.
    Content,
    /// Not at all.
    Unknown,
}

impl Seals {
    pub(crate) fn new(with: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            kept: counters(
                with,
                "penstock_reasoning_turns_kept_total",
                "Turns of models whose thoughts or seals were remembered.",
                &["provider"],
            )?,
            recalls: counters(
                with,
                "penstock_reasoning_recalls_total",
                "Turns that came back without thoughts or seals, by how they were found.",
                &["provider", "result"],
            )?,
            forgotten: counters(
                with,
                "penstock_reasoning_turns_forgotten_total",
                "Turns that were forgotten: for want of room, or because nobody asked for them.",
                &["reason"],
            )?,
            turns: gauge(with, "penstock_reasoning_turns", "Turns that are remembered.")?,
            bytes: gauge(with, "penstock_reasoning_bytes", "Bytes that they take, about.")?,
        })
    }

    /// A turn was remembered.
    pub fn kept(&self, provider: &str) {
        self.kept.with_label_values(&[provider]).inc();
    }

    /// So many turns came back without what `provider` had sealed.
    pub fn recalled(&self, provider: &str, how: Recall, count: u64) {
        let result = match how {
            Recall::Call => "call",
            Recall::Content => "content",
            Recall::Unknown => "unknown",
        };
        if count > 0 {
            self.recalls.with_label_values(&[provider, result]).inc_by(count);
        }
    }

    /// So many turns were forgotten because nobody asked for them, and so many to make room.
    pub fn forgotten(&self, aged: u64, crowded: u64) {
        for (reason, count) in [("idle", aged), ("room", crowded)] {
            if count > 0 {
                self.forgotten.with_label_values(&[reason]).inc_by(count);
            }
        }
    }

    /// So many turns are remembered, and take so many bytes.
    pub fn size(&self, turns: usize, bytes: usize) {
        self.turns.set(i64::try_from(turns).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

//! Files that the gateway fetched for its clients.

use prometheus::{IntCounter, IntCounterVec, Registry};

use crate::metric::{counter, counters};

/// What is counted of files that are fetched.
#[derive(Debug)]
pub struct Media {
    fetches: IntCounterVec,
    bytes: IntCounter,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchOutcome {
    /// It is there.
    Fetched,
    /// It may not be fetched.
    Refused,
    /// It could not be had.
    Failed,
    /// It is too large.
    TooLarge,
    /// It took too long.
    TimedOut,
    /// It is something else.
    WrongKind,
}

impl FetchOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TooLarge => "too_large",
            Self::TimedOut => "timed_out",
            Self::WrongKind => "wrong_kind",
        }
    }
}

impl Media {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            fetches: counters(
                registry,
                "penstock_media_fetches_total",
                "Files at addresses that were to be fetched for a provider, by what became of them.",
                &["outcome"],
            )?,
            bytes: counter(
                registry,
                "penstock_media_fetched_bytes_total",
                "Bytes of files that were fetched.",
            )?,
        })
    }

    /// A file was to be fetched, and so much of it came.
    pub fn ended(&self, outcome: FetchOutcome, bytes: u64) {
        self.fetches.with_label_values(&[outcome.label()]).inc();
        self.bytes.inc_by(bytes);
    }
}

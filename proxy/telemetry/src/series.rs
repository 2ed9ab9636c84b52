//! The counters of requests with the same labels, found once a request.
//!
//! What a request counts has seven names, and each is found among its like by hashing all its labels.
//! Here they are found together.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use foldhash::fast::FixedState;
use prometheus::{Histogram, IntCounter};

use crate::metric::Chat;

/// The kinds of tokens, as the label has them.
pub(crate) const KINDS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// What requests with the same labels count. What was never counted is not there: it would be shown as
/// zero.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Answers with the status 200, as most are.
    pub(crate) ok: OnceLock<IntCounter>,
    pub(crate) duration: OnceLock<Histogram>,
    pub(crate) input: OnceLock<Histogram>,
    pub(crate) output: OnceLock<Histogram>,
    /// One for each of [`KINDS`].
    pub(crate) tokens: [OnceLock<IntCounter>; KINDS.len()],
}

/// All series so far. Labels are names of the configuration, so there are not many.
#[derive(Debug, Default)]
pub(crate) struct Found {
    hasher: FixedState,
    by_hash: RwLock<ByHash>,
}

/// Nearly always one of each hash.
type ByHash = HashMap<u64, Vec<(Labels, Arc<Series>)>>;

/// [`Chat`] with its own names.
#[derive(Debug)]
struct Labels {
    route: &'static str,
    operation: &'static str,
    provider: Box<str>,
    account: Box<str>,
    model: Box<str>,
}

impl Labels {
    fn of(chat: &Chat<'_>) -> Self {
        let Chat { route, operation, provider, account, model } = *chat;
        let (provider, account, model) = (provider.into(), account.into(), model.into());
        Self { route, operation, provider, account, model }
    }

    fn are_of(&self, chat: &Chat<'_>) -> bool {
        self.route == chat.route
            && self.operation == chat.operation
            && *self.provider == *chat.provider
            && *self.account == *chat.account
            && *self.model == *chat.model
    }
}

impl Found {
    pub(crate) fn series(&self, chat: &Chat<'_>) -> Arc<Series> {
        let Chat { route, operation, provider, account, model } = *chat;
        let hash = self.hasher.hash_one([route, operation, provider, account, model]);
        let known = |found: &ByHash| {
            let same = found.get(&hash)?.iter().find(|(labels, _)| labels.are_of(chat))?;
            Some(Arc::clone(&same.1))
        };
        // A thread that panicked left whole entries behind: they are put in by one call each.
        if let Some(series) = known(&self.by_hash.read().unwrap_or_else(PoisonError::into_inner)) {
            return series;
        }
        let mut found = self.by_hash.write().unwrap_or_else(PoisonError::into_inner);
        known(&found).unwrap_or_else(|| {
            let series = Arc::new(Series::default());
            found.entry(hash).or_default().push((Labels::of(chat), Arc::clone(&series)));
            series
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_have_the_same_series_and_others_another() {
        let found = Found::default();
        let chat = Chat { route: "/r", operation: "chat", provider: "p", account: "a", model: "m" };
        let series = found.series(&chat);
        assert!(Arc::ptr_eq(&series, &found.series(&chat)));
        for other in [
            Chat { route: "/s", ..chat },
            Chat { operation: "embeddings", ..chat },
            Chat { provider: "q", ..chat },
            Chat { account: "b", ..chat },
            Chat { model: "n", ..chat },
            // The same letters, otherwise divided.
            Chat { provider: "pa", account: "", ..chat },
        ] {
            assert!(!Arc::ptr_eq(&series, &found.series(&other)), "{other:?}");
        }
    }
}

//! Keeps the requests of one conversation on one account, where its prompt cache is.

mod memory;
mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conf_name::{AccountName, ProviderName};

pub use memory::MemoryBindings;
pub use session::{SessionId, SessionPieces};

/// Where a session lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The provider's name in the configuration.
    pub provider: ProviderName,
    /// The account's.
    pub account: AccountName,
    /// The model as the provider calls it.
    pub model: Arc<str>,
}

/// What became of an attempt to bind a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bind {
    /// It is bound as asked.
    Done,
    /// It is bound otherwise: another request was first.
    Taken(Binding),
}

/// Remembers where sessions live. Times are those of the caller.
pub trait Bindings: Send + Sync {
    /// Where the session lives, unless it was idle for longer than `idle`. Counts as use.
    fn get(&self, session: &SessionId, idle: Duration, now: Instant) -> Option<Binding>;

    /// Binds a session that lives at `from`, as [`get`](Self::get) would say; all in one step,
    /// so of requests that come at the same time one wins and the others learn of it.
    fn bind(
        &self,
        session: &SessionId,
        from: Option<&Binding>,
        to: Binding,
        idle: Duration,
        now: Instant,
    ) -> Bind;
}

//! A timer for silence, which is set for each request and hardly ever goes off.

use std::pin::Pin;

use pingora::time::fast_timeout::fast_sleep;
use tokio::time::Instant;

/// Goes off at about a moment. Pingora's timers are coarse, and cost a fraction of tokio's, which
/// wake the driver whenever a new one is the earliest.
pub(super) struct Timer {
    at: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Timer {
    pub(super) fn until(at: Instant) -> Self {
        let duration = at.saturating_duration_since(Instant::now());
        Self { at, sleep: Box::pin(fast_sleep(duration)) }
    }

    /// The moment.
    pub(super) const fn at(&self) -> Instant {
        self.at
    }

    /// Ends when it goes off; it can be waited for in pieces.
    pub(super) async fn goes_off(&mut self) {
        self.sleep.as_mut().await;
    }
}

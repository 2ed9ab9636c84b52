//! The only place that asks what time it is, beside tokio's timers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the rim")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Now, as the time since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the rim")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the rim")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

//! The end: no new connections, and out as soon as nothing is in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pingora::server::{ExecutionPhase, Server};
use proxy_telemetry::Metrics;

use crate::logging::Logs;

/// What streams get to finish in after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(60);
/// How often to look whether anything is still in flight.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Pingora sleeps through the whole grace period; this leaves once nothing is in flight. Call
/// before the server runs.
pub(crate) fn leave_early(
    server: &Server,
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
    logs: Logs,
) {
    let mut phases = server.watch_execution_phase();
    std::thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::Running) => ready.store(true, Ordering::Release),
                Ok(
                    ExecutionPhase::GracefulTerminate
                    | ExecutionPhase::ShutdownStarted
                    | ExecutionPhase::ShutdownGracePeriod,
                ) => break,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        ready.store(false, Ordering::Release);
        tracing::info!(in_flight = metrics.in_flight(), "shutting down");
        while metrics.in_flight() > 0 {
            std::thread::sleep(LOOK_EVERY);
        }
        // Twice: a request can be between its last byte and its log line.
        std::thread::sleep(LOOK_EVERY);
        logs.flush();
        std::process::exit(0);
    });
}

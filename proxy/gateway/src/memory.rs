//! How much memory is in use, looked at beside the requests and not by them.
//!
//! Counted is what the allocator has given out, in whole pages. What the system counts as resident
//! is more, and would be the wrong measure: the allocator gives freed pages back only when somebody
//! allocates, so a process that turned everybody away would never see it fall.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use conf_schema::Plan;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use proxy_telemetry::Metrics;
use tikv_jemalloc_ctl::{epoch, stats};

/// How often to look while there is a limit.
const OFTEN: Duration = Duration::from_millis(100);
/// How often to look for the metric alone.
const SELDOM: Duration = Duration::from_secs(5);

/// Keeps the metric at what is in use.
pub(crate) struct MemoryWatch {
    pub(crate) plan: Arc<ArcSwap<Plan>>,
    pub(crate) metrics: Arc<Metrics>,
}

#[async_trait]
impl BackgroundService for MemoryWatch {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let looking = async {
            loop {
                match in_use() {
                    Ok(bytes) => self.metrics.edge.memory_is(bytes),
                    Err(error) => return tracing::error!(%error, "memory cannot be measured"),
                }
                let limited = self.plan.load().limits.memory_bytes.is_some();
                tokio::time::sleep(if limited { OFTEN } else { SELDOM }).await;
            }
        };
        tokio::select! {
            () = looking => {}
            _ = shutdown.changed() => {}
        }
    }
}

fn in_use() -> Result<u64, tikv_jemalloc_ctl::Error> {
    epoch::advance()?;
    Ok(stats::active::read()?.try_into().unwrap_or(u64::MAX))
}

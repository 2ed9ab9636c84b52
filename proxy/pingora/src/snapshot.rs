//! The configuration in use, and what follows from it: keys, upstreams, the list of models.
//!
//! A request takes one snapshot and keeps it to its end, whatever is reloaded meanwhile.

use std::sync::Arc;

use arc_swap::ArcSwap;
use conf_schema::plan::{Plan, Provider};
use proxy_admit::KeyRing;
use proxy_route::{Router, Routes};
use proxy_telemetry::Metrics;

use crate::clock;
use crate::upstream::Upstream;

/// A configuration and what follows from it.
pub(crate) struct Snapshot {
    pub(crate) plan: Arc<Plan>,
    pub(crate) keys: KeyRing,
    /// When it came into use, in seconds since 1970.
    pub(crate) since: u64,
    /// Where requests can go.
    pub(crate) routes: Routes,
    upstreams: Vec<Arc<Upstream>>,
}

impl Snapshot {
    fn new(plan: Arc<Plan>, router: &Router, metrics: &Metrics) -> Self {
        metrics.routing.forget_accounts();
        Self {
            routes: router.sync(&plan, clock::now()),
            keys: KeyRing::new(&plan.auth),
            since: clock::unix_seconds(),
            upstreams: plan
                .providers
                .iter()
                .map(|provider| Arc::new(Upstream::new(provider, plan.http2_ping, metrics)))
                .collect(),
            plan,
        }
    }

    /// The upstream of a provider of this plan.
    pub(crate) fn upstream(&self, provider: &Arc<Provider>) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| Arc::ptr_eq(&upstream.provider, provider))
    }
}

/// Follows the plan that is in use.
pub(crate) struct Snapshots {
    plan: Arc<ArcSwap<Plan>>,
    current: ArcSwap<Snapshot>,
    router: Arc<Router>,
    metrics: Arc<Metrics>,
}

impl Snapshots {
    pub(crate) fn new(
        plan: Arc<ArcSwap<Plan>>,
        router: Arc<Router>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let current = ArcSwap::from_pointee(Snapshot::new(plan.load_full(), &router, &metrics));
        Self { plan, current, router, metrics }
    }

    /// The snapshot of the plan in use. Takes no lock; builds a new one only after a reload.
    pub(crate) fn load(&self) -> Arc<Snapshot> {
        let plan = self.plan.load();
        let current = self.current.load();
        if Arc::ptr_eq(&plan, &current.plan) {
            return Arc::clone(&current);
        }
        // Several requests may do this at once after a reload; each result is right.
        let fresh = Arc::new(Snapshot::new(Arc::clone(&plan), &self.router, &self.metrics));
        self.current.store(Arc::clone(&fresh));
        fresh
    }
}

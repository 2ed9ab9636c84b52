//! The configuration in use, and what follows from it: keys, upstreams, the list of models.
//!
//! A request takes one snapshot and keeps it to its end, whatever is reloaded meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use conf_schema::plan::{Plan, Provider};
use proxy_admit::KeyRing;
use proxy_route::resolve::Resolved;
use proxy_route::{Route, Router, Routes};
use proxy_telemetry::Metrics;

use crate::clock;
use crate::upstream::Upstream;

/// Routes of direct models that are kept. Fewer than an account has lanes for such models, so that
/// a route that is kept and used keeps its lanes.
const DIRECT_ROUTES: usize = 32;

/// A configuration and what follows from it.
pub(crate) struct Snapshot {
    pub(crate) plan: Arc<Plan>,
    pub(crate) keys: KeyRing,
    /// When it came into use, in seconds since 1970.
    pub(crate) since: u64,
    /// Where requests can go.
    pub(crate) routes: Routes,
    /// Routes of models that are not in the configuration, by what clients call them.
    direct: ArcSwap<HashMap<Box<str>, Arc<Route>>>,
    upstreams: Vec<Arc<Upstream>>,
}

impl Snapshot {
    fn new(plan: Arc<Plan>, router: &Router, metrics: &Metrics) -> Self {
        metrics.routing.forget_accounts();
        Self {
            routes: router.sync(&plan, clock::now()),
            direct: ArcSwap::default(),
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

    /// The route of a model that clients call `name`. Takes no lock; that of a direct model is made
    /// once and kept, until too many names have been asked for.
    pub(crate) fn route(&self, name: &str, resolved: &Resolved, now: Instant) -> Arc<Route> {
        match resolved {
            Resolved::Listed(_) => self.routes.route(resolved, now),
            Resolved::Direct(_) => {
                if let Some(route) = self.direct.load().get(name) {
                    return Arc::clone(route);
                }
                let route = self.routes.route(resolved, now);
                self.direct.rcu(|known| {
                    // Names are the client's to make up: then those that are used come back soon.
                    let mut known = match known.len() < DIRECT_ROUTES {
                        true => HashMap::clone(known),
                        false => HashMap::new(),
                    };
                    known.insert(name.into(), Arc::clone(&route));
                    known
                });
                route
            }
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

#[cfg(test)]
mod tests {
    use conf_schema::SecretSource;
    use proxy_route::account::Policy;
    use proxy_route::resolve::resolve;
    use proxy_route::retry::RetryPolicy;

    use super::*;

    struct NoSecrets;

    impl SecretSource for NoSecrets {
        fn env(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<Vec<u8>, String> {
            Err("there are no files here".to_owned())
        }
    }

    #[test]
    fn the_route_of_a_direct_model_is_made_once_and_only_so_many_are_kept() {
        let text = "providers: [{name: p, dialect: openai, accounts: [{name: a}]}]";
        let plan = Arc::new(conf_schema::check(text, &NoSecrets).plan.unwrap());
        let router = Router::new(Policy::default(), RetryPolicy::default(), clock::now());
        let snapshot = Snapshot::new(Arc::clone(&plan), &router, &Metrics::new("test").unwrap());
        let route = |name: &str| {
            let resolved = resolve(&plan, name).unwrap();
            snapshot.route(name, &resolved, clock::now())
        };
        let first = route("p/x");
        assert!(Arc::ptr_eq(&first, &route("p/x")));
        assert!(!Arc::ptr_eq(&first, &route("p/y")));
        for n in 0..1000 {
            route(&format!("p/{n}"));
            assert!(snapshot.direct.load().len() <= DIRECT_ROUTES);
        }
    }
}

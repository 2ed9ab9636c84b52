//! A plan as the router sees it: for each model its targets, and for each target its accounts.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conf_name::{ModelName, ProviderName};
use conf_schema::plan::{Credential, Fallbacks, Strategy, Target};

use crate::account::{Account, AccountId, AccountStatus, LaneId};
use crate::affinity::Binding;
use crate::condition::Looked;
use crate::resolve::Resolved;
use crate::retry::Fallback;

/// Where requests can go by one plan. Made by [`Router::sync`](crate::Router::sync); keep it
/// beside the plan, so that a request sees one configuration from its beginning to its end.
#[derive(Debug)]
pub struct Routes {
    pub(crate) models: HashMap<ModelName, Arc<Route>>,
    pub(crate) providers: HashMap<ProviderName, Vec<Seat>>,
    pub(crate) idle: Duration,
    pub(crate) looked: Looked,
}

/// An account of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) account: Arc<Account>,
    pub(crate) weight: NonZeroU32,
    pub(crate) equipped: bool,
    pub(crate) credential: u64,
}

/// Where requests for one model can go.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) strategy: Strategy,
    pub(crate) targets: Vec<Stop>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) fallbacks: Fallbacks,
    pub(crate) idle: Duration,
}

/// A target, and its candidates among those of its route.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) target: Target,
    /// The target's model, cheap to share.
    pub(crate) model: Arc<str>,
    pub(crate) candidates: Range<usize>,
}

/// One account of one target.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    pub(crate) account: Arc<Account>,
    pub(crate) lane: LaneId,
    pub(crate) weight: NonZeroU32,
    /// Whether its credential was found.
    pub(crate) equipped: bool,
    pub(crate) credential: u64,
}

/// A target of a route and an account of its provider, both by their place in the plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// In [`Resolved::targets`].
    pub target: usize,
    /// In the accounts of the target's provider.
    pub account: usize,
}

/// Where a request has been and need not go again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tried {
    /// In [`Resolved::targets`].
    pub target: usize,
    /// An account of it; `None` for all of them.
    pub account: Option<usize>,
}

impl Tried {
    pub(crate) fn covers(&self, candidate: &Candidate) -> bool {
        let Place { target, account } = candidate.place;
        self.target == target && self.account.is_none_or(|tried| tried == account)
    }
}

impl From<Place> for Tried {
    fn from(Place { target, account }: Place) -> Self {
        Self { target, account: Some(account) }
    }
}

impl Routes {
    /// The route of a model. One of the configuration is there already; a direct one is made.
    #[must_use]
    pub fn route(&self, resolved: &Resolved, now: Instant) -> Arc<Route> {
        let listed = match resolved {
            Resolved::Listed(model) => self.models.get(&model.name),
            Resolved::Direct(_) => None,
        };
        if let Some(route) = listed {
            return Arc::clone(route);
        }
        let (strategy, fallbacks) = (Strategy::default(), Fallbacks::default());
        Arc::new(self.build(resolved.targets(), strategy, fallbacks, false, now))
    }

    pub(crate) fn build(
        &self,
        targets: &[Target],
        strategy: Strategy,
        fallbacks: Fallbacks,
        listed: bool,
        now: Instant,
    ) -> Route {
        let (mut stops, mut candidates) = (Vec::with_capacity(targets.len()), Vec::new());
        for (at, target) in targets.iter().enumerate() {
            let start = candidates.len();
            let seats = self.providers.get(&target.provider.name).map_or(&[][..], Vec::as_slice);
            candidates.extend(seats.iter().enumerate().map(|(account, seat)| Candidate {
                place: Place { target: at, account },
                account: Arc::clone(&seat.account),
                lane: seat.account.lane(&target.model, listed, now),
                weight: seat.weight,
                equipped: seat.equipped,
                credential: seat.credential,
            }));
            let candidates = start..candidates.len();
            let model = Arc::from(target.model.as_str());
            stops.push(Stop { target: target.clone(), model, candidates });
        }
        Route { strategy, targets: stops, candidates, fallbacks, idle: self.idle }
    }

    /// What the conditions of the plan look at.
    #[must_use]
    pub fn looked_at(&self) -> &Looked {
        &self.looked
    }

    /// Every account of the plan and what it is doing.
    pub fn accounts(&self, now: Instant) -> impl Iterator<Item = (&AccountId, AccountStatus)> {
        let seats = self.providers.values().flatten();
        seats.map(move |seat| (&seat.account.id, seat.account.status(now)))
    }
}

impl Route {
    /// The targets, in the order of the configuration.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().map(|stop| &stop.target)
    }

    /// How many accounts serve it, over all targets.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.candidates.len()
    }

    /// Whether there is an account that both lead to.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let has = |account: &Arc<Account>| {
            other.candidates.iter().any(|candidate| Arc::ptr_eq(&candidate.account, account))
        };
        self.candidates.iter().any(|candidate| has(&candidate.account))
    }

    /// The models to ask instead, best first. Ask none of them twice: they may name each other.
    #[must_use]
    pub fn fallbacks(&self, why: Fallback) -> &[ModelName] {
        match why {
            Fallback::ContextWindow => &self.fallbacks.context_window,
            Fallback::ContentPolicy => &self.fallbacks.content_policy,
        }
    }

    /// What to remember of a session that is served by this candidate.
    pub(crate) fn binding(&self, candidate: &Candidate) -> Option<Binding> {
        let AccountId { provider, account } = candidate.account.id.clone();
        let model = Arc::clone(&self.targets.get(candidate.place.target)?.model);
        Some(Binding { provider, account, model })
    }

    /// The candidate a session is bound to, if it is still there.
    pub(crate) fn bound(&self, binding: &Binding) -> impl Iterator<Item = &Candidate> {
        self.targets.iter().filter(|stop| stop.model == binding.model).filter_map(|stop| {
            self.candidates.get(stop.candidates.clone())?.iter().find(|candidate| {
                let AccountId { provider, account } = &candidate.account.id;
                candidate.equipped && *provider == binding.provider && *account == binding.account
            })
        })
    }

    /// Which credential is missing first, and of which provider.
    #[must_use]
    pub fn missing_credential(&self) -> Option<(&ProviderName, &str)> {
        self.targets().find_map(|target| {
            target.provider.accounts.iter().find_map(|account| match &account.credential {
                Credential::Missing { reason } => Some((&target.provider.name, reason.as_str())),
                Credential::None | Credential::Key(_) => None,
            })
        })
    }
}

//! The one that is asked: where does this request go, and what now that it failed?

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conf_name::ProviderName;
use conf_schema::plan::{Credential, Plan, Provider};
use rand::Rng;

use crate::account::{Account, AccountId, BlockReason, Blocked, Policy, Reservation};
use crate::affinity::{Bind, Binding, Bindings, MemoryBindings, SessionId};
use crate::balance::{self, Blockage, Survey};
use crate::condition::{Barred, Looked};
use crate::retry::{self, Attempts, Failure, GiveUp, RetryBudget, RetryPolicy, Verdict};
use crate::table::{Candidate, Place, Route, Routes, Seat, Tried};

/// So long after no plan names it any more, and nobody uses it, an account is forgotten: longer
/// than any limit looks back.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// Chooses accounts for requests. One for the whole process: it outlives configurations.
#[derive(Debug)]
pub struct Router<B = MemoryBindings> {
    policy: Policy,
    bindings: B,
    budget: RetryBudget,
    known: Mutex<Known>,
    /// Tells credentials apart without keeping them.
    fingerprints: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    /// Each with when a plan last named it. One that is taken out and soon brought back has not
    /// forgotten what it has spent of its limits.
    accounts: HashMap<AccountId, (Arc<Account>, Instant)>,
    /// Accounts that come later are new, and start slowly; those of the first plan do not.
    started: bool,
}

/// What a request needs of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The conversation it belongs to, if it is to stay on one account.
    pub session: Option<SessionId>,
    /// Input tokens and the output tokens it may well use.
    pub estimated_tokens: u64,
    /// Where it has been.
    pub tried: &'a [Tried],
    /// What it would cost at each target, in any unit, for the strategy `cheapest`.
    pub prices: &'a [f64],
    /// Which targets do not take it, by their conditions.
    pub barred: Option<&'a Barred>,
}

impl Wish<'_> {
    pub(crate) fn bars(&self, target: usize) -> bool {
        self.barred.is_some_and(|barred| barred.has(target))
    }
}

/// Where a request goes.
#[derive(Debug)]
pub struct Choice {
    /// The target and the account.
    pub place: Place,
    /// The place on it, taken already.
    pub reservation: Reservation,
    /// What this means for its session.
    pub bound: Bound,
}

/// What a choice means for the session of its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bound {
    /// It belongs to none.
    Free,
    /// The session stays where it was.
    Kept,
    /// The session was not known and now lives here.
    New,
    /// The session lives here from now on.
    Moved(MoveReason),
    /// Only this request: it has just failed where its session lives, and that is not down; or the
    /// conditions of that target do not hold for it.
    Away,
}

/// Why a session moved; a label of a counter.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MoveReason {
    /// Its account is no longer there, or has lost its credential.
    Removed,
    /// Its account has no room.
    Exhausted,
    /// Its account fails, or its credential was refused.
    Down,
}

/// No account takes the request now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no account takes the request now")]
pub struct Saturated {
    /// Why, by what is most worth telling.
    pub reason: Saturation,
    /// When the first account may have room; `None` if waiting does not help.
    pub retry_after: Option<Duration>,
}

/// Why no account takes a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Saturation {
    /// Limits are reached: 429.
    Exhausted,
    /// Accounts are failing: 503.
    Down,
    /// The request has been everywhere: answer with the last failure.
    Tried,
    /// The providers refused the credentials.
    CredentialRefused,
    /// No account has its credential: see [`Route::missing_credential`].
    NoCredential,
}

impl Router {
    /// A router that remembers sessions in memory.
    #[must_use]
    pub fn new(policy: Policy, retries: RetryPolicy, now: Instant) -> Self {
        Self::with_bindings(policy, retries, MemoryBindings::default(), now)
    }
}

impl<B: Bindings> Router<B> {
    /// A router that remembers sessions in `bindings`.
    #[must_use]
    pub fn with_bindings(policy: Policy, retries: RetryPolicy, bindings: B, now: Instant) -> Self {
        Self {
            policy,
            bindings,
            budget: RetryBudget::new(retries, now),
            known: Mutex::default(),
            fingerprints: RandomState::new(),
        }
    }

    /// Follows a configuration. What is known of an account survives by its provider's name and
    /// its own. Calling it again with the same plan changes nothing.
    #[must_use]
    pub fn sync(&self, plan: &Plan, now: Instant) -> Routes {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.accounts.retain(|_, (account, named)| {
            // Routes and requests hold it too.
            Arc::strong_count(account) > 1 || now.saturating_duration_since(*named) < FORGOTTEN
        });
        let providers = plan
            .providers
            .iter()
            .map(|provider| (provider.name.clone(), self.seats(&mut known, provider, now)));
        let providers: HashMap<ProviderName, Vec<Seat>> = providers.collect();
        known.started = true;
        let idle = plan.affinity.idle;
        let looked = Looked::at(plan);
        let mut routes = Routes { models: HashMap::new(), providers, idle, looked };
        let models = plan.models.iter().map(|model| {
            let fallbacks = model.fallbacks.clone();
            let route = routes.build(&model.targets, model.strategy, fallbacks, true, now);
            (model.name.clone(), Arc::new(route))
        });
        routes.models = models.collect();
        routes
    }

    fn seats(&self, known: &mut Known, provider: &Provider, now: Instant) -> Vec<Seat> {
        let mut seats = Vec::with_capacity(provider.accounts.len());
        for account in &provider.accounts {
            let (provider, name) = (provider.name.clone(), account.name.clone());
            let id = AccountId { provider, account: name };
            let (equipped, credential) = match &account.credential {
                Credential::None => (true, 0),
                Credential::Key(key) => (true, self.fingerprints.hash_one(key.expose())),
                Credential::Missing { .. } => (false, 0),
            };
            let found = known.accounts.get(&id).map(|(account, _)| Arc::clone(account));
            let live = found.unwrap_or_else(|| {
                let (policy, fresh) = (self.policy, known.started);
                let id = id.clone();
                Arc::new(Account::new(id, account.limits, credential, policy, fresh, now))
            });
            live.change(account.limits, credential);
            known.accounts.insert(id, (Arc::clone(&live), now));
            seats.push(Seat { account: live, weight: account.weight, equipped, credential });
        }
        seats
    }

    /// Chooses an account and takes a place on it.
    ///
    /// A session stays with its account as long as that has room and works.
    ///
    /// # Errors
    ///
    /// [`Saturated`] if no account that was not tried takes the request now.
    pub fn choose(
        &self,
        route: &Route,
        wish: &Wish<'_>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Choice, Saturated> {
        let Some(session) = &wish.session else {
            let (candidate, reservation) = self.pick(route, wish, now, rng)?;
            return Ok(choice(candidate, reservation, Bound::Free));
        };
        let home = self.bindings.get(session, route.idle, now);
        let outcome = match &home {
            None => Bound::New,
            Some(home) => match stay(route, wish, home, now) {
                Ok(choice) => return Ok(choice),
                Err(outcome) => outcome,
            },
        };
        let (candidate, reservation) = self.pick(route, wish, now, rng)?;
        let binding = match outcome {
            Bound::Away => None,
            Bound::Free | Bound::Kept | Bound::New | Bound::Moved(_) => route.binding(candidate),
        };
        let Some(binding) = binding else {
            return Ok(choice(candidate, reservation, Bound::Away));
        };
        match self.bindings.bind(session, home.as_ref(), binding.clone(), route.idle, now) {
            Bind::Done => Ok(choice(candidate, reservation, outcome)),
            Bind::Taken(by) if by == binding => Ok(choice(candidate, reservation, Bound::Kept)),
            // Another request of the session was first: go where it went, if there is room.
            Bind::Taken(by) => Ok(match stay(route, wish, &by, now) {
                Ok(kept) => {
                    reservation.failed(Failure::NotExpressible, now, rng);
                    kept
                }
                Err(_) => choice(candidate, reservation, Bound::Away),
            }),
        }
    }

    /// An account by the route's strategy.
    fn pick<'a>(
        &self,
        route: &'a Route,
        wish: &Wish<'_>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<(&'a Candidate, Reservation), Saturated> {
        let Wish { estimated_tokens, prices, .. } = *wish;
        let mut blockage = Blockage::default();
        // Between the look and the grasp another request may take the last place. Whoever finds
        // that looks again; so often only if others got places that often.
        for _ in 0..=route.candidates.len() {
            let mut survey = Survey::new(route, wish, now);
            let picked = balance::select(route.strategy, route, &mut survey, prices, rng);
            blockage = survey.blockage;
            let Some(candidate) = picked.and_then(|at| route.candidates.get(at)) else { break };
            match reserve(candidate, estimated_tokens, now) {
                Ok(reservation) => return Ok((candidate, reservation)),
                Err(blocked) => blockage.add(blocked),
            }
        }
        Err(saturated(blockage, now))
    }

    /// Counts a request for the retry budgets; once per request, at its beginning.
    pub fn count(&self, key: &str, now: Instant) {
        self.budget.request(key, now);
    }

    /// Tries of one request at most.
    #[must_use]
    pub fn most_attempts(&self) -> u32 {
        self.budget.attempts()
    }

    /// Whether the retry budgets allow another try, which is then taken out of them: for one that
    /// [`report`](Self::report) knows nothing of, because the last has not failed.
    pub fn afford(&self, key: &str, now: Instant) -> bool {
        self.budget.spend(key, now)
    }

    /// Notes a failed try and decides what comes next. `key` is the name of the client's key,
    /// empty for nobody's. A further try is taken out of the retry budgets.
    pub fn report(
        &self,
        reservation: Reservation,
        failure: Failure,
        attempts: &Attempts,
        key: &str,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Verdict {
        reservation.failed(failure, now, rng);
        match retry::verdict(failure, attempts, now) {
            Verdict::GiveUp(why) => Verdict::GiveUp(why),
            next @ (Verdict::NextAccount | Verdict::NextTarget | Verdict::Fallback(_)) => {
                let affordable = self.budget.spend(key, now);
                if affordable { next } else { Verdict::GiveUp(GiveUp::Budget) }
            }
        }
    }

    /// Where sessions live.
    pub fn bindings(&self) -> &B {
        &self.bindings
    }
}

fn choice(candidate: &Candidate, reservation: Reservation, bound: Bound) -> Choice {
    Choice { place: candidate.place, reservation, bound }
}

fn reserve(candidate: &Candidate, tokens: u64, now: Instant) -> Result<Reservation, Blocked> {
    candidate.account.reserve(candidate.lane, candidate.credential, tokens, now)
}

/// A place where the session lives, or what not staying there means.
fn stay(route: &Route, wish: &Wish<'_>, home: &Binding, now: Instant) -> Result<Choice, Bound> {
    let mut known = false;
    let candidate = route.bound(home).find(|candidate| {
        known = true;
        !wish.bars(candidate.place.target)
    });
    let Some(candidate) = candidate else {
        // A request that does not fit where its session lives goes elsewhere by itself.
        return Err(if known { Bound::Away } else { Bound::Moved(MoveReason::Removed) });
    };
    let moved = |blocked: Blocked| {
        Bound::Moved(match blocked.reason {
            BlockReason::Exhausted => MoveReason::Exhausted,
            BlockReason::Down | BlockReason::CredentialRefused => MoveReason::Down,
        })
    };
    if wish.tried.iter().any(|tried| tried.covers(candidate)) {
        let view = candidate.account.view(candidate.lane, wish.estimated_tokens, now);
        return Err(view.map_or_else(moved, |_| Bound::Away));
    }
    let reservation = reserve(candidate, wish.estimated_tokens, now).map_err(moved)?;
    Ok(choice(candidate, reservation, Bound::Kept))
}

fn saturated(blockage: Blockage, now: Instant) -> Saturated {
    let Blockage { exhausted, down, refused, tried, until } = blockage;
    let reason = if tried {
        Saturation::Tried
    } else if exhausted {
        Saturation::Exhausted
    } else if down {
        Saturation::Down
    } else if refused {
        Saturation::CredentialRefused
    } else {
        Saturation::NoCredential
    };
    Saturated { reason, retry_after: until.map(|until| until.saturating_duration_since(now)) }
}

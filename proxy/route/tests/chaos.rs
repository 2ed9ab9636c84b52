//! Whole requests under seeded chance: choices, failures of all kinds, further tries, reloads that
//! take accounts, limits and keys away and bring them back; and what the router promises all the
//! while, checked against books of our own.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "any instant will do as the first")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use conf_schema::plan::{AccountLimits, Plan};
use conf_schema::{SecretSource, check};
use proxy_route::account::{BlockReason, Policy, Reservation, Success};
use proxy_route::affinity::{SessionId, SessionPieces};
use proxy_route::resolve::resolve;
use proxy_route::retry::{Attempts, Failure, RetryPolicy, Verdict};
use proxy_route::{Router, Routes, Saturation, Tried, Wish};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const SEEDS: u64 = 2_000;
const STEPS: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
const STRATEGIES: [&str; 5] = ["least_loaded", "priority", "weighted", "cheapest", "fastest"];

struct Keys(u32);

impl SecretSource for Keys {
    fn env(&self, name: &str) -> Option<String> {
        Some(format!("{name}-{}", self.0))
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }
}

/// What an account was asked for, as it would be billed.
struct Charge {
    at: Instant,
    requests: u64,
    tokens: u64,
}

struct Request {
    reservation: Reservation,
    account: String,
    /// Of the account's charges.
    charge: usize,
    target: usize,
    place: Tried,
    session: Option<SessionId>,
    tokens: u64,
    tried: Vec<Tried>,
    made: u32,
    deadline: Instant,
}

struct World {
    router: Router,
    routes: Routes,
    plan: Plan,
    limits: HashMap<String, AccountLimits>,
    charges: HashMap<String, Vec<Charge>>,
    held: Vec<Request>,
    now: Instant,
    rng: StdRng,
    served: u32,
    retried: u32,
    reloaded: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let router = Router::new(Policy::default(), RetryPolicy::default(), now);
        let plan = plan(&mut rng);
        let routes = router.sync(&plan, now);
        let mut world = Self {
            router,
            routes,
            plan,
            limits: HashMap::new(),
            charges: HashMap::new(),
            held: Vec::new(),
            now,
            rng,
            served: 0,
            retried: 0,
            reloaded: 0,
        };
        world.note_limits();
        world
    }

    fn note_limits(&mut self) {
        for provider in &self.plan.providers {
            for account in &provider.accounts {
                let name = format!("{}/{}", provider.name, account.name);
                self.limits.insert(name, account.limits);
            }
        }
    }

    fn reload(&mut self) {
        self.plan = plan(&mut self.rng);
        self.routes = self.router.sync(&self.plan, self.now);
        self.note_limits();
        // Places of another plan mean nothing in this one.
        self.held.iter_mut().for_each(|request| request.made = u32::MAX);
        self.reloaded += 1;
    }

    fn arrive(&mut self) {
        let session = self.rng.random_ratio(2, 3).then(|| {
            let name = self.rng.random_range(0..6_u8).to_string();
            let header = Some(name.as_bytes());
            SessionId::of("key", "m", &SessionPieces { header, ..SessionPieces::default() })
                .unwrap()
        });
        self.router.count("key", self.now);
        let deadline = self.now + Duration::from_secs(self.rng.random_range(1..90));
        let tokens = self.rng.random_range(0..3_000);
        self.go(session, tokens, Vec::new(), 0, deadline);
    }

    fn go(
        &mut self,
        session: Option<SessionId>,
        tokens: u64,
        tried: Vec<Tried>,
        made: u32,
        deadline: Instant,
    ) {
        let down: Vec<_> = self
            .routes
            .accounts(self.now)
            .filter(|(_, it)| it.blocked.is_some_and(|b| b.reason != BlockReason::Exhausted))
            .map(|(id, _)| id.clone())
            .collect();
        let route = self.routes.route(&resolve(&self.plan, "m").unwrap(), self.now);
        let prices = [2.0, 1.0];
        let wish = Wish {
            session,
            estimated_tokens: tokens,
            tried: &tried,
            prices: &prices,
            ..Wish::default()
        };
        let choice = match self.router.choose(&route, &wish, self.now, &mut self.rng) {
            Ok(choice) => choice,
            Err(saturated) => {
                let nothing_tried = tried.is_empty();
                assert!(!(nothing_tried && saturated.reason == Saturation::Tried));
                return;
            }
        };
        let id = choice.reservation.account();
        assert!(!down.contains(id), "{id:?} is down");
        let place = Tried::from(choice.place);
        let visited = |it: &Tried| {
            it.target == place.target && it.account.is_none_or(|one| Some(one) == place.account)
        };
        assert!(!tried.iter().any(visited), "{place:?} was tried");
        let account = format!("{}/{}", id.provider, id.account);
        self.check_limits(&account, tokens);
        let charges = self.charges.entry(account.clone()).or_default();
        charges.push(Charge { at: self.now, requests: 1, tokens });
        self.held.push(Request {
            reservation: choice.reservation,
            charge: charges.len() - 1,
            account,
            target: choice.place.target,
            place,
            session,
            tokens,
            tried,
            made: made + 1,
            deadline,
        });
    }

    /// Before one more is taken: whether there was room for it, by our own books.
    fn check_limits(&self, account: &str, tokens: u64) {
        let AccountLimits { concurrent, requests_per_minute, tokens_per_minute } =
            self.limits[account];
        let at_once = self.held.iter().filter(|it| it.account == account).count();
        assert!(
            concurrent.is_none_or(|most| at_once < most.get() as usize),
            "{account}: {at_once}"
        );
        let recent = || {
            let charges = self.charges.get(account).into_iter().flatten();
            charges.filter(|it| self.now - it.at < MINUTE)
        };
        let requests: u64 = recent().map(|it| it.requests).sum();
        assert!(requests_per_minute.is_none_or(|most| requests < u64::from(most.get())));
        let spent: u64 = recent().map(|it| it.tokens).sum();
        // A request larger than the limit is let in when there is nothing else.
        assert!(
            tokens_per_minute.is_none_or(|most| spent == 0 || spent + tokens <= most.get()),
            "{account}: {spent} and {tokens}"
        );
    }

    fn end(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.held.len());
        let request = self.held.swap_remove(at);
        if self.rng.random_ratio(2, 5) {
            let tokens = self.rng.random_ratio(2, 3).then(|| self.rng.random_range(0..4_000));
            if let Some(used) = tokens {
                self.settle(&request, used);
            }
            let first_byte = Duration::from_millis(self.rng.random_range(1..3_000));
            request.reservation.succeeded(Success { first_byte, tokens }, self.now);
            self.served += 1;
        } else if self.rng.random_ratio(1, 10) {
            drop(request);
        } else {
            self.fail(request);
        }
    }

    fn settle(&mut self, request: &Request, used: u64) {
        let charges = self.charges.get_mut(&request.account).unwrap();
        charges[request.charge].tokens = used.min(request.tokens);
        if let Some(more) = used.checked_sub(request.tokens) {
            // What was not foreseen counts from now on.
            charges.push(Charge { at: self.now, requests: 0, tokens: more });
        }
    }

    fn failure(&mut self) -> Failure {
        let told = self
            .rng
            .random_ratio(1, 2)
            .then(|| Duration::from_millis(self.rng.random_range(10..40_000)));
        *[
            Failure::Unreachable,
            Failure::Credential,
            Failure::Unpaid,
            Failure::ModelMissing,
            Failure::Limited { retry_after: told },
            Failure::Overloaded { retry_after: told },
            Failure::Conflict,
            Failure::Broken,
            Failure::TimedOut,
            Failure::BrokeOff,
            Failure::ContextWindow,
            Failure::NotExpressible,
            Failure::Request,
            Failure::ClientGone,
        ]
        .choose(&mut self.rng)
        .unwrap()
    }

    fn fail(&mut self, request: Request) {
        let failure = self.failure();
        match failure {
            Failure::Unreachable | Failure::NotExpressible => {
                let charge = &mut self.charges.get_mut(&request.account).unwrap()[request.charge];
                (charge.requests, charge.tokens) = (0, 0);
            }
            Failure::TimedOut | Failure::BrokeOff | Failure::ClientGone => {}
            _ => self.settle(&request, 0),
        }
        let Request {
            reservation, target, place, session, tokens, mut tried, made, deadline, ..
        } = request;
        let most = self.router.most_attempts();
        let attempts =
            Attempts { made, most, deadline, content_sent: false, opted_out: made == u32::MAX };
        let rng = &mut self.rng;
        match self.router.report(reservation, failure, &attempts, "key", self.now, rng) {
            Verdict::NextAccount => tried.push(place),
            Verdict::NextTarget => tried.push(Tried { target, account: None }),
            Verdict::Fallback(_) | Verdict::GiveUp(_) => return,
        }
        assert!(made < most && self.now < deadline, "it ends");
        self.retried += 1;
        self.go(session, tokens, tried, made, deadline);
    }

    fn check(&self) {
        let mut at_once: HashMap<&str, u32> = HashMap::new();
        self.held.iter().for_each(|it| *at_once.entry(&it.account).or_default() += 1);
        for (id, status) in self.routes.accounts(self.now) {
            let name = format!("{}/{}", id.provider, id.account);
            let held = at_once.get(name.as_str()).copied().unwrap_or_default();
            assert_eq!(status.in_flight, held, "{name}: taken and given back");
        }
    }
}

fn plan(rng: &mut StdRng) -> Plan {
    let mut accounts = |provider: &str| {
        let mut list = Vec::new();
        for name in ["a", "b", "c", "d"] {
            if name != "a" && rng.random_ratio(1, 4) {
                continue;
            }
            let mut limits = Vec::new();
            if rng.random_ratio(1, 2) {
                limits.push(format!("concurrent: {}", rng.random_range(1..5)));
            }
            if rng.random_ratio(1, 2) {
                limits.push(format!("requests_per_minute: {}", rng.random_range(1..12)));
            }
            if rng.random_ratio(1, 2) {
                limits.push(format!("tokens_per_minute: {}", rng.random_range(500..12_000)));
            }
            let (weight, limits) = (rng.random_range(1..5), limits.join(", "));
            let limits = if limits.is_empty() { limits } else { format!(", limits: {{{limits}}}") };
            list.push(format!(
                "{{name: {name}, weight: {weight}, api_key: {{env: {provider}{name}}}{limits}}}"
            ));
        }
        list.join(", ")
    };
    let (p, q) = (accounts("p"), accounts("q"));
    let strategy = STRATEGIES.choose(rng).unwrap();
    let text = format!(
        "providers:
- {{name: p, dialect: openai, accounts: [{p}]}}
- {{name: q, dialect: anthropic, accounts: [{q}]}}
models:
- {{name: m, strategy: {strategy}, targets: [{{provider: p, model: x}}, {{provider: q, model: y}}]}}
"
    );
    let checked = check(&text, &Keys(rng.random_range(0..3)));
    assert!(checked.plan.is_some(), "{:?}", checked.problems);
    checked.plan.unwrap()
}

#[test]
fn no_seed_finds_a_down_account_chosen_a_limit_exceeded_a_place_lost_or_a_request_without_end() {
    let (mut served, mut retried, mut reloaded) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            match world.rng.random_range(0..100) {
                0..50 => world.arrive(),
                50..85 => world.end(),
                85..98 => {
                    let millis = world.rng.random_range(0..15_000);
                    world.now += Duration::from_millis(millis);
                }
                _ => world.reload(),
            }
            world.check();
        }
        world.held.clear();
        world.check();
        let tokens: u64 = world.routes.accounts(world.now).map(|(_, it)| it.tokens_in_flight).sum();
        assert_eq!(tokens, 0, "seed {seed}: reserve and release balance");
        // Nothing is broken for ever.
        let recovered = (0..400).any(|_| {
            world.now += Duration::from_secs(10);
            world.arrive();
            !world.held.is_empty()
        });
        assert!(recovered, "seed {seed}: nobody answers any more");
        served += world.served;
        retried += world.retried;
        reloaded += world.reloaded;
    }
    assert!(
        served > 20_000 && retried > 2_000 && reloaded > 2_000,
        "{served} {retried} {reloaded}"
    );
}

//! The router under a made-up clock and seeded chance: what it promises about many requests.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "any instant will do as the first")]

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use conf_schema::plan::Plan;
use conf_schema::{SecretSource, check};
use proptest::prelude::*;
use proxy_route::account::{BlockReason, Policy, Reservation, Success};
use proxy_route::affinity::{SessionId, SessionPieces};
use proxy_route::capacity::LimitReport;
use proxy_route::resolve::resolve;
use proxy_route::retry::{Attempts, Failure, GiveUp, RetryPolicy, Verdict};
use proxy_route::{
    Bound, Choice, MoveReason, Route, Router, Routes, Saturated, Saturation, Tried, Wish,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

struct Keys(&'static str);

impl SecretSource for Keys {
    fn env(&self, name: &str) -> Option<String> {
        (name == "KEY").then(|| self.0.to_owned())
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }
}

fn plan_with(text: &str, key: &'static str) -> Plan {
    let checked = check(text, &Keys(key));
    assert!(checked.plan.is_some(), "{:?}", checked.problems);
    checked.plan.unwrap()
}

/// A gateway without sockets.
struct World {
    router: Router,
    routes: Routes,
    plan: Plan,
    now: Instant,
    rng: StdRng,
}

impl World {
    fn new(text: &str, seed: u64) -> Self {
        let now = Instant::now();
        let plan = plan_with(text, "one");
        let router = Router::new(Policy::default(), RetryPolicy::default(), now);
        let routes = router.sync(&plan, now);
        Self { router, routes, plan, now, rng: StdRng::seed_from_u64(seed) }
    }

    /// One provider `p` with these accounts, and a model `m` of this strategy.
    fn of(accounts: &str, strategy: &str, seed: u64) -> Self {
        Self::new(&config(accounts, strategy), seed)
    }

    fn reload(&mut self, text: &str, key: &'static str) {
        self.plan = plan_with(text, key);
        self.routes = self.router.sync(&self.plan, self.now);
    }

    fn route(&self, model: &str) -> std::sync::Arc<Route> {
        self.routes.route(&resolve(&self.plan, model).unwrap(), self.now)
    }

    fn choose(&mut self, wish: &Wish<'_>) -> Result<Choice, Saturated> {
        let route = self.route("m");
        self.router.choose(&route, wish, self.now, &mut self.rng)
    }

    fn take(&mut self) -> Choice {
        self.choose(&Wish::default()).unwrap()
    }

    fn fail(&mut self, choice: Choice, failure: Failure) {
        choice.reservation.failed(failure, self.now, &mut self.rng);
    }

    fn succeed(&mut self, choice: Choice) {
        let success = Success { first_byte: Duration::from_millis(500), tokens: None };
        choice.reservation.succeeded(success, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn in_flight(&self) -> u32 {
        self.routes.accounts(self.now).map(|(_, status)| status.in_flight).sum()
    }

    fn tokens_in_flight(&self) -> u64 {
        self.routes.accounts(self.now).map(|(_, status)| status.tokens_in_flight).sum()
    }

    /// Opens the breaker of account 0: nothing else is asked, so it is asked.
    fn break_first(&mut self, others: usize) {
        let tried: Vec<Tried> =
            (1..=others).map(|account| Tried { target: 0, account: Some(account) }).collect();
        for _ in 0..5 {
            let choice = self.choose(&Wish { tried: &tried, ..Wish::default() }).unwrap();
            assert_eq!(choice.place.account, 0);
            self.fail(choice, Failure::Broken);
        }
    }

    /// Lets the probes of account 0 pass as soon as it takes any.
    fn recover_first(&mut self, others: usize) {
        let tried: Vec<Tried> =
            (1..=others).map(|account| Tried { target: 0, account: Some(account) }).collect();
        for _ in 0..2 {
            let choice = loop {
                match self.choose(&Wish { tried: &tried, ..Wish::default() }) {
                    Ok(choice) => break choice,
                    Err(_) => self.pass(Duration::from_millis(50)),
                }
            };
            self.succeed(choice);
        }
    }
}

fn config(accounts: &str, strategy: &str) -> String {
    format!(
        "providers: [{{name: p, dialect: openai, accounts: [{accounts}]}}]
models: [{{name: m, strategy: {strategy}, targets: [{{provider: p, model: x}}]}}]
"
    )
}

fn session(n: usize) -> SessionId {
    let name = n.to_string();
    let pieces = SessionPieces { header: Some(name.as_bytes()), ..SessionPieces::default() };
    SessionId::of("key", "m", &pieces).unwrap()
}

fn of_session(n: usize) -> Wish<'static> {
    Wish { session: Some(session(n)), estimated_tokens: 1000, ..Wish::default() }
}

const WEIGHTS: [u32; 8] = [1, 2, 3, 4, 4, 3, 2, 1];

fn eight() -> String {
    let account = |(n, weight): (usize, &u32)| format!("{{name: a{n}, weight: {weight}}}");
    WEIGHTS.iter().enumerate().map(account).collect::<Vec<_>>().join(", ")
}

/// Sessions that arrive within 100 ms; each is answered after 30 to 90 ms.
fn burst(world: &mut World, sessions: std::ops::Range<usize>) -> [u32; 8] {
    let mut taken = [0; 8];
    let mut running: BTreeMap<(Instant, usize), Choice> = BTreeMap::new();
    let gap = Duration::from_millis(100) / sessions.len() as u32;
    for n in sessions {
        world.now += gap;
        while let Some(first) = running.first_entry().filter(|e| e.key().0 <= world.now) {
            world.succeed(first.remove());
        }
        let choice = world.choose(&of_session(n)).unwrap();
        taken[choice.place.account] += 1;
        let took = Duration::from_millis(world.rng.random_range(30..90));
        running.insert((world.now + took, n), choice);
    }
    running.into_values().for_each(|choice| world.succeed(choice));
    taken
}

#[test]
fn ten_thousand_sessions_within_100_ms_spread_by_weight() {
    for (strategy, tolerance) in [("least_loaded", 0.05), ("weighted", 0.15)] {
        for seed in 0..3 {
            let mut world = World::of(&eight(), strategy, seed);
            let taken = burst(&mut world, 0..10_000);
            for (count, weight) in taken.iter().zip(WEIGHTS) {
                let due = 10_000.0 * f64::from(weight) / 20.0;
                let off = (f64::from(*count) - due).abs() / due;
                assert!(off <= tolerance, "{strategy}, seed {seed}: {taken:?}");
            }
            assert_eq!((world.in_flight(), world.tokens_in_flight()), (0, 0));
        }
    }
}

#[test]
fn an_account_that_recovered_gets_no_more_than_its_slow_start_share() {
    for (strategy, seeds) in [("least_loaded", 3), ("weighted", 1), ("fastest", 1)] {
        for seed in 0..seeds {
            let mut world = World::of(&eight(), strategy, seed);
            burst(&mut world, 0..2_000);
            world.break_first(7);
            burst(&mut world, 2_000..4_000);
            world.recover_first(7);
            let mut sessions = 4_000;
            for passed in [0_u32, 10, 20] {
                let factor = 0.1 + 0.9 * f64::from(passed) / 30.0;
                let taken = burst(&mut world, sessions..sessions + 10_000);
                let share = factor / (19.0 + factor);
                let most = 10_000.0 * share * 1.05 + 3.0 * (10_000.0 * share).sqrt();
                assert!(f64::from(taken[0]) <= most, "{strategy}, {passed} s: {taken:?}, {most}");
                sessions += 10_000;
                world.pass(Duration::from_millis(9_900));
            }
            world.pass(Duration::from_secs(60));
            let taken = burst(&mut world, sessions..sessions + 10_000);
            assert!(taken[0] > 300, "{strategy}: and its whole share in the end: {taken:?}");
        }
    }
}

#[test]
fn a_new_account_starts_slowly_and_those_of_the_first_plan_do_not() {
    let mut world = World::of("{name: a}", "least_loaded", 1);
    world.reload(&config("{name: a}, {name: b}", "least_loaded"), "one");
    let held: Vec<Choice> = (0..1000).map(|_| world.take()).collect();
    let new = held.iter().filter(|choice| choice.place.account == 1).count();
    assert!((50..140).contains(&new), "{new} of 1000, where 1 in 11 is due");
}

/// Least load alone would give an idle newcomer every request until it has caught up.
#[test]
fn busy_neighbours_do_not_push_all_they_have_to_a_newcomer() {
    for seed in 0..20 {
        let mut world = World::of("{name: a}", "least_loaded", seed);
        let _busy: Vec<Choice> = (0..1000).map(|_| world.take()).collect();
        world.reload(&config("{name: a}, {name: b}", "least_loaded"), "one");
        let held: Vec<Choice> = (0..100).map(|_| world.take()).collect();
        let new = held.iter().filter(|choice| choice.place.account == 1).count();
        assert!(new <= 25, "{new} of 100, where 9 are due");
    }
}

#[test]
fn a_probe_whose_client_left_makes_room_for_another() {
    let mut world = World::of("{name: a}", "least_loaded", 12);
    world.break_first(0);
    assert_eq!(world.choose(&Wish::default()).unwrap_err().reason, Saturation::Down);
    world.pass(Duration::from_secs(2));
    let probes = [world.take(), world.take()];
    assert_eq!(world.choose(&Wish::default()).unwrap_err().reason, Saturation::Down);
    drop(probes);
    let probes = [world.take(), world.take()];
    probes.into_iter().for_each(|probe| world.succeed(probe));
    assert!((0..10).map(|_| world.take()).count() == 10, "it is back");
}

#[test]
fn the_first_requests_of_a_session_bind_it_once() {
    for seed in 0..50 {
        let mut world = World::of(&eight(), "weighted", seed);
        let held: Vec<Choice> = (0..20).map(|_| world.choose(&of_session(1)).unwrap()).collect();
        let new = held.iter().filter(|choice| choice.bound == Bound::New).count();
        let kept = held.iter().filter(|choice| choice.bound == Bound::Kept).count();
        assert_eq!((new, kept), (1, 19));
        assert!(held.iter().all(|choice| choice.place == held[0].place));
    }
}

/// Two requests that both saw an unbound session: the loser goes where the winner went, and its
/// own place is given back together with what it took of the limits.
#[test]
fn who_loses_the_race_to_bind_goes_along() {
    use proxy_route::affinity::{Bind, Binding, Bindings, MemoryBindings};

    struct Late(MemoryBindings);

    impl Bindings for Late {
        fn get(&self, _: &SessionId, _: Duration, _: Instant) -> Option<Binding> {
            None
        }

        fn bind(
            &self,
            session: &SessionId,
            from: Option<&Binding>,
            to: Binding,
            idle: Duration,
            now: Instant,
        ) -> Bind {
            self.0.bind(session, from, to, idle, now)
        }
    }

    let now = Instant::now();
    let plan = plan_with(&config(&eight(), "weighted"), "one");
    let late = Late(MemoryBindings::default());
    let router = Router::with_bindings(Policy::default(), RetryPolicy::default(), late, now);
    let routes = router.sync(&plan, now);
    let route = routes.route(&resolve(&plan, "m").unwrap(), now);
    let mut rng = StdRng::seed_from_u64(5);
    let held: Vec<Choice> =
        (0..30).map(|_| router.choose(&route, &of_session(1), now, &mut rng).unwrap()).collect();
    assert_eq!(held.iter().filter(|choice| choice.bound == Bound::New).count(), 1);
    assert!(held.iter().all(|choice| choice.place == held[0].place));
    let in_flight: u32 = routes.accounts(now).map(|(_, status)| status.in_flight).sum();
    assert_eq!(in_flight, 30);
}

#[test]
fn a_session_keeps_its_account_while_that_has_room() {
    let mut world = World::of(&eight(), "least_loaded", 2);
    let mut homes = HashMap::new();
    for round in 0..20 {
        for n in 0..500 {
            let choice = world.choose(&of_session(n)).unwrap();
            let home = *homes.entry(n).or_insert(choice.place);
            assert_eq!(choice.place, home);
            assert_eq!(choice.bound, if round == 0 { Bound::New } else { Bound::Kept });
            world.succeed(choice);
        }
        world.pass(Duration::from_secs(600));
    }
    world.pass(Duration::from_secs(3_601));
    assert_eq!(world.choose(&of_session(0)).unwrap().bound, Bound::New, "idle for an hour");
}

#[test]
fn a_session_moves_for_a_reason_and_stays_where_it_went() {
    let two = "{name: a, limits: {concurrent: 1}}, {name: b}";
    let mut world = World::of(two, "priority", 3);
    let first = world.choose(&of_session(1)).unwrap();
    assert_eq!((first.place.account, first.bound), (0, Bound::New));
    let second = world.choose(&of_session(1)).unwrap();
    assert_eq!((second.place.account, second.bound), (1, Bound::Moved(MoveReason::Exhausted)));
    drop(first);
    assert_eq!(world.choose(&of_session(1)).unwrap().bound, Bound::Kept);
    world.succeed(second);

    let on_b = world.choose(&of_session(1)).unwrap();
    let tried = [on_b.place.into()];
    world.fail(on_b, Failure::Broken);
    let away = world.choose(&Wish { tried: &tried, ..of_session(1) }).unwrap();
    assert_eq!((away.place.account, away.bound), (0, Bound::Away), "one failure is not down");
    drop(away);
    let on_b = world.choose(&of_session(1)).unwrap();
    assert_eq!(on_b.bound, Bound::Kept);
    world.fail(on_b, Failure::Credential);
    let moved = world.choose(&of_session(1)).unwrap();
    assert_eq!((moved.place.account, moved.bound), (0, Bound::Moved(MoveReason::Down)));
    drop(moved);

    world.reload(&config("{name: b2}", "priority"), "one");
    let moved = world.choose(&of_session(1)).unwrap();
    assert_eq!(moved.bound, Bound::Moved(MoveReason::Removed));
}

#[test]
fn n_requests_at_once_never_exceed_a_limit() {
    let limited = "{name: a, limits: {concurrent: 7}}, {name: b, limits: {requests_per_minute: 5}}, \
                   {name: c, limits: {tokens_per_minute: 10000}}";
    let mut world = World::of(limited, "weighted", 4);
    let wish = Wish { estimated_tokens: 1000, ..Wish::default() };
    let held: Vec<Choice> = (0..100).map_while(|_| world.choose(&wish).ok()).collect();
    let count = |account| held.iter().filter(|choice| choice.place.account == account).count();
    assert_eq!((count(0), count(1), count(2)), (7, 5, 10));
    let full = world.choose(&wish).unwrap_err();
    assert_eq!(full.reason, Saturation::Exhausted);
    assert_eq!(full.retry_after, Some(Duration::from_secs(1)));
    drop(held);
    world.pass(Duration::from_secs(59));
    let held: Vec<Choice> = (0..100).map_while(|_| world.choose(&wish).ok()).collect();
    assert_eq!(held.len(), 7, "a minute is not over before it is over");
    world.pass(Duration::from_secs(2));
    let more: Vec<Choice> = (0..100).map_while(|_| world.choose(&wish).ok()).collect();
    assert_eq!(more.len(), 15);
}

#[test]
fn a_429_sends_traffic_elsewhere_and_it_does_not_all_come_back_at_once() {
    let mut returns = Vec::new();
    for seed in 0..200 {
        let mut world = World::of("{name: a}, {name: b}", "priority", seed);
        let choice = world.take();
        assert_eq!(choice.place.account, 0);
        let retry_after = Some(Duration::from_secs(8));
        world.fail(choice, Failure::Limited { retry_after });
        for _ in 0..80 {
            let choice = world.take();
            assert_eq!(choice.place.account, 1, "not before the provider said");
            world.succeed(choice);
            world.pass(Duration::from_millis(100));
        }
        let only_first = [Tried { target: 0, account: Some(1) }];
        let wish = Wish { tried: &only_first, ..Wish::default() };
        let start = world.now;
        while world.choose(&wish).is_err() {
            world.pass(Duration::from_millis(10));
        }
        returns.push(world.now - start);
        let back = (0..100).filter(|_| world.take().place.account == 0).count();
        assert!((1..30).contains(&back), "{back} of 100, where one in ten is due");
    }
    returns.sort_unstable();
    let spread = returns[returns.len() - 1] - returns[0];
    assert!(spread > Duration::from_millis(1500), "{spread:?}");
    returns.dedup();
    assert!(returns.len() > 80, "{} different moments", returns.len());
}

#[test]
fn overload_now_and_then_stops_nothing() {
    let mut world = World::of("{name: a}", "least_loaded", 11);
    for n in 0..1000 {
        let choice = world.take();
        match n % 5 {
            0 => world.fail(choice, Failure::Overloaded { retry_after: None }),
            _ => world.succeed(choice),
        }
        world.pass(Duration::from_millis(10));
    }
    let choice = world.take();
    world.fail(choice, Failure::Overloaded { retry_after: Some(Duration::from_secs(3)) });
    let wait = world.choose(&Wish::default()).unwrap_err().retry_after.unwrap();
    assert!(wait >= Duration::from_secs(3), "but a time to come back is kept");
}

#[test]
fn one_models_limit_is_not_anothers() {
    let text = "providers: [{name: p, dialect: openai, accounts: [{name: a}]}]
models:
- {name: m, targets: [{provider: p, model: x}]}
- {name: n, targets: [{provider: p, model: y}]}
";
    let mut world = World::new(text, 6);
    let choice = world.take();
    world.fail(choice, Failure::Limited { retry_after: Some(Duration::from_secs(30)) });
    let saturated = world.choose(&Wish::default()).unwrap_err();
    assert_eq!(saturated.reason, Saturation::Exhausted);
    let wait = saturated.retry_after.unwrap();
    assert!(wait >= Duration::from_secs(30) && wait < Duration::from_secs(40), "{wait:?}");
    let other = world.route("n");
    assert!(world.router.choose(&other, &Wish::default(), world.now, &mut world.rng).is_ok());
    let direct = world.route("p/z");
    assert!(world.router.choose(&direct, &Wish::default(), world.now, &mut world.rng).is_ok());
}

#[test]
fn what_the_provider_says_is_left_steers() {
    let mut world = World::of("{name: a}, {name: b}", "priority", 7);
    let choice = world.take();
    let report = LimitReport {
        requests_limit: Some(60),
        requests_remaining: Some(1),
        requests_reset: Some(Duration::from_secs(59)),
        ..LimitReport::default()
    };
    choice.reservation.limits(&report, world.now);
    assert_eq!(world.take().place.account, 0);
    assert_eq!(world.take().place.account, 1, "the one that was left is gone");
    world.pass(Duration::from_millis(1100));
    assert_eq!(world.take().place.account, 0, "one a second comes back");
}

#[test]
fn a_refused_credential_is_out_until_it_changes() {
    let keyed = "{name: a, api_key: {env: KEY}}";
    let mut world = World::of(keyed, "least_loaded", 8);
    let (one, two) = (world.take(), world.take());
    world.fail(one, Failure::Credential);
    world.pass(Duration::from_secs(299));
    let out = world.choose(&Wish::default()).unwrap_err();
    assert_eq!(out, Saturated { reason: Saturation::CredentialRefused, retry_after: None });
    world.reload(&config(keyed, "weighted"), "one");
    assert!(world.choose(&Wish::default()).is_err(), "another change is no reason");
    world.reload(&config(keyed, "weighted"), "two");
    assert!(world.choose(&Wish::default()).is_ok());
    world.fail(two, Failure::Credential);
    assert!(world.choose(&Wish::default()).is_ok(), "it was the old one that was refused");
}

#[test]
fn state_survives_a_reload_and_an_account_without_a_key_is_never_asked() {
    let mut world = World::of("{name: a, limits: {concurrent: 2}}", "least_loaded", 9);
    let _held = [world.take(), world.take()];
    let more = "{name: a, limits: {concurrent: 2}}, {name: b, api_key: {env: NONE}}";
    world.reload(&config(more, "least_loaded"), "one");
    assert_eq!(world.choose(&Wish::default()).unwrap_err().reason, Saturation::Exhausted);
    assert_eq!(world.in_flight(), 2);
    world.reload(&config("{name: b, api_key: {env: NONE}}", "least_loaded"), "one");
    assert_eq!(world.choose(&Wish::default()).unwrap_err().reason, Saturation::NoCredential);
    let route = world.route("m");
    assert!(route.missing_credential().unwrap().1.contains("NONE"));
    world.reload(&config("{name: a, limits: {concurrent: 2}}", "least_loaded"), "one");
    assert_eq!(world.choose(&Wish::default()).unwrap_err().reason, Saturation::Exhausted);
}

#[test]
fn a_refused_credential_is_tried_again_now_and_then_with_one_request() {
    let mut tries = Vec::new();
    for seed in 0..100 {
        let mut world = World::of("{name: a}, {name: b}", "priority", seed);
        let first = world.take();
        assert_eq!(first.place.account, 0);
        world.fail(first, Failure::Credential);
        let start = world.now;
        // Somebody else answers all the while; once in five minutes or so one request finds out.
        let mut tried = 0;
        for _ in 0..3600 {
            let choice = world.take();
            match choice.place.account {
                0 => {
                    tried += 1;
                    tries.push(world.now - start);
                    assert_eq!(world.take().place.account, 1, "one, and not all at once");
                    world.fail(choice, Failure::Credential);
                }
                _ => world.succeed(choice),
            }
            world.pass(Duration::from_secs(1));
        }
        assert!((9..=12).contains(&tried), "{tried} in an hour");
        // Then the provider takes it again: it comes back, and slowly.
        while world.choose(&Wish::default()).is_ok_and(|choice| choice.place.account == 1) {
            world.pass(Duration::from_secs(1));
        }
        world.pass(Duration::from_secs(301));
        let choice = world.take();
        assert_eq!(choice.place.account, 0);
        world.succeed(choice);
        let back = (0..200).filter(|_| world.take().place.account == 0).count();
        assert!((1..60).contains(&back), "{back} of 200, where one in ten is due");
        world.pass(Duration::from_secs(31));
        assert_eq!(world.take().place.account, 0);
    }
    tries.sort_unstable();
    tries.dedup();
    assert!(tries.len() > 100, "not all processes at the same moment: {}", tries.len());
}

const TARGETS: &str = "
providers:
- {name: p, dialect: openai, accounts: [{name: a, limits: {concurrent: 1}}, {name: b, limits: {concurrent: 1}}]}
- {name: q, dialect: anthropic, accounts: [{name: a}]}
";

fn targets(strategy: &str) -> World {
    let models = format!(
        "models: [{{name: m, strategy: {strategy}, targets: [{{provider: p, model: x}}, \
         {{provider: q, model: y}}]}}]"
    );
    World::new(&format!("{TARGETS}{models}"), 10)
}

#[test]
fn load_spills_to_another_account_and_then_to_another_target() {
    for strategy in ["least_loaded", "priority"] {
        let mut world = targets(strategy);
        let places: Vec<_> = (0..3)
            .map(|_| {
                let choice = world.take();
                let place = choice.place;
                std::mem::forget(choice);
                (place.target, place.account)
            })
            .collect();
        assert!(places[..2].contains(&(0, 0)) && places[..2].contains(&(0, 1)), "{places:?}");
        assert_eq!(places[2], (1, 0));
    }
}

#[test]
fn the_cheapest_target_comes_first_and_the_fastest_account_wins() {
    let mut world = targets("cheapest");
    let wish = Wish { prices: &[3.0, 1.0], ..Wish::default() };
    assert!((0..9).all(|_| world.choose(&wish).unwrap().place.target == 1));
    let mut world = targets("fastest");
    for _ in 0..60 {
        let mut choice = world.take();
        let millis = if choice.place.target == 1 { 100 } else { 900 };
        choice.reservation.answered(Duration::from_millis(millis), world.now);
    }
    let quick = (0..50).filter(|_| world.take().place.target == 1).count();
    assert_eq!(quick, 50);
}

#[test]
fn a_failed_try_goes_elsewhere_until_everywhere_was_tried() {
    let mut world = targets("least_loaded");
    let attempts = Attempts {
        made: 1,
        most: world.router.most_attempts(),
        deadline: world.now + Duration::from_secs(60),
        content_sent: false,
        opted_out: false,
    };
    let (mut tried, mut seen) = (Vec::<Tried>::new(), Vec::new());
    loop {
        let wish = Wish { tried: &tried, ..Wish::default() };
        let choice = match world.choose(&wish) {
            Ok(choice) => choice,
            Err(saturated) => {
                assert_eq!(saturated.reason, Saturation::Tried);
                break;
            }
        };
        let place = choice.place;
        seen.push((place.target, place.account));
        let verdict = world.router.report(
            choice.reservation,
            Failure::Broken,
            &attempts,
            "key",
            world.now,
            &mut world.rng,
        );
        assert_eq!(verdict, Verdict::NextAccount);
        tried.push(place.into());
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2], (1, 0), "the other target comes last");
    let whole = [Tried { target: 0, account: None }];
    let next = world.choose(&Wish { tried: &whole, ..Wish::default() }).unwrap();
    assert_eq!(next.place.target, 1);
    let given_up = (0..100).find_map(|_| {
        let choice = world.take();
        let (now, rng) = (world.now, &mut world.rng);
        let failure = Failure::Conflict;
        match world.router.report(choice.reservation, failure, &attempts, "key", now, rng) {
            Verdict::GiveUp(why) => Some(why),
            _ => None,
        }
    });
    assert_eq!(given_up, Some(GiveUp::Budget));
}

/// What can become of a reservation.
#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    Succeed(Option<u64>),
    Fail(Failure),
}

fn end() -> impl Strategy<Value = End> {
    let wait = || prop::option::of((0_u64..100).prop_map(Duration::from_secs));
    prop_oneof![
        Just(End::Drop),
        prop::option::of(0_u64..5000).prop_map(End::Succeed),
        prop::sample::select(vec![
            Failure::Unreachable,
            Failure::Unpaid,
            Failure::ModelMissing,
            Failure::Conflict,
            Failure::Broken,
            Failure::TimedOut,
            Failure::BrokeOff,
            Failure::ContextWindow,
            Failure::ContentPolicy,
            Failure::NotExpressible,
            Failure::Request,
            Failure::ClientGone,
        ])
        .prop_map(End::Fail),
        wait().prop_map(|retry_after| End::Fail(Failure::Limited { retry_after })),
        wait().prop_map(|retry_after| End::Fail(Failure::Overloaded { retry_after })),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Choose { session: Option<usize>, tokens: u64 },
    End { which: prop::sample::Index, end: End, answered: bool },
    Report { which: prop::sample::Index, remaining: u64, reset: u64 },
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => (prop::option::of(0_usize..6), 0_u64..3000)
            .prop_map(|(session, tokens)| Step::Choose { session, tokens }),
        3 => (which(), end(), any::<bool>())
            .prop_map(|(which, end, answered)| Step::End { which, end, answered }),
        1 => (which(), 0_u64..4, 0_u64..90)
            .prop_map(|(which, remaining, reset)| Step::Report { which, remaining, reset }),
        2 => (0_u64..20_000).prop_map(|millis| Step::Pass { millis }),
    ]
}

const STRATEGIES: [&str; 5] = ["least_loaded", "priority", "weighted", "cheapest", "fastest"];

/// Two targets: five accounts with and without limits, and another provider.
fn mixed(strategy: &str) -> String {
    format!(
        "providers:
- name: p
  dialect: openai
  accounts:
  - {{name: a, limits: {{concurrent: 2}}}}
  - {{name: b, weight: 3, limits: {{requests_per_minute: 4}}}}
  - {{name: c, limits: {{tokens_per_minute: 6000}}}}
  - {{name: d, limits: {{concurrent: 3, requests_per_minute: 6, tokens_per_minute: 9000}}}}
  - {{name: e, api_key: {{env: NONE}}}}
- {{name: q, dialect: openai, accounts: [{{name: a, limits: {{concurrent: 1}}}}]}}
models:
- {{name: m, strategy: {strategy}, targets: [{{provider: p, model: x}}, {{provider: q, model: y}}]}}
"
    )
}

/// What a reservation's account may hold at most: at once, and of requests in a minute.
fn hard_limits(provider: &str, account: &str) -> (usize, usize) {
    match (provider, account) {
        ("p", "a") => (2, usize::MAX),
        ("p", "b") => (usize::MAX, 4),
        ("p", "d") => (3, 6),
        ("q", "a") => (1, usize::MAX),
        _ => (usize::MAX, usize::MAX),
    }
}

/// A request that holds a place, and when it took it.
type Held = (Reservation, Instant);

fn check_limits(held: &[Held], starts: &[(String, Instant)], now: Instant) {
    let mut at_once = HashMap::new();
    for (reservation, _) in held {
        *at_once.entry(reservation.account().clone()).or_insert(0_usize) += 1;
    }
    for (id, count) in at_once {
        let (most, _) = hard_limits(id.provider.as_str(), id.account.as_str());
        assert!(count <= most, "{id:?} holds {count}");
    }
    for account in ["b", "d"] {
        let minute = Duration::from_secs(60);
        let recent =
            starts.iter().filter(|(name, at)| name == account && now - *at < minute).count();
        assert!(recent <= hard_limits("p", account).1, "{account} started {recent}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Never an account that is down or without a key, never beyond a hard limit, always an
    /// answer, and every place is given back.
    #[test]
    fn whatever_happens_limits_hold_and_places_come_back(
        seed in any::<u64>(),
        strategy in prop::sample::select(&STRATEGIES[..]),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(&mixed(strategy), seed);
        let mut held: Vec<Held> = Vec::new();
        let mut starts = Vec::new();
        for step in steps {
            match step {
                Step::Choose { session: n, tokens } => {
                    let down: Vec<_> = world
                        .routes
                        .accounts(world.now)
                        .filter(|(_, status)| {
                            status.blocked.is_some_and(|b| b.reason != BlockReason::Exhausted)
                        })
                        .map(|(id, _)| id.clone())
                        .collect();
                    let session = n.map(session);
                    let wish = Wish { session, estimated_tokens: tokens, ..Wish::default() };
                    match world.choose(&wish) {
                        Ok(choice) => {
                            let id = choice.reservation.account();
                            prop_assert!(!down.contains(id), "{id:?} is down");
                            prop_assert_ne!(id.account.as_str(), "e");
                            if id.provider.as_str() == "p" {
                                starts.push((id.account.to_string(), world.now));
                            }
                            held.push((choice.reservation, world.now));
                        }
                        Err(saturated) => {
                            prop_assert_ne!(saturated.reason, Saturation::NoCredential);
                            prop_assert!(saturated.retry_after.unwrap() > Duration::ZERO);
                        }
                    }
                }
                Step::End { which, end, answered } if !held.is_empty() => {
                    let (mut reservation, at) = held.swap_remove(which.index(held.len()));
                    let first_byte = world.now - at;
                    if answered {
                        reservation.answered(first_byte, world.now);
                    }
                    // A request that was never sent counts in no limit.
                    if matches!(end, End::Fail(Failure::Unreachable | Failure::NotExpressible)) {
                        let account = reservation.account().account.to_string();
                        let was = starts.iter().position(|(n, s)| *n == account && *s == at);
                        was.map(|was| starts.swap_remove(was));
                    }
                    match end {
                        End::Drop => drop(reservation),
                        End::Succeed(tokens) => {
                            reservation.succeeded(Success { first_byte, tokens }, world.now);
                        }
                        End::Fail(failure) => {
                            reservation.failed(failure, world.now, &mut world.rng);
                        }
                    }
                }
                Step::Report { which, remaining, reset } if !held.is_empty() => {
                    let report = LimitReport {
                        requests_limit: Some(4),
                        requests_remaining: Some(remaining),
                        requests_reset: Some(Duration::from_secs(reset)),
                        ..LimitReport::default()
                    };
                    held[which.index(held.len())].0.limits(&report, world.now);
                }
                Step::Pass { millis } => world.pass(Duration::from_millis(millis)),
                Step::End { .. } | Step::Report { .. } => {}
            }
            check_limits(&held, &starts, world.now);
            prop_assert_eq!(world.in_flight() as usize, held.len());
        }
        drop(held);
        prop_assert_eq!((world.in_flight(), world.tokens_in_flight()), (0, 0));
        // Nothing is broken for ever: probes run out, rests end, windows pass.
        let recovered = (0..400).any(|_| {
            world.pass(Duration::from_secs(10));
            world.choose(&Wish::default()).is_ok()
        });
        prop_assert!(recovered);
    }
}

//! Requests that wait until an account has room.
//!
//! Whoever gives a place back offers it to those who wait, and takes it for them, before anybody
//! else can see it: [`Waiting::offer`] asks the router in the name of each, in the queue's order.
//! A newcomer who wants what others wait for joins them, even if there is room at that moment. So
//! nobody is called in vain, and nobody overtakes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proxy_route::affinity::SessionId;
use proxy_route::condition::Barred;
use proxy_route::queue::{Full, Queue, QueueBounds, Ticket};
use proxy_route::{Choice, Route, Router, Saturated, Tried, Wish};
use tokio::sync::oneshot;

use crate::clock;

/// A place that is given back by somebody else comes at any moment: worth a wait however short.
pub(crate) const SOON: Duration = Duration::from_secs(1);
/// Between two looks at whether time has made room.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// All that wait. One line for the whole gateway, in which keys take turns.
#[derive(Debug)]
pub(crate) struct Waiting {
    router: Arc<Router>,
    line: Mutex<Line>,
    /// How many wait, so that nobody takes the lock in vain.
    length: AtomicUsize,
}

#[derive(Debug, Default)]
struct Line {
    queue: Queue<Wanted>,
    calls: HashMap<Ticket, oneshot::Sender<Choice>>,
    /// Why there was no room for the last request of a route, by the route's address.
    why: HashMap<usize, Saturated>,
}

/// What somebody waits for: a wish of its own.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) route: Arc<Route>,
    pub(crate) session: Option<SessionId>,
    pub(crate) estimated_tokens: u64,
    pub(crate) tried: Vec<Tried>,
    pub(crate) prices: Vec<f64>,
    pub(crate) barred: Barred,
}

impl Wanted {
    fn wish(&self) -> Wish<'_> {
        Wish {
            session: self.session,
            estimated_tokens: self.estimated_tokens,
            tried: &self.tried,
            prices: &self.prices,
            barred: Some(&self.barred),
        }
    }
}

/// One that waits; leaves the line when dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiting: &'a Waiting,
    key: String,
    ticket: Ticket,
    lane: usize,
    called: oneshot::Receiver<Choice>,
}

impl Waiting {
    pub(crate) fn new(router: Arc<Router>) -> Self {
        Self { router, line: Mutex::default(), length: AtomicUsize::new(0) }
    }

    /// Whether others wait for what `route` leads to: then it is their turn.
    pub(crate) fn is_wanted(&self, route: &Route) -> bool {
        if self.length.load(Ordering::Acquire) == 0 {
            return false;
        }
        let line = self.line();
        let mut seen: Vec<*const Route> = Vec::new();
        line.queue.iter().any(|wanted| {
            let address = Arc::as_ptr(&wanted.route);
            // Most wait for the same.
            let new = !seen.contains(&address);
            seen.push(address);
            new && wanted.route.meets(route)
        })
    }

    /// Joins the line of `key` until `until`.
    ///
    /// # Errors
    ///
    /// [`Full`] if too many wait already.
    pub(crate) fn join(
        &self,
        key: &str,
        until: Instant,
        bounds: QueueBounds,
        wanted: Wanted,
    ) -> Result<Waiter<'_>, Full> {
        let (call, called) = oneshot::channel();
        let lane = lane(&wanted);
        let mut line = self.line();
        let ticket = line.queue.join(key, lane, until, bounds, wanted)?;
        line.calls.insert(ticket, call);
        self.length.store(line.calls.len(), Ordering::Release);
        drop(line);
        Ok(Waiter { waiting: self, key: key.to_owned(), ticket, lane, called })
    }

    /// A place was given back, or time has made room: whoever waits gets it.
    pub(crate) fn offer(&self, now: Instant) {
        if self.length.load(Ordering::Acquire) > 0 {
            self.serve(&mut self.line(), now);
        }
    }

    fn serve(&self, line: &mut Line, now: Instant) {
        let Line { queue, calls, why } = line;
        let mut take = |wanted: &mut Wanted| {
            let choice = self.router.choose(&wanted.route, &wanted.wish(), now, &mut rand::rng());
            choice.map_err(|saturated| why.insert(lane(wanted), saturated)).ok()
        };
        while let Some((ticket, _, choice)) = queue.offer(now, &mut take) {
            // One that is gone gives the place back at once, and it is offered again.
            let _ = calls.remove(&ticket).map(|call| call.send(choice));
        }
        if queue.is_empty() {
            why.clear();
        }
        self.length.store(calls.len(), Ordering::Release);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who want the same do not overtake each other.
fn lane(wanted: &Wanted) -> usize {
    Arc::as_ptr(&wanted.route).addr()
}

impl Waiter<'_> {
    /// Waits until it is served or `until` is over, or until waiting is of no use any more.
    ///
    /// # Errors
    ///
    /// Why there was no room for this one, or for the one before it that wants the same; `None` if
    /// neither was looked at.
    pub(crate) async fn outcome(mut self, until: Instant) -> Result<Choice, Option<Saturated>> {
        loop {
            // To this one too: there may have been room before it joined, or time has made some.
            self.waiting.offer(clock::now());
            if let Ok(choice) = self.called.try_recv() {
                return Ok(choice);
            }
            let why = self.waiting.line().why.get(&self.lane).copied();
            let now = clock::now();
            if now >= until || why.is_some_and(|it| !is_worth_a_wait(&it, until)) {
                return Err(why);
            }
            let left = until - now;
            let after = why.and_then(|it| it.retry_after).unwrap_or(left);
            let pause = after.clamp(SHORTEST_PAUSE.min(left), left);
            if let Ok(Ok(choice)) = tokio::time::timeout(pause, &mut self.called).await {
                return Ok(choice);
            }
        }
    }
}

/// Whether there may be room before `until`.
pub(crate) fn is_worth_a_wait(saturated: &Saturated, until: Instant) -> bool {
    let left = until.saturating_duration_since(clock::now());
    let soon = |after| after <= left || after <= SOON;
    !left.is_zero() && saturated.retry_after.is_some_and(soon)
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut line = self.waiting.line();
        line.calls.remove(&self.ticket);
        let left = line.queue.leave(&self.key, self.ticket).is_some();
        // Served, but it did not come to that any more: the place is somebody else's. And whoever
        // waited behind may want less.
        let unused = self.called.try_recv().ok();
        if left || unused.is_some() {
            drop(unused);
            self.waiting.serve(&mut line, clock::now());
        }
        self.waiting.length.store(line.calls.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;
    use std::task::{Context, Poll, Waker};

    use conf_schema::SecretSource;
    use proxy_route::account::Policy;
    use proxy_route::resolve::resolve;
    use proxy_route::retry::RetryPolicy;
    use rand::RngExt;

    use super::*;

    const BOUNDS: QueueBounds = QueueBounds { total: 1000, per_key: 900 };

    struct NoSecrets;

    impl SecretSource for NoSecrets {
        fn env(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<Vec<u8>, String> {
            Err("there are no files here".to_owned())
        }
    }

    /// Two models on one account with so many places, and a third elsewhere.
    fn world(places: u32) -> (Arc<Waiting>, [Arc<Route>; 3]) {
        let text = format!(
            "providers:
- {{name: p, dialect: openai, accounts: [{{name: a, limits: {{concurrent: {places}}}}}]}}
- {{name: q, dialect: openai, accounts: [{{name: a}}]}}
models:
- {{name: m, targets: [{{provider: p, model: x}}]}}
- {{name: n, targets: [{{provider: p, model: y}}]}}
- {{name: o, targets: [{{provider: q, model: x}}]}}
"
        );
        let plan = conf_schema::check(&text, &NoSecrets).plan.unwrap();
        let now = clock::now();
        let router = Arc::new(Router::new(Policy::default(), RetryPolicy::default(), now));
        let routes = router.sync(&plan, now);
        let route = |model| routes.route(&resolve(&plan, model).unwrap(), now);
        (Arc::new(Waiting::new(router)), [route("m"), route("n"), route("o")])
    }

    fn wanted(route: &Arc<Route>) -> Wanted {
        Wanted {
            route: Arc::clone(route),
            session: None,
            estimated_tokens: 1,
            tried: Vec::new(),
            prices: Vec::new(),
            barred: Barred::default(),
        }
    }

    fn choose(waiting: &Waiting, route: &Arc<Route>) -> Option<Choice> {
        let wanted = wanted(route);
        waiting.router.choose(route, &wanted.wish(), clock::now(), &mut rand::rng()).ok()
    }

    fn soon() -> Instant {
        clock::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_place_given_back_is_taken_for_who_waits_before_a_newcomer_can_see_it() {
        let (waiting, [m, n, o]) = world(1);
        let held = choose(&waiting, &m).unwrap();
        let first = waiting.join("a", soon(), BOUNDS, wanted(&m)).unwrap();
        let second = waiting.join("b", soon(), BOUNDS, wanted(&n)).unwrap();
        assert!(waiting.is_wanted(&m) && waiting.is_wanted(&n), "the account is the same");
        assert!(!waiting.is_wanted(&o), "nobody waits for that one");
        drop(held);
        waiting.offer(clock::now());
        assert!(choose(&waiting, &n).is_none(), "it is taken");
        let place = first.outcome(soon()).await.unwrap();
        drop(place);
        waiting.offer(clock::now());
        assert!(choose(&waiting, &n).is_none(), "it is taken");
        drop(second.outcome(soon()).await.unwrap());
        assert!(!waiting.is_wanted(&m));
        assert!(choose(&waiting, &n).is_some());
    }

    #[tokio::test]
    async fn a_place_that_came_too_late_goes_to_the_next_in_line() {
        let (waiting, [m, ..]) = world(1);
        let held = choose(&waiting, &m).unwrap();
        let gone = waiting.join("a", soon(), BOUNDS, wanted(&m)).unwrap();
        let next = waiting.join("a", soon(), BOUNDS, wanted(&m)).unwrap();
        let mut next = pin!(next.outcome(soon()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending());
        drop(held);
        waiting.offer(clock::now());
        assert!(next.as_mut().poll(&mut context).is_pending(), "not its turn");
        // Its client goes when it has been served already, and does not know.
        drop(gone);
        assert!(matches!(next.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn whose_time_is_over_is_told_why() {
        let (waiting, [m, ..]) = world(1);
        let _held = choose(&waiting, &m).unwrap();
        let until = clock::now() + Duration::from_millis(30);
        let waiter = waiting.join("a", until, BOUNDS, wanted(&m)).unwrap();
        let why = waiter.outcome(until).await.unwrap_err().unwrap();
        assert_eq!(why.reason, proxy_route::Saturation::Exhausted);
        assert_eq!(waiting.length.load(Ordering::Acquire), 0);
        assert!(waiting.line().why.is_empty());
    }

    #[tokio::test]
    async fn the_bounds_hold_and_who_leaves_makes_room() {
        let (waiting, [m, ..]) = world(1);
        let _held = choose(&waiting, &m).unwrap();
        let bounds = QueueBounds { total: 3, per_key: 2 };
        let first = waiting.join("a", soon(), bounds, wanted(&m)).unwrap();
        let _second = waiting.join("a", soon(), bounds, wanted(&m)).unwrap();
        assert!(waiting.join("a", soon(), bounds, wanted(&m)).is_err());
        drop(first);
        assert!(waiting.join("a", soon(), bounds, wanted(&m)).is_ok());
    }

    /// Threads in place of seeds: whatever their interleaving, every request that stays is served,
    /// the limit holds, and nothing is left behind.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_forgotten_however_threads_interleave() {
        const PLACES: u32 = 2;
        let (waiting, [m, n, _]) = world(PLACES);
        let at_work = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..400_usize)
            .map(|task| {
                let (waiting, at_work) = (Arc::clone(&waiting), Arc::clone(&at_work));
                let route = Arc::clone(if task % 3 == 0 { &n } else { &m });
                tokio::spawn(async move {
                    let leaves = rand::rng().random_ratio(1, 4);
                    let key = (task % 5).to_string();
                    let place = async {
                        let at_once = match waiting.is_wanted(&route) {
                            true => None,
                            false => choose(&waiting, &route),
                        };
                        if at_once.is_some() {
                            return at_once;
                        }
                        let until = soon();
                        let waiter = waiting.join(&key, until, BOUNDS, wanted(&route)).unwrap();
                        waiter.outcome(until).await.ok()
                    };
                    let place = match leaves {
                        true => {
                            let moment = Duration::from_micros(rand::rng().random_range(0..3000));
                            tokio::time::timeout(moment, place).await.ok().flatten()
                        }
                        false => Some(place.await.expect("who stays is served")),
                    };
                    let Some(place) = place else { return };
                    assert!(at_work.fetch_add(1, Ordering::SeqCst) < PLACES);
                    tokio::task::yield_now().await;
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                    waiting.offer(clock::now());
                })
            })
            .collect();
        for task in tasks {
            let patience = Duration::from_secs(30);
            tokio::time::timeout(patience, task).await.expect("nobody is forgotten").unwrap();
        }
        assert_eq!(waiting.length.load(Ordering::Acquire), 0);
        let line = waiting.line();
        assert!(line.queue.is_empty() && line.calls.is_empty());
        drop(line);
        let held: Vec<Choice> = (0..PLACES).map(|_| choose(&waiting, &m).unwrap()).collect();
        assert_eq!(held.len(), PLACES as usize, "every place is free again");
    }
}

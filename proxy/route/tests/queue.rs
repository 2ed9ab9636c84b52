//! The queue under seeded chance: places on several lanes, keys that come, wait, give up and are
//! served, and what the queue promises all the while.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "any instant will do as the first")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proxy_route::queue::{Queue, QueueBounds, Ticket};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const LANES: usize = 3;
const KEYS: usize = 4;
const BOUNDS: QueueBounds = QueueBounds { total: 24, per_key: 9 };

#[derive(Clone, Debug)]
struct Wants {
    key: usize,
    lane: usize,
    ticket: Option<Ticket>,
    until: Instant,
}

/// Places that are taken in the order that the queue gives.
struct World {
    queue: Queue<Wants>,
    free: [usize; LANES],
    taken: Vec<usize>,
    waiting: Vec<Wants>,
    now: Instant,
    rng: StdRng,
    /// Of each key, how often it was served while each other one waited for the same lane.
    ahead: HashMap<(usize, usize), u32>,
    served: u32,
    overtaken: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            queue: Queue::default(),
            free: std::array::from_fn(|_| rng.random_range(0..3)),
            taken: Vec::new(),
            waiting: Vec::new(),
            now: Instant::now(),
            rng,
            ahead: HashMap::new(),
            served: 0,
            overtaken: 0,
        }
    }

    /// As the gateway does it: who comes while others wait for the same joins them.
    fn arrive(&mut self) {
        let (key, lane) = (self.rng.random_range(0..KEYS), self.rng.random_range(0..LANES));
        let until = self.now + Duration::from_millis(self.rng.random_range(1..60));
        if !self.queue.iter().any(|it| it.lane == lane && self.now < it.until)
            && self.free[lane] > 0
        {
            self.take(lane);
            return;
        }
        let wants = Wants { key, lane, ticket: None, until };
        let of_key = self.queue.iter().filter(|it| it.key == key).count();
        let full = self.queue.len() >= BOUNDS.total || of_key >= BOUNDS.per_key;
        match self.queue.join(&key.to_string(), lane, until, BOUNDS, wants.clone()) {
            Ok(ticket) => {
                assert!(!full);
                self.waiting.push(Wants { ticket: Some(ticket), ..wants });
            }
            Err(_) => assert!(full),
        }
        self.serve();
    }

    fn take(&mut self, lane: usize) {
        self.free[lane] -= 1;
        self.taken.push(lane);
    }

    fn give_back(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.taken.len());
        self.free[self.taken.swap_remove(at)] += 1;
        self.serve();
    }

    /// The client goes, or its time is over.
    fn leave(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.waiting.len());
        let Wants { key, ticket, .. } = self.waiting.swap_remove(at);
        assert!(self.queue.leave(&key.to_string(), ticket.unwrap()).is_some());
        if !self.waiting.iter().any(|it| it.key == key) {
            // Whoever leaves the line has no turn any more.
            self.ahead.retain(|(_, behind), _| *behind != key);
        }
        self.serve();
    }

    fn serve(&mut self) {
        while let Some((ticket, wants, ())) = {
            let free = &self.free;
            self.queue.offer(self.now, |it| (free[it.lane] > 0).then_some(()))
        } {
            self.check_order(ticket, &wants);
            self.take(wants.lane);
            self.waiting.retain(|it| it.ticket != Some(ticket));
            self.served += 1;
        }
    }

    fn check_order(&mut self, ticket: Ticket, served: &Wants) {
        assert!(self.now < served.until, "whose time is over is not served");
        for other in self.waiting.iter().filter(|it| self.now < it.until) {
            if other.lane != served.lane {
                continue;
            }
            if other.key == served.key {
                assert!(other.ticket.unwrap() >= ticket, "first come, first served within a key");
            }
        }
        // Keys that wait for the same: nobody is served twice before everybody was once. A key
        // that was served on another lane meanwhile has had its turn.
        for key in (0..KEYS).filter(|key| *key != served.key) {
            let waits = self
                .waiting
                .iter()
                .any(|it| it.key == key && it.lane == served.lane && self.now < it.until);
            let ahead = self.ahead.entry((served.key, key)).or_default();
            *ahead = if waits { *ahead + 1 } else { 0 };
            self.overtaken = self.overtaken.max(*ahead);
            assert!(*ahead <= 1, "{} was served {ahead} times while {key} waited", served.key);
        }
        for key in 0..KEYS {
            self.ahead.insert((key, served.key), 0);
        }
    }

    fn check(&self) {
        assert!(self.queue.len() <= BOUNDS.total);
        assert_eq!(self.queue.len(), self.waiting.len());
        for key in 0..KEYS {
            assert!(self.queue.iter().filter(|it| it.key == key).count() <= BOUNDS.per_key);
        }
        for wants in self.waiting.iter().filter(|it| self.now < it.until) {
            assert_eq!(self.free[wants.lane], 0, "there is room, and nobody was called: {wants:?}");
        }
    }
}

#[test]
fn keys_take_turns_nobody_overtakes_and_no_place_is_left_over_in_any_of_five_thousand_worlds() {
    let (mut served, mut turns) = (0, 0);
    for seed in 0..5_000 {
        let mut world = World::new(seed);
        for _ in 0..120 {
            world.now += Duration::from_millis(world.rng.random_range(0..3));
            match world.rng.random_range(0..10) {
                0..5 => world.arrive(),
                5..9 => world.give_back(),
                _ => world.leave(),
            }
            world.check();
        }
        served += world.served;
        turns += world.overtaken;
    }
    assert!(served > 50_000 && turns > 1_000, "the worlds are busy: {served}, {turns}");
}

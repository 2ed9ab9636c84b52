//! Promise: whatever upstreams and clients do, for however long, every answer is complete or a
//! well-formed error, and nothing is left behind.

mod clients;
mod watch;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clients::{CLIENTS, Tally};
use watch::{Look, middle_and_most};
use world::{CAPACITY, World};

/// How long; `PENSTOCK_SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// What is open beside connections that carry a request: listeners, files, the runtime's own.
const BESIDE: usize = 64;

fn seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long to soak is for whoever runs it")]
    let wished = std::env::var("PENSTOCK_SOAK_SECONDS");
    wished.ok().and_then(|it| it.parse().ok()).unwrap_or(SECONDS)
}

#[expect(clippy::print_stderr, reason = "for whoever soaks by hand")]
fn say(figures: &str) {
    eprintln!("{figures}");
}

/// What went on in one part of the time, in words.
fn in_words(looks: &[Look]) -> String {
    let figures = |of: fn(&Look) -> usize| {
        let (middle, most) = middle_and_most(looks, of);
        format!("{middle} (at most {most})")
    };
    format!(
        "{} in flight of {CAPACITY}, {} descriptors, {} KiB, {} upstream connections",
        figures(|look| look.in_flight),
        figures(|look| look.descriptors),
        figures(|look| look.resident),
        figures(|look| look.upstream_connections),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_cut_and_nothing_is_left_behind() {
    let duration = Duration::from_secs(seconds());
    let world = Arc::new(World::start().await);
    let gateway = &world.doors.gateway;
    let tally = Arc::new(Tally::default());
    let mut looks = Vec::new();
    let mut rests = Vec::new();
    let began = Instant::now();
    // In three parts: memory settles in the first, and is looked at when nothing is in flight.
    for part in 0..3 {
        let mut seen = Vec::new();
        let until = Instant::now() + duration / 3;
        tokio::select! {
            () = clients::run(&world, part, until, &tally) => {}
            () = watch::watch(gateway, &mut seen) => {}
        }
        gateway.until_metric("penstock_requests_in_flight", &[], 0.0).await;
        say(&format!("part {part}: {}", in_words(&seen)));
        looks.extend(seen);
        rests.push(Look::at(gateway).await);
        say(&format!("then at rest: {:?}", rests.last()));
    }
    let metric = async |name: &str| gateway.metric(name, &[]).await;
    say(&format!(
        "{tally:?} in {:?}; {} retries, {} upstream connections opened, {} sessions moved",
        began.elapsed(),
        metric("penstock_retries_total").await,
        metric("penstock_upstream_connections_opened_total").await,
        metric("penstock_session_moves_total").await,
    ));
    check_answers(&tally);
    check_rest(&world, &rests).await;
    check_bounds(&looks);
    assert!(!gateway.log().contains("panicked"));
}

fn check_answers(tally: &Tally) {
    let Tally { whole, streamed, read_slowly, broken, refused, left } = tally;
    let [whole, streamed, slowly, broken, refused, left] =
        [whole, streamed, read_slowly, broken, refused, left].map(|it| it.load(Ordering::Relaxed));
    for some in [whole, streamed, slowly, broken, left] {
        assert!(some > 0, "{tally:?}");
    }
    let all = whole + streamed + slowly + broken + refused + left;
    assert!(refused * 10 <= all, "too few found somebody else: {tally:?}");
    assert!(broken * 5 <= all, "{tally:?}");
}

/// Nothing is left behind.
async fn check_rest(world: &World, rests: &[Look]) {
    for gauge in [
        "penstock_account_requests_in_flight",
        "penstock_account_tokens_in_flight",
        "penstock_requests_waiting",
        "penstock_requests_unlogged_total",
    ] {
        let left = world.doors.gateway.metric(gauge, &[]).await;
        assert!(left == 0.0, "{gauge} is {left}");
    }
    let (first, last) = (rests[0], rests[2]);
    assert!(last.descriptors <= first.descriptors + BESIDE, "{rests:?}");
    assert!(last.resident <= first.resident + first.resident / 4 + 16_384, "{rests:?}");
}

/// Bounds held all the time.
fn check_bounds(looks: &[Look]) {
    let (in_flight, most_in_flight) = middle_and_most(looks, |look| look.in_flight);
    let share = in_flight * 100 / CAPACITY;
    assert!((30..=60).contains(&share), "{share} % of the capacity was used");
    assert!(most_in_flight <= 2 * CLIENTS, "{most_in_flight} in flight");
    let (_, connections) = middle_and_most(looks, |look| look.upstream_connections);
    assert!(connections <= CAPACITY, "{connections} upstream connections");
    let (_, descriptors) = middle_and_most(looks, |look| look.descriptors);
    assert!(descriptors <= 2 * CLIENTS + CAPACITY + BESIDE, "{descriptors} descriptors");
}

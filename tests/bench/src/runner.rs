//! What is measured, and in which order.

use std::io;
use std::time::Duration;

use crate::load::{self, Request, Tally};
use crate::rounds::Rounds;
use crate::server::{Kind, Server, Site, Upstreams};

/// Events of one stream, and milliseconds between two of them.
const EVENTS: (usize, usize) = (200, 10);
/// Streams at once while an event's delay is measured: few, so that events seldom queue.
const FEW_STREAMS: usize = 10;
/// Streams at once while an event's CPU is measured: 4,000 events a second, which every server
/// keeps up with. Beyond that events are read together, and look cheaper than they are.
const MANY_STREAMS: usize = 40;
/// Clients at once while throughput is measured.
const MANY_CLIENTS: usize = 32;
/// Streams held open while memory is measured.
pub const HELD_STREAMS: usize = 1_000;
/// Bytes of a request's body, and of the text of a whole answer.
const BODY_BYTES: usize = 1_024;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether the core of upstreams and clients is kept from sleeping.
    pub awake: bool,
    /// How often to go round over all servers with whole requests and streamed events.
    pub rounds: usize,
    /// How long each load of a round lasts; streams that have begun are read to their end.
    pub length: Duration,
    /// Whole requests.
    pub whole: bool,
    /// Streamed events.
    pub streamed: bool,
    /// Memory.
    pub memory: bool,
    /// The servers.
    pub kinds: Vec<Kind>,
}

/// From which dialect into which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// No translation.
    OpenAi,
    /// Translated to Anthropic.
    Anthropic,
    /// Translated to Gemini.
    Gemini,
}

impl Route {
    /// How reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai → openai",
            Self::Anthropic => "openai → anthropic",
            Self::Gemini => "openai → gemini",
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::OpenAi => "m-openai",
            Self::Anthropic => "m-anthropic",
            Self::Gemini => "m-gemini",
        }
    }
}

/// What was measured of one server on one route.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The server.
    pub kind: Kind,
    /// The route.
    pub route: Route,
    /// Whole requests.
    pub whole: Rounds<Whole>,
    /// Streamed events.
    pub streamed: Rounds<Streamed>,
    /// Memory.
    pub memory: Option<Memory>,
    /// What went wrong, if anything did.
    pub complaints: Vec<String>,
}

/// Whole requests of 1 KB, in one round.
#[derive(Clone, Debug)]
pub struct Whole {
    /// One client.
    pub single: Tally,
    /// Many clients.
    pub many: Tally,
    /// The server's CPU time per request with many clients, in microseconds; `None` without a
    /// server.
    pub cpu_micros: Option<f64>,
    /// Which share of its core the server used with many clients.
    pub busy: Option<f64>,
}

/// Streamed events, in one round.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// Few streams: how long events were under way.
    pub few: Tally,
    /// Many streams.
    pub many: Tally,
    /// The server's CPU time per event with many streams, in microseconds; a stream's own cost is
    /// spread over its events. `None` without a server.
    pub cpu_micros: Option<f64>,
}

/// Memory, measured once, in a process that was just started.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident once the server is ready, in bytes.
    pub after_start: u64,
    /// Growth per stream that waits after its first event, in bytes.
    pub per_stream: f64,
}

/// Measures everything in the plan, and tells `progress` what comes next.
///
/// # Errors
///
/// Fails if the upstreams cannot be started. A server that cannot is a complaint.
pub async fn run(
    plan: &Plan,
    site: &Site,
    mut progress: impl FnMut(&str),
) -> io::Result<Vec<Figures>> {
    let mut all = Vec::new();
    for kind in &plan.kinds {
        let routes: &[Route] = match kind {
            Kind::Direct | Kind::Nginx | Kind::Bare => &[Route::OpenAi],
            Kind::Penstock => &[Route::OpenAi, Route::Anthropic, Route::Gemini],
        };
        all.extend(routes.iter().map(|route| Figures::none(*kind, *route)));
    }
    if plan.whole || plan.streamed {
        measure_speed(plan, site, &mut all, &mut progress).await?;
    }
    if plan.memory {
        let flags = ["--events", "2", "--event-delay", "3600000"];
        let upstreams = Upstreams::start(site, &flags)?;
        for figures in all.iter_mut().filter(|it| it.kind != Kind::Direct) {
            progress(&format!("{}, {}: memory", figures.kind.name(), figures.route.name()));
            match measure_memory(figures, site, &upstreams).await {
                Ok(memory) => figures.memory = Some(memory),
                Err(failure) => figures.complain(failure.to_string()),
            }
        }
    }
    Ok(all)
}

/// Goes round over all servers. Each is started anew for each round: so an idle one costs nothing,
/// and where its memory happens to lie differs from round to round.
async fn measure_speed(
    plan: &Plan,
    site: &Site,
    all: &mut [Figures],
    progress: &mut impl FnMut(&str),
) -> io::Result<()> {
    let ((events, delay), bytes) = (EVENTS, BODY_BYTES.to_string());
    let (events, delay) = (events.to_string(), delay.to_string());
    let flags = ["--events", &events, "--event-delay", &delay, "--answer-bytes", &bytes];
    let upstreams = Upstreams::start(site, &flags)?;
    let mut kinds = plan.kinds.clone();
    for round in 1..=plan.rounds {
        // Whoever cannot be started is not waited for again.
        let mut startable = Vec::new();
        for kind in kinds {
            let own = all.iter_mut().filter(|it| it.kind == kind);
            match Server::start(kind, site, &upstreams).await {
                Ok(server) => {
                    startable.push(kind);
                    for figures in own {
                        let (server_name, route) = (kind.name(), figures.route.name());
                        progress(&format!("round {round}: {server_name}, {route}"));
                        measure_round(plan, round, &server, figures).await;
                    }
                }
                Err(failure) => own.for_each(|it| it.complain(format!("round {round}: {failure}"))),
            }
        }
        kinds = startable;
    }
    Ok(())
}

async fn measure_round(plan: &Plan, round: usize, server: &Server, figures: &mut Figures) {
    let warm_up = request(server, figures.route, false);
    load::whole(&warm_up, MANY_CLIENTS, plan.length / 5).await;
    if plan.whole {
        let whole = measure_whole(plan, server, figures.route).await;
        if let Some(whole) = figures.checked(round, whole, |it| [&it.single, &it.many]) {
            figures.whole.push(whole);
        }
    }
    if plan.streamed {
        let streamed = measure_streamed(plan, server, figures.route).await;
        if let Some(streamed) = figures.checked(round, streamed, |it| [&it.few, &it.many]) {
            figures.streamed.push(streamed);
        }
    }
}

impl Figures {
    fn none(kind: Kind, route: Route) -> Self {
        let (whole, streamed) = (Rounds::default(), Rounds::default());
        Self { kind, route, whole, streamed, memory: None, complaints: Vec::new() }
    }

    fn complain(&mut self, complaint: String) {
        if !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }

    /// Figures of which a request failed are no figures.
    fn checked<T>(
        &mut self,
        round: usize,
        measured: io::Result<T>,
        tallies: impl Fn(&T) -> [&Tally; 2],
    ) -> Option<T> {
        let measured = match measured {
            Ok(measured) => measured,
            Err(failure) => {
                self.complain(format!("round {round}: {failure}"));
                return None;
            }
        };
        let failed: u64 = tallies(&measured).iter().map(|it| it.failed).sum();
        let answered: u64 = tallies(&measured).iter().map(|it| it.answered).sum();
        if failed > 0 || answered == 0 {
            let why = tallies(&measured).iter().find_map(|it| it.complaint.clone());
            let why = why.unwrap_or_default();
            let all = failed + answered;
            self.complain(format!("round {round}: {failed} of {all} failed: {why}"));
            return None;
        }
        Some(measured)
    }
}

async fn measure_whole(plan: &Plan, server: &Server, route: Route) -> io::Result<Whole> {
    let request = request(server, route, false);
    let single = load::whole(&request, 1, plan.length).await;
    let before = server.cpu_micros()?;
    let many = load::whole(&request, MANY_CLIENTS, plan.length).await;
    let spent = spent_since(before, server)?;
    let cpu_micros = spent.map(|it| it / many.answered as f64);
    let busy = spent.map(|it| it / many.elapsed.as_micros() as f64);
    Ok(Whole { single, many, cpu_micros, busy })
}

async fn measure_streamed(plan: &Plan, server: &Server, route: Route) -> io::Result<Streamed> {
    let request = request(server, route, true);
    let few = load::streamed(&request, FEW_STREAMS, plan.length).await;
    let before = server.cpu_micros()?;
    let many = load::streamed(&request, MANY_STREAMS, plan.length).await;
    let spent = spent_since(before, server)?;
    let cpu_micros = spent.map(|it| it / many.timings.len() as f64);
    Ok(Streamed { few, many, cpu_micros })
}

fn spent_since(before: Option<f64>, server: &Server) -> io::Result<Option<f64>> {
    Ok(server.cpu_micros()?.zip(before).map(|(after, before)| after - before))
}

async fn measure_memory(
    figures: &Figures,
    site: &Site,
    upstreams: &Upstreams,
) -> io::Result<Memory> {
    let server = Server::start(figures.kind, site, upstreams).await?;
    let settle = || tokio::time::sleep(Duration::from_millis(500));
    settle().await;
    let after_start = server.resident()?;
    // What the first requests allocate once is no stream's doing.
    let warm_up = request(&server, figures.route, false);
    load::whole(&warm_up, MANY_CLIENTS, Duration::from_millis(200)).await;
    let before = server.resident()?;
    let held = load::hold(&request(&server, figures.route, true), HELD_STREAMS).await?;
    settle().await;
    let grown = server.resident()?.saturating_sub(before);
    Ok(Memory { after_start, per_stream: grown as f64 / held.len() as f64 })
}

fn request(server: &Server, route: Route, stream: bool) -> Request {
    let body = |text: &str| {
        serde_json::json!({
            "model": route.model(),
            "messages": [
                { "role": "system", "content": "Answer in one sentence." },
                { "role": "user", "content": text },
            ],
            "max_completion_tokens": 400,
            "stream": stream,
        })
        .to_string()
    };
    let missing = BODY_BYTES.saturating_sub(body("").len());
    let text = "Which river runs past the mill, and where does it rise? ".repeat(32);
    let text = text.get(..missing).unwrap_or(&text);
    Request::post(server.address, "/v1/chat/completions", &body(text))
}

//! How figures are printed, and which targets they meet.

use std::fmt::{self, Display, Write};

use serde_json::{Value, json};

use crate::load::Tally;
use crate::machine::Machine;
use crate::rounds::Rounds;
use crate::runner::{Figures, HELD_STREAMS, Plan, Route, Whole};
use crate::server::Kind;
use crate::translation::{Cost, Translation, Unit, growth};

/// What ten times as much may cost, in multiples: some more than ten, since more memory is in use.
const GROWTH: f64 = 15.0;

/// One run: where, what, and the figures.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// What was to be measured.
    pub plan: Plan,
    /// What was measured.
    pub figures: Vec<Figures>,
    /// What translating costs by itself.
    pub translations: Vec<Translation>,
}

/// One target: what is asked, what was measured, what is the limit.
struct Target {
    what: String,
    measured: Option<f64>,
    limit: f64,
    unit: &'static str,
}

impl Target {
    fn verdict(&self) -> &'static str {
        match self.measured {
            None => "not measured",
            Some(measured) if measured <= self.limit => "ok",
            Some(_) => "MISSED",
        }
    }
}

impl Report {
    fn find(&self, kind: Kind, route: Route) -> Option<&Figures> {
        self.figures.iter().find(|it| it.kind == kind && it.route == route)
    }

    /// A figure in multiples of the bare Pingora's.
    fn ratio(&self, figures: &Figures, figure: fn(&Figures) -> Option<f64>) -> Option<f64> {
        let bare = self.find(Kind::Bare, Route::OpenAi).and_then(figure)?;
        Some(figure(figures)? / bare)
    }

    /// How much longer it took than without a server, in microseconds.
    fn added(&self, figures: &Figures, latency: impl Fn(&Figures) -> Option<f64>) -> Cell {
        let direct = self.find(Kind::Direct, Route::OpenAi).and_then(&latency);
        Cell(latency(figures).zip(direct).map(|(mine, direct)| mine - direct), 0)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for route in [Route::OpenAi, Route::Anthropic, Route::Gemini] {
            let figures = self.find(Kind::Penstock, route);
            let translated = route != Route::OpenAi;
            let mut add = |what: &str, measured, limit, unit| {
                let what = format!("{what}, {}", route.name());
                targets.push(Target { what, measured, limit, unit });
            };
            let ratio = figures.and_then(|it| self.ratio(it, request_cpu));
            add("CPU per request", ratio, if translated { 1.6 } else { 1.3 }, "× bare");
            if translated {
                let ratio = figures.and_then(|it| self.ratio(it, event_cpu));
                add("CPU per streamed event", ratio, 3.0, "× bare");
            }
            let memory = figures.and_then(|it| it.memory);
            let per_stream = memory.map(|it| it.per_stream / 1024.0);
            add("memory per waiting stream", per_stream, 64.0, "KB");
            if !translated {
                let resident = memory.map(|it| it.after_start as f64 / 1024.0 / 1024.0);
                add("RSS after start", resident, 40.0, "MB");
            }
        }
        targets.extend(self.translations.iter().flat_map(translation_targets));
        targets
    }

    /// Everything as JSON: microseconds, bytes, ratios; `rounds` holds each round's figure.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(|it| self.figures_json(it)).collect();
        let target = |it: &Target| {
            json!({
                "what": it.what, "measured": it.measured, "limit": it.limit, "unit": it.unit,
                "verdict": it.verdict(),
            })
        };
        let targets: Vec<Value> = self.targets().iter().map(target).collect();
        json!({
            "machine": self.machine.json(),
            "load_core_kept_awake": self.plan.awake,
            "rounds": self.plan.rounds,
            "seconds": self.plan.length.as_secs_f64(),
            "figures": figures,
            "translations": self.translations.iter().map(Translation::json).collect::<Vec<_>>(),
            "targets": targets,
        })
    }

    fn figures_json(&self, it: &Figures) -> Value {
        let whole = (!it.whole.is_empty()).then(|| {
            json!({
                "requests_per_second": it.whole.median(per_second),
                "cpu_us_per_request": least_json(&it.whole, |it| it.cpu_micros),
                "cpu_ratio_to_bare": self.ratio(it, request_cpu),
                "core_busy": it.whole.median(|it| it.busy),
                "clients_1": latency_json(&it.whole, |it| &it.single),
                "clients_32": latency_json(&it.whole, |it| &it.many),
            })
        });
        let streamed = (!it.streamed.is_empty()).then(|| {
            json!({
                "events": it.streamed.all(|it| Some(it.many.timings.len() as f64)),
                "cpu_us_per_event": least_json(&it.streamed, |it| it.cpu_micros),
                "cpu_ratio_to_bare": self.ratio(it, event_cpu),
                "event_delay": latency_json(&it.streamed, |it| &it.few),
            })
        });
        json!({
            "server": it.kind.name(),
            "route": it.route.name(),
            "complaints": it.complaints,
            "whole": whole,
            "streamed": streamed,
            "memory": it.memory.map(|memory| json!({
                "resident_after_start": memory.after_start,
                "per_waiting_stream": memory.per_stream,
            })),
        })
    }

    fn write_whole(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Whole requests of 1 KB\n")?;
        f.write_str(
            "| server | route | req/s | CPU µs/req | × bare | req/s per core | core busy \
             | added p50 · p99 µs, 1 client | added p50 · p99 µs, 32 clients |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        )?;
        for it in self.figures.iter().filter(|it| !it.whole.is_empty()) {
            let cpu = request_cpu(it);
            let single = |share| self.added(it, |it| micros(&it.whole, |it| &it.single, share));
            let many = |share| self.added(it, |it| micros(&it.whole, |it| &it.many, share));
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} · {} | {} · {} |",
                it.kind.name(),
                it.route.name(),
                Cell(it.whole.median(per_second), 0),
                Cell(cpu, 1),
                Cell(self.ratio(it, request_cpu), 2),
                Cell(cpu.map(|cpu| 1e6 / cpu), 0),
                Cell(it.whole.median(|it| it.busy), 2),
                single(0.5),
                single(0.99),
                many(0.5),
                many(0.99),
            )?;
        }
        self.write_taken(
            f,
            |it| it.whole.spread(|it| it.cpu_micros),
            |it, share| it.whole.spread(|it| it.single.quantile(share)),
        )
    }

    fn write_streamed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Streamed events\n")?;
        f.write_str(
            "| server | route | CPU µs/event | × bare | delay p50 · p99 µs \
             | added p50 · p99 µs |\n|---|---|---:|---:|---:|---:|\n",
        )?;
        for it in self.figures.iter().filter(|it| !it.streamed.is_empty()) {
            let delay = |share| micros(&it.streamed, |it| &it.few, share);
            let added = |share| self.added(it, |it| micros(&it.streamed, |it| &it.few, share));
            writeln!(
                f,
                "| {} | {} | {} | {} | {} · {} | {} · {} |",
                it.kind.name(),
                it.route.name(),
                Cell(event_cpu(it), 1),
                Cell(self.ratio(it, event_cpu), 2),
                Cell(delay(0.5), 0),
                Cell(delay(0.99), 0),
                added(0.5),
                added(0.99),
            )?;
        }
        self.write_taken(
            f,
            |it| it.streamed.spread(|it| it.cpu_micros),
            |it, share| it.streamed.spread(|it| it.few.quantile(share)),
        )
    }

    /// One line on how the figures above it came about, and how far the rounds were apart.
    fn write_taken(
        &self,
        f: &mut fmt::Formatter<'_>,
        cpu: impl Fn(&Figures) -> Option<f64>,
        latency: impl Fn(&Figures, f64) -> Option<f64>,
    ) -> fmt::Result {
        let spreads: Vec<String> = self
            .figures
            .iter()
            .filter_map(|it| Some((it, cpu(it)?)))
            .map(|(it, spread)| format!("{} {} {spread:.2}", it.kind.name(), it.route.name()))
            .collect();
        let widest = |share| {
            let spreads = self.figures.iter().filter_map(|it| latency(it, share));
            Cell(spreads.max_by(f64::total_cmp), 2)
        };
        writeln!(
            f,
            "\nTaken in {} rounds of {} s per load, each server started anew in each. CPU, × bare \
             and req/s per core: the least CPU of the rounds; all else: the median of the rounds, \
             added: less the median without a server. Spread (median ÷ least of the rounds), CPU: \
             {}; latency, at most: p50 {}, p99 {}.\n",
            self.plan.rounds,
            self.plan.length.as_secs_f64(),
            if spreads.is_empty() { "–".to_owned() } else { spreads.join(", ") },
            widest(0.5),
            widest(0.99),
        )
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Memory\n")?;
        f.write_str("| server | route | RSS after start, MB | KB per waiting stream, of ")?;
        writeln!(f, "{HELD_STREAMS} |\n|---|---|---:|---:|")?;
        for it in &self.figures {
            let Some(memory) = it.memory else { continue };
            writeln!(
                f,
                "| {} | {} | {} | {} |",
                it.kind.name(),
                it.route.name(),
                Cell(Some(memory.after_start as f64 / 1024.0 / 1024.0), 1),
                Cell(Some(memory.per_stream / 1024.0), 1),
            )?;
        }
        writeln!(f, "\nMeasured once, in a process started for it; the spread is unknown.\n")
    }

    fn write_translations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Translating, by itself\n")?;
        f.write_str(
            "| what | route | size | CPU µs | CPU per event µs, per KB µs | 10 × the size costs |\n\
             |---|---|---:|---:|---:|---:|\n",
        )?;
        for it in &self.translations {
            for (what, unit, costs) in it.kinds() {
                for (at, cost) in costs.iter().enumerate() {
                    let (size, each) = match unit {
                        Unit::Byte => (format!("{:.0} KB", cost.size as f64 / 1024.0), 1024.0),
                        Unit::Event => (format!("{} events", cost.size), 1.0),
                    };
                    writeln!(
                        f,
                        "| {what} | {} | {size} | {} | {} | {} |",
                        it.route.name(),
                        Cell(Some(cost.micros), 1),
                        Cell(Some(cost.each() * each), 2),
                        Cell(costs.get(..=at).and_then(growth), 1),
                    )?;
                }
            }
        }
        writeln!(
            f,
            "\nIn the benchmark's own process, with the gateway's allocator: the least CPU time of \
             several batches. Requests: the envelope is read, then all of it, then it is written; \
             longer ones have more turns. Answers: of one text. Streams: each event arrives and \
             is answered by itself.\n"
        )
    }

    fn write_targets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Targets\n\n| target | measured | limit | |\n|---|---:|---:|---|")?;
        for target in self.targets() {
            let Target { what, measured, limit, unit } = &target;
            let (measured, verdict) = (Cell(*measured, 2), target.verdict());
            writeln!(f, "| {what} | {measured} | {limit} {unit} | {verdict} |")?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slept = match self.plan.awake {
            true => "kept awake by a loop at idle priority",
            false => "left to sleep while they wait",
        };
        let Self { machine, .. } = self;
        writeln!(
            f,
            "{machine}\nOne core for the server, one for upstreams and clients, {slept}.\n"
        )?;
        if self.figures.iter().any(|it| !it.whole.is_empty()) {
            self.write_whole(f)?;
        }
        if self.figures.iter().any(|it| !it.streamed.is_empty()) {
            self.write_streamed(f)?;
        }
        if self.figures.iter().any(|it| it.memory.is_some()) {
            self.write_memory(f)?;
        }
        if !self.translations.is_empty() {
            self.write_translations(f)?;
        }
        for it in &self.figures {
            for complaint in &it.complaints {
                writeln!(f, "- {}, {}: {complaint}", it.kind.name(), it.route.name())?;
            }
        }
        if self.figures.iter().any(|it| !it.complaints.is_empty()) {
            f.write_char('\n')?;
        }
        self.write_targets(f)
    }
}

/// What translating may cost. Where each part costs the same, ten times as much costs 10 × as much,
/// and where the cost grows with the square 100 ×.
fn translation_targets(it: &Translation) -> Vec<Target> {
    let target = |what: &str, measured, limit, unit| Target {
        what: format!("{what}, {}", it.route.name()),
        measured,
        limit,
        unit,
    };
    // The next size above: what a body of so many bytes costs, and a little more.
    let body = |bytes| it.requests.iter().find(|it| it.size >= bytes).map(|it| it.micros);
    let event = it.texts.iter().chain(&it.calls).map(Cost::each).max_by(f64::total_cmp);
    let grown = [&it.texts, &it.calls].into_iter().filter_map(|it| growth(it));
    vec![
        target("translating an event", event, 3.0, "µs"),
        target("translating a request of 10 KB", body(10 << 10), 30.0, "µs"),
        target("translating a request of 1 MB", body(1 << 20), 3_000.0, "µs"),
        target("a conversation of 10 × the length", growth(&it.requests), GROWTH, "×"),
        target("a stream of 10 × the length", grown.max_by(f64::total_cmp), GROWTH, "×"),
    ]
}

/// CPU per whole request, in microseconds.
fn request_cpu(figures: &Figures) -> Option<f64> {
    figures.whole.least(|it| it.cpu_micros)
}

/// CPU per streamed event, in microseconds.
fn event_cpu(figures: &Figures) -> Option<f64> {
    figures.streamed.least(|it| it.cpu_micros)
}

fn per_second(whole: &Whole) -> Option<f64> {
    Some(whole.many.answered as f64 / whole.many.elapsed.as_secs_f64())
}

/// The median of the rounds of what that share of timings stays below, in microseconds.
fn micros<T>(rounds: &Rounds<T>, tally: impl Fn(&T) -> &Tally, share: f64) -> Option<f64> {
    rounds.median(|it| tally(it).quantile(share)).map(|nanos| nanos / 1e3)
}

fn least_json<T>(rounds: &Rounds<T>, figure: impl Fn(&T) -> Option<f64>) -> Value {
    json!({
        "least": rounds.least(&figure),
        "spread": rounds.spread(&figure),
        "rounds": rounds.all(&figure),
    })
}

fn latency_json<T>(rounds: &Rounds<T>, tally: impl Fn(&T) -> &Tally) -> Value {
    let all = |share| {
        let nanos = rounds.all(|it| tally(it).quantile(share));
        nanos.into_iter().map(|it| it / 1e3).collect::<Vec<_>>()
    };
    json!({
        "p50_us": micros(rounds, &tally, 0.5),
        "p99_us": micros(rounds, &tally, 0.99),
        "rounds": { "p50_us": all(0.5), "p99_us": all(0.99) },
    })
}

/// A figure to so many places, or a dash.
struct Cell(Option<f64>, usize);

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(figure) => write!(f, "{figure:.*}", self.1),
            None => f.write_str("–"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Report;
    use crate::load::Tally;
    use crate::machine::Machine;
    use crate::rounds::Rounds;
    use crate::runner::{Figures, Plan, Route, Whole};
    use crate::server::Kind;

    /// A server with this CPU per request and this p50 in each round.
    fn figures(kind: Kind, rounds: &[(f64, u64)]) -> Figures {
        let mut whole = Rounds::default();
        for (cpu, micros) in rounds {
            let tally = Tally {
                answered: 1_000,
                timings: vec![micros * 1_000],
                elapsed: Duration::from_secs(1),
                ..Tally::default()
            };
            whole.push(Whole {
                single: tally.clone(),
                many: tally,
                cpu_micros: (kind != Kind::Direct).then_some(*cpu),
                busy: None,
            });
        }
        Figures {
            kind,
            route: Route::OpenAi,
            whole,
            streamed: Rounds::default(),
            memory: None,
            complaints: Vec::new(),
        }
    }

    fn report() -> Report {
        let kinds = [Kind::Direct, Kind::Bare, Kind::Penstock];
        Report {
            machine: Machine::ask(),
            plan: Plan {
                awake: true,
                rounds: 3,
                length: Duration::from_secs(1),
                whole: true,
                streamed: false,
                memory: false,
                kinds: kinds.to_vec(),
            },
            figures: vec![
                figures(Kind::Direct, &[(0.0, 50), (0.0, 40), (0.0, 90)]),
                figures(Kind::Bare, &[(20.0, 70), (30.0, 80), (22.0, 75)]),
                figures(Kind::Penstock, &[(40.0, 100), (25.0, 120), (30.0, 500)]),
            ],
            translations: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_of_the_least_and_delays_of_the_median() {
        let printed = report().to_string();
        // 25 ÷ 20, and 120 less 50.
        let row = "| penstock | openai → openai | 1000 | 25.0 | 1.25 | 40000 | – | 70 · 70 |";
        assert!(printed.contains(row), "{printed}");
        assert!(printed.contains("| CPU per request, openai → openai | 1.25 | 1.3 × bare | ok |"));
    }

    #[test]
    fn the_line_below_a_table_tells_how_it_was_taken_and_how_far_rounds_were_apart() {
        let printed = report().to_string();
        let line = printed.lines().find(|it| it.starts_with("Taken in 3 rounds of 1 s")).unwrap();
        assert!(line.contains("bare pingora openai → openai 1.10, penstock openai → openai 1.20;"));
        assert!(line.contains("at most: p50 1.25, p99 1.25."), "{line}");
    }

    #[test]
    fn json_keeps_every_round() {
        let json = report().json();
        let whole = &json["figures"][2]["whole"];
        assert_eq!(whole["cpu_us_per_request"]["rounds"], serde_json::json!([40.0, 25.0, 30.0]));
        assert_eq!(
            whole["clients_1"]["rounds"]["p50_us"],
            serde_json::json!([100.0, 120.0, 500.0])
        );
    }
}

//! How figures are printed, and which targets they meet.

use std::fmt::{self, Display, Write};

use serde_json::{Value, json};

use crate::load::Tally;
use crate::runner::{Figures, HELD_STREAMS, Route};
use crate::server::Kind;

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a [Figures]);

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

impl Report<'_> {
    fn find(&self, kind: Kind, route: Route) -> Option<&Figures> {
        self.0.iter().find(|it| it.kind == kind && it.route == route)
    }

    /// CPU per request in multiples of the bare Pingora's.
    fn request_ratio(&self, figures: &Figures) -> Option<f64> {
        let bare = self.find(Kind::Bare, Route::OpenAi)?.whole.as_ref()?;
        Some(figures.whole.as_ref()?.cpu_micros / bare.cpu_micros)
    }

    /// CPU per event in multiples of the bare Pingora's.
    fn event_ratio(&self, figures: &Figures) -> Option<f64> {
        let bare = self.find(Kind::Bare, Route::OpenAi)?.streamed.as_ref()?;
        Some(figures.streamed.as_ref()?.cpu_micros / bare.cpu_micros)
    }

    /// How much longer that share took than without a server, in microseconds.
    fn added(&self, mine: &Tally, direct: impl Fn(&Figures) -> Option<&Tally>, share: f64) -> Cell {
        let direct = self.find(Kind::Direct, Route::OpenAi).and_then(direct);
        let direct = direct.and_then(|it| it.quantile(share));
        Cell(mine.quantile(share).zip(direct).map(|(mine, direct)| (mine - direct) / 1e3), 0)
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
            let ratio = figures.and_then(|it| self.request_ratio(it));
            add("CPU per request", ratio, if translated { 1.6 } else { 1.3 }, "× bare");
            if translated {
                let ratio = figures.and_then(|it| self.event_ratio(it));
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
        targets
    }

    /// Everything as JSON: microseconds, bytes, ratios.
    #[must_use]
    pub fn json(&self) -> Value {
        let quantiles = |tally: &Tally| {
            let micros = |share| tally.quantile(share).map(|it| it / 1e3);
            json!({ "p50_us": micros(0.5), "p99_us": micros(0.99) })
        };
        let figures: Vec<Value> = self
            .0
            .iter()
            .map(|it| {
                json!({
                    "server": it.kind.name(),
                    "route": it.route.name(),
                    "complaints": it.complaints,
                    "whole": it.whole.as_ref().map(|whole| json!({
                        "requests_per_second": per_second(&whole.many),
                        "cpu_us_per_request": whole.cpu_micros,
                        "cpu_ratio_to_bare": self.request_ratio(it),
                        "core_busy": whole.busy,
                        "clients_1": quantiles(&whole.single),
                        "clients_32": quantiles(&whole.many),
                    })),
                    "streamed": it.streamed.as_ref().map(|streamed| json!({
                        "events": streamed.many.timings.len(),
                        "cpu_us_per_event": streamed.cpu_micros,
                        "cpu_ratio_to_bare": self.event_ratio(it),
                        "event_delay": quantiles(&streamed.few),
                    })),
                    "memory": it.memory.map(|memory| json!({
                        "resident_after_start": memory.after_start,
                        "per_waiting_stream": memory.per_stream,
                    })),
                })
            })
            .collect();
        let target = |it: &Target| {
            json!({
                "what": it.what, "measured": it.measured, "limit": it.limit, "unit": it.unit,
                "verdict": it.verdict(),
            })
        };
        let targets: Vec<Value> = self.targets().iter().map(target).collect();
        json!({ "figures": figures, "targets": targets })
    }

    fn write_whole(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Whole requests of 1 KB\n")?;
        f.write_str(
            "| server | route | req/s | CPU µs/req | × bare | req/s per core | core busy \
             | added p50 · p99 µs, 1 client | added p50 · p99 µs, 32 clients |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        )?;
        for it in self.0 {
            let Some(whole) = &it.whole else { continue };
            let direct = it.kind == Kind::Direct;
            let cpu = (!direct).then_some(whole.cpu_micros);
            let single = |share| {
                self.added(&whole.single, |it| it.whole.as_ref().map(|it| &it.single), share)
            };
            let many =
                |share| self.added(&whole.many, |it| it.whole.as_ref().map(|it| &it.many), share);
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} · {} | {} · {} |",
                it.kind.name(),
                it.route.name(),
                Cell(Some(per_second(&whole.many)), 0),
                Cell(cpu, 1),
                Cell(cpu.and_then(|_| self.request_ratio(it)), 2),
                Cell(cpu.map(|cpu| 1e6 / cpu), 0),
                Cell(cpu.map(|_| whole.busy), 2),
                single(0.5),
                single(0.99),
                many(0.5),
                many(0.99),
            )?;
        }
        f.write_char('\n')
    }

    fn write_streamed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Streamed events\n")?;
        f.write_str(
            "| server | route | CPU µs/event | × bare | delay p50 · p99 µs \
             | added p50 · p99 µs |\n|---|---|---:|---:|---:|---:|\n",
        )?;
        for it in self.0 {
            let Some(streamed) = &it.streamed else { continue };
            let cpu = (it.kind != Kind::Direct).then_some(streamed.cpu_micros);
            let delay = |share| Cell(streamed.few.quantile(share).map(|it| it / 1e3), 0);
            let added = |share| {
                self.added(&streamed.few, |it| it.streamed.as_ref().map(|it| &it.few), share)
            };
            writeln!(
                f,
                "| {} | {} | {} | {} | {} · {} | {} · {} |",
                it.kind.name(),
                it.route.name(),
                Cell(cpu, 1),
                Cell(cpu.and_then(|_| self.event_ratio(it)), 2),
                delay(0.5),
                delay(0.99),
                added(0.5),
                added(0.99),
            )?;
        }
        f.write_char('\n')
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Memory\n")?;
        f.write_str("| server | route | RSS after start, MB | KB per waiting stream, of ")?;
        writeln!(f, "{HELD_STREAMS} |\n|---|---|---:|---:|")?;
        for it in self.0 {
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
        f.write_char('\n')
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

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().any(|it| it.whole.is_some()) {
            self.write_whole(f)?;
        }
        if self.0.iter().any(|it| it.streamed.is_some()) {
            self.write_streamed(f)?;
        }
        if self.0.iter().any(|it| it.memory.is_some()) {
            self.write_memory(f)?;
        }
        for it in self.0 {
            for complaint in &it.complaints {
                writeln!(f, "- {}, {}: {complaint}", it.kind.name(), it.route.name())?;
            }
        }
        if self.0.iter().any(|it| !it.complaints.is_empty()) {
            f.write_char('\n')?;
        }
        self.write_targets(f)
    }
}

fn per_second(tally: &Tally) -> f64 {
    tally.answered as f64 / tally.elapsed.as_secs_f64()
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

//! What is counted and observed.

use std::time::Duration;

use adapters_canonical::usage::Usage;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::edge::Edge;
use crate::media::Media;
use crate::routing::Routing;
use crate::seals::Seals;
use crate::semconv::{self, NONE};
use crate::series::{Found, KINDS, Series};

/// Every metric of the process. Cheap to share, safe to use from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Where requests went, and why.
    pub routing: Routing,
    /// Who connected.
    pub edge: Edge,
    /// What was remembered of the model's turns.
    pub seals: Seals,
    /// What was fetched for clients.
    pub media: Media,
    found: Found,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_chunk: HistogramVec,
    per_chunk: HistogramVec,
    token_usage: HistogramVec,
    tokens: IntCounterVec,
    estimated: IntCounterVec,
    in_flight: IntGauge,
    unlogged: IntCounter,
    losses: IntCounterVec,
    malformed: IntCounterVec,
    failures: IntCounterVec,
    connections: IntGaugeVec,
    connects: IntCounterVec,
    reloads: IntCounterVec,
    last_reload_successful: IntGauge,
    last_reload_success: IntGauge,
}

/// The labels of one request; empty where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chat<'a> {
    /// The route's pattern, such as `/v1/chat/completions`.
    pub route: &'static str,
    /// What is asked of the model, such as `chat`.
    pub operation: &'static str,
    /// The provider's name in the configuration.
    pub provider: &'a str,
    /// The account's name in the configuration.
    pub account: &'a str,
    /// The model's name in the configuration.
    pub model: &'a str,
}

impl Metrics {
    /// Registers everything, and says which build this is.
    ///
    /// # Errors
    ///
    /// If a metric is described wrongly, which a test would have shown.
    #[expect(clippy::too_many_lines, reason = "a list, one entry a metric")]
    pub fn new(version: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let with = &registry;
        let chat = [semconv::OPERATION, semconv::PROVIDER, semconv::REQUEST_MODEL];
        let typed =
            [semconv::OPERATION, semconv::PROVIDER, semconv::REQUEST_MODEL, semconv::TOKEN_TYPE];
        let metrics = Self {
            found: Found::default(),
            requests: counters(
                with,
                "penstock_requests_total",
                "Requests answered, by the status the client saw (499: it was gone).",
                &["route", "provider", "account", "model", "status"],
            )?,
            duration: histograms(
                with,
                semconv::OPERATION_DURATION,
                "From the request's header to the answer's end.",
                &chat,
                semconv::DURATION_BUCKETS,
            )?,
            first_chunk: histograms(
                with,
                semconv::TIME_TO_FIRST_CHUNK,
                "From the request's header to the first streamed event.",
                &chat,
                semconv::FIRST_CHUNK_BUCKETS,
            )?,
            per_chunk: histograms(
                with,
                semconv::TIME_PER_OUTPUT_CHUNK,
                "Between two streamed events.",
                &chat,
                semconv::PER_CHUNK_BUCKETS,
            )?,
            token_usage: histograms(
                with,
                semconv::TOKEN_USAGE,
                "Tokens of one request.",
                &typed,
                semconv::TOKEN_BUCKETS,
            )?,
            tokens: counters(
                with,
                "penstock_tokens_total",
                "Tokens by kind; reasoning is part of output, the other kinds do not overlap.",
                &["provider", "account", "model", "kind"],
            )?,
            estimated: counters(
                with,
                "penstock_tokens_estimated_total",
                "Tokens, counted in the others too, that no provider reported: of answers cut short.",
                &["provider", "account", "model", "kind"],
            )?,
            in_flight: gauge(with, "penstock_requests_in_flight", "Requests being served.")?,
            unlogged: counter(
                with,
                "penstock_requests_unlogged_total",
                "Requests that ended without being logged, as when a shutdown cuts them off.",
            )?,
            losses: counters(
                with,
                "penstock_translation_losses_total",
                "Wishes of clients that a provider could not express.",
                &["provider", "kind"],
            )?,
            malformed: counters(
                with,
                "penstock_stream_events_malformed_total",
                "Streamed events that could not be read and were left out.",
                &["provider"],
            )?,
            failures: counters(
                with,
                "penstock_upstream_failures_total",
                "Requests that a provider failed, before its answer or in the middle of it.",
                &["provider", "account", "kind"],
            )?,
            connections: gauges(
                with,
                "penstock_upstream_connections",
                "Open connections to a provider.",
                &["provider"],
            )?,
            connects: counters(
                with,
                "penstock_upstream_connections_opened_total",
                "Connections opened to a provider.",
                &["provider"],
            )?,
            reloads: counters(
                with,
                "penstock_config_reloads_total",
                "Attempts to load a changed configuration.",
                &["result"],
            )?,
            last_reload_successful: gauge(
                with,
                "penstock_config_last_reload_successful",
                "1 if the configuration on disk is the one in use.",
            )?,
            last_reload_success: gauge(
                with,
                "penstock_config_last_reload_success_timestamp_seconds",
                "When the configuration in use was loaded.",
            )?,
            routing: Routing::new(with)?,
            edge: Edge::new(with)?,
            seals: Seals::new(with)?,
            media: Media::new(with)?,
            registry,
        };
        metrics.describe_build(version)?;
        Ok(metrics)
    }

    fn describe_build(&self, version: &str) -> prometheus::Result<()> {
        let build = gauges(
            &self.registry,
            "penstock_build_info",
            "Always 1; the labels say which build this is.",
            &["version"],
        )?;
        build.with_label_values(&[version]).set(1);
        #[cfg(target_os = "linux")]
        self.registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(())
    }

    /// Everything, in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.routing.look();
        let mut text = String::new();
        // Fails only if a metric is described wrongly; what was written before that still counts.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }

    /// Counts a request from now until it is finished or dropped.
    #[must_use]
    pub fn start(&self) -> InFlight {
        self.in_flight.inc();
        InFlight { in_flight: self.in_flight.clone(), unlogged: Some(self.unlogged.clone()) }
    }

    /// How many requests are being served.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// A request was answered with `status`, 499 if the client was gone.
    pub fn request(&self, chat: &Chat<'_>, status: u16, took: Duration) {
        self.count(chat, &self.found.series(chat), status, took);
    }

    /// The same, and what the answer cost.
    pub fn finished(&self, chat: &Chat<'_>, status: u16, took: Duration, usage: &Usage) {
        let series = self.found.series(chat);
        self.count(chat, &series, status, took);
        self.cost(chat, &series, usage);
    }

    /// An answer cost this much.
    pub fn usage(&self, chat: &Chat<'_>, usage: &Usage) {
        self.cost(chat, &self.found.series(chat), usage);
    }

    fn count(&self, chat: &Chat<'_>, series: &Series, status: u16, took: Duration) {
        let answered = |status| {
            let labels = [chat.route, chat.provider, chat.account, chat.model, status];
            self.requests.with_label_values(&labels)
        };
        if status == 200 {
            series.ok.get_or_init(|| answered("200")).inc();
        } else {
            answered(decimal(status, &mut [0_u8; 5])).inc();
        }
        if chat.provider != NONE {
            let labels = [chat.operation, chat.provider, chat.model];
            let duration = series.duration.get_or_init(|| self.duration.with_label_values(&labels));
            duration.observe(took.as_secs_f64());
        }
    }

    fn cost(&self, chat: &Chat<'_>, series: &Series, usage: &Usage) {
        let (input, output) = (usage.total_input(), usage.output);
        for (kind, all, tokens) in
            [("input", &series.input, input), ("output", &series.output, output)]
        {
            if let Some(tokens) = tokens {
                let labels = [chat.operation, chat.provider, chat.model, kind];
                #[expect(clippy::cast_precision_loss, reason = "a histogram's sum is a float")]
                all.get_or_init(|| self.token_usage.with_label_values(&labels))
                    .observe(tokens as f64);
            }
        }
        let Usage { input, cache_read, cache_write, output, reasoning, .. } = *usage;
        let tokens = [input, cache_read, cache_write, output, reasoning];
        for ((kind, counter), tokens) in KINDS.into_iter().zip(&series.tokens).zip(tokens) {
            if let Some(tokens) = tokens {
                let labels = [chat.provider, chat.account, chat.model, kind];
                counter.get_or_init(|| self.tokens.with_label_values(&labels)).inc_by(tokens);
            }
        }
    }

    /// The first event of a stream came `after` the request; the result observes the others.
    #[must_use]
    pub fn first_chunk(&self, chat: &Chat<'_>, after: Duration) -> ChunkTimer {
        let labels = [chat.operation, chat.provider, chat.model];
        self.first_chunk.with_label_values(&labels).observe(after.as_secs_f64());
        ChunkTimer(self.per_chunk.with_label_values(&labels))
    }

    /// So many of the tokens given to [`usage`](Self::usage) are an estimate.
    pub fn estimated(&self, chat: &Chat<'_>, input: u64, output: u64) {
        for (kind, tokens) in [("input", input), ("output", output)] {
            if tokens > 0 {
                self.estimated
                    .with_label_values(&[chat.provider, chat.account, chat.model, kind])
                    .inc_by(tokens);
            }
        }
    }

    /// A provider could not express `count` wishes; `kind` is `adapted` or `dropped`.
    pub fn losses(&self, provider: &str, kind: &'static str, count: u64) {
        if count > 0 {
            self.losses.with_label_values(&[provider, kind]).inc_by(count);
        }
    }

    /// A provider failed a request; `kind` is from a fixed list.
    pub fn upstream_failure(&self, chat: &Chat<'_>, kind: &'static str) {
        self.failures.with_label_values(&[chat.provider, chat.account, kind]).inc();
    }

    /// A provider streamed an event that could not be read.
    pub fn malformed_event(&self, provider: &str) {
        self.malformed.with_label_values(&[provider]).inc();
    }

    /// What counts the connections to `provider`.
    #[must_use]
    pub fn upstream_connections(&self, provider: &str) -> UpstreamConnections {
        UpstreamConnections {
            open: self.connections.with_label_values(&[provider]),
            opened: self.connects.with_label_values(&[provider]),
        }
    }

    /// A changed configuration was taken (`at`, in seconds since 1970) or refused.
    pub fn config_reloaded(&self, taken: bool, at: i64) {
        self.reloads.with_label_values(&[if taken { "taken" } else { "refused" }]).inc();
        self.config_loaded(taken, at);
    }

    /// The first configuration was loaded.
    pub fn config_loaded(&self, taken: bool, at: i64) {
        self.last_reload_successful.set(i64::from(taken));
        if taken {
            self.last_reload_success.set(at);
        }
    }
}

/// A request that is being served. Dropped without [`finish`](Self::finish), it was cut off.
#[derive(Debug)]
pub struct InFlight {
    in_flight: IntGauge,
    unlogged: Option<IntCounter>,
}

impl InFlight {
    /// The request was logged.
    pub fn finish(&mut self) {
        self.unlogged = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.in_flight.dec();
        if let Some(unlogged) = &self.unlogged {
            unlogged.inc();
        }
    }
}

/// Observes the time between the events of one stream.
#[derive(Clone, Debug)]
pub struct ChunkTimer(Histogram);

impl ChunkTimer {
    /// The next event came `after` the one before it.
    pub fn observe(&self, after: Duration) {
        self.0.observe(after.as_secs_f64());
    }
}

/// Counts the connections to one provider.
#[derive(Clone, Debug)]
pub struct UpstreamConnections {
    open: IntGauge,
    opened: IntCounter,
}

impl UpstreamConnections {
    /// One more.
    pub fn opened(&self) {
        self.open.inc();
        self.opened.inc();
    }

    /// One less.
    pub fn closed(&self) {
        self.open.dec();
    }
}

fn decimal(number: u16, digits: &mut [u8; 5]) -> &str {
    let mut rest = number;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[at..]).unwrap_or_default()
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, new: C) -> prometheus::Result<C> {
    registry.register(Box::new(new.clone()))?;
    Ok(new)
}

pub(crate) fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
) -> prometheus::Result<IntCounter> {
    register(registry, IntCounter::new(name, help)?)
}

pub(crate) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    register(registry, IntGauge::new(name, help)?)
}

pub(crate) fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    register(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(opts, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("1.2.3").unwrap()
    }

    #[test]
    fn a_request_is_counted_with_its_labels() {
        let metrics = metrics();
        let chat = Chat {
            route: "/v1/chat/completions",
            operation: "chat",
            provider: "p",
            account: "a",
            model: "m",
        };
        metrics.request(&chat, 200, Duration::from_millis(30));
        metrics.usage(&chat, &Usage { input: Some(5), output: Some(0), ..Usage::default() });
        let text = metrics.render();
        for line in [
            r#"penstock_requests_total{account="a",model="m",provider="p",route="/v1/chat/completions",status="200"} 1"#,
            r#"penstock_tokens_total{account="a",kind="input",model="m",provider="p"} 5"#,
            r#"penstock_tokens_total{account="a",kind="output",model="m",provider="p"} 0"#,
            r#"penstock_build_info{version="1.2.3"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains(r#"kind="cache_read""#), "what was not reported stays absent");
    }

    #[test]
    fn a_request_that_is_cut_off_is_counted_and_leaves_no_gauge_behind() {
        let metrics = metrics();
        let mut logged = metrics.start();
        drop(metrics.start());
        assert!(metrics.render().contains("penstock_requests_in_flight 1"));
        logged.finish();
        drop(logged);
        let text = metrics.render();
        assert!(text.contains("penstock_requests_in_flight 0"), "{text}");
        assert!(text.contains("penstock_requests_unlogged_total 1"), "{text}");
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 200, 65535] {
            assert_eq!(decimal(number, &mut [0; 5]), number.to_string());
        }
    }
}

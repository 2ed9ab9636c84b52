//! The three dialects side by side: a promise that holds for one holds for all.

use std::time::Duration;

use bytes::Bytes;
use tests_mock::{MockUpstream, Reply, Script, Step, Transport, anthropic, gemini, openai};

use crate::gateway::Gateway;

/// The key that the gateway shows to upstreams.
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-0123456789";

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

use Dialect::{Anthropic, Gemini, OpenAi};

/// All of them.
pub(crate) const ALL: [Dialect; 3] = [OpenAi, Anthropic, Gemini];

impl Dialect {
    /// As the configuration calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OpenAi => "openai",
            Anthropic => "anthropic",
            Gemini => "gemini",
        }
    }

    /// A model of such a provider that takes all the usual parameters.
    pub(crate) fn model(self) -> &'static str {
        match self {
            OpenAi => "gpt-4o",
            Anthropic => "claude-sonnet-4-5",
            Gemini => "gemini-2.5-flash",
        }
    }

    /// Where the provider is, as its own SDK takes it.
    pub(crate) fn base_url(self, url: &str) -> String {
        match self {
            OpenAi => format!("{url}/v1"),
            Anthropic | Gemini => url.to_owned(),
        }
    }

    /// An entry under `providers`; `more` has further keys, each with a comma behind it.
    pub(crate) fn provider(self, name: &str, url: &str, more: &str) -> String {
        let (dialect, base_url) = (self.name(), self.base_url(url));
        format!(
            "{{name: {name}, dialect: {dialect}, base_url: \"{base_url}\", {more} \
             accounts: [{{name: main, api_key: \"{UPSTREAM_KEY}\"}}]}}"
        )
    }

    /// A configuration with one provider `up` that answers for the model `m`.
    pub(crate) fn config(self, url: &str, more: &str) -> String {
        let (provider, model) = (self.provider("up", url, more), self.model());
        format!(
            "providers: [{provider}]\n\
             models: [{{name: m, targets: [{{provider: up, model: {model}}}]}}]\n"
        )
    }

    /// Answers with this text, whole or streamed as it is asked.
    pub(crate) fn answering(self, text: &str) -> Script {
        match self {
            OpenAi => openai::answering(text),
            Anthropic => anthropic::answering(text),
            Gemini => gemini::answering(text),
        }
    }

    /// A whole answer.
    pub(crate) fn whole(self, text: &str) -> Reply {
        match self {
            OpenAi => openai::chat(text),
            Anthropic => anthropic::message(text),
            Gemini => gemini::content(text),
        }
    }

    /// The events of a streamed answer, one a word.
    pub(crate) fn events(self, words: &[&str]) -> Vec<Bytes> {
        let mut events = self.opening();
        events.extend(words.iter().map(|word| self.word(word)));
        events.extend(self.closing());
        events
    }

    /// The events before the first word.
    pub(crate) fn opening(self) -> Vec<Bytes> {
        match self {
            OpenAi => vec![openai::opening()],
            Anthropic => anthropic::opening(),
            Gemini => Vec::new(),
        }
    }

    /// The event of one word.
    pub(crate) fn word(self, text: &str) -> Bytes {
        match self {
            OpenAi => openai::word(text),
            Anthropic => anthropic::word(text),
            Gemini => gemini::word(text),
        }
    }

    /// The events behind the last word.
    pub(crate) fn closing(self) -> Vec<Bytes> {
        match self {
            OpenAi => vec![openai::finish("stop"), openai::last_usage(), openai::done()],
            Anthropic => anthropic::closing(),
            Gemini => gemini::closing(),
        }
    }

    /// An error inside a stream: the provider is too busy.
    pub(crate) fn overloaded_event(self, message: &str) -> Bytes {
        match self {
            OpenAi => openai::stream_error("server_overloaded", message),
            Anthropic => anthropic::stream_error("overloaded_error", message),
            Gemini => gemini::stream_error(503, "UNAVAILABLE", message),
        }
    }
}

/// A streamed answer of these events, each a piece of its own.
pub(crate) fn sse(events: impl IntoIterator<Item = Bytes>) -> Reply {
    Reply::sse(events.into_iter().map(Step::Event).collect())
}

/// An upstream that plays `script`, and a gateway whose model `m` it answers for; `more` has
/// further keys of the provider, each with a comma behind it.
pub(crate) async fn behind(
    dialect: Dialect,
    script: Script,
    more: &str,
) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start(script).await.unwrap();
    let gateway = Gateway::start(&dialect.config(&upstream.url(), more)).await;
    (gateway, upstream)
}

/// The same over HTTP/2 without TLS.
pub(crate) async fn behind_h2c(
    dialect: Dialect,
    script: Script,
    more: &str,
) -> (Gateway, MockUpstream) {
    let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
    let more = format!("http_version: h2c, {more}");
    let gateway = Gateway::start(&dialect.config(&upstream.url(), &more)).await;
    (gateway, upstream)
}

/// What `wait` comes to, which must be within a few seconds.
pub(crate) async fn soon<T>(wait: impl Future<Output = T>, what: &str) -> T {
    let patience = Duration::from_secs(5);
    tokio::time::timeout(patience, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

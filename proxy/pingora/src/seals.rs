//! Keeps what providers seal of their answers, and gives it to turns that come back without.
//!
//! Only where something is translated: a client that speaks its provider's dialect says what it means to
//! say, and bytes pass.

use std::sync::Arc;
use std::time::Instant;

use adapters_canonical::chat::{ChatRequest, ChatResponse, Message};
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::ingress::Envelope;
use conf_schema::plan::{BaseUrl, Provider, ReasoningMemory, Target};
use http::HeaderValue;
use pingora::http::RequestHeader;
use proxy_admit::key::Caller;
use proxy_recall::key::{Context, Scope};
use proxy_recall::memory::{Limits, Memory};
use proxy_recall::recall;
use proxy_recall::recorder::Recorder;
use proxy_recall::turn::Turn;
use proxy_telemetry::{Metrics, Recall as How};

use crate::clock;
use crate::course::key_name;
use crate::ctx::ChatExchange;
use crate::snapshot::Snapshot;
use crate::upstream::{Face, Upstream};

/// What a stream may say at most to be remembered: it is kept apart until it ends.
const LARGEST_TURN: usize = 4 << 20;

/// What is remembered, for all requests.
pub(crate) struct Seals {
    memory: Memory,
    metrics: Arc<Metrics>,
}

/// What is remembered for one client of one provider.
pub(crate) struct Shelf {
    seals: Arc<Seals>,
    scope: Scope,
    limits: Limits,
    provider: Arc<str>,
    /// When the attempt set out.
    now: Instant,
}

/// Takes what is sealed of one answer that is streamed.
pub(crate) struct Keeper {
    shelf: Shelf,
    context: Context,
    recorder: Recorder,
}

/// Who is asking: the client's key, and the header that names its session.
pub(crate) struct Asker {
    caller: Caller,
    session: Option<HeaderValue>,
}

pub(crate) fn asker(header: &RequestHeader, caller: &Caller, snapshot: &Snapshot) -> Asker {
    let session = header.headers.get(&snapshot.plan.affinity.header).cloned();
    Asker { caller: caller.clone(), session }
}

impl Asker {
    /// Everything that tells one asker from another.
    fn pieces<'a>(&'a self, envelope: &'a Envelope<'_>) -> [Option<&'a [u8]>; 5] {
        let named = [&envelope.prompt_cache_key, &envelope.user, &envelope.safety_identifier];
        let [cache_key, user, safety] = named.map(|name| name.as_deref().map(str::as_bytes));
        let session = self.session.as_ref().map(HeaderValue::as_bytes);
        [Some(key_name(&self.caller).as_bytes()), session, cache_key, user, safety]
    }
}

/// Everything that tells one model of one provider from another. `bound` is what else a seal of it is
/// bound to.
fn asked<'a>(
    provider: &'a Provider,
    port: &'a [u8; 2],
    dialect: Dialect,
    model: &'a str,
    bound: Option<&'a [u8]>,
) -> [Option<&'a [u8]>; 8] {
    let BaseUrl { tls, host, port: _, path } = &provider.base_url;
    let name: &str = provider.name.as_ref();
    let [tls, dialect]: [&[u8]; 2] = [
        if *tls { b"https" } else { b"http" },
        match dialect {
            Dialect::OpenAi => b"openai",
            Dialect::Responses => b"responses",
            Dialect::Anthropic => b"anthropic",
            Dialect::Gemini => b"gemini",
        },
    ];
    let [name, host, path, model] = [name, host, path, model].map(str::as_bytes);
    [Some(name), Some(tls), Some(host), Some(port), Some(path), Some(dialect), Some(model), bound]
}

impl Seals {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { memory: Memory::default(), metrics })
    }

    /// What whoever asks was told by an account of a provider; `None` of one that seals nothing, and if
    /// nothing is remembered.
    pub(crate) fn shelf(
        self: &Arc<Self>,
        chat: &ChatExchange,
        (target, account): (&Target, usize),
        upstream: &Upstream,
        face: Face,
        (memory, now): (ReasoningMemory, Instant),
    ) -> Option<Shelf> {
        if memory.turns == 0 {
            return None;
        }
        let asker = chat.asker.as_ref()?;
        let provider = &upstream.provider;
        let bound = match face.dialect {
            Dialect::OpenAi => return None,
            Dialect::Anthropic | Dialect::Gemini => None,
            // It enciphers for one organization, and refuses what another one got. Whose key it is,
            // nobody says: another key may be another's.
            Dialect::Responses => upstream.credential(account).map(|(_, value)| value.as_bytes()),
        };
        let name: &str = provider.name.as_ref();
        let port = provider.base_url.port.to_le_bytes();
        let asked = asked(provider, &port, face.dialect, &target.model, bound);
        let scope = Scope::of(asker.pieces(&chat.envelope).into_iter().chain(asked));
        let ReasoningMemory { turns, bytes, idle } = memory;
        let limits = Limits { turns, bytes, idle };
        Some(Shelf { seals: Arc::clone(self), scope, limits, provider: name.into(), now })
    }

    /// Forgets everything, if nothing is to be remembered any more.
    pub(crate) fn heed(&self, memory: ReasoningMemory) {
        if memory.turns == 0 && !self.memory.is_empty() {
            self.memory.clear();
            self.metrics.seals.size(0, 0);
        }
    }
}

impl Shelf {
    /// Lets `say` say the request with the seals its turns lack. Afterwards it is again what the client
    /// sent, for losses are named by that, and another provider may be next.
    pub(crate) fn lend<T>(
        &self,
        request: &mut ChatRequest,
        say: impl FnOnce(&ChatRequest) -> T,
    ) -> T {
        let Self { seals, scope, limits, provider, now } = self;
        let messages = &mut request.messages;
        let recalled = recall::recall(messages, &seals.memory, scope, limits.idle, *now);
        for (how, count) in [
            (How::Call, recalled.by_call),
            (How::Content, recalled.by_content),
            (How::Unknown, recalled.unknown),
        ] {
            seals.metrics.seals.recalled(provider, how, count);
        }
        let said = say(request);
        recalled.undo(&mut request.messages);
        said
    }

    /// Takes what is sealed of a streamed answer to these messages.
    pub(crate) fn keeper(self, asked: &[Message]) -> Keeper {
        let context = Context::after(asked);
        let recorder = Recorder::new(self.limits.bytes.min(LARGEST_TURN));
        Keeper { shelf: self, context, recorder }
    }

    /// Keeps what is sealed of an answer in one piece to these messages. Most have no seal, and then the
    /// messages are not looked at: to digest them costs more than the rest of this.
    pub(crate) fn keep_whole(&self, response: &ChatResponse, asked: &[Message]) {
        let turns = response.choices.iter().filter_map(|choice| Turn::of(&choice.parts));
        let mut context = None;
        for turn in turns {
            let context = context.get_or_insert_with(|| Context::after(asked));
            self.keep(turn, context);
        }
    }

    fn keep(&self, turn: Turn, context: &Context) {
        let Self { seals, scope, limits, provider, now: _ } = self;
        let names = turn.keys(scope, context);
        let kept = seals.memory.keep(turn, names, limits, clock::now());
        let counts = &seals.metrics.seals;
        if kept.kept {
            counts.kept(provider);
        }
        counts.forgotten(kept.aged, kept.crowded);
        counts.size(kept.turns, kept.bytes);
    }
}

impl Keeper {
    /// The next step. What is sealed is kept before the client has the end of it, and can go on from there.
    pub(crate) fn push(&mut self, delta: &Delta) {
        if let Some(turn) = self.recorder.push(delta) {
            self.shelf.keep(turn, &self.context);
        }
    }
}

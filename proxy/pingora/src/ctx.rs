//! What the phases of one request pass on to each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{AnswerContext, Egress, StreamErrors};
use adapters_canonical::embedding::EmbeddingRequest;
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{Envelope, Framing, Ingress};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::media::embed;
use adapters_canonical::operation::EmbedIngress;
use bytes::Bytes;
use conf_schema::plan::{LossPolicy, Provider, Timeouts};
use http::{HeaderName, HeaderValue};
use proxy_admit::key::Caller;
use proxy_route::account::Reservation;
use proxy_route::resolve::Resolved;
use proxy_route::{Choice, Place};
use proxy_telemetry::{Chat, ChunkTimer, InFlight, semconv};

use crate::answer::{Outcome, Whole};
use crate::clock;
use crate::closing::Closing;
use crate::course::{self, Course};
use crate::handle::Handle;
use crate::head::{self, Media};
use crate::media::Files;
use crate::pass::Passing;
use crate::seals::{Asker, Keeper, Shelf};
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::upstream::{Face, Upstream};

/// One request, from its header to its log line.
pub struct Ctx {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) in_flight: InFlight,
    pub(crate) started: Instant,
    /// What time it is, if nothing was waited for since it was looked at.
    pub(crate) moment: Option<Instant>,
    pub(crate) request_id: String,
    pub(crate) route: &'static str,
    /// The dialect the client speaks.
    pub(crate) ingress: &'static dyn Ingress,
    /// Who is asking, once that is known.
    pub(crate) caller: Caller,
    /// Why there was no answer, once that is known.
    pub(crate) failure: Option<Failure>,
    pub(crate) chat: Option<Box<ChatExchange>>,
    /// What is left to say to the client, once no attempt is left.
    pub(crate) closing: Option<Closing>,
}

/// A request to a model and what becomes of it.
pub(crate) struct ChatExchange {
    pub(crate) handle: Handle,
    pub(crate) ingress: &'static dyn Ingress,
    /// What is asked for.
    pub(crate) task: Task,
    /// What passes of it beside its body, if it passes whoever answers.
    pub(crate) passing: Option<Box<Passing>>,
    pub(crate) body: Bytes,
    pub(crate) envelope: Envelope<'static>,
    pub(crate) resolved: Resolved,
    /// Who asks, for what is remembered of earlier answers; `None` where nothing is.
    pub(crate) asker: Option<Asker>,
    /// Where it has been and where it goes.
    pub(crate) course: Course,
    /// Why the attempt before this one failed.
    pub(crate) last: Option<Failure>,
    /// How a broken stream tells of it.
    pub(crate) stream_errors: StreamErrors,
    /// What becomes of it if a provider cannot express all of it.
    pub(crate) loss_policy: LossPolicy,
    /// Read only if some attempt must translate.
    pub(crate) canonical: Option<Box<Translated<ChatRequest>>>,
    /// What it has at addresses and was fetched.
    pub(crate) files: Files,
    /// In canonical form, what is to be embedded.
    pub(crate) embedding: Option<Box<Translated<EmbeddingRequest>>>,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) outcome: Outcome,
    pub(crate) timing: Timing,
}

/// One try of one account.
pub(crate) struct Attempt {
    pub(crate) place: Place,
    /// The place on the account; taken when it is known how the attempt ended.
    pub(crate) reservation: Option<Reservation>,
    pub(crate) began: Instant,
    /// From there to the first byte of the answer.
    pub(crate) first_byte: Option<Duration>,
    pub(crate) upstream: Arc<Upstream>,
    /// What the provider is spoken to in.
    pub(crate) face: Face,
    /// Client and provider speak one dialect: bytes pass.
    pub(crate) passthrough: bool,
    pub(crate) account: usize,
    /// The provider's own name of the model.
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Taken when it is sent.
    pub(crate) body: Bytes,
    pub(crate) losses: Vec<Loss>,
    /// Whether the usage of the stream is our wish and not the client's.
    pub(crate) usage_injected: bool,
    /// What takes the seals of the answer, if it may have any that its client may forget.
    pub(crate) shelf: Option<Box<Shelf>>,
    pub(crate) answer: Answer,
}

/// How far the answer has come.
#[derive(Default)]
pub(crate) enum Answer {
    /// Nothing yet.
    #[default]
    Awaited,
    Whole(Whole),
    /// The handle has it, where the session can end it too.
    Streamed,
    /// Bytes of any kind that pass as they come; whether the client has any of them.
    Raw {
        begun: bool,
    },
    /// All of it has been handed on.
    Done,
}

/// When the events of a stream came.
#[derive(Default)]
pub(crate) struct Timing {
    pub(crate) first: Option<Duration>,
    pub(crate) last: Option<Instant>,
    pub(crate) chunks: Option<ChunkTimer>,
}

impl ChatExchange {
    pub(crate) fn new(
        handle: Handle,
        ingress: &'static dyn Ingress,
        body: Bytes,
        envelope: Envelope<'static>,
        resolved: Resolved,
        course: Course,
    ) -> Self {
        Self {
            handle,
            ingress,
            task: Task::default(),
            passing: None,
            body,
            envelope,
            resolved,
            asker: None,
            course,
            last: None,
            stream_errors: StreamErrors::default(),
            loss_policy: LossPolicy::default(),
            canonical: None,
            files: Files::default(),
            embedding: None,
            attempt: None,
            outcome: Outcome::default(),
            timing: Timing::default(),
        }
    }

    /// The request in canonical form, read once.
    pub(crate) fn canonical(&mut self) -> Result<&mut Translated<ChatRequest>, DecodeError> {
        if self.canonical.is_none() {
            let request = match self.task {
                Task::Count(client) => client.decode_request(&self.body, &self.envelope)?,
                Task::Chat | Task::Embed(_) | Task::Pass(_) => {
                    self.ingress.decode_request(&self.body, &self.envelope)?
                }
            };
            self.canonical = Some(Box::new(request));
        }
        self.canonical.as_deref_mut().ok_or(DecodeError::Truncated)
    }

    /// Puts what was fetched into the canonical form, where this provider wants it.
    pub(crate) fn embed(&mut self, egress: &dyn Egress) {
        if let Some(asked) = &mut self.canonical {
            embed(&mut asked.value, egress, |kind, url| self.files.fetched(kind, url));
        }
    }

    /// The same of a request for vectors.
    pub(crate) fn embedding(
        &mut self,
        client: &dyn EmbedIngress,
    ) -> Result<&Translated<EmbeddingRequest>, DecodeError> {
        if self.embedding.is_none() {
            let request = client.decode_request(&self.body, &self.envelope)?;
            self.embedding = Some(Box::new(request));
        }
        self.embedding.as_deref().ok_or(DecodeError::Truncated)
    }

    /// What takes the seals of an answer that is streamed, before what was asked is forgotten.
    pub(crate) fn keeper(&mut self) -> Option<Box<Keeper>> {
        let shelf = self.attempt.as_mut()?.shelf.take()?;
        let asked = self.canonical.as_deref()?;
        Some(Box::new(shelf.keeper(&asked.value.messages)))
    }

    /// Forgets what was asked: the answer has begun.
    pub(crate) fn release_request(&mut self) {
        self.body = Bytes::new();
        self.canonical = None;
        self.files = Files::default();
    }

    /// What the encoder of the answer needs to know.
    pub(crate) fn answer_context(&self, request_id: &str) -> AnswerContext {
        let repeated = self.ingress.repeats_request();
        AnswerContext {
            request_id: request_id.to_owned(),
            model: self.envelope.model.clone().into_owned(),
            created: clock::unix_seconds(),
            include_usage: self.envelope.include_usage,
            framing: self.envelope.framing,
            stream_errors: self.stream_errors,
            request: if repeated { self.body.clone() } else { Bytes::new() },
        }
    }

    /// What the client's answer is made of.
    pub(crate) fn media(&self, streamed: bool) -> Media {
        match (streamed, self.envelope.framing) {
            (true, Framing::Events) => Media::Events,
            (true, Framing::JsonArray) => Media::JsonStream,
            (false, _) => Media::Json,
        }
    }

    /// Whether the client is told what is lost. `refuse` is about the request, and nothing of that
    /// is lost then: what the answer loses is paid for, and worth more than none, so it is told.
    pub(crate) fn reports_losses(&self) -> bool {
        match self.loss_policy {
            LossPolicy::Refuse | LossPolicy::Report => true,
            LossPolicy::Ignore => false,
        }
    }

    /// What the header of the answer says of losses.
    pub(crate) fn said_losses(&self) -> Option<HeaderValue> {
        if !self.reports_losses() {
            return None;
        }
        let of_request = self.attempt.iter().flat_map(|attempt| &attempt.losses);
        head::losses(of_request.chain(&self.outcome.losses))
    }

    /// The provider's own name of the model, for the log.
    pub(crate) fn upstream_model(&self) -> Option<&str> {
        self.attempt.as_ref().map(|attempt| attempt.model.as_str()).filter(|it| !it.is_empty())
    }

    /// How long the attempt may take: the model's word goes before the provider's.
    pub(crate) fn timeouts(&self, provider: &Provider) -> Timeouts {
        course::timeouts(&self.resolved, &provider.timeouts)
    }

    /// The model as a label: only names of the configuration, never a client's.
    pub(crate) fn model_label(&self) -> &str {
        match &self.resolved {
            Resolved::Listed(model) => model.name.as_ref(),
            // No model was named.
            Resolved::Direct(target) if target.model.is_empty() => semconv::NONE,
            Resolved::Direct(_) => semconv::UNLISTED_MODEL,
        }
    }
}

impl Attempt {
    /// The first byte of the answer came, now.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.first_byte.is_none() {
            let first_byte = now.saturating_duration_since(self.began);
            self.first_byte = Some(first_byte);
            if let Some(reservation) = &mut self.reservation {
                reservation.answered(first_byte, now);
            }
        }
    }

    /// The same place once more, if it is still taken.
    pub(crate) fn take_place(&mut self) -> Option<Choice> {
        let reservation = self.reservation.take()?;
        Some(Choice { place: self.place, reservation, bound: proxy_route::Bound::Free })
    }
}

impl Ctx {
    /// Now. Looking at the clock takes a twentieth of a microsecond or so, and a request asks a dozen
    /// times.
    pub(crate) fn now(&mut self) -> Instant {
        *self.moment.get_or_insert_with(clock::now)
    }

    /// Something was waited for: it is later than it was.
    pub(crate) fn waited(&mut self) {
        self.moment = None;
    }

    /// The labels of this request.
    pub(crate) fn labels(&self) -> Chat<'_> {
        let Some(chat) = &self.chat else { return Chat { route: self.route, ..Chat::default() } };
        let (provider, account) = match &chat.attempt {
            Some(attempt) => {
                let provider = &attempt.upstream.provider;
                let account = provider.accounts.get(attempt.account);
                (provider.name.as_ref(), account.map_or(semconv::NONE, |a| a.name.as_ref()))
            }
            None => (semconv::NONE, semconv::NONE),
        };
        let operation = chat.task.operation();
        Chat { route: self.route, operation, provider, account, model: chat.model_label() }
    }

    /// The current attempt.
    pub(crate) fn attempt(&mut self) -> Option<&mut Attempt> {
        self.chat.as_mut()?.attempt.as_mut()
    }
}

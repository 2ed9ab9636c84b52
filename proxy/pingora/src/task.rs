//! What may be asked of a model: an answer, a count of tokens, vectors. How each is said to a
//! provider, and what the client gets of what it said.
//!
//! Everything else about a request is the same for all of them: who may ask, where it goes, what
//! follows a failure.

use std::borrow::Cow;

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{AnswerContext, Dialect, Target, UpstreamRequest};
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{Ingress, StreamTap};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::operation::{CountIngress, EmbedIngress};
use adapters_canonical::usage::Usage;
use adapters_openai::passthrough::{self, PlainTap, embed_images, pass_path, read_any_usage};
use adapters_openai::quirk::Quirks;
use bytes::Bytes;
use conf_schema::plan::{self, Provider};
use serde::de::IgnoredAny;

use crate::answer::{Said, Sides};
use crate::ctx::{Attempt, ChatExchange};
use crate::pass::Endpoint;
use crate::seals::Shelf;
use crate::upstream::{Face, Upstream};

/// What is asked for, and how clients of the dialect ask for it.
#[derive(Clone, Copy, Default)]
pub(crate) enum Task {
    /// An answer, whole or streamed.
    #[default]
    Chat,
    /// How many tokens a conversation would have.
    Count(&'static dyn CountIngress),
    /// Texts as vectors.
    Embed(&'static dyn EmbedIngress),
    /// Whatever there is at another endpoint of OpenAI's.
    Pass(&'static Endpoint),
}

impl Task {
    /// What metrics call it.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Count(_) => "count_tokens",
            Self::Embed(_) => "embeddings",
            Self::Pass(endpoint) => endpoint.operation,
        }
    }

    /// Whether the answer can be streamed.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Chat | Self::Pass(_))
    }

    /// Whether the input is paid for, and whether an output is.
    pub(crate) fn is_paid_for(self) -> (bool, bool) {
        match self {
            Self::Chat => (true, true),
            // What the others cost is known when they say it.
            Self::Count(_) | Self::Pass(_) => (false, false),
            Self::Embed(_) => (true, false),
        }
    }
}

/// A request as its provider gets it.
pub(crate) struct Outgoing {
    pub(crate) request: UpstreamRequest,
    pub(crate) losses: Vec<Loss>,
    /// Whether the usage of the stream is our wish and not the client's.
    pub(crate) usage_injected: bool,
}

/// Says a request to a provider that speaks its client's dialect: bytes pass.
pub(crate) fn pass(
    chat: &ChatExchange,
    upstream: &Upstream,
    face: Face,
    to: &Target<'_>,
) -> Outgoing {
    let plain = |request| Outgoing { request, losses: Vec::new(), usage_injected: false };
    match chat.task {
        Task::Count(client) => plain(client.pass_request(&chat.body, &chat.envelope, to)),
        Task::Embed(client) => plain(client.pass_request(&chat.body, &chat.envelope, to)),
        Task::Pass(_) => plain(match &chat.passing {
            Some(passing) => UpstreamRequest {
                path: pass_path(to, &passing.path),
                headers: Vec::new(),
                body: passing.body(&chat.body, &chat.envelope, to.model).into(),
            },
            None => UpstreamRequest::default(),
        }),
        Task::Chat => {
            let quirks = upstream.quirks();
            let inject = chat.envelope.stream
                && !chat.envelope.include_usage
                && quirks.takes_stream_options();
            let mut request = chat.ingress.pass_request(&chat.body, &chat.envelope, to, inject);
            let (body, losses) = match face.dialect {
                Dialect::OpenAi => fitting(request.body, quirks),
                Dialect::Responses | Dialect::Anthropic | Dialect::Gemini => {
                    (request.body, Vec::new())
                }
            };
            request.body = match chat.files.is_empty() {
                true => body,
                false => embed_images(&body, |url| chat.files.data_url(url)).into_owned(),
            };
            Outgoing { request, losses, usage_injected: inject }
        }
    }
}

/// A request of OpenAI's dialect as a server takes it that imitates OpenAI, and what that costs.
fn fitting(body: Vec<u8>, quirks: Quirks) -> (Vec<u8>, Vec<Loss>) {
    let Translated { value, losses } = passthrough::adapt_request(&body, quirks);
    match value {
        Cow::Borrowed(_) => (body, losses),
        Cow::Owned(adapted) => (adapted, losses),
    }
}

/// Says a request in the words of a provider that speaks another dialect. Turns of the model get what is
/// remembered of them on the `shelf`.
pub(crate) fn translate(
    chat: &mut ChatExchange,
    provider: &Provider,
    face: Face,
    to: &Target<'_>,
    shelf: Option<&Shelf>,
) -> Result<Outgoing, Failure> {
    let refused =
        |error| Failure::RequestNotExpressible { provider: provider.name.to_string(), error };
    let cannot = |what: &str| {
        let reason = match provider.dialect {
            plan::Dialect::Mock => format!("the built-in provider {what}"),
            plan::Dialect::OpenAi
            | plan::Dialect::Responses
            | plan::Dialect::Anthropic
            | plan::Dialect::Gemini => {
                format!("the API of this provider (`{}`) {what}", face.dialect)
            }
        };
        refused(DecodeError::shape("model", reason))
    };
    let ingress = chat.ingress;
    match chat.task {
        Task::Chat => {
            let asked = chat.canonical().map_err(Failure::BodyMalformed)?;
            let said = lent(shelf, &mut asked.value, |it| face.egress.encode_request(it, to));
            let path = |path: &str| ingress.client_path(&asked.value, path).into_owned();
            in_client_words(&asked.losses, said, path).map_err(refused)
        }
        Task::Count(_) => {
            let counting = face.egress.counting().ok_or_else(|| cannot("counts no tokens"))?;
            let asked = chat.canonical().map_err(Failure::BodyMalformed)?;
            let said = lent(shelf, &mut asked.value, |it| counting.encode_request(it, to));
            let path = |path: &str| ingress.client_path(&asked.value, path).into_owned();
            in_client_words(&asked.losses, said, path).map_err(refused)
        }
        Task::Pass(endpoint) => Err(cannot(&format!("has no `{}`", endpoint.pattern))),
        Task::Embed(client) => {
            let embedding = face.egress.embedding().ok_or_else(|| cannot("has no embeddings"))?;
            let asked = chat.embedding(client).map_err(Failure::BodyMalformed)?;
            let said = embedding.encode_request(&asked.value, to);
            let path = |path: &str| client.client_path(path).into_owned();
            in_client_words(&asked.losses, said, path).map_err(refused)
        }
    }
}

fn lent<T>(
    shelf: Option<&Shelf>,
    request: &mut ChatRequest,
    say: impl FnOnce(&ChatRequest) -> T,
) -> T {
    match shelf {
        Some(shelf) => shelf.lend(request, say),
        None => say(request),
    }
}

/// Why a request cannot be read, if it cannot. What passes through is not read here.
pub(crate) fn unreadable(chat: &mut ChatExchange) -> Option<DecodeError> {
    match chat.task {
        Task::Chat | Task::Count(_) => chat.canonical().err(),
        Task::Embed(client) => chat.embedding(client).err(),
        Task::Pass(_) => None,
    }
}

/// What was lost of a request when it was read and when it was said, as its client calls it.
fn in_client_words(
    read: &[Loss],
    said: Result<Translated<UpstreamRequest>, DecodeError>,
    path: impl Fn(&str) -> String,
) -> Result<Outgoing, DecodeError> {
    let said = said.map_err(|error| match error {
        DecodeError::Shape { path: at, reason } => DecodeError::Shape { path: path(&at), reason },
        other => other,
    })?;
    let mut losses = read.to_vec();
    let lost = said.losses.into_iter();
    losses.extend(lost.map(|loss| Loss { path: path(&loss.path).into(), ..loss }));
    Ok(Outgoing { request: said.value, losses, usage_injected: false })
}

/// What a stream passes through on its way to a client of the provider's dialect.
pub(crate) fn tap(
    task: Task,
    ingress: &dyn Ingress,
    context: AnswerContext,
    attempt: &Attempt,
) -> Box<dyn StreamTap> {
    match task {
        Task::Pass(_) => Box::new(PlainTap::new(context.request_id)),
        Task::Chat | Task::Count(_) | Task::Embed(_) => {
            ingress.pass_stream(context, attempt.usage_injected)
        }
    }
}

/// What a client gets of JSON that passes.
pub(crate) fn passed(body: Bytes) -> Said {
    let usage = read_any_usage(&body).unwrap_or_default();
    said(body, usage)
}

/// What a client gets of an answer that counts. It costs nothing, so it is no usage.
pub(crate) fn count(
    client: &dyn CountIngress,
    sides: &Sides<'_>,
    body: Bytes,
) -> Result<Said, DecodeError> {
    if sides.passthrough {
        is_json(&body)?;
        return Ok(said(body, Usage::default()));
    }
    let counting = sides.egress.counting().ok_or(DecodeError::Truncated)?;
    let tokens = counting.decode_response(&body)?;
    Ok(said(client.encode_response(tokens).into(), Usage::default()))
}

/// What a client gets of an answer of vectors.
pub(crate) fn embed(
    client: &dyn EmbedIngress,
    sides: &Sides<'_>,
    body: Bytes,
) -> Result<Said, DecodeError> {
    if sides.passthrough {
        let usage = client.read_usage(&body);
        if usage.is_none() {
            is_json(&body)?;
        }
        return Ok(said(body, usage.unwrap_or_default()));
    }
    let embedding = sides.egress.embedding().ok_or(DecodeError::Truncated)?;
    let request = sides.embedding.ok_or(DecodeError::Truncated)?;
    let response = embedding.decode_response(&body)?;
    response.answers(request)?;
    let body = client.encode_response(request, &response);
    Ok(said(body.into(), response.usage.unwrap_or_default()))
}

fn said(body: Bytes, usage: Usage) -> Said {
    Said { body, usage, losses: Vec::new(), kept_id: None }
}

fn is_json(body: &[u8]) -> Result<(), DecodeError> {
    serde_json::from_slice::<IgnoredAny>(body).map(drop).map_err(DecodeError::from)
}

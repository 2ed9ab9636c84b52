//! A request before it is sent: who asks, for what, and how each attempt says it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use adapters_canonical::dialect::Target as EgressTarget;
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{Asked, Framing};
use adapters_canonical::loss::{DecodeError, Loss};
use bytes::Bytes;
use conf_schema::plan::{Dialect, LossPolicy, Provider};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use pingora_proxy::Session;
use proxy_admit::key::{Caller, Refused};
use proxy_route::Choice;
use proxy_route::resolve::{self, Resolved};
use proxy_telemetry::Heartbeats;

use crate::body::{self, Unread};
use crate::course::{Ask, Course};
use crate::ctx::{Answer, Attempt, ChatExchange, Ctx};
use crate::handle::Beats;
use crate::head::Media;
use crate::seals::{self, Seals};
use crate::snapshot::Snapshot;
use crate::task::{self, Outgoing, Task};
use crate::{buffered, head, media};

/// Where Anthropic's SDKs put a key.
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Where Google's SDKs put a key.
static GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// As many losses are named in an error as a person may want to read.
const MOST_NAMED: usize = 8;

/// Who is asking, if they may.
pub(crate) fn identify(session: &Session, snapshot: &Snapshot) -> Result<Caller, Failure> {
    let header = session.req_header();
    let shown = |name: &HeaderName| header.headers.get(name).map(HeaderValue::as_bytes);
    // The scheme's name is case-insensitive; a key without one is taken as it is.
    let bearer = shown(&AUTHORIZATION).map(|value| match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => value,
    });
    let query = header.uri.query().and_then(|query| {
        query.split('&').find_map(|pair| pair.strip_prefix("key=")).map(str::as_bytes)
    });
    // Where the SDKs of the four dialects put it.
    let key = bearer.or_else(|| shown(&API_KEY)).or_else(|| shown(&GOOGLE_API_KEY)).or(query);
    snapshot.keys.identify(key).map_err(|refused| match refused {
        Refused::Missing => Failure::KeyMissing,
        Refused::Unknown => Failure::KeyUnknown,
    })
}

/// Reads the request and finds out where it may go.
pub(crate) async fn read(
    session: &mut Session,
    ctx: &mut Ctx,
    (task, asked): (Task, Asked<'_>),
    heartbeats: Heartbeats,
) -> Result<(), Unread> {
    if !body::may_be_json(session) {
        return Err(Unread::Refused(Failure::MediaTypeUnsupported));
    }
    let stream_errors = head::stream_errors(session.req_header(), ctx.snapshot.plan.stream_errors)
        .map_err(Unread::Refused)?;
    let opted_out = head::no_retry(session.req_header()).map_err(Unread::Refused)?;
    let body = body::read(session, &ctx.snapshot.plan.limits).await?;
    ctx.waited();
    let asked = Asked { query: session.req_header().uri.query().unwrap_or_default(), ..asked };
    let mut envelope = ctx.ingress.read_envelope(&asked, &body).map_err(malformed)?;
    envelope.stream &= task.streams();
    let resolved = resolve::resolve(&ctx.snapshot.plan, &envelope.model).map_err(|unknown| {
        let model = envelope.model.clone().into_owned();
        Unread::Refused(Failure::ModelUnknown { model, near: unknown.near })
    })?;
    let configured = match &resolved {
        Resolved::Listed(model) => model.losses,
        Resolved::Direct(_) => None,
    };
    let configured = configured.unwrap_or(ctx.snapshot.plan.losses);
    let loss_policy =
        head::loss_policy(session.req_header(), configured).map_err(Unread::Refused)?;
    let now = ctx.now();
    let ask = Ask {
        header: session.req_header(),
        caller: &ctx.caller,
        ingress: ctx.ingress,
        task,
        body: &body,
        envelope: &envelope,
        opted_out,
    };
    let course = Course::new(&ctx.snapshot, &resolved, &ask, now);
    if course.fits_nowhere() {
        let model = envelope.model.into_owned();
        return Err(Unread::Refused(Failure::NoTargetMatches { model }));
    }
    let envelope = envelope.into_owned();
    let heartbeat = ctx.snapshot.plan.heartbeat;
    let media = match envelope.framing {
        _ if !envelope.stream => Media::Json,
        Framing::Events => Media::Events,
        Framing::JsonArray => Media::JsonStream,
    };
    let beats = (envelope.stream || heartbeat.whole).then(|| Beats {
        rhythm: heartbeat,
        media,
        words: ctx.ingress.heartbeat(envelope.framing),
        request_id: ctx.request_id.clone(),
        dialect: ctx.ingress.dialect(),
        counter: heartbeats,
    });
    let handle = buffered::install(session, beats, None);
    let mut chat = ChatExchange::new(handle, ctx.ingress, body, envelope, resolved, course);
    chat.task = task;
    chat.asker = Some(seals::asker(session.req_header(), &ctx.caller, &ctx.snapshot));
    chat.stream_errors = stream_errors;
    chat.loss_policy = loss_policy;
    ctx.chat = Some(Box::new(chat));
    Ok(())
}

fn malformed(error: DecodeError) -> Unread {
    Unread::Refused(Failure::BodyMalformed(error))
}

/// Says the request in the words of the provider that was chosen. The attempt has no place yet.
pub(crate) fn attempt(
    chat: &mut ChatExchange,
    snapshot: &Snapshot,
    choice: &Choice,
    seals: &Arc<Seals>,
    now: Instant,
) -> Result<Attempt, Failure> {
    let place = choice.place;
    let target = chat.resolved.targets().get(place.target).ok_or(Failure::Internal)?.clone();
    let upstream = snapshot.upstream(&target.provider).ok_or(Failure::Internal)?.clone();
    let face = upstream.face(chat.ingress.dialect(), chat.task);
    // The built-in provider speaks OpenAI's dialect but has few of its endpoints.
    let lacks = matches!(chat.task, Task::Pass(_)) && upstream.provider.dialect == Dialect::Mock;
    let passthrough = chat.ingress.dialect() == face.dialect && !lacks;
    let attempt = |Outgoing { request, losses, usage_injected }, shelf| Attempt {
        place,
        face,
        passthrough,
        reservation: None,
        began: now,
        first_byte: None,
        upstream: upstream.clone(),
        account: place.account,
        model: target.model.clone(),
        path: request.path,
        headers: request.headers,
        body: request.body.into(),
        losses,
        usage_injected,
        shelf,
        answer: Answer::Awaited,
    };
    let to =
        EgressTarget { model: &target.model, api_version: target.provider.api_version.as_deref() };
    let (said, shelf) = if passthrough {
        (task::pass(chat, &upstream, face, &to), None)
    } else {
        let memory = snapshot.plan.reasoning_memory;
        seals.heed(memory);
        let place = (&target, place.account);
        let shelf = seals.shelf(chat, place, &upstream, face, (memory, now));
        let said = match task::translate(chat, &target.provider, face, &to, shelf.as_ref()) {
            Ok(said) => said,
            Err(failure) => return Err(media::hint(chat, snapshot, face, failure)),
        };
        // A count says nothing that could be kept.
        (said, shelf.filter(|_| matches!(chat.task, Task::Chat)).map(Box::new))
    };
    may_lose(chat, &target.provider, &said.losses)?;
    Ok(attempt(said, shelf))
}

/// Fails if something gets lost of a request that may lose nothing.
fn may_lose(chat: &ChatExchange, provider: &Provider, losses: &[Loss]) -> Result<(), Failure> {
    if chat.loss_policy != LossPolicy::Refuse {
        return Ok(());
    }
    match losses_as_error(losses) {
        Some(error) => {
            Err(Failure::RequestNotExpressible { provider: provider.name.to_string(), error })
        }
        None => Ok(()),
    }
}

/// What would get lost, as the reason to refuse a request that may lose nothing.
fn losses_as_error(losses: &[Loss]) -> Option<DecodeError> {
    let (first, others) = losses.split_first()?;
    let mut reason = first.reason.to_string();
    for Loss { path, reason: why, .. } in others.iter().take(MOST_NAMED) {
        let _ = write!(reason, "; `{path}`: {why}");
    }
    if others.len() > MOST_NAMED {
        reason.push_str("; and more");
    }
    Some(DecodeError::shape(first.path.clone(), reason))
}

/// An attempt that could not even be said, so that its place is given back with a reason.
pub(crate) fn unsent(
    chat: &ChatExchange,
    snapshot: &Snapshot,
    choice: Choice,
    now: Instant,
) -> Option<Attempt> {
    let Choice { place, reservation, .. } = choice;
    let target = chat.resolved.targets().get(place.target)?;
    let upstream = snapshot.upstream(&target.provider)?.clone();
    Some(Attempt {
        place,
        reservation: Some(reservation),
        began: now,
        first_byte: None,
        face: upstream.face(chat.ingress.dialect(), chat.task),
        upstream,
        passthrough: false,
        account: place.account,
        model: target.model.clone(),
        path: String::new(),
        headers: Vec::new(),
        body: Bytes::new(),
        losses: Vec::new(),
        usage_injected: false,
        shelf: None,
        answer: Answer::Awaited,
    })
}

//! A chat request before it is sent: who asks, for what, and how each attempt says it.

use adapters_canonical::dialect::Target as EgressTarget;
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{Asked, Framing};
use adapters_canonical::loss::{DecodeError, Loss};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use pingora_proxy::Session;
use proxy_admit::key::{Caller, Refused};
use proxy_route::{Choice, resolve};
use proxy_telemetry::Heartbeats;

use crate::body::{self, Unread};
use crate::course::{Ask, Course};
use crate::ctx::{Answer, Attempt, ChatExchange, Ctx};
use crate::handle::Beats;
use crate::head::Media;
use crate::snapshot::Snapshot;
use crate::{buffered, clock, head};

/// Who is asking, if they may.
pub(crate) fn identify(session: &Session, snapshot: &Snapshot) -> Result<Caller, Failure> {
    let shown = session.req_header().headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    // The scheme's name is case-insensitive; a key without one is taken as it is.
    let key = shown.map(|value| match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => value,
    });
    snapshot.keys.identify(key).map_err(|refused| match refused {
        Refused::Missing => Failure::KeyMissing,
        Refused::Unknown => Failure::KeyUnknown,
    })
}

/// Reads the request and finds out where it may go.
pub(crate) async fn read(
    session: &mut Session,
    ctx: &mut Ctx,
    asked: Asked<'_>,
    heartbeats: Heartbeats,
) -> Result<(), Unread> {
    if !body::may_be_json(session) {
        return Err(Unread::Refused(Failure::MediaTypeUnsupported));
    }
    let stream_errors = head::stream_errors(session.req_header(), ctx.snapshot.plan.stream_errors)
        .map_err(Unread::Refused)?;
    let opted_out = head::no_retry(session.req_header()).map_err(Unread::Refused)?;
    let body = body::read(session, ctx.snapshot.plan.limits.request_body_bytes).await?;
    let asked = Asked { query: session.req_header().uri.query().unwrap_or_default(), ..asked };
    let envelope = ctx.ingress.read_envelope(&asked, &body).map_err(malformed)?;
    let resolved = resolve::resolve(&ctx.snapshot.plan, &envelope.model).map_err(|unknown| {
        let model = envelope.model.clone().into_owned();
        Unread::Refused(Failure::ModelUnknown { model, near: unknown.near })
    })?;
    let ask = Ask {
        header: session.req_header(),
        caller: &ctx.caller,
        ingress: ctx.ingress,
        body: &body,
        envelope: &envelope,
        opted_out,
    };
    let course = Course::new(&ctx.snapshot, &resolved, &ask, clock::now());
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
        counter: heartbeats,
    });
    let handle = buffered::install(session, beats);
    let mut chat = ChatExchange::new(handle, ctx.ingress, body, envelope, resolved, course);
    chat.stream_errors = stream_errors;
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
) -> Result<Attempt, Failure> {
    let place = choice.place;
    let target = chat.resolved.targets().get(place.target).ok_or(Failure::Internal)?.clone();
    let upstream = snapshot.upstream(&target.provider).ok_or(Failure::Internal)?.clone();
    let passthrough = chat.ingress.dialect() == upstream.dialect;
    let attempt = |path, headers, body, losses, usage_injected| Attempt {
        place,
        passthrough,
        reservation: None,
        began: clock::now(),
        first_byte: None,
        upstream: upstream.clone(),
        account: place.account,
        model: target.model.clone(),
        path,
        headers,
        body,
        losses,
        usage_injected,
        answer: Answer::Awaited,
    };
    let ingress = chat.ingress;
    let to =
        EgressTarget { model: &target.model, api_version: target.provider.api_version.as_deref() };
    if passthrough {
        let inject = chat.envelope.stream && !chat.envelope.include_usage;
        let request = ingress.pass_request(&chat.body, &chat.envelope, &to, inject);
        let (path, headers, body) = (request.path, request.headers, request.body.into());
        return Ok(attempt(path, headers, body, Vec::new(), inject));
    }
    let canonical = chat.canonical().map_err(Failure::BodyMalformed)?;
    let path = |path: &str| ingress.client_path(&canonical.value, path).into_owned();
    let encoded = upstream.egress.encode_request(&canonical.value, &to).map_err(|error| {
        let provider = target.provider.name.to_string();
        let error = match error {
            DecodeError::Shape { path: at, reason } => {
                DecodeError::Shape { path: path(&at), reason }
            }
            other => other,
        };
        Failure::RequestNotExpressible { provider, error }
    })?;
    let mut losses = canonical.losses.clone();
    losses.extend(
        encoded.losses.into_iter().map(|loss| Loss { path: path(&loss.path).into(), ..loss }),
    );
    let request = encoded.value;
    Ok(attempt(request.path, request.headers, Bytes::from(request.body), losses, false))
}

/// An attempt that could not even be said, so that its place is given back with a reason.
pub(crate) fn unsent(chat: &ChatExchange, snapshot: &Snapshot, choice: Choice) -> Option<Attempt> {
    let Choice { place, reservation, .. } = choice;
    let target = chat.resolved.targets().get(place.target)?;
    Some(Attempt {
        place,
        reservation: Some(reservation),
        began: clock::now(),
        first_byte: None,
        upstream: snapshot.upstream(&target.provider)?.clone(),
        passthrough: false,
        account: place.account,
        model: target.model.clone(),
        path: String::new(),
        headers: Vec::new(),
        body: Bytes::new(),
        losses: Vec::new(),
        usage_injected: false,
        answer: Answer::Awaited,
    })
}

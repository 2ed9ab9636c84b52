//! A chat request before it is sent: who asks, for what, and how each attempt says it.

use adapters_canonical::dialect::Target as EgressTarget;
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::DecodeError;
use adapters_openai::ingress::Envelope;
use adapters_openai::passthrough;
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
use crate::snapshot::Snapshot;
use crate::{buffered, clock, head};

/// Where OpenAI's dialect is asked, below the base URL.
const CHAT_COMPLETIONS: &str = "/chat/completions";

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
    heartbeats: Heartbeats,
) -> Result<(), Unread> {
    if !body::may_be_json(session) {
        return Err(Unread::Refused(Failure::MediaTypeUnsupported));
    }
    let stream_errors = head::stream_errors(session.req_header(), ctx.snapshot.plan.stream_errors)
        .map_err(Unread::Refused)?;
    let opted_out = head::no_retry(session.req_header()).map_err(Unread::Refused)?;
    let body = body::read(session, ctx.snapshot.plan.limits.request_body_bytes).await?;
    let envelope = Envelope::read(&body).map_err(malformed)?;
    let resolved = resolve::resolve(&ctx.snapshot.plan, &envelope.model).map_err(|unknown| {
        let model = envelope.model.clone().into_owned();
        Unread::Refused(Failure::ModelUnknown { model, near: unknown.near })
    })?;
    let ask = Ask {
        header: session.req_header(),
        caller: &ctx.caller,
        body: &body,
        envelope: &envelope,
        opted_out,
    };
    let course = Course::new(&ctx.snapshot, &resolved, &ask, clock::now());
    let envelope = envelope.into_owned();
    let heartbeat = ctx.snapshot.plan.heartbeat;
    let beats = (envelope.stream || heartbeat.whole).then(|| Beats {
        rhythm: heartbeat,
        streamed: envelope.stream,
        request_id: ctx.request_id.clone(),
        counter: heartbeats,
    });
    let handle = buffered::install(session, beats);
    ctx.chat =
        Some(Box::new(ChatExchange::new(handle, body, envelope, resolved, course, stream_errors)));
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
    let attempt = |path, headers, body, losses, usage_injected| Attempt {
        place,
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
    if upstream.passthrough {
        let inject = chat.envelope.stream && !chat.envelope.include_usage;
        let body = passthrough::rewrite_request(&chat.body, &chat.envelope, &target.model, inject);
        let path = CHAT_COMPLETIONS.to_owned();
        return Ok(attempt(path, Vec::new(), body.into(), Vec::new(), inject));
    }
    let canonical = chat.canonical().map_err(Failure::BodyMalformed)?;
    let to =
        EgressTarget { model: &target.model, api_version: target.provider.api_version.as_deref() };
    let encoded = upstream.egress.encode_request(&canonical.value, &to).map_err(|error| {
        Failure::RequestNotExpressible { provider: target.provider.name.to_string(), error }
    })?;
    let mut losses = canonical.losses.clone();
    losses.extend(encoded.losses);
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

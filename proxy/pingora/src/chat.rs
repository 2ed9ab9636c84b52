//! A chat request before it is sent: who asks, for what, and how each attempt says it.

use adapters_canonical::dialect::Target as EgressTarget;
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::DecodeError;
use adapters_openai::ingress::Envelope;
use adapters_openai::passthrough;
use bytes::Bytes;
use conf_schema::plan::Target;
use http::header::AUTHORIZATION;
use pingora_proxy::Session;
use proxy_admit::key::{Caller, Refused};
use proxy_route::{balance, resolve};

use crate::body::{self, Unread};
use crate::ctx::{Answer, Attempt, ChatExchange, Ctx};
use crate::snapshot::Snapshot;
use crate::{buffered, head};

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
pub(crate) async fn read(session: &mut Session, ctx: &mut Ctx) -> Result<(), Unread> {
    if !body::may_be_json(session) {
        return Err(Unread::Refused(Failure::MediaTypeUnsupported));
    }
    let stream_errors = head::stream_errors(session.req_header(), ctx.snapshot.plan.stream_errors)
        .map_err(Unread::Refused)?;
    let body = body::read(session, ctx.snapshot.plan.limits.request_body_bytes).await?;
    let envelope = Envelope::read(&body).map_err(malformed)?.into_owned();
    let resolved = resolve::resolve(&ctx.snapshot.plan, &envelope.model).map_err(|unknown| {
        let model = envelope.model.clone().into_owned();
        Unread::Refused(Failure::ModelUnknown { model, near: unknown.near })
    })?;
    let handle = buffered::install(session);
    ctx.chat = Some(Box::new(ChatExchange::new(handle, body, envelope, resolved, stream_errors)));
    Ok(())
}

fn malformed(error: DecodeError) -> Unread {
    Unread::Refused(Failure::BodyMalformed(error))
}

/// Chooses an account and says the request in its provider's words.
pub(crate) fn attempt(chat: &mut ChatExchange, snapshot: &Snapshot) -> Result<Attempt, Failure> {
    let (target, account) = choose(chat)?;
    let upstream = snapshot.upstream(&target.provider).ok_or(Failure::Internal)?.clone();
    let attempt = |path, headers, body, losses, usage_injected| Attempt {
        upstream: upstream.clone(),
        account,
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

/// The first target with an account that has its credential.
fn choose(chat: &ChatExchange) -> Result<(Target, usize), Failure> {
    let mut missing = None;
    for target in chat.resolved.targets() {
        match balance::pick(&target.provider, &mut rand::rng()) {
            Ok(picked) => return Ok((target.clone(), picked.index)),
            Err(none) => {
                missing.get_or_insert_with(|| Failure::ProviderNotConfigured {
                    provider: target.provider.name.to_string(),
                    reason: none.reason.to_owned(),
                });
            }
        }
    }
    Err(missing.unwrap_or(Failure::Internal))
}

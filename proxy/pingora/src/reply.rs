//! Answers that the gateway gives by itself.

use std::time::Duration;

use adapters_canonical::dialect::Dialect;
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::Ingress;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{ErrorType, OrErr, Result};
use pingora_proxy::Session;

/// Names a request in every answer, log line and error.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What Anthropic calls it.
pub(crate) static ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Room for the headers of an answer; what grows, grows twofold.
const HEADERS: usize = 12;

pub(crate) const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Answers with JSON.
pub(crate) async fn json(
    session: &mut Session,
    dialect: Dialect,
    body: impl Into<Bytes>,
    request_id: &str,
) -> Result<()> {
    let header = header(StatusCode::OK, JSON, dialect, request_id)?;
    send(session, header.into(), body.into()).await
}

/// Answers with plain text.
pub(crate) async fn text(
    session: &mut Session,
    body: &'static str,
    request_id: &str,
) -> Result<()> {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let header = header(StatusCode::OK, plain, Dialect::OpenAi, request_id)?;
    send(session, header.into(), Bytes::from_static(body.as_bytes())).await
}

/// Answers with an error in the client's dialect, and says what status it was.
pub(crate) async fn failure(
    session: &mut Session,
    ingress: &dyn Ingress,
    failure: &Failure,
    request_id: &str,
) -> Result<u16> {
    let (header, body) = failure_parts(ingress, failure, request_id)?;
    let status = header.status.as_u16();
    if leaves_body_unread(failure) {
        // What is left of the body may be long; the next request would have to wait for it.
        session.set_keepalive(None);
    }
    send(session, header.into(), body).await?;
    Ok(status)
}

/// Header and body of an error in the client's dialect.
pub(crate) fn failure_parts(
    ingress: &dyn Ingress,
    failure: &Failure,
    request_id: &str,
) -> Result<(Parts, Bytes)> {
    let answer = ingress.encode_failure(failure, request_id);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut header = header(status, JSON, ingress.dialect(), request_id)?;
    let headers = &mut header.headers;
    match failure {
        Failure::MethodNotAllowed { allowed, .. } => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Failure::KeyMissing | Failure::KeyUnknown => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Failure::UpstreamRefused { error, .. } => keep_retry_after(error.retry_after, headers),
        Failure::Overloaded => keep_retry_after(Some(Duration::from_secs(1)), headers),
        Failure::AccountsExhausted { retry_after, .. }
        | Failure::AccountsDown { retry_after, .. } => keep_retry_after(*retry_after, headers),
        _ => {}
    }
    Ok((header, answer.body.into()))
}

/// An answer's header, so far. Built as `http` has it: Pingora's own would read each name anew.
pub(crate) fn header(
    status: StatusCode,
    content_type: HeaderValue,
    dialect: Dialect,
    request_id: &str,
) -> Result<Parts> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers.reserve(HEADERS);
    parts.headers.insert(CONTENT_TYPE, content_type);
    let id = value(request_id)?;
    // Named as well where a dialect's SDKs look for its name.
    if dialect == Dialect::Anthropic {
        parts.headers.insert(&ANTHROPIC_REQUEST_ID, id.clone());
    }
    parts.headers.insert(&REQUEST_ID, id);
    Ok(parts)
}

/// Text as the value of a header.
pub(crate) fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).or_err(ErrorType::InvalidHTTPHeader, "the value of a header")
}

/// Says when to come back as the provider said it: whole seconds for everybody, milliseconds for
/// the SDKs that read them.
fn keep_retry_after(after: Option<Duration>, headers: &mut HeaderMap) {
    let Some(after) = after else { return };
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    headers.insert(RETRY_AFTER, millis.div_ceil(1000).into());
    if !millis.is_multiple_of(1000) {
        headers.insert("retry-after-ms", millis.into());
    }
}

fn leaves_body_unread(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::BodyTooLarge { .. }
            | Failure::BodyTimedOut
            | Failure::RequestMalformed { .. }
            | Failure::HeadersTooMany { .. }
    )
}

async fn send(session: &mut Session, mut header: ResponseHeader, body: Bytes) -> Result<()> {
    header.insert_header(CONTENT_LENGTH, body.len())?;
    let empty = body.is_empty();
    session.write_response_header(Box::new(header), empty).await?;
    if !empty {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

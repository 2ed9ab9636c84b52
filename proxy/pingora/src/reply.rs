//! Answers that the gateway gives by itself.

use std::time::Duration;

use adapters_canonical::dialect::Dialect;
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::Ingress;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

/// Names a request in every answer, log line and error.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Answers with JSON.
pub(crate) async fn json(
    session: &mut Session,
    status: u16,
    body: impl Into<Bytes>,
    request_id: &str,
) -> Result<()> {
    send(session, header(status, JSON, request_id)?, body.into()).await
}

/// Answers with plain text.
pub(crate) async fn text(
    session: &mut Session,
    status: u16,
    body: &'static str,
    request_id: &str,
) -> Result<()> {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    send(session, header(status, plain, request_id)?, Bytes::from_static(body.as_bytes())).await
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
    send(session, *header, body).await?;
    Ok(status)
}

/// Header and body of an error in the client's dialect.
pub(crate) fn failure_parts(
    ingress: &dyn Ingress,
    failure: &Failure,
    request_id: &str,
) -> Result<(Box<ResponseHeader>, Bytes)> {
    let answer = ingress.encode_failure(failure, request_id);
    let mut header = header(answer.status, JSON, request_id)?;
    name_too(ingress.dialect(), request_id, &mut header)?;
    match failure {
        Failure::MethodNotAllowed { allowed, .. } => header.insert_header(ALLOW, *allowed)?,
        Failure::KeyMissing | Failure::KeyUnknown => {
            header.insert_header(WWW_AUTHENTICATE, "Bearer")?;
        }
        Failure::UpstreamRefused { error, .. } => keep_retry_after(error.retry_after, &mut header)?,
        Failure::Overloaded => keep_retry_after(Some(Duration::from_secs(1)), &mut header)?,
        Failure::AccountsExhausted { retry_after, .. }
        | Failure::AccountsDown { retry_after, .. } => keep_retry_after(*retry_after, &mut header)?,
        _ => {}
    }
    Ok((Box::new(header), answer.body.into()))
}

/// An answer's header, so far.
pub(crate) fn header(
    status: u16,
    content_type: HeaderValue,
    request_id: &str,
) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build_no_case(status, Some(8))?;
    header.insert_header(CONTENT_TYPE, content_type)?;
    header.insert_header(&REQUEST_ID, request_id)?;
    Ok(header)
}

/// Names the request as well where a dialect's SDKs look for its name.
pub(crate) fn name_too(
    dialect: Dialect,
    request_id: &str,
    header: &mut ResponseHeader,
) -> Result<()> {
    match dialect {
        Dialect::Anthropic => header.insert_header("request-id", request_id),
        Dialect::OpenAi | Dialect::Responses | Dialect::Gemini => Ok(()),
    }
}

/// Says when to come back as the provider said it: whole seconds for everybody, milliseconds for
/// the SDKs that read them.
fn keep_retry_after(after: Option<Duration>, header: &mut ResponseHeader) -> Result<()> {
    let Some(after) = after else { return Ok(()) };
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    header.insert_header(RETRY_AFTER, millis.div_ceil(1000))?;
    if !millis.is_multiple_of(1000) {
        header.insert_header("retry-after-ms", millis)?;
    }
    Ok(())
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

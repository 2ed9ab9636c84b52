//! Headers: which ones travel, in which direction.
//!
//! Both directions are allow-lists. A client's credentials, cookies and `x-forwarded-*` stay
//! here, and so does whatever a provider says about itself.

use adapters_canonical::dialect::{Dialect, StreamErrors};
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::{Loss, LossKind};
use conf_schema::plan::{self, LossPolicy};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    RETRY_AFTER, USER_AGENT,
};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{ErrorType, OrErr, Result};

use crate::ctx::Attempt;
use crate::reply::{self, ANTHROPIC_REQUEST_ID, REQUEST_ID};

/// Says what a provider could not express.
pub(crate) static LOSSES: HeaderName = HeaderName::from_static("x-penstock-losses");
/// Says how a stream that breaks off is to tell of it.
static STREAM_ERRORS: HeaderName = HeaderName::from_static("x-penstock-stream-errors");
/// Says whether a failed attempt may be followed by another.
static RETRY: HeaderName = HeaderName::from_static("x-penstock-retry");
/// The provider's own name for a request, for its support.
static UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Read by nginx and whoever imitates it.
static ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The losses' header stays below what proxies take.
const LONGEST_LOSSES: usize = 2048;

/// Room for the headers of a request; what grows, grows twofold.
const HEADERS: usize = 12;

/// What the gateway calls itself.
pub(crate) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const AS_IT_IS: HeaderValue = HeaderValue::from_static("identity");

/// Client headers that mean the same to every provider and name nobody.
static ALWAYS_FORWARDED: [HeaderName; 2] =
    [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];
/// Client headers that a provider of OpenAI's dialects understands.
static FORWARDED_TO_OPENAI: [HeaderName; 2] =
    [HeaderName::from_static("idempotency-key"), HeaderName::from_static("openai-beta")];
/// Client headers that a provider of Anthropic's dialect understands.
static FORWARDED_TO_ANTHROPIC: [HeaderName; 2] =
    [HeaderName::from_static("anthropic-version"), HeaderName::from_static("anthropic-beta")];

/// What an answer to a client is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Media {
    Json,
    /// JSON that comes piece by piece.
    JsonStream,
    Events,
}

/// How a broken stream tells of it: what the client says, else the configuration.
pub(crate) fn stream_errors(
    client: &RequestHeader,
    configured: plan::StreamErrors,
) -> std::result::Result<StreamErrors, Failure> {
    let wished = said(client, &STREAM_ERRORS).map(HeaderValue::as_bytes);
    match (wished, configured) {
        (Some(b"graceful"), _) | (None, plan::StreamErrors::Graceful) => Ok(StreamErrors::Graceful),
        (Some(b"explicit"), _) | (None, plan::StreamErrors::Explicit) => Ok(StreamErrors::Explicit),
        (Some(_), _) => Err(Failure::HeaderMalformed {
            name: STREAM_ERRORS.as_str(),
            expected: "`graceful` or `explicit`",
        }),
    }
}

/// Whether the client wants one attempt only.
pub(crate) fn no_retry(client: &RequestHeader) -> std::result::Result<bool, Failure> {
    match said(client, &RETRY).map(HeaderValue::as_bytes) {
        None | Some(b"on") => Ok(false),
        Some(b"off") => Ok(true),
        Some(_) => {
            Err(Failure::HeaderMalformed { name: RETRY.as_str(), expected: "`on` or `off`" })
        }
    }
}

/// What becomes of a request that a provider cannot express whole: what the client says, else the
/// model, else the configuration.
pub(crate) fn loss_policy(
    client: &RequestHeader,
    configured: LossPolicy,
) -> std::result::Result<LossPolicy, Failure> {
    match said(client, &LOSSES).map(HeaderValue::as_bytes) {
        None => Ok(configured),
        Some(b"refuse") => Ok(LossPolicy::Refuse),
        Some(b"report") => Ok(LossPolicy::Report),
        Some(b"ignore") => Ok(LossPolicy::Ignore),
        Some(_) => Err(Failure::HeaderMalformed {
            name: LOSSES.as_str(),
            expected: "`refuse`, `report` or `ignore`",
        }),
    }
}

/// The request's header as the upstream gets it, in place of the client's.
pub(crate) fn upstream_request(
    client: &RequestHeader,
    attempt: &Attempt,
    streaming: bool,
    request_id: &str,
) -> Result<RequestHeader> {
    let upstream = &attempt.upstream;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(HOST, upstream.host.clone());
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CONTENT_LENGTH, attempt.body.len().into());
    headers.insert(ACCEPT, if streaming { EVENTS } else { JSON });
    headers.insert(ACCEPT_ENCODING, AS_IT_IS);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(&REQUEST_ID, reply::value(request_id)?);
    for (name, value) in &attempt.headers {
        headers.insert(name, value.clone());
    }
    if let Some((name, value)) = upstream.credential(attempt.account) {
        headers.insert(name, value.clone());
    }
    forward(client, attempt, &mut headers);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.uri = [upstream.provider.base_url.path.as_str(), &attempt.path]
        .concat()
        .try_into()
        .or_err(ErrorType::InvalidHTTPHeader, "the upstream's path")?;
    parts.headers = headers;
    Ok(parts.into())
}

/// Adds what a client says that its provider may hear.
fn forward(client: &RequestHeader, attempt: &Attempt, to: &mut HeaderMap) {
    let in_dialect: &[HeaderName] = match (attempt.passthrough, attempt.face.dialect) {
        (true, Dialect::OpenAi | Dialect::Responses) => &FORWARDED_TO_OPENAI,
        (true, Dialect::Anthropic) => &FORWARDED_TO_ANTHROPIC,
        (true, Dialect::Gemini) | (false, _) => &[],
    };
    let configured = &attempt.upstream.provider.forward_headers;
    let lists: [&[HeaderName]; 3] = [&ALWAYS_FORWARDED, in_dialect, configured];
    let mut last = None;
    for (name, value) in &client.headers {
        if !lists.iter().any(|list| list.contains(name)) {
            continue;
        }
        // The client's word goes before ours; a name's values come one after the other.
        if last.replace(name) == Some(name) {
            to.append(name, value.clone());
        } else {
            to.insert(name, value.clone());
        }
    }
}

/// What a header of a client says. Clients send few, and to compare names costs less than to hash one.
pub(crate) fn said<'a>(client: &'a RequestHeader, name: &HeaderName) -> Option<&'a HeaderValue> {
    client.headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// The header of a successful answer as the client gets it, in place of the upstream's.
pub(crate) fn client_response(
    upstream: &ResponseHeader,
    media: Media,
    losses: Option<HeaderValue>,
    named: (Dialect, &str),
) -> Result<ResponseHeader> {
    let mut header = opening(upstream.status, media, named)?;
    keep(&upstream.headers, &mut header.headers);
    if let Some(losses) = losses {
        header.headers.insert(&LOSSES, losses);
    }
    Ok(header.into())
}

/// What the header of an answer says before anything is known of the answer itself.
pub(crate) fn opening(
    status: StatusCode,
    media: Media,
    (dialect, request_id): (Dialect, &str),
) -> Result<Parts> {
    let content_type = if media == Media::Events { EVENTS } else { JSON };
    let mut header = reply::header(status, content_type, dialect, request_id)?;
    if media != Media::Json {
        header.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx buffers answers unless told not to.
        header.headers.insert(&ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    Ok(header)
}

/// Whether an answer is streamed.
pub(crate) fn is_event_stream(header: &ResponseHeader) -> bool {
    header
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// How an answer is packed, if it is: we asked for it as it is.
pub(crate) fn encoding(header: &ResponseHeader) -> Option<&str> {
    let value = header.headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("unknown").trim();
    (!value.is_empty() && !value.eq_ignore_ascii_case("identity")).then_some(value)
}

/// Keeps what the provider says about the request's name and the account's limits, in answers of
/// all kinds.
pub(crate) fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    let mut id = None;
    let retry_after_is_said = to.contains_key(RETRY_AFTER);
    for (name, value) in from {
        if *name == REQUEST_ID || (*name == ANTHROPIC_REQUEST_ID && id.is_none()) {
            id = Some(value);
        }
        let limit = name.as_str().starts_with("x-ratelimit-")
            || name.as_str().starts_with("anthropic-ratelimit-")
            || (name == RETRY_AFTER && !retry_after_is_said);
        if limit {
            to.append(name, value.clone());
        }
    }
    if let Some(id) = id {
        to.insert(&UPSTREAM_REQUEST_ID, id.clone());
    }
}

/// What the header of an answer says of `losses`, if there are any.
pub(crate) fn losses<'a>(losses: impl IntoIterator<Item = &'a Loss>) -> Option<HeaderValue> {
    let mut text = String::new();
    for loss in losses {
        let what = match loss.kind {
            LossKind::Adapted => "adapted",
            LossKind::Dropped => "dropped",
        };
        let separator = if text.is_empty() { "" } else { ", " };
        // A path can hold names the client made up; a header cannot hold all of them.
        let path = loss.path.escape_default();
        let entry = format!("{separator}{path};{what}");
        if text.len() + entry.len() > LONGEST_LOSSES {
            text.push_str(", *;more");
            break;
        }
        text.push_str(&entry);
    }
    (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_named_and_cannot_break_the_header() {
        assert_eq!(losses(&[]), None);
        let value = losses(&[
            Loss::dropped("logit_bias", "no such thing"),
            Loss::adapted("x\r\ny: z", "made up"),
        ]);
        assert_eq!(value.unwrap(), r"logit_bias;dropped, x\r\ny: z;adapted");
    }

    #[test]
    fn many_losses_stay_below_what_proxies_take() {
        let many: Vec<Loss> = (0..500).map(|n| Loss::dropped(format!("field_{n}"), "")).collect();
        let value = losses(&many).unwrap();
        assert!(value.len() < LONGEST_LOSSES + 20);
        assert!(value.to_str().unwrap().ends_with("*;more"));
    }
}

//! What Anthropic says when it says no, in whole answers and inside streams.

use std::time::Duration;

use adapters_canonical::failure::{ErrorKind, UpstreamError};
use http::HeaderMap;
use serde_json::value::RawValue;

use crate::wire::error::{ErrorBody, ErrorDetail};

/// Reads an answer whose status is not a success. A body that cannot be read, such as a load
/// balancer's page, leaves what the status says.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
    let mut error = UpstreamError::from_status(status);
    error.retry_after = retry_after(headers);
    if let Ok(ErrorBody { error: Some(detail) }) = serde_json::from_slice(body) {
        describe(&mut error, detail);
    }
    error
}

/// Reads the `error` of an event; its status is the one that its type stands for.
pub(crate) fn decode_event(detail: Option<&RawValue>) -> UpstreamError {
    let kind = detail.and_then(|raw| serde_json::from_str::<ErrorDetail<'_>>(raw.get()).ok());
    let kind = kind.as_ref().and_then(|detail| detail.kind.as_deref());
    let mut error = UpstreamError::from_status(status_of(kind.unwrap_or_default()));
    error.message = "the provider reported an error inside the stream".to_owned();
    if let Some(detail) = detail {
        describe(&mut error, detail);
    }
    error
}

fn describe(error: &mut UpstreamError, detail: &RawValue) {
    let detail = match serde_json::from_str::<ErrorDetail<'_>>(detail.get()) {
        Ok(detail) => detail,
        Err(_) => ErrorDetail { kind: None, message: serde_json::from_str(detail.get()).ok() },
    };
    if let Some(message) = detail.message.filter(|message| !message.is_empty()) {
        error.message = message.0.into_owned();
    }
    if let Some(kind) = detail.kind {
        error.kind = kind_of(&kind).unwrap_or(error.kind);
        error.native_type = Some(kind.0.into_owned());
    }
    if error.kind == ErrorKind::InvalidRequest {
        error.kind = kind_by_words(&error.message);
    }
}

fn kind_of(native: &str) -> Option<ErrorKind> {
    Some(match native {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::RequestTooLarge,
        "rate_limit_error" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        "api_error" => ErrorKind::Server,
        _ => return None,
    })
}

/// Several causes share `invalid_request_error` and differ only in their words.
fn kind_by_words(message: &str) -> ErrorKind {
    let says = |words: &str| message.contains(words);
    if says("prompt is too long") || says("exceed context limit") || says("context window") {
        ErrorKind::ContextLength
    } else if says("credit balance is too low") {
        ErrorKind::Billing
    } else if says("content filtering policy") {
        ErrorKind::ContentPolicy
    } else {
        ErrorKind::InvalidRequest
    }
}

fn status_of(native: &str) -> u16 {
    match native {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}

/// When to try again: `retry-after-ms` is the more exact one. A `retry-after` that is a date is
/// left out, since reading it takes a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    number("retry-after-ms")
        .map(|milliseconds| milliseconds / 1000.0)
        .or_else(|| number("retry-after"))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(status: u16, body: &str) -> UpstreamError {
        decode(status, &HeaderMap::new(), body.as_bytes())
    }

    #[track_caller]
    fn check(status: u16, native: &str, message: &str, expected: ErrorKind) {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"{native}","message":"{message}"}},"request_id":"req_1"}}"#
        );
        let error = read(status, &body);
        assert_eq!((error.status, error.kind), (status, expected), "{native}: {message}");
        assert_eq!(error.message, message);
        assert_eq!(error.native_type.as_deref(), Some(native));
    }

    #[test]
    fn each_type_has_its_meaning() {
        check(400, "invalid_request_error", "max_tokens: required", ErrorKind::InvalidRequest);
        check(401, "authentication_error", "invalid x-api-key", ErrorKind::Authentication);
        check(402, "billing_error", "no", ErrorKind::Billing);
        check(403, "permission_error", "no", ErrorKind::Permission);
        check(404, "not_found_error", "model: x", ErrorKind::NotFound);
        check(413, "request_too_large", "no", ErrorKind::RequestTooLarge);
        check(429, "rate_limit_error", "no", ErrorKind::RateLimit);
        check(500, "api_error", "no", ErrorKind::Server);
        check(504, "timeout_error", "no", ErrorKind::Timeout);
        check(529, "overloaded_error", "Overloaded", ErrorKind::Overloaded);
        check(409, "some_new_error", "no", ErrorKind::InvalidRequest);
    }

    #[test]
    fn causes_that_share_a_type_are_told_apart_by_their_words() {
        let native = "invalid_request_error";
        let long = "prompt is too long: 210000 tokens > 200000 maximum";
        check(400, native, long, ErrorKind::ContextLength);
        let both = "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000";
        check(400, native, both, ErrorKind::ContextLength);
        let poor = "Your credit balance is too low to access the Anthropic API.";
        check(400, native, poor, ErrorKind::Billing);
        let blocked = "Output blocked by content filtering policy";
        check(400, native, blocked, ErrorKind::ContentPolicy);
    }

    #[test]
    fn a_body_that_is_not_json_leaves_what_the_status_says() {
        for body in ["<html>502</html>", "", "null", "[]", "{\"error\":null}", "\u{0}"] {
            assert_eq!(read(502, body), UpstreamError::from_status(502), "{body}");
        }
        assert_eq!(read(503, r#"{"error":"busy"}"#).message, "busy");
        assert_eq!(decode(413, &HeaderMap::new(), b"\xFF").kind, ErrorKind::RequestTooLarge);
    }

    #[test]
    fn milliseconds_win_over_seconds_and_nonsense_is_no_hint() {
        let hint = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            decode(429, &headers, b"").retry_after
        };
        assert_eq!(hint(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let both = [("retry-after", "7"), ("retry-after-ms", "1500")];
        assert_eq!(hint(&both), Some(Duration::from_millis(1500)));
        for nonsense in ["-1", "NaN", "inf", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(hint(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }
}

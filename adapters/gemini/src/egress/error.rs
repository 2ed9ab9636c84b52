//! Reads an answer that is none: `{"error": {…}}`, alone, in an array or inside a stream.

use std::time::Duration;

use adapters_canonical::failure::{ErrorKind, UpstreamError};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::wire::error::{Envelope, Error};

/// Reads an answer whose status is not a success. What cannot be read leaves what the status says.
///
/// | `status`                                   | [`ErrorKind`]                                 |
/// |--------------------------------------------|-----------------------------------------------|
/// | `INVALID_ARGUMENT`                         | `Authentication` for a key that is not valid, `ContextLength` for too many tokens, `RequestTooLarge` for too many bytes, else `InvalidRequest` |
/// | `FAILED_PRECONDITION`                      | `Billing` or `Permission` (location), else `InvalidRequest` |
/// | `OUT_OF_RANGE`, `ALREADY_EXISTS`, `UNIMPLEMENTED` | `InvalidRequest`                       |
/// | `UNAUTHENTICATED`                          | `Authentication`                              |
/// | `PERMISSION_DENIED`                        | `Authentication`, `Billing`, else `Permission` |
/// | `NOT_FOUND`                                | `NotFound`                                    |
/// | `RESOURCE_EXHAUSTED`                       | `Billing` if credits are used up, else `RateLimit` |
/// | `UNAVAILABLE`                              | `Overloaded`                                  |
/// | `DEADLINE_EXCEEDED`                        | `Timeout`                                     |
/// | `INTERNAL`, `UNKNOWN`, `DATA_LOSS`, `ABORTED`, `CANCELLED` | `Server`                      |
/// | any other word, or none                    | what the HTTP status says                     |
///
/// Of a 413 the status alone counts: its word is `RESOURCE_EXHAUSTED`, as gRPC has it for a message
/// that is too large, and no account can do anything about that.
///
/// The word itself becomes the `code`; Gemini has no type beside it. When to try again is what
/// the header `retry-after` says in seconds, else `RetryInfo.retryDelay`.
#[must_use]
pub fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
    let mut error = match read(body) {
        Some(wire) => translate(&wire, Some(status)),
        None => UpstreamError::from_status(status),
    };
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    if let Some(after) = header.and_then(seconds) {
        error.retry_after = Some(after);
    }
    error
}

/// Reads the value of `error` in a chunk of a stream.
pub(crate) fn in_stream(json: &str) -> UpstreamError {
    match serde_json::from_str::<Error<'_>>(json) {
        Ok(wire) => translate(&wire, None),
        Err(_) => UpstreamError::from_status(500),
    }
}

fn read(body: &[u8]) -> Option<Error<'_>> {
    // By its first byte: serde would take an array for the members of one envelope.
    if body.trim_ascii_start().starts_with(b"[") {
        let envelopes = serde_json::from_slice::<Vec<Envelope<'_>>>(body).ok()?;
        return envelopes.into_iter().next().map(|envelope| envelope.error);
    }
    serde_json::from_slice::<Envelope<'_>>(body).ok().map(|envelope| envelope.error)
}

fn translate(wire: &Error<'_>, status: Option<u16>) -> UpstreamError {
    let name = wire.status.as_deref().unwrap_or_default();
    let code = wire.code.and_then(|code| u16::try_from(code).ok());
    let status =
        status.or(code.filter(|code| (400..600).contains(code))).unwrap_or_else(|| status_of(name));
    let mut error = UpstreamError::from_status(status);
    if let Some(message) = wire.message.as_deref().filter(|message| !message.is_empty()) {
        message.clone_into(&mut error.message);
    }
    let details = wire.details.as_deref().unwrap_or_default();
    let reason = details.iter().find_map(|detail| detail.reason.as_deref()).unwrap_or_default();
    if status != 413 {
        error.kind = kind(name, reason, &error.message).unwrap_or(error.kind);
    }
    error.code = (!name.is_empty()).then(|| name.to_owned());
    error.param = details
        .iter()
        .flat_map(|detail| detail.field_violations.as_deref().unwrap_or_default())
        .find_map(|violation| violation.field.as_deref())
        .map(str::to_owned);
    error.retry_after = details
        .iter()
        .find_map(|detail| detail.retry_delay.as_deref())
        .and_then(|delay| seconds(delay.strip_suffix('s')?));
    error
}

fn kind(name: &str, reason: &str, message: &str) -> Option<ErrorKind> {
    let says = |words: &str| message.contains(words);
    let bad_key =
        reason.starts_with("API_KEY_") || says("API key not valid") || says("API key expired");
    let unpaid = reason == "BILLING_DISABLED" || says("enable billing");
    Some(match name {
        "INVALID_ARGUMENT" if bad_key => ErrorKind::Authentication,
        "INVALID_ARGUMENT" if says("token") && says("exceed") => ErrorKind::ContextLength,
        "INVALID_ARGUMENT" if says("payload size exceeds") => ErrorKind::RequestTooLarge,
        "FAILED_PRECONDITION" | "PERMISSION_DENIED" if unpaid => ErrorKind::Billing,
        "FAILED_PRECONDITION" if says("location is not supported") => ErrorKind::Permission,
        "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE"
        | "ALREADY_EXISTS"
        | "UNIMPLEMENTED" => ErrorKind::InvalidRequest,
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" if bad_key || says("reported as leaked") => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" if says("credits are depleted") => ErrorKind::Billing,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "UNAVAILABLE" => ErrorKind::Overloaded,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" | "CANCELLED" => ErrorKind::Server,
        _ => return None,
    })
}

/// The HTTP status that stands for a `google.rpc.Code`.
fn status_of(name: &str) -> u16 {
    match name {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => 500,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> UpstreamError {
        decode(status, &HeaderMap::new(), body.as_bytes())
    }

    fn kind_of(status: &str, message: &str) -> ErrorKind {
        read(400, &format!(r#"{{"error":{{"status":"{status}","message":"{message}"}}}}"#)).kind
    }

    #[test]
    fn the_providers_words_say_more_than_the_status() {
        let key = "API key not valid. Please pass a valid API key.";
        assert_eq!(kind_of("INVALID_ARGUMENT", key), ErrorKind::Authentication);
        let long = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
        assert_eq!(kind_of("INVALID_ARGUMENT", long), ErrorKind::ContextLength);
        assert_eq!(kind_of("INVALID_ARGUMENT", "no"), ErrorKind::InvalidRequest);
        let place = "User location is not supported for the API use.";
        assert_eq!(kind_of("FAILED_PRECONDITION", place), ErrorKind::Permission);
        assert_eq!(kind_of("UNAVAILABLE", "busy"), ErrorKind::Overloaded);
        assert_eq!(kind_of("A_NEW_WORD", "?"), ErrorKind::InvalidRequest);
    }

    #[test]
    fn retry_info_says_when_to_try_again_and_the_header_says_it_better() {
        let body = br#"{"error":{"code":429,"message":"slower","status":"RESOURCE_EXHAUSTED",
            "details":[{"@type":"t/QuotaFailure","violations":[]},
            {"@type":"t/RetryInfo","retryDelay":"34.4s"}]}}"#;
        let error = decode(429, &HeaderMap::new(), body);
        assert_eq!(error.kind, ErrorKind::RateLimit);
        assert_eq!(error.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(error.retry_after, Some(Duration::from_millis(34_400)));
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "7".parse().unwrap())]);
        assert_eq!(decode(429, &headers, body).retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_request_that_is_too_large_is_no_account_s_fault() {
        let body = r#"{"error":{"code":413,"message":"large","status":"RESOURCE_EXHAUSTED"}}"#;
        assert_eq!(read(413, body).kind, ErrorKind::RequestTooLarge);
    }

    #[test]
    fn delays_out_of_this_world_are_ignored() {
        for delay in ["-1s", "NaNs", "1e300s", "infs", "s", ""] {
            let body = format!(r#"{{"error":{{"details":[{{"retryDelay":"{delay}"}}]}}}}"#);
            assert_eq!(read(429, &body).retry_after, None, "{delay}");
        }
    }

    #[test]
    fn an_error_in_an_array_is_the_same_error() {
        let one = r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
        assert_eq!(read(503, one), read(503, &format!("[{one}]")));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let error = read(
            400,
            r#"{"error":{"status":"INVALID_ARGUMENT","message":"bad",
            "details":[{"fieldViolations":[{"field":"contents[0]","description":"d"}]}]}}"#,
        );
        assert_eq!(error.param.as_deref(), Some("contents[0]"));
    }

    #[test]
    fn what_cannot_be_read_leaves_the_status() {
        for body in ["", "<html>", "[]", "{}", r#"{"error":"no"}"#, "null", "[1]"] {
            assert_eq!(read(502, body), UpstreamError::from_status(502), "{body}");
        }
    }

    #[test]
    fn inside_a_stream_the_code_stands_in_for_the_status() {
        assert_eq!(in_stream(r#"{"code":503,"status":"UNAVAILABLE"}"#).status, 503);
        assert_eq!(in_stream(r#"{"status":"RESOURCE_EXHAUSTED"}"#).status, 429);
        assert_eq!(in_stream(r#"{"code":0}"#).status, 500);
        assert_eq!(in_stream("\"no\"").status, 500);
    }
}

//! A provider's no.

use std::time::Duration;

use adapters_canonical::failure::{ErrorKind, UpstreamError};
use http::HeaderMap;

use crate::wire::{Answer, Object, Said};
use adapters_json::string::Label;

/// Reads an answer whose status is not a success.
///
/// Known forms: OpenAI's `{"error": {message, type, param, code}}`, with a bare string for the
/// `error`, with FastAPI's `detail`, without an envelope, and any of them in an array.
#[must_use]
pub fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
    let said = read(body).and_then(|answer| object(answer, true)).unwrap_or_default();
    UpstreamError { retry_after: retry_after(headers), ..error(Some(status), said) }
}

/// Reads an error inside a stream; `None` if it is none. `named` if the frame itself is called an
/// error, so that an envelope is not needed.
#[must_use]
pub fn stream_error(json: &str, named: bool) -> Option<UpstreamError> {
    let said = object(read(json.as_bytes())?, named);
    match (said, named) {
        (Some(said), _) => Some(error(None, said)),
        (None, true) => Some(error(None, Object::default())),
        (None, false) => None,
    }
}

/// An error that was read as part of a chunk.
#[must_use]
pub fn in_chunk(said: Said) -> Option<UpstreamError> {
    let answer = Answer { error: said, ..Answer::default() };
    object(answer, false).map(|said| error(None, said))
}

fn read(body: &[u8]) -> Option<Answer> {
    if body.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice::<Vec<Answer>>(body).ok()?.into_iter().next();
    }
    serde_json::from_slice(body).ok()
}

fn object(answer: Answer, without_envelope: bool) -> Option<Object> {
    for said in [answer.error, answer.detail] {
        match said {
            Said::Nothing => {}
            Said::Words(text) => {
                let message = Label(Some(text));
                return Some(Object { message, kind: answer.kind, ..Object::default() });
            }
            Said::Object(object) => return Some(*object),
        }
    }
    let Answer { message, kind, code, param, .. } = answer;
    (without_envelope && message.0.is_some()).then_some(Object { message, kind, param, code })
}

fn error(status: Option<u16>, said: Object) -> UpstreamError {
    let Object { message: Label(message), kind: Label(native), param, code: Label(code) } = said;
    // Some providers put the status where others put a word.
    let numeric = code.as_deref().and_then(|code| code.parse::<u16>().ok());
    let status = status.or(numeric.filter(|status| (400..=599).contains(status)));
    let words = [code.as_deref(), native.as_deref()];
    let kind = by_words(words, message.as_deref().unwrap_or_default(), status)
        .unwrap_or_else(|| ErrorKind::from_status(status.unwrap_or(500)));
    let status = status.unwrap_or_else(|| status_of(kind));
    let bare = UpstreamError::from_status(status);
    UpstreamError {
        kind,
        message: message.unwrap_or(bare.message),
        native_type: native,
        code,
        param: param.0,
        ..bare
    }
}

/// What the provider's own words say, before the status does.
fn by_words(words: [Option<&str>; 2], message: &str, status: Option<u16>) -> Option<ErrorKind> {
    if let Some(kind) = words.into_iter().flatten().find_map(by_word) {
        return Some(kind);
    }
    let too_long = ["maximum context length", "context window", "prompt is too long"];
    let message = message.to_ascii_lowercase();
    (matches!(status, None | Some(400 | 413 | 422))
        && too_long.iter().any(|phrase| message.contains(phrase)))
    .then_some(ErrorKind::ContextLength)
}

fn by_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "context_length_exceeded" | "string_above_max_length" => ErrorKind::ContextLength,
        "content_policy_violation" | "content_filter" | "cyber_policy" => ErrorKind::ContentPolicy,
        "invalid_api_key" | "authentication_error" => ErrorKind::Authentication,
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_error" => ErrorKind::Billing,
        "permission_error" | "permission_denied" => ErrorKind::Permission,
        "model_not_found" | "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::RequestTooLarge,
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => ErrorKind::RateLimit,
        "timeout" | "timeout_error" => ErrorKind::Timeout,
        "overloaded"
        | "overloaded_error"
        | "server_overloaded"
        | "engine_overloaded"
        | "service_unavailable" => ErrorKind::Overloaded,
        "server_error" | "api_error" | "internal_error" | "internal_server_error" => {
            ErrorKind::Server
        }
        // `invalid_request_error` is OpenAI's type for nearly everything; the status knows better.
        _ => return None,
    })
}

fn status_of(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::ContentPolicy => 400,
        ErrorKind::Authentication => 401,
        ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::RequestTooLarge => 413,
        ErrorKind::Billing | ErrorKind::RateLimit => 429,
        ErrorKind::Server => 500,
        ErrorKind::Overloaded => 503,
        ErrorKind::Timeout => 504,
    }
}

/// A date in `retry-after` is not read: that would need a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    Duration::try_from_secs_f64(seconds?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> UpstreamError {
        decode(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn the_envelope_is_taken_apart() {
        let error = said(
            400,
            r#"{"error":{"message":"no","type":"invalid_request_error","param":"max_tokens",
                "code":"unsupported_parameter"}}"#,
        );
        let expected = UpstreamError {
            message: "no".to_owned(),
            native_type: Some("invalid_request_error".to_owned()),
            code: Some("unsupported_parameter".to_owned()),
            param: Some("max_tokens".to_owned()),
            ..UpstreamError::from_status(400)
        };
        assert_eq!(error, expected);
    }

    #[track_caller]
    fn check(status: u16, body: &str, message: &str, kind: ErrorKind) {
        let error = said(status, body);
        assert_eq!((error.message.as_str(), error.kind, error.status), (message, kind, status));
    }

    #[test]
    fn other_forms_are_known_too() {
        check(500, r#"{"error":"boom"}"#, "boom", ErrorKind::Server);
        check(422, r#"{"detail":"bad"}"#, "bad", ErrorKind::InvalidRequest);
        check(422, r#"{"detail":[{"loc":["x"],"msg":"bad"}]}"#, "bad", ErrorKind::InvalidRequest);
        check(
            400,
            r#"{"object":"error","message":"bad","code":400}"#,
            "bad",
            ErrorKind::InvalidRequest,
        );
        check(404, r#"[{"error":{"message":"gone","code":404}}]"#, "gone", ErrorKind::NotFound);
    }

    #[test]
    fn a_body_that_cannot_be_read_leaves_the_status() {
        for body in ["", "<html>secret</html>", "{}", "[]", "null", r#"{"error":null}"#, "[[["] {
            assert_eq!(said(503, body), UpstreamError::from_status(503), "{body}");
        }
    }

    #[test]
    fn words_go_before_the_status() {
        let with = |code: &str| format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#);
        check(400, &with("context_length_exceeded"), "m", ErrorKind::ContextLength);
        check(429, &with("insufficient_quota"), "m", ErrorKind::Billing);
        check(400, &with("invalid_api_key"), "m", ErrorKind::Authentication);
        let long = "This model's maximum context length is 5 tokens";
        check(400, &format!(r#"{{"error":"{long}"}}"#), long, ErrorKind::ContextLength);
        check(500, &format!(r#"{{"error":"{long}"}}"#), long, ErrorKind::Server);
    }

    #[test]
    fn an_error_in_a_stream_finds_its_status() {
        let status = |json| stream_error(json, false).map(|error| error.status);
        assert_eq!(status(r#"{"error":{"message":"m","code":502}}"#), Some(502));
        assert_eq!(status(r#"{"error":{"message":"m","type":"overloaded_error"}}"#), Some(503));
        assert_eq!(status(r#"{"error":{}}"#), Some(500));
        assert_eq!(status(r#"{"error":null,"choices":[],"message":"x"}"#), None);
        assert_eq!(stream_error(r#"{"message":"m"}"#, true).map(|e| e.message), Some("m".into()));
    }

    #[test]
    fn the_time_to_wait_is_read_in_either_unit() {
        let wait = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            decode(429, &headers, b"").retry_after
        };
        assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        for odd in ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "NaN", "1e300"] {
            assert_eq!(wait("retry-after", odd), None, "{odd}");
        }
    }
}

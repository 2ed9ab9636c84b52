//! A provider's no.

use adapters_canonical::failure::{ErrorKind, UpstreamError};
use adapters_openai_words::refusal;
use http::HeaderMap;
use serde_json::value::RawValue;

/// Reads an answer whose status is not a success.
pub(crate) fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
    refusal::decode(status, headers, body)
}

/// Reads an `error` event, whose members stand in it or in an `error` of it.
pub(crate) fn event(json: &str) -> UpstreamError {
    let error = refusal::stream_error(json, true);
    let mut error = error.unwrap_or_else(|| UpstreamError::from_status(500));
    // That is the type of the event.
    error.native_type = error.native_type.filter(|kind| kind != "error");
    by_code(error)
}

/// Reads the response of a `response.failed`.
pub(crate) fn failed(response: Option<&RawValue>) -> UpstreamError {
    let error = response.and_then(|response| refusal::stream_error(response.get(), false));
    by_code(error.unwrap_or_else(|| UpstreamError::from_status(500)))
}

/// Reads the `error` of a response.
pub(super) fn object(raw: &RawValue) -> UpstreamError {
    let error = refusal::stream_error(raw.get(), true);
    by_code(error.unwrap_or_else(|| UpstreamError::from_status(500)))
}

/// Codes that only responses have.
fn by_code(error: UpstreamError) -> UpstreamError {
    let (status, kind) = match error.code.as_deref() {
        Some("bio_policy" | "misalignment_policy_violation" | "image_content_policy_violation") => {
            (400, ErrorKind::ContentPolicy)
        }
        Some("vector_store_timeout") => (504, ErrorKind::Timeout),
        Some("invalid_prompt" | "data_residency_mismatch" | "unsupported_image_media_type") => {
            (400, ErrorKind::InvalidRequest)
        }
        Some("empty_image_file" | "failed_to_download_image") => (400, ErrorKind::InvalidRequest),
        Some(code) if code.starts_with("invalid_") && code.contains("image") => {
            (400, ErrorKind::InvalidRequest)
        }
        Some(code) if code.starts_with("image_") => (400, ErrorKind::InvalidRequest),
        _ => return error,
    };
    UpstreamError { status, kind, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_event_is_read_in_both_of_its_forms() {
        for json in [
            r#"{"type":"error","code":"rate_limit_exceeded","message":"m","sequence_number":3}"#,
            r#"{"type":"error","error":{"code":"rate_limit_exceeded","message":"m"}}"#,
        ] {
            let error = event(json);
            assert_eq!((error.status, error.kind), (429, ErrorKind::RateLimit), "{json}");
            assert_eq!((&*error.message, error.native_type), ("m", None), "{json}");
        }
    }

    #[track_caller]
    fn check(code: &str, status: u16, kind: ErrorKind) {
        let json = format!(r#"{{"status":"failed","error":{{"code":"{code}","message":"m"}}}}"#);
        let raw = RawValue::from_string(json).unwrap();
        let error = failed(Some(&raw));
        assert_eq!((error.status, error.kind, &*error.message), (status, kind, "m"), "{code}");
    }

    #[test]
    fn a_failed_response_says_whose_fault_it_is() {
        check("server_error", 500, ErrorKind::Server);
        check("rate_limit_exceeded", 429, ErrorKind::RateLimit);
        check("invalid_prompt", 400, ErrorKind::InvalidRequest);
        check("invalid_base64_image", 400, ErrorKind::InvalidRequest);
        check("image_parse_error", 400, ErrorKind::InvalidRequest);
        check("image_content_policy_violation", 400, ErrorKind::ContentPolicy);
        check("vector_store_timeout", 504, ErrorKind::Timeout);
        assert_eq!(failed(None), UpstreamError::from_status(500));
    }
}

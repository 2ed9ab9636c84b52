//! Every failure in OpenAI's words.

use std::borrow::Cow;

use adapters_canonical::dialect::ErrorAnswer;
use adapters_canonical::failure::{ErrorKind, Failure, UpstreamError};
use adapters_canonical::loss::DecodeError;

use crate::wire::{Envelope, Written};
use adapters_json::write;

/// Status and body for a client that speaks OpenAI.
///
/// The body is `{"error": {"message", "type", "param", "code", "request_id"}}`, the first four as
/// OpenAI has them, and `provider` beside them if a provider said no. What a provider says keeps
/// its status, type, code and parameter. Only if it refused the *gateway's* credential is its
/// message replaced: providers quote parts of the key they refuse.
#[must_use]
pub fn encode_failure(failure: &Failure, request_id: &str) -> ErrorAnswer {
    let words = Words::of(failure);
    let body = write::body(&Envelope { error: words.written(request_id) });
    ErrorAnswer { status: words.status, body }
}

/// What is said of a failure, in an envelope or in the last chunk of a stream.
#[derive(Debug)]
pub struct Words<'a> {
    /// HTTP status.
    pub status: u16,
    kind: &'a str,
    code: Option<&'a str>,
    param: Option<&'a str>,
    message: Cow<'a, str>,
    provider: Option<&'a str>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl<'a> Words<'a> {
    /// What OpenAI would say of it.
    #[must_use]
    pub fn of(failure: &'a Failure) -> Self {
        use Failure as F;
        let own = |status, kind, code| Self {
            status,
            kind,
            code: Some(code),
            param: None,
            message: Cow::Owned(failure.to_string()),
            provider: None,
        };
        match failure {
            F::RequestMalformed { .. } => own(400, INVALID, "malformed_request"),
            F::HeaderTooLarge { .. } | F::HeadersTooMany { .. } => {
                own(431, INVALID, "request_header_too_large")
            }
            F::HeaderTimedOut => own(408, "timeout_error", "request_timeout"),
            F::PathUnknown { .. } => own(404, INVALID, "unknown_url"),
            F::MethodNotAllowed { .. } => own(405, INVALID, "method_not_allowed"),
            F::KeyMissing | F::KeyUnknown => own(401, INVALID, "invalid_api_key"),
            F::HeaderMalformed { name, .. } => {
                Self { param: Some(name), ..own(400, INVALID, "invalid_header") }
            }
            F::MediaTypeUnsupported => own(415, INVALID, "unsupported_media_type"),
            F::BodyTooLarge { .. } => own(413, INVALID, "request_too_large"),
            F::BodyTimedOut => own(408, "timeout_error", "request_timeout"),
            F::BodyMalformed(error) => {
                Self { param: error.path(), ..own(400, INVALID, body_code(error)) }
            }
            F::ModelUnknown { .. } => {
                Self { param: Some("model"), ..own(404, INVALID, "model_not_found") }
            }
            F::NoTargetMatches { .. } => {
                Self { param: Some("model"), ..own(400, INVALID, "no_target_matches") }
            }
            F::ProviderNotConfigured { .. } => own(503, SERVER, "provider_not_configured"),
            F::AccountsExhausted { .. } => own(429, "rate_limit_error", "rate_limit_exceeded"),
            F::AccountsDown { .. } => own(503, "overloaded_error", "no_account_available"),
            F::CredentialsRefused { .. } => own(503, SERVER, "provider_credential_refused"),
            F::RequestNotExpressible { provider, error } => Self {
                param: error.path(),
                provider: Some(provider),
                ..own(400, INVALID, "unsupported_value")
            },
            F::MediaNotFetched { path, fault } => {
                Self { param: Some(path), ..own(400, INVALID, fault.code()) }
            }
            F::UpstreamUnreachable { provider, .. } => {
                Self { provider: Some(provider), ..own(502, SERVER, "upstream_unreachable") }
            }
            F::UpstreamTimedOut { provider } => {
                Self { provider: Some(provider), ..own(504, SERVER, "upstream_timeout") }
            }
            F::UpstreamRefused { provider, error } => Self::refused(provider, error),
            F::UpstreamMalformed { provider, .. } => {
                Self { provider: Some(provider), ..own(502, SERVER, "upstream_malformed") }
            }
            F::UpstreamBrokeOff { provider } => {
                Self { provider: Some(provider), ..own(502, SERVER, "upstream_broke_off") }
            }
            F::Overloaded => own(503, "overloaded_error", "overloaded"),
            F::ShuttingDown => own(503, SERVER, "shutting_down"),
            F::Internal => own(500, SERVER, "internal_error"),
        }
    }

    fn refused(provider: &'a str, error: &'a UpstreamError) -> Self {
        let (kind, code) = kind_words(error.kind);
        Self {
            // A provider that says no with a success is not to be taken at its word.
            status: if (400..=599).contains(&error.status) { error.status } else { 502 },
            kind: error.native_type.as_deref().unwrap_or(kind),
            code: error.code.as_deref().or(code),
            param: error.param.as_deref(),
            message: refusal_message(provider, error),
            provider: Some(provider),
        }
    }

    /// The same as it is written.
    #[must_use]
    pub fn written<'b>(&'b self, request_id: &'b str) -> Written<'b> {
        Written {
            message: &self.message,
            kind: self.kind,
            param: self.param,
            code: self.code,
            provider: self.provider,
            request_id,
        }
    }
}

fn body_code(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Syntax { .. } => "invalid_json",
        DecodeError::Shape { reason, .. } if reason == "is missing" => "missing_required_parameter",
        DecodeError::Shape { .. } | DecodeError::Framing(_) | DecodeError::Truncated => {
            "invalid_value"
        }
    }
}

fn refusal_message<'a>(provider: &str, error: &'a UpstreamError) -> Cow<'a, str> {
    match error.kind {
        ErrorKind::Authentication => {
            Cow::Owned(format!("the provider `{provider}` refused the gateway's credential"))
        }
        ErrorKind::Permission => Cow::Owned(format!(
            "the provider `{provider}` does not allow this with the gateway's credential"
        )),
        ErrorKind::InvalidRequest
        | ErrorKind::ContextLength
        | ErrorKind::ContentPolicy
        | ErrorKind::Billing
        | ErrorKind::NotFound
        | ErrorKind::RequestTooLarge
        | ErrorKind::RateLimit
        | ErrorKind::Timeout
        | ErrorKind::Overloaded
        | ErrorKind::Server => Cow::Borrowed(&error.message),
    }
}

/// The type and code that stand in where a provider gave none.
fn kind_words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::InvalidRequest => (INVALID, None),
        ErrorKind::ContextLength => (INVALID, Some("context_length_exceeded")),
        ErrorKind::ContentPolicy => (INVALID, Some("content_policy_violation")),
        ErrorKind::Authentication => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Billing => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Permission => ("permission_error", Some("permission_denied")),
        ErrorKind::NotFound => (INVALID, Some("not_found")),
        ErrorKind::RequestTooLarge => (INVALID, Some("request_too_large")),
        ErrorKind::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Timeout => ("timeout_error", Some("upstream_timeout")),
        ErrorKind::Overloaded => ("overloaded_error", Some("overloaded")),
        ErrorKind::Server => (SERVER, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(failure: &Failure, status: u16, kind: &str, param: Option<&str>, code: Option<&str>) {
        let answer = encode_failure(failure, "req_1");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let error = &body["error"];
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(error["type"], kind, "{body}");
        assert_eq!(error["param"], json!(param), "{body}");
        assert_eq!(error["code"], json!(code), "{body}");
        assert_eq!(error["request_id"], "req_1", "{body}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }

    fn provider() -> String {
        "acme".to_owned()
    }

    #[test]
    fn what_the_client_did_wrong_is_a_4xx() {
        let path = || "/v1/x".to_owned();
        check(&Failure::PathUnknown { path: path() }, 404, INVALID, None, Some("unknown_url"));
        let method =
            Failure::MethodNotAllowed { path: path(), method: "PUT".to_owned(), allowed: "POST" };
        check(&method, 405, INVALID, None, Some("method_not_allowed"));
        check(&Failure::KeyMissing, 401, INVALID, None, Some("invalid_api_key"));
        check(&Failure::KeyUnknown, 401, INVALID, None, Some("invalid_api_key"));
        let header = Failure::HeaderMalformed { name: "x-some", expected: "`this`" };
        check(&header, 400, INVALID, Some("x-some"), Some("invalid_header"));
        check(&Failure::MediaTypeUnsupported, 415, INVALID, None, Some("unsupported_media_type"));
        check(&Failure::BodyTooLarge { limit: 9 }, 413, INVALID, None, Some("request_too_large"));
        check(
            &Failure::RequestMalformed { reason: "it has no `host`" },
            400,
            INVALID,
            None,
            Some("malformed_request"),
        );
        for failure in
            [Failure::HeaderTooLarge { limit: 65536 }, Failure::HeadersTooMany { limit: 100 }]
        {
            check(&failure, 431, INVALID, None, Some("request_header_too_large"));
        }
        check(&Failure::HeaderTimedOut, 408, "timeout_error", None, Some("request_timeout"));
        check(&Failure::BodyTimedOut, 408, "timeout_error", None, Some("request_timeout"));
        let unknown = Failure::ModelUnknown { model: "x".to_owned(), near: vec![] };
        check(&unknown, 404, INVALID, Some("model"), Some("model_not_found"));
        let unfit = Failure::NoTargetMatches { model: "x".to_owned() };
        check(&unfit, 400, INVALID, Some("model"), Some("no_target_matches"));
    }

    #[test]
    fn a_body_that_cannot_be_read_names_the_place() {
        let syntax = DecodeError::Syntax { line: 1, column: 2, reason: "x".to_owned() };
        check(&Failure::BodyMalformed(syntax), 400, INVALID, None, Some("invalid_json"));
        let shape = DecodeError::shape("messages[0].role", "unknown role");
        let failure = Failure::BodyMalformed(shape);
        check(&failure, 400, INVALID, Some("messages[0].role"), Some("invalid_value"));
        let missing = Failure::BodyMalformed(DecodeError::shape("messages", "is missing"));
        check(&missing, 400, INVALID, Some("messages"), Some("missing_required_parameter"));
        let error = DecodeError::shape("messages[0].content", "no words for it");
        let failure = Failure::RequestNotExpressible { provider: provider(), error };
        check(&failure, 400, INVALID, Some("messages[0].content"), Some("unsupported_value"));
    }

    #[test]
    fn what_went_wrong_behind_us_is_a_5xx() {
        let unconfigured =
            Failure::ProviderNotConfigured { provider: provider(), reason: "no key".to_owned() };
        check(&unconfigured, 503, SERVER, None, Some("provider_not_configured"));
        let unreachable =
            Failure::UpstreamUnreachable { provider: provider(), reason: "connection refused" };
        check(&unreachable, 502, SERVER, None, Some("upstream_unreachable"));
        let late = Failure::UpstreamTimedOut { provider: provider() };
        check(&late, 504, SERVER, None, Some("upstream_timeout"));
        let error = DecodeError::Truncated;
        let malformed = Failure::UpstreamMalformed { provider: provider(), error };
        check(&malformed, 502, SERVER, None, Some("upstream_malformed"));
        let broken = Failure::UpstreamBrokeOff { provider: provider() };
        check(&broken, 502, SERVER, None, Some("upstream_broke_off"));
        check(&Failure::Overloaded, 503, "overloaded_error", None, Some("overloaded"));
        check(&Failure::ShuttingDown, 503, SERVER, None, Some("shutting_down"));
        let (model, retry_after) = (|| "m".to_owned(), Some(Duration::from_secs(3)));
        let exhausted = Failure::AccountsExhausted { model: model(), retry_after };
        check(&exhausted, 429, "rate_limit_error", None, Some("rate_limit_exceeded"));
        let down = Failure::AccountsDown { model: model(), retry_after };
        check(&down, 503, "overloaded_error", None, Some("no_account_available"));
        let refused = Failure::CredentialsRefused { model: model() };
        check(&refused, 503, SERVER, None, Some("provider_credential_refused"));
        check(&Failure::Internal, 500, SERVER, None, Some("internal_error"));
    }

    #[test]
    fn what_a_provider_says_keeps_its_words() {
        let error = UpstreamError {
            kind: ErrorKind::ContextLength,
            message: "too long".to_owned(),
            native_type: Some("tokens".to_owned()),
            code: Some("string_above_max_length".to_owned()),
            param: Some("messages".to_owned()),
            ..UpstreamError::from_status(400)
        };
        let failure = Failure::UpstreamRefused { provider: provider(), error };
        check(&failure, 400, "tokens", Some("messages"), Some("string_above_max_length"));
        let answer = encode_failure(&failure, "r");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"]["message"], "too long");
        assert_eq!(body["error"]["provider"], "acme");
    }

    #[test]
    fn every_kind_has_words_of_ours_where_the_provider_has_none() {
        for (status, kind, code) in [
            (400, INVALID, None),
            (401, "authentication_error", Some("invalid_api_key")),
            (402, "insufficient_quota", Some("insufficient_quota")),
            (403, "permission_error", Some("permission_denied")),
            (404, INVALID, Some("not_found")),
            (413, INVALID, Some("request_too_large")),
            (429, "rate_limit_error", Some("rate_limit_exceeded")),
            (500, SERVER, None),
            (504, "timeout_error", Some("upstream_timeout")),
            (529, "overloaded_error", Some("overloaded")),
        ] {
            let error = UpstreamError::from_status(status);
            let failure = Failure::UpstreamRefused { provider: provider(), error };
            check(&failure, status, kind, None, code);
        }
        let error = UpstreamError::from_status(200);
        let failure = Failure::UpstreamRefused { provider: provider(), error };
        check(&failure, 502, SERVER, None, None);
    }

    #[test]
    fn a_refused_credential_is_never_quoted() {
        for status in [401, 403] {
            let error = UpstreamError {
                message: "Incorrect API key provided: sk-abc***xyz".to_owned(),
                ..UpstreamError::from_status(status)
            };
            let failure = Failure::UpstreamRefused { provider: provider(), error };
            let body = String::from_utf8(encode_failure(&failure, "r").body).unwrap();
            assert!(!body.contains("sk-") && body.contains("acme"), "{body}");
        }
    }
}

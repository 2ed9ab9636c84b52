//! Every failure in Anthropic's words.

use std::borrow::Cow;

use adapters_canonical::dialect::ErrorAnswer;
use adapters_canonical::failure::{ErrorKind, Failure, UpstreamError};
use adapters_canonical::loss::DecodeError;
use adapters_json::write;
use serde::Serialize;

/// The types that the API has, beside which SDKs know none.
const TYPES: &[&str] = &[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// Status and body for a client that speaks Anthropic's dialect.
///
/// The body is `{"type": "error", "error": {"type", "message"}, "request_id"}` as Anthropic has it,
/// with `code`, and where there is one `param` and `provider`, inside `error`. What a provider says
/// keeps its message, code and parameter, and its status but for two: what is overloaded is 529,
/// what took too long 504. Only if it refused the *gateway's* credential is its message replaced:
/// providers quote parts of the key they refuse.
#[must_use]
pub fn encode_failure(failure: &Failure, request_id: &str) -> ErrorAnswer {
    let words = Words::of(failure);
    ErrorAnswer { status: words.status, body: write::body(&words.written(request_id)) }
}

/// What is said of a failure, in a body or in the last event of a stream.
pub(crate) struct Words<'a> {
    status: u16,
    kind: &'a str,
    code: Option<&'a str>,
    param: Option<&'a str>,
    message: Cow<'a, str>,
    provider: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Detail<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

const INVALID: &str = "invalid_request_error";
const API: &str = "api_error";

impl<'a> Words<'a> {
    pub(crate) fn of(failure: &'a Failure) -> Self {
        use Failure as F;
        let own = |status, kind, code| Self {
            status,
            kind,
            code: Some(code),
            param: None,
            message: Cow::Owned(failure.to_string()),
            provider: None,
        };
        let at = |provider: &'a str, words: Self| Self { provider: Some(provider), ..words };
        match failure {
            F::RequestMalformed { .. } => own(400, INVALID, "malformed_request"),
            F::HeaderTooLarge { .. } | F::HeadersTooMany { .. } => {
                own(431, INVALID, "request_header_too_large")
            }
            F::HeaderTimedOut => own(408, "timeout_error", "request_timeout"),
            F::PathUnknown { .. } => own(404, "not_found_error", "unknown_url"),
            F::MethodNotAllowed { .. } => own(405, INVALID, "method_not_allowed"),
            F::KeyMissing | F::KeyUnknown => own(401, "authentication_error", "invalid_api_key"),
            F::HeaderMalformed { name, .. } => {
                Self { param: Some(name), ..own(400, INVALID, "invalid_header") }
            }
            F::MediaTypeUnsupported => own(415, INVALID, "unsupported_media_type"),
            F::BodyTooLarge { .. } => own(413, "request_too_large", "request_too_large"),
            F::BodyTimedOut => own(408, "timeout_error", "request_timeout"),
            F::BodyMalformed(error) => {
                Self { param: error.path(), ..own(400, INVALID, body_code(error)) }
            }
            F::ModelUnknown { .. } => {
                Self { param: Some("model"), ..own(404, "not_found_error", "model_not_found") }
            }
            F::NoTargetMatches { .. } => {
                Self { param: Some("model"), ..own(400, INVALID, "no_target_matches") }
            }
            F::ProviderNotConfigured { .. } => own(503, API, "provider_not_configured"),
            F::AccountsExhausted { .. } => own(429, "rate_limit_error", "rate_limit_exceeded"),
            F::AccountsDown { .. } => own(529, "overloaded_error", "no_account_available"),
            F::CredentialsRefused { .. } => own(503, API, "provider_credential_refused"),
            F::RequestNotExpressible { provider, error } => {
                let words = own(400, INVALID, "unsupported_value");
                at(provider, Self { param: error.path(), ..words })
            }
            F::MediaNotFetched { path, fault } => {
                Self { param: Some(path), ..own(400, INVALID, fault.code()) }
            }
            F::UpstreamUnreachable { provider, .. } => {
                at(provider, own(502, API, "upstream_unreachable"))
            }
            F::UpstreamTimedOut { provider } => {
                at(provider, own(504, "timeout_error", "upstream_timeout"))
            }
            F::UpstreamRefused { provider, error } => Self::refused(provider, error),
            F::UpstreamMalformed { provider, .. } => {
                at(provider, own(502, API, "upstream_malformed"))
            }
            F::UpstreamBrokeOff { provider } => at(provider, own(502, API, "upstream_broke_off")),
            F::Overloaded => own(529, "overloaded_error", "overloaded"),
            F::ShuttingDown => own(503, API, "shutting_down"),
            F::Internal => own(500, API, "internal_error"),
        }
    }

    fn refused(provider: &'a str, error: &'a UpstreamError) -> Self {
        let (kind, code, status) = kind_words(error.kind);
        let native = error.native_type.as_deref();
        // Of everything that is wrong with a request, OpenAI says that it is invalid.
        let native = native.filter(|native| TYPES.contains(native) && *native != INVALID);
        Self {
            // A provider that says no with a success is not to be taken at its word.
            status: match status {
                Some(status) => status,
                None if (400..=599).contains(&error.status) => error.status,
                None => 502,
            },
            kind: native.unwrap_or(kind),
            code: error.code.as_deref().or(code),
            param: error.param.as_deref(),
            message: refusal_message(provider, error),
            provider: Some(provider),
        }
    }

    fn written<'b>(&'b self, request_id: &'b str) -> Written<'b> {
        Written {
            kind: "error",
            error: Detail {
                kind: self.kind,
                message: &self.message,
                code: self.code,
                param: self.param,
                provider: self.provider,
            },
            request_id,
        }
    }

    /// The same inside a stream, which knows two types only: the answer had begun, so that it can
    /// no longer be the request that is wrong.
    pub(crate) fn written_in_stream<'b>(&'b self, request_id: &'b str) -> Written<'b> {
        let mut written = self.written(request_id);
        if self.kind != "overloaded_error" {
            written.error.kind = API;
        }
        written
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

/// The type, the code where the provider gave none, and the status where it is not the provider's.
fn kind_words(kind: ErrorKind) -> (&'static str, Option<&'static str>, Option<u16>) {
    match kind {
        ErrorKind::InvalidRequest => (INVALID, None, None),
        ErrorKind::ContextLength => (INVALID, Some("context_length_exceeded"), None),
        ErrorKind::ContentPolicy => (INVALID, Some("content_policy_violation"), None),
        ErrorKind::Authentication => ("authentication_error", Some("invalid_api_key"), None),
        ErrorKind::Billing => ("billing_error", Some("insufficient_quota"), None),
        ErrorKind::Permission => ("permission_error", Some("permission_denied"), None),
        ErrorKind::NotFound => ("not_found_error", Some("not_found"), None),
        ErrorKind::RequestTooLarge => ("request_too_large", Some("request_too_large"), None),
        ErrorKind::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded"), None),
        ErrorKind::Timeout => ("timeout_error", Some("upstream_timeout"), Some(504)),
        ErrorKind::Overloaded => ("overloaded_error", Some("overloaded"), Some(529)),
        ErrorKind::Server => (API, None, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(failure: &Failure) -> (u16, Value) {
        let answer = encode_failure(failure, "req_1");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&body["type"], &body["request_id"]), (&json!("error"), &json!("req_1")));
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(TYPES.contains(&body["error"]["type"].as_str().unwrap()), "{body}");
        (answer.status, body["error"].clone())
    }

    #[track_caller]
    fn check(failure: &Failure, status: u16, kind: &str, param: Option<&str>, code: Option<&str>) {
        let (got, error) = said(failure);
        assert_eq!(got, status, "{error}");
        assert_eq!(error["type"], kind, "{error}");
        assert_eq!(error["param"], json!(param), "{error}");
        assert_eq!(error["code"], json!(code), "{error}");
    }

    fn provider() -> String {
        "acme".to_owned()
    }

    #[test]
    fn what_the_client_did_wrong_is_a_4xx() {
        let path = || "/v1/x".to_owned();
        let missing = Failure::PathUnknown { path: path() };
        check(&missing, 404, "not_found_error", None, Some("unknown_url"));
        let method =
            Failure::MethodNotAllowed { path: path(), method: "PUT".to_owned(), allowed: "POST" };
        check(&method, 405, INVALID, None, Some("method_not_allowed"));
        for failure in [Failure::KeyMissing, Failure::KeyUnknown] {
            check(&failure, 401, "authentication_error", None, Some("invalid_api_key"));
        }
        let header = Failure::HeaderMalformed { name: "x-some", expected: "`this`" };
        check(&header, 400, INVALID, Some("x-some"), Some("invalid_header"));
        check(&Failure::MediaTypeUnsupported, 415, INVALID, None, Some("unsupported_media_type"));
        let large = Failure::BodyTooLarge { limit: 9 };
        check(&large, 413, "request_too_large", None, Some("request_too_large"));
        check(&Failure::BodyTimedOut, 408, "timeout_error", None, Some("request_timeout"));
        let unknown = Failure::ModelUnknown { model: "x".to_owned(), near: vec![] };
        check(&unknown, 404, "not_found_error", Some("model"), Some("model_not_found"));
        let missing = Failure::BodyMalformed(DecodeError::shape("max_tokens", "is missing"));
        check(&missing, 400, INVALID, Some("max_tokens"), Some("missing_required_parameter"));
        let syntax = DecodeError::Syntax { line: 1, column: 2, reason: "x".to_owned() };
        check(&Failure::BodyMalformed(syntax), 400, INVALID, None, Some("invalid_json"));
        let error = DecodeError::shape("messages[0].content", "no words for it");
        let failure = Failure::RequestNotExpressible { provider: provider(), error };
        check(&failure, 400, INVALID, Some("messages[0].content"), Some("unsupported_value"));
    }

    #[test]
    fn what_went_wrong_behind_us_is_a_5xx() {
        let unconfigured =
            Failure::ProviderNotConfigured { provider: provider(), reason: "no key".to_owned() };
        check(&unconfigured, 503, API, None, Some("provider_not_configured"));
        let unreachable =
            Failure::UpstreamUnreachable { provider: provider(), reason: "connection refused" };
        check(&unreachable, 502, API, None, Some("upstream_unreachable"));
        let late = Failure::UpstreamTimedOut { provider: provider() };
        check(&late, 504, "timeout_error", None, Some("upstream_timeout"));
        let error = DecodeError::Truncated;
        let malformed = Failure::UpstreamMalformed { provider: provider(), error };
        check(&malformed, 502, API, None, Some("upstream_malformed"));
        let broken = Failure::UpstreamBrokeOff { provider: provider() };
        check(&broken, 502, API, None, Some("upstream_broke_off"));
        check(&Failure::Overloaded, 529, "overloaded_error", None, Some("overloaded"));
        check(&Failure::ShuttingDown, 503, API, None, Some("shutting_down"));
        let model = || "m".to_owned();
        let exhausted = Failure::AccountsExhausted { model: model(), retry_after: None };
        check(&exhausted, 429, "rate_limit_error", None, Some("rate_limit_exceeded"));
        let down = Failure::AccountsDown { model: model(), retry_after: None };
        check(&down, 529, "overloaded_error", None, Some("no_account_available"));
        let refused = Failure::CredentialsRefused { model: model() };
        check(&refused, 503, API, None, Some("provider_credential_refused"));
        check(&Failure::Internal, 500, API, None, Some("internal_error"));
    }

    #[test]
    fn a_foreign_type_becomes_one_that_sdks_know_and_an_own_one_stays() {
        let refused = |status, native: &str| {
            let native_type = Some(native.to_owned());
            let error = UpstreamError { native_type, ..UpstreamError::from_status(status) };
            Failure::UpstreamRefused { provider: provider(), error }
        };
        check(&refused(429, "tokens"), 429, "rate_limit_error", None, Some("rate_limit_exceeded"));
        check(&refused(409, "conflict_error"), 409, "conflict_error", None, None);
        check(&refused(503, "busy"), 529, "overloaded_error", None, Some("overloaded"));
        check(&refused(408, "slow"), 504, "timeout_error", None, Some("upstream_timeout"));
        check(&refused(402, "x"), 402, "billing_error", None, Some("insufficient_quota"));
        check(&refused(404, "x"), 404, "not_found_error", None, Some("not_found"));
        check(&refused(200, "x"), 502, API, None, None);
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

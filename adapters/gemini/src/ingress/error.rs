//! Every failure in the words of Google's APIs.

use std::borrow::Cow;
use std::time::Duration;

use adapters_canonical::dialect::ErrorAnswer;
use adapters_canonical::failure::{ErrorKind, Failure, MediaFault, UpstreamError};
use adapters_json::write;
use serde::Serialize;

/// Status and body for a client that speaks Gemini.
///
/// The body is `{"error": {"code", "message", "status", "details"}}`, with the name of a
/// `google.rpc.Code` as the status. The details are an `ErrorInfo` whose reason is the gateway's
/// own code, a `RequestInfo` with the request's id, a `BadRequest` if a field is at fault, and a
/// `RetryInfo` if it is known when to try again. What a provider says keeps its HTTP status. Only
/// if it refused the *gateway's* credential is its message replaced: providers quote parts of the
/// key they refuse.
#[must_use]
pub fn encode_failure(failure: &Failure, request_id: &str) -> ErrorAnswer {
    let words = Words::of(failure);
    let mut body = Vec::with_capacity(512);
    words.write(request_id, &mut body);
    ErrorAnswer { status: words.http, body }
}

/// Appends the body of a failure: in a stream too, SDKs want `error` to be its first member.
pub(crate) fn write_failure(failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
    Words::of(failure).write(request_id, out);
}

struct Words<'a> {
    http: u16,
    status: &'a str,
    reason: &'static str,
    message: Cow<'a, str>,
    field: Option<(Cow<'a, str>, String)>,
    provider: Option<&'a str>,
    retry_after: Option<Duration>,
}

const INVALID: &str = "INVALID_ARGUMENT";
const UNAVAILABLE: &str = "UNAVAILABLE";

impl<'a> Words<'a> {
    fn of(failure: &'a Failure) -> Self {
        use Failure as F;
        let own = |http, status, reason| Self {
            http,
            status,
            reason,
            message: Cow::Owned(failure.to_string()),
            field: None,
            provider: None,
            retry_after: None,
        };
        let at =
            |path: Option<&'a str>| path.map(|path| (Cow::Borrowed(path), failure.to_string()));
        match failure {
            F::RequestMalformed { .. } => own(400, INVALID, "MALFORMED_REQUEST"),
            F::HeaderTooLarge { .. } | F::HeadersTooMany { .. } => {
                own(431, INVALID, "REQUEST_HEADER_TOO_LARGE")
            }
            F::HeaderTimedOut => own(408, "DEADLINE_EXCEEDED", "REQUEST_TIMEOUT"),
            F::PathUnknown { .. } => own(404, "NOT_FOUND", "UNKNOWN_URL"),
            F::MethodNotAllowed { .. } => own(405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
            F::KeyMissing => Self {
                message: Cow::Borrowed(
                    "no API key was given; send it as `x-goog-api-key` or `Authorization: Bearer <key>`",
                ),
                ..own(401, "UNAUTHENTICATED", "API_KEY_MISSING")
            },
            F::KeyUnknown => own(401, "UNAUTHENTICATED", "API_KEY_INVALID"),
            F::HeaderMalformed { name, .. } => {
                Self { field: at(Some(name)), ..own(400, INVALID, "INVALID_HEADER") }
            }
            F::MediaTypeUnsupported => own(415, INVALID, "UNSUPPORTED_MEDIA_TYPE"),
            F::BodyTooLarge { .. } => own(413, INVALID, "REQUEST_TOO_LARGE"),
            F::BodyTimedOut => own(408, "DEADLINE_EXCEEDED", "REQUEST_TIMEOUT"),
            F::BodyMalformed(error) => {
                Self { field: at(error.path()), ..own(400, INVALID, "INVALID_BODY") }
            }
            F::ModelUnknown { .. } => own(404, "NOT_FOUND", "MODEL_NOT_FOUND"),
            F::NoTargetMatches { .. } => own(400, "INVALID_ARGUMENT", "NO_TARGET_MATCHES"),
            F::ProviderNotConfigured { .. } => own(503, UNAVAILABLE, "PROVIDER_NOT_CONFIGURED"),
            F::AccountsExhausted { retry_after, .. } => Self {
                retry_after: *retry_after,
                ..own(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
            },
            F::AccountsDown { retry_after, .. } => {
                Self { retry_after: *retry_after, ..own(503, UNAVAILABLE, "NO_ACCOUNT_AVAILABLE") }
            }
            F::CredentialsRefused { .. } => own(503, UNAVAILABLE, "PROVIDER_CREDENTIAL_REFUSED"),
            F::RequestNotExpressible { provider, error } => Self {
                field: at(error.path()),
                provider: Some(provider),
                ..own(400, INVALID, "UNSUPPORTED_VALUE")
            },
            F::MediaNotFetched { path, fault } => {
                Self { field: at(Some(path)), ..own(400, INVALID, media_reason(*fault)) }
            }
            F::UpstreamUnreachable { provider, .. } => {
                Self { provider: Some(provider), ..own(502, UNAVAILABLE, "UPSTREAM_UNREACHABLE") }
            }
            F::UpstreamTimedOut { provider } => Self {
                provider: Some(provider),
                ..own(504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT")
            },
            F::UpstreamRefused { provider, error } => Self::refused(provider, error),
            F::UpstreamMalformed { provider, .. } => {
                Self { provider: Some(provider), ..own(502, UNAVAILABLE, "UPSTREAM_MALFORMED") }
            }
            F::UpstreamBrokeOff { provider } => {
                Self { provider: Some(provider), ..own(502, UNAVAILABLE, "UPSTREAM_BROKE_OFF") }
            }
            F::Overloaded => own(503, UNAVAILABLE, "OVERLOADED"),
            F::ShuttingDown => own(503, UNAVAILABLE, "SHUTTING_DOWN"),
            F::Internal => own(500, "INTERNAL", "INTERNAL_ERROR"),
        }
    }

    fn refused(provider: &'a str, error: &'a UpstreamError) -> Self {
        let (status, reason) = kind_words(error.kind);
        let native = error.code.as_deref().filter(|code| is_rpc_code(code));
        let field = error.param.as_deref().map(Cow::Borrowed);
        Self {
            // A provider that says no with a success is not to be taken at its word.
            http: if (400..=599).contains(&error.status) { error.status } else { 502 },
            status: native.unwrap_or(status),
            reason,
            message: refusal_message(provider, error),
            field: field.map(|field| (field, refusal_message(provider, error).into_owned())),
            provider: Some(provider),
            retry_after: error.retry_after,
        }
    }

    fn write(&self, request_id: &str, out: &mut Vec<u8>) {
        let mut details = vec![
            Detail::ErrorInfo {
                reason: self.reason,
                domain: "penstock",
                metadata: Metadata { provider: self.provider },
            },
            Detail::RequestInfo { request_id },
        ];
        if let Some((field, description)) = &self.field {
            details
                .push(Detail::BadRequest { field_violations: [Violation { field, description }] });
        }
        if let Some(after) = self.retry_after {
            // Like a JSON duration of Google's: seconds, with as few decimals as needed.
            details.push(Detail::RetryInfo { retry_delay: format!("{}s", after.as_secs_f64()) });
        }
        let error = Error { code: self.http, message: &self.message, status: self.status, details };
        write::json(out, &Envelope { error });
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: u16,
    message: &'a str,
    status: &'a str,
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum Detail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.ErrorInfo")]
    ErrorInfo { reason: &'a str, domain: &'a str, metadata: Metadata<'a> },
    #[serde(rename = "type.googleapis.com/google.rpc.RequestInfo", rename_all = "camelCase")]
    RequestInfo { request_id: &'a str },
    #[serde(rename = "type.googleapis.com/google.rpc.BadRequest", rename_all = "camelCase")]
    BadRequest { field_violations: [Violation<'a>; 1] },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    RetryInfo { retry_delay: String },
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

#[derive(Serialize)]
struct Violation<'a> {
    field: &'a str,
    description: &'a str,
}

fn media_reason(fault: MediaFault) -> &'static str {
    match fault {
        MediaFault::Refused => "MEDIA_FETCH_REFUSED",
        MediaFault::Failed { .. } => "MEDIA_FETCH_FAILED",
        MediaFault::TooLarge { .. } => "MEDIA_TOO_LARGE",
        MediaFault::TooMany { .. } => "MEDIA_TOO_MANY",
        MediaFault::TimedOut => "MEDIA_FETCH_TIMEOUT",
        MediaFault::WrongKind => "MEDIA_WRONG_KIND",
    }
}

fn is_rpc_code(code: &str) -> bool {
    matches!(
        code,
        "CANCELLED"
            | "UNKNOWN"
            | "INVALID_ARGUMENT"
            | "DEADLINE_EXCEEDED"
            | "NOT_FOUND"
            | "ALREADY_EXISTS"
            | "PERMISSION_DENIED"
            | "UNAUTHENTICATED"
            | "RESOURCE_EXHAUSTED"
            | "FAILED_PRECONDITION"
            | "ABORTED"
            | "OUT_OF_RANGE"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
    )
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

/// The status and reason that stand in where a provider's are not Google's.
fn kind_words(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::InvalidRequest => (INVALID, "INVALID_REQUEST"),
        ErrorKind::ContextLength => (INVALID, "CONTEXT_LENGTH_EXCEEDED"),
        ErrorKind::ContentPolicy => (INVALID, "CONTENT_POLICY_VIOLATION"),
        ErrorKind::Authentication => ("UNAUTHENTICATED", "PROVIDER_CREDENTIAL_REFUSED"),
        ErrorKind::Billing => ("FAILED_PRECONDITION", "INSUFFICIENT_QUOTA"),
        ErrorKind::Permission => ("PERMISSION_DENIED", "PERMISSION_DENIED"),
        ErrorKind::NotFound => ("NOT_FOUND", "NOT_FOUND"),
        ErrorKind::RequestTooLarge => (INVALID, "REQUEST_TOO_LARGE"),
        ErrorKind::RateLimit => ("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        ErrorKind::Timeout => ("DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
        ErrorKind::Overloaded => (UNAVAILABLE, "OVERLOADED"),
        ErrorKind::Server => ("INTERNAL", "UPSTREAM_ERROR"),
    }
}

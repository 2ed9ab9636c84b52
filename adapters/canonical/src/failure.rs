//! Why there was no answer: causes, not statuses. Each dialect says them in its own words.

use std::time::Duration;

use crate::loss::DecodeError;

/// Why a request could not be served.
///
/// The enum is ours alone, so it stays exhaustive: a new cause does not compile until every
/// dialect has words for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// No HTTP, or HTTP that could be read in more than one way.
    #[error("the request is not well-formed HTTP: {reason}")]
    RequestMalformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header of more bytes than the configured limit.
    #[error("the request header is larger than the limit of {limit} bytes")]
    HeaderTooLarge {
        /// `limits.header_bytes`.
        limit: usize,
    },
    /// A header of more fields than the configured limit.
    #[error("the request header has more fields than the limit of {limit}")]
    HeadersTooMany {
        /// `limits.headers`.
        limit: usize,
    },
    /// The client sent its header too slowly.
    #[error("the request header did not arrive in time")]
    HeaderTimedOut,
    /// The address is not one of ours.
    #[error("there is nothing at `{path}`")]
    PathUnknown {
        /// The path as it was asked for.
        path: String,
    },
    /// The address is ours, the method is not.
    #[error("`{path}` does not take {method}; it takes {allowed}")]
    MethodNotAllowed {
        /// The path as it was asked for.
        path: String,
        /// The method as it was asked for.
        method: String,
        /// The methods it takes, comma-separated.
        allowed: &'static str,
    },
    /// No credential where one is needed.
    #[error("no API key was given; send it as `Authorization: Bearer <key>`")]
    KeyMissing,
    /// A credential that is not one of ours.
    #[error("the API key is not known here")]
    KeyUnknown,
    /// A header that says something it cannot say.
    #[error("the header `{name}` must be {expected}")]
    HeaderMalformed {
        /// The header's name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// Not JSON, by its content type.
    #[error("the body must be `application/json`")]
    MediaTypeUnsupported,
    /// More bytes than the configured limit.
    #[error("the request body is larger than the limit of {limit} bytes")]
    BodyTooLarge {
        /// `limits.request_body_bytes`.
        limit: u64,
    },
    /// The client stopped sending, or sent too slowly.
    #[error("the request body did not arrive in time")]
    BodyTimedOut,
    /// The body cannot be read as a request.
    #[error("the request body cannot be read: {0}")]
    BodyMalformed(DecodeError),
    /// The model is not offered.
    #[error("the model `{model}` is not offered here{}", near_matches(.near))]
    ModelUnknown {
        /// The model as it was asked for.
        model: String,
        /// Names that look like it, best first.
        near: Vec<String>,
    },
    /// The model is offered, but not for this request: the conditions of none of its targets hold.
    #[error(
        "no target of the model `{model}` takes this request: their conditions on headers, keys \
         or metadata do not hold"
    )]
    NoTargetMatches {
        /// The model as it was asked for.
        model: String,
    },
    /// The model is offered, but no account that serves it has a credential.
    #[error("the provider `{provider}` is not configured: {reason}")]
    ProviderNotConfigured {
        /// The provider's name in the configuration.
        provider: String,
        /// What is missing, such as the name of an environment variable.
        reason: String,
    },
    /// Every account that serves the model has reached a limit.
    #[error("all accounts that serve the model `{model}` have reached their limits")]
    AccountsExhausted {
        /// The model as it was asked for.
        model: String,
        /// When the first of them may have room again.
        retry_after: Option<Duration>,
    },
    /// Every account that serves the model is failing.
    #[error("no account that serves the model `{model}` is working at the moment")]
    AccountsDown {
        /// The model as it was asked for.
        model: String,
        /// When the first of them is tried again.
        retry_after: Option<Duration>,
    },
    /// The providers refused the credentials of all accounts that serve the model.
    #[error("the credentials of all accounts that serve the model `{model}` were refused")]
    CredentialsRefused {
        /// The model as it was asked for.
        model: String,
    },
    /// The request says something this provider has no words for.
    #[error("the provider `{provider}` cannot take this request: {error}")]
    RequestNotExpressible {
        /// The provider's name in the configuration.
        provider: String,
        /// What, and where.
        error: DecodeError,
    },
    /// What stands at an address of the request was to be fetched, and was not.
    #[error("what `{path}` points to was not fetched: {fault}")]
    MediaNotFetched {
        /// Where the request names the address, in the client's words.
        path: String,
        /// Why.
        fault: MediaFault,
    },
    /// No connection to the provider.
    #[error("the provider `{provider}` could not be reached: {reason}")]
    UpstreamUnreachable {
        /// The provider's name in the configuration.
        provider: String,
        /// In general terms: `connection refused`, `name not found`, `TLS handshake failed` …
        reason: &'static str,
    },
    /// The provider was silent for too long.
    #[error("the provider `{provider}` did not answer in time")]
    UpstreamTimedOut {
        /// The provider's name in the configuration.
        provider: String,
    },
    /// The provider said no.
    #[error("{}", .error.message)]
    UpstreamRefused {
        /// The provider's name in the configuration.
        provider: String,
        /// What it said.
        error: UpstreamError,
    },
    /// The provider's answer cannot be read.
    #[error("the answer of the provider `{provider}` cannot be read: {error}")]
    UpstreamMalformed {
        /// The provider's name in the configuration.
        provider: String,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The provider broke off in the middle of its answer.
    #[error("the provider `{provider}` broke off in the middle of its answer")]
    UpstreamBrokeOff {
        /// The provider's name in the configuration.
        provider: String,
    },
    /// The gateway has as much to do as it may.
    #[error("the gateway has too much to do at the moment")]
    Overloaded,
    /// The process is going down.
    #[error("the gateway is shutting down")]
    ShuttingDown,
    /// A defect of ours.
    #[error("the gateway failed")]
    Internal,
}

/// Why something at an address was not fetched, as far as a client may know. What stands behind
/// the gateway is nobody's to find out: no variant says where a name leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MediaFault {
    /// The gateway does not fetch from there.
    #[error("its address is not one that the gateway fetches from")]
    Refused,
    /// It could not be had.
    #[error("{}", failed(*.status))]
    Failed {
        /// What its server said, if it said something.
        status: Option<u16>,
    },
    /// More bytes than allowed.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// How many are.
        limit: u64,
    },
    /// More addresses than allowed.
    #[error("a request may point to {limit} such files")]
    TooMany {
        /// How many are.
        limit: usize,
    },
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// Something else than what was asked for.
    #[error("what its server sent is of another kind")]
    WrongKind,
}

impl MediaFault {
    /// What an error calls it, in the spelling of OpenAI's codes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Refused => "media_fetch_refused",
            Self::Failed { .. } => "media_fetch_failed",
            Self::TooLarge { .. } => "media_too_large",
            Self::TooMany { .. } => "media_too_many",
            Self::TimedOut => "media_fetch_timeout",
            Self::WrongKind => "media_wrong_kind",
        }
    }
}

fn failed(status: Option<u16>) -> String {
    match status {
        Some(status) => format!("its server answered with status {status}"),
        None => "its server could not be reached, or what it said cannot be used".to_owned(),
    }
}

fn near_matches(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("`, `")),
    }
}

/// What a provider says when it says no, in whole answers and inside streams.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamError {
    /// HTTP status; for an error inside a stream, the one its type stands for.
    pub status: u16,
    /// What it means.
    pub kind: ErrorKind,
    /// The provider's words.
    pub message: String,
    /// The provider's own type, such as `overloaded_error`.
    pub native_type: Option<String>,
    /// The provider's own code, such as `context_length_exceeded`.
    pub code: Option<String>,
    /// The parameter at fault.
    pub param: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// What a provider's error means, beyond its words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The request is wrong.
    InvalidRequest,
    /// The conversation is longer than the model takes.
    ContextLength,
    /// The content is not allowed.
    ContentPolicy,
    /// The credential is wrong.
    Authentication,
    /// Nobody pays.
    Billing,
    /// The credential may not do this.
    Permission,
    /// No such model, or no such address.
    NotFound,
    /// Too many bytes.
    RequestTooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// The provider took too long.
    Timeout,
    /// The provider is too busy.
    Overloaded,
    /// The provider failed.
    Server,
}

impl ErrorKind {
    /// What an HTTP status alone says.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Server,
        }
    }
}

impl UpstreamError {
    /// An error of which only the status is known, for bodies that cannot be read.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        Self {
            status,
            kind: ErrorKind::from_status(status),
            message: format!("the provider answered with status {status}"),
            native_type: None,
            code: None,
            param: None,
            retry_after: None,
        }
    }
}

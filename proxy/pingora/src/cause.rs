//! From Pingora's errors to our causes.

use adapters_canonical::failure::Failure;
use pingora::{Error, ErrorSource, ErrorType};

use crate::buffered::{ENDED_UNSEEN, UPSTREAM_SILENT};

const UNTRUSTED: &str = "its certificate is not trusted";

/// Whose fault an error of the proxy loop is.
pub(crate) enum Cause {
    /// The client went away, or what it sent cannot be read.
    Client,
    /// The upstream, or we.
    Failure(Failure),
}

/// Reads an error of the proxy loop. `answered` says whether the upstream's header has come.
pub(crate) fn cause(error: &Error, provider: &str, answered: bool) -> Cause {
    let provider = provider.to_owned();
    if *error.etype() == UPSTREAM_SILENT {
        // Measured by the client's session, so Pingora takes it for the client's fault.
        return Cause::Failure(Failure::UpstreamTimedOut { provider });
    }
    if *error.etype() == ENDED_UNSEEN {
        return Cause::Failure(Failure::UpstreamBrokeOff { provider });
    }
    if *error.esource() == ErrorSource::Downstream {
        return Cause::Client;
    }
    let unreachable = |reason| Failure::UpstreamUnreachable { provider: provider.clone(), reason };
    Cause::Failure(match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => Failure::UpstreamTimedOut { provider },
        ErrorType::ConnectRefused => unreachable("connection refused"),
        ErrorType::ConnectNoRoute => unreachable("no route"),
        ErrorType::InvalidCert => unreachable(UNTRUSTED),
        ErrorType::TLSHandshakeFailure if refuses_certificate(error) => unreachable(UNTRUSTED),
        ErrorType::TLSHandshakeFailure | ErrorType::HandshakeError => {
            unreachable("TLS handshake failed")
        }
        ErrorType::ConnectError | ErrorType::ConnectProxyFailure | ErrorType::SocketError => {
            unreachable("connection failed")
        }
        _ if *error.esource() == ErrorSource::Upstream && answered => {
            Failure::UpstreamBrokeOff { provider }
        }
        _ if *error.esource() == ErrorSource::Upstream => {
            unreachable("the connection was closed before an answer")
        }
        _ => Failure::Internal,
    })
}

/// What an upstream did wrong, as a label; `None` if the failure is not its own.
pub(crate) fn upstream_failure(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::UpstreamUnreachable { .. } => Some("unreachable"),
        Failure::UpstreamTimedOut { .. } => Some("timed_out"),
        Failure::UpstreamRefused { .. } => Some("refused"),
        Failure::UpstreamMalformed { .. } => Some("malformed"),
        Failure::UpstreamBrokeOff { .. } => Some("broke_off"),
        Failure::RequestMalformed { .. }
        | Failure::HeaderTooLarge { .. }
        | Failure::HeadersTooMany { .. }
        | Failure::HeaderTimedOut
        | Failure::PathUnknown { .. }
        | Failure::MethodNotAllowed { .. }
        | Failure::KeyMissing
        | Failure::KeyUnknown
        | Failure::HeaderMalformed { .. }
        | Failure::MediaTypeUnsupported
        | Failure::BodyTooLarge { .. }
        | Failure::BodyTimedOut
        | Failure::BodyMalformed(_)
        | Failure::ModelUnknown { .. }
        | Failure::NoTargetMatches { .. }
        | Failure::ProviderNotConfigured { .. }
        | Failure::AccountsExhausted { .. }
        | Failure::AccountsDown { .. }
        | Failure::CredentialsRefused { .. }
        | Failure::RequestNotExpressible { .. }
        | Failure::MediaNotFetched { .. }
        | Failure::Overloaded
        | Failure::ShuttingDown
        | Failure::Internal => None,
    }
}

/// Whether we broke off the handshake because of the upstream's certificate. Pingora keeps nothing
/// of rustls' error but its words.
fn refuses_certificate(error: &Error) -> bool {
    error.to_string().contains("invalid peer certificate")
}

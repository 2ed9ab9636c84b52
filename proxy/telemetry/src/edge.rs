//! Clients' connections, and what was closed before it became a request.

use prometheus::{IntCounterVec, IntGauge, Registry};

use crate::metric::{counters, gauge};

/// What is counted where clients connect.
#[derive(Debug)]
pub struct Edge {
    connections: IntGauge,
    refused: IntCounterVec,
    memory: IntGauge,
}

/// Why a connection was closed before a request was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// `limits.connections`.
    Connections,
    /// `limits.connections_per_address`.
    ConnectionsPerAddress,
    /// A PROXY protocol header that is missing, wrong, late, or from a stranger.
    ProxyProtocol,
    /// The TLS handshake failed.
    Tls,
    /// The TLS handshake took too long.
    TlsTimedOut,
    /// The request's header took too long.
    HeaderTimedOut,
    /// The request's header has too many bytes or fields.
    HeaderTooLarge,
    /// The request's header is no HTTP.
    Malformed,
}

impl Refused {
    const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Tls => "tls",
            Self::TlsTimedOut => "tls_timeout",
            Self::HeaderTimedOut => "header_timeout",
            Self::HeaderTooLarge => "header_too_large",
            Self::Malformed => "malformed",
        }
    }
}

impl Edge {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            connections: gauge(
                registry,
                "penstock_client_connections",
                "Open connections of clients.",
            )?,
            refused: counters(
                registry,
                "penstock_client_connections_refused_total",
                "Connections of clients that were closed before a request was read, by reason.",
                &["reason"],
            )?,
            memory: gauge(
                registry,
                "penstock_memory_in_use_bytes",
                "Memory in use, without what the allocator keeps for later.",
            )?,
        })
    }

    /// Counts a connection until it is dropped.
    #[must_use]
    pub fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// A connection was closed before a request was read.
    pub fn refused(&self, why: Refused) {
        self.refused.with_label_values(&[why.label()]).inc();
    }

    /// So many bytes are in use now.
    pub fn memory_is(&self, bytes: u64) {
        self.memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How many bytes were in use when last looked.
    #[must_use]
    pub fn memory(&self) -> u64 {
        u64::try_from(self.memory.get()).unwrap_or(0)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

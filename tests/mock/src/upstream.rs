//! The upstream itself: a listener, the connections it accepted, and what they saw.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ledger::{Counts, Ledger, Recorded};
use crate::script::Script;
use crate::{http1, http2, tls};

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// HTTP/1.1 in the clear.
    Http1,
    /// HTTP/2 in the clear, without an upgrade (prior knowledge).
    H2c,
    /// TLS, offering these protocols (`h2`, `http/1.1`); without agreement, HTTP/1.1 is spoken.
    Tls(&'static [&'static str]),
}

/// A scripted upstream on loopback. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct MockUpstream {
    /// Where it listens.
    pub address: SocketAddr,
    certificate: Option<String>,
    ledger: Arc<Ledger>,
    accepting: JoinHandle<()>,
}

impl MockUpstream {
    /// Listens on a free port for HTTP/1.1 in the clear.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_as(script, Transport::Http1).await
    }

    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// Fails if no port can be had, or no certificate be made.
    pub async fn start_as(script: Script, transport: Transport) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script, transport).await
    }

    /// Listens on a given address: how a test brings an upstream back after an outage.
    ///
    /// # Errors
    ///
    /// Fails if the address is taken, or no certificate can be made.
    pub async fn start_at(
        address: SocketAddr,
        script: Script,
        transport: Transport,
    ) -> io::Result<Self> {
        let (speaks, certificate) = match transport {
            Transport::Http1 => (Speaks::Http1, None),
            Transport::H2c => (Speaks::H2c, None),
            Transport::Tls(alpn) => {
                let (acceptor, certificate) = tls::acceptor(alpn)?;
                (Speaks::Tls(acceptor), Some(certificate))
            }
        };
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let ledger = Arc::new(Ledger::default());
        let host = Host { script, ledger: Arc::clone(&ledger) };
        let accepting = tokio::spawn(accept(listener, speaks, host));
        Ok(Self { address, certificate, ledger, accepting })
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate a client must trust, as PEM; valid for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Every request so far, in the order they were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.ledger.requests()
    }

    /// How much it saw so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// Waits until it has seen that much. Waits for ever if that never comes: give it a timeout.
    pub async fn until(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        self.ledger.until(reached).await
    }
}

impl Drop for MockUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) script: Script,
    pub(crate) ledger: Arc<Ledger>,
}

#[derive(Clone)]
enum Speaks {
    Http1,
    H2c,
    Tls(TlsAcceptor),
}

async fn accept(listener: TcpListener, speaks: Speaks, host: Host) {
    // Aborting this task drops the set, which aborts the connections.
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(tcp, speaks.clone(), host.clone()));
    }
}

async fn serve(tcp: TcpStream, speaks: Speaks, host: Host) {
    let (connection, _open) = host.ledger.connect();
    // Small writes must leave at once: tests look at when an event arrives.
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    // How a connection ends is the client's affair; what was seen of it stands in the ledger.
    let _ended = match speaks {
        Speaks::Http1 => http1::serve(tcp, connection, &host).await,
        Speaks::H2c => http2::serve(tcp, connection, &host).await,
        Speaks::Tls(acceptor) => match acceptor.accept(tcp).await {
            Ok(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => {
                http2::serve(tls, connection, &host).await
            }
            Ok(tls) => http1::serve(tls, connection, &host).await,
            Err(failure) => Err(failure),
        },
    };
}

/// A stream that knows the TCP connection below it.
pub(crate) trait OverTcp {
    fn tcp(&self) -> &TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

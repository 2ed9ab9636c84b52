//! The first bytes of a connection: who it is, and what it speaks.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use pingora::protocols::{ALPN, Ssl};
use pingora::server::ShutdownWatch;
use proxy_admit::address;
use proxy_admit::proxy_protocol::{self, Read};
use proxy_telemetry::Refused;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::places::AddressPlace;
use super::{House, Manners, http1, http2};

/// With which every HTTP/2 connection begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that was just accepted.
pub(super) struct Opening<'a> {
    pub(super) house: &'a House,
    pub(super) manners: &'a Manners,
    pub(super) shutdown: ShutdownWatch,
}

impl Opening<'_> {
    /// Serves the connection to its end. `peer` is at the other end of the socket.
    pub(super) async fn serve(self, mut stream: TcpStream, peer: SocketAddr) {
        let mut unread = BytesMut::new();
        let mut client = peer;
        if self.manners.proxy_protocol {
            match self.introduced(&mut stream, peer, &mut unread).await {
                Some(introduced) => client = introduced,
                None => return self.house.metrics.edge.refused(Refused::ProxyProtocol),
            }
        }
        let Ok(_place) = self.place(client.ip()) else {
            return self.house.metrics.edge.refused(Refused::ConnectionsPerAddress);
        };
        let client = Client::new(stream, client, unread);
        match &self.manners.tls {
            None if self.manners.h2c => self.tell_apart(client).await,
            None => self.http1(client, BytesMut::new(), None).await,
            Some(acceptor) => {
                let deadline = self.deadline();
                match timeout_at(deadline, acceptor.tls_handshake(client)).await {
                    Ok(Ok(client)) if matches!(client.selected_alpn_proto(), Some(ALPN::H2)) => {
                        http2::serve(self.house, Box::new(client), &self.shutdown).await;
                    }
                    Ok(Ok(client)) => {
                        let (house, shutdown) = (self.house, self.shutdown);
                        http1::Connection { house, peer: peer.ip(), shutdown, deadline: None }
                            .serve(Box::new(client), BytesMut::new())
                            .await;
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(client = %peer, %error, "the TLS handshake failed");
                        self.house.metrics.edge.refused(Refused::Tls);
                    }
                    Err(_) => self.house.metrics.edge.refused(Refused::TlsTimedOut),
                }
            }
        }
    }

    /// Who the client is, as a trusted proxy tells it in a PROXY protocol header. What was read
    /// beyond the header is in `unread`.
    async fn introduced(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        unread: &mut BytesMut,
    ) -> Option<SocketAddr> {
        if !address::is_trusted(peer.ip(), &self.house.plan.load().trusted_proxies) {
            tracing::debug!(client = %peer, "this address is not one of `trusted_proxies`");
            return None;
        }
        let deadline = self.deadline();
        loop {
            match proxy_protocol::read(unread) {
                Read::Complete { source, length } => {
                    let _header = unread.split_to(length);
                    return Some(source.unwrap_or(peer));
                }
                Read::Wrong(reason) => {
                    tracing::debug!(client = %peer, reason, "the PROXY protocol header is wrong");
                    return None;
                }
                Read::Incomplete => {
                    let read = timeout_at(deadline, stream.read_buf(unread)).await;
                    // The end, an error or the deadline: without a header there is no client.
                    if !matches!(read, Ok(Ok(1..))) {
                        return None;
                    }
                }
            }
        }
    }

    /// A place for one more connection of `client`, if it needs one.
    fn place(&self, client: IpAddr) -> Result<Option<AddressPlace>, NoPlace> {
        let plan = self.house.plan.load();
        let Some(most) = plan.limits.connections_per_address else { return Ok(None) };
        // It speaks for many.
        if address::is_trusted(client, &plan.trusted_proxies) {
            return Ok(None);
        }
        self.house.places.take_of(client, most).map(Some).ok_or(NoPlace)
    }

    /// HTTP/2 begins like no HTTP/1.1 request: a few bytes tell.
    async fn tell_apart(self, mut client: Client) {
        let deadline = self.deadline();
        let mut read = BytesMut::with_capacity(http1::FIRST_READ);
        loop {
            let common = read.len().min(PREFACE.len());
            if read[..common] != PREFACE[..common] {
                return self.http1(client, read, Some(deadline)).await;
            }
            if common == PREFACE.len() {
                let client = Box::new(client.began_with_http2(read));
                return http2::serve(self.house, client, &self.shutdown).await;
            }
            let mut shutdown = self.shutdown.clone();
            let more: io::Result<usize> = tokio::select! {
                biased;
                more = timeout_at(deadline, client.read_buf(&mut read)) => match more {
                    Ok(more) => more,
                    Err(_) => return self.house.metrics.edge.refused(Refused::HeaderTimedOut),
                },
                () = super::stopped(&mut shutdown), if read.is_empty() => return,
            };
            if !matches!(more, Ok(1..)) {
                return;
            }
        }
    }

    async fn http1(self, client: Client, read: BytesMut, deadline: Option<Instant>) {
        let Self { house, shutdown, .. } = self;
        let peer = pingora::protocols::GetSocketDigest::get_socket_digest(&client)
            .and_then(|digest| digest.peer_addr().and_then(|it| it.as_inet()).map(SocketAddr::ip));
        let Some(peer) = peer else { return };
        http1::Connection { house, peer, shutdown, deadline }.serve(Box::new(client), read).await;
    }

    fn deadline(&self) -> Instant {
        deadline(self.house.plan.load().limits.header_timeout)
    }
}

/// There are as many connections from this address as there may be.
struct NoPlace;

/// So long from now.
pub(super) fn deadline(after: std::time::Duration) -> Instant {
    Instant::now() + after
}

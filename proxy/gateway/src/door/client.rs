//! A client's connection as Pingora wants it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;

/// Room for a header and a small body, which then leave together. There is no buffer for reading:
/// the parsers have their own.
const WRITE_BUFFER: usize = 2 << 10;

/// A connection whose first bytes may have been read already.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufWriter<TcpStream>,
    /// Comes before what the stream has.
    unread: BytesMut,
    http2: bool,
    socket: Arc<SocketDigest>,
    since: SystemTime,
}

impl Client {
    /// `address` is the client's, whoever is at the other end of `stream`.
    #[expect(clippy::disallowed_methods, reason = "Pingora asks when a connection began")]
    pub(crate) fn new(stream: TcpStream, address: SocketAddr, unread: BytesMut) -> Self {
        let socket = SocketDigest::from_raw_fd(stream.as_raw_fd());
        // Nobody else has set it: the digest is new.
        let _ = socket.peer_addr.set(Some(PingoraAddr::Inet(address)));
        Self {
            stream: BufWriter::with_capacity(WRITE_BUFFER, stream),
            unread,
            http2: false,
            socket: Arc::new(socket),
            since: SystemTime::now(),
        }
    }

    /// The client began with HTTP/2, with these bytes: as good as agreeing on it in a handshake.
    pub(crate) fn began_with_http2(mut self, bytes: BytesMut) -> Self {
        self.http2 = true;
        self.unread = bytes;
        self
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What is still in the buffer leaves, if the socket takes it without waiting.
impl Drop for Client {
    fn drop(&mut self) {
        let mut nobody = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.stream).poll_flush(&mut nobody);
    }
}

#[async_trait]
impl Shutdown for Client {
    async fn shutdown(&mut self) {
        if let Err(error) = self.stream.shutdown().await {
            tracing::debug!(%error, "a connection could not be shut down");
        }
    }
}

impl UniqueID for Client {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().as_raw_fd()
    }
}

impl Ssl for Client {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.http2.then_some(ALPN::H2)
    }
}

impl GetTimingDigest for Client {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.since, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Client {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Client {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

impl Peek for Client {}

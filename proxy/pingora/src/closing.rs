//! The last word of a request that cannot be answered, said so that its connection lives on.
//!
//! When Pingora's proxy loop ends in an error it closes the client's connection, and a request
//! that the client sends at that moment is lost. So the loop does not end in an error: it is led
//! into one more attempt, whose upstream is a constant in memory. That answers at once, the
//! filters put the last word in the place of its answer, and the loop ends as after any other.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use adapters_canonical::failure::Failure;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{Method, StatusCode};
use pingora::Result;
use pingora::connectors::L4Connect;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::{ALPN, HttpPeer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ctx::{Answer, Ctx};
use crate::ending::finish_whole;
use crate::reply;

/// What the constant upstream says. Its body is replaced; it has one, so that the filter for
/// bodies is called.
const CONSTANT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n.";

/// What is left to say.
pub(crate) struct Closing {
    /// Goes out only if the client has none yet.
    header: Box<ResponseHeader>,
    body: Bytes,
}

impl Closing {
    /// An error with its status; the well-formed end of the stream, if one is under way.
    pub(crate) fn of(ctx: &mut Ctx, failure: Failure) -> Result<Self> {
        let id = ctx.request_id.clone();
        let (header, body) = reply::failure_parts(ctx.ingress, &failure, &id)?;
        let header = Box::new(header.into());
        if let Some(chat) = &ctx.chat {
            chat.handle.stop_upload();
        }
        if let Some(chat) = ctx.chat.as_deref_mut()
            && (chat.handle.header_is_out() || chat.handle.content_is_out())
        {
            let body = chat.last_words(failure, &id).into();
            if let Some(outcome) = chat.handle.take_outcome() {
                chat.outcome = outcome;
            }
            chat.handle.end_attempt();
            return Ok(Self { header, body });
        }
        if let Some(chat) = &ctx.chat {
            drop(chat.handle.take_outcome());
            chat.handle.end_attempt();
        }
        ctx.failure = Some(failure);
        Ok(Self { header, body })
    }

    /// An answer of which the filters saw no end, because it ended with its header or with
    /// trailers. If nothing is missing of it, it is an answer all the same.
    pub(crate) fn of_unseen(ctx: &mut Ctx, failure: Failure) -> Result<Self> {
        let id = ctx.request_id.clone();
        let Some(chat) = ctx.chat.as_deref_mut() else { return Self::of(ctx, failure) };
        match chat.attempt.as_ref().map(|attempt| &attempt.answer) {
            Some(Answer::Whole(_)) => {}
            // An empty file is a file.
            Some(Answer::Raw { begun: false }) => {
                chat.handle.end_attempt();
                let dialect = chat.ingress.dialect();
                let header = reply::header(StatusCode::OK, reply::BYTES, dialect, &id)?;
                return Ok(Self { header: Box::new(header.into()), body: Bytes::new() });
            }
            Some(Answer::Awaited | Answer::Raw { .. } | Answer::Streamed | Answer::Done) | None => {
                return Self::of(ctx, failure);
            }
        }
        match finish_whole(chat, &id) {
            Err((failure, _)) => Self::of(ctx, failure),
            Ok(body) if body.is_empty() => Self::of(ctx, failure),
            Ok(body) => {
                chat.handle.end_attempt();
                let dialect = chat.ingress.dialect();
                let header = reply::header(StatusCode::OK, reply::JSON, dialect, &id)?;
                Ok(Self { header: Box::new(header.into()), body })
            }
        }
    }

    /// In the place of the constant's header.
    pub(crate) fn header(&self) -> ResponseHeader {
        (*self.header).clone()
    }

    /// In the place of its body.
    pub(crate) fn take_body(&mut self) -> Bytes {
        std::mem::take(&mut self.body)
    }

    /// The constant upstream.
    pub(crate) fn peer() -> Box<HttpPeer> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut peer = HttpPeer::new(nowhere, false, String::new());
        peer.options.alpn = ALPN::H1;
        peer.options.custom_l4 = Some(Arc::new(Constant { said: 0 }));
        Box::new(peer)
    }

    /// What it is asked: nothing of the client's.
    pub(crate) fn request() -> Result<RequestHeader> {
        let mut header = RequestHeader::build_no_case(Method::POST, b"/", Some(2))?;
        header.insert_header(HOST, "closing")?;
        header.insert_header(CONTENT_LENGTH, 2)?;
        Ok(header)
    }
}

/// A socket that reads as [`CONSTANT`] and takes whatever is written to it.
#[derive(Debug)]
struct Constant {
    said: usize,
}

#[async_trait]
impl L4Connect for Constant {
    async fn connect(&self, _: &PeerAddr) -> Result<Stream> {
        Ok(VirtualSocketStream::new(Box::new(Self { said: 0 })).into())
    }
}

impl AsyncRead for Constant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = CONSTANT.get(self.said..).unwrap_or_default();
        let (now, _) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.said += now.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Constant {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl VirtualSocket for Constant {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

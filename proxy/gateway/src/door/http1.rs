//! An HTTP/1.1 connection: each header is read whole and checked before Pingora sees it.
//!
//! That gives a header one deadline from its first byte to its last, gives what is wrong with it a
//! proper answer, and leaves nothing in it to be read in two ways. Pingora gets the bytes through
//! what it has for pipelined requests, and reads the body by itself.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};

use bytes::{Buf, BytesMut};
use conf_schema::plan::Limits;
use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use proxy_admit::request_head::{Bounds, Fault, Scan};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use super::opening::deadline;
use super::{House, refusal, stopped};

/// Room for most headers.
pub(super) const FIRST_READ: usize = 4 << 10;

/// A connection that speaks HTTP/1.1.
pub(super) struct Connection<'a> {
    pub(super) house: &'a House,
    pub(super) peer: IpAddr,
    pub(super) shutdown: ShutdownWatch,
    /// Of the first header, if it began before.
    pub(super) deadline: Option<Instant>,
}

/// What came instead of a header.
enum Instead {
    /// Nothing, for too long, or the end of the connection or of the process.
    Nothing,
    /// The beginning of one, and then nothing for too long.
    Late,
    /// One that is wrong.
    Wrong(Fault),
}

impl Connection<'_> {
    /// Serves requests for as long as the connection can be kept. `read` was read of it already.
    pub(super) async fn serve(mut self, mut stream: Stream, mut read: BytesMut) {
        let mut kept: Option<HttpPersistentSettings> = None;
        let mut shutdown = self.shutdown.clone();
        // One for the life of the connection: to listen anew for each request costs more.
        let mut stop = pin!(stopped(&mut shutdown));
        loop {
            let limits = self.house.plan.load().limits;
            let began = deadline(std::time::Duration::ZERO);
            let idle = if kept.is_some() { limits.idle_timeout } else { limits.header_timeout };
            let idle = self.deadline.take().unwrap_or(began + idle);
            let header = match self.header(&mut stream, read, idle, &limits, stop.as_mut()).await {
                Ok(header) => header,
                Err(Instead::Nothing) => return,
                Err(Instead::Late) => {
                    return refusal::late(self.house, stream, self.peer, began.elapsed()).await;
                }
                Err(Instead::Wrong(fault)) => {
                    let took = began.elapsed();
                    return refusal::wrong(self.house, stream, self.peer, fault, &limits, took)
                        .await;
                }
            };
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = kept {
                settings.apply_to_session(&mut session);
            }
            session.set_pipelined_prefix(header);
            let proxy = &self.house.proxy;
            let Some(reused) = proxy.process_new_http(session, &self.shutdown).await else {
                return;
            };
            (stream, kept) = reused.consume();
            read = BytesMut::new();
        }
    }

    /// Reads until a header is whole; what follows it in the same read stays with it. The first
    /// byte may come until `idle`.
    async fn header(
        &self,
        stream: &mut Stream,
        mut read: BytesMut,
        idle: Instant,
        limits: &Limits,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<BytesMut, Instead> {
        if read.is_empty() {
            read.reserve(FIRST_READ);
            let first = tokio::select! {
                biased; // what is there already is served
                first = timeout_at(idle, stream.read_buf(&mut read)) => first,
                () = stop => return Err(Instead::Nothing),
            };
            more(first.unwrap_or(Ok(0)))?;
        }
        let bounds = Bounds { bytes: limits.header_bytes, fields: limits.headers };
        let mut scan = Scan::default();
        let mut late = None;
        loop {
            if let Some(header) = scan.look(&read, bounds).map_err(Instead::Wrong)? {
                // Empty lines before it.
                read.advance(header.start);
                return Ok(read);
            }
            let late = *late.get_or_insert_with(|| deadline(limits.header_timeout));
            match timeout_at(late, stream.read_buf(&mut read)).await {
                Ok(next) => more(next)?,
                Err(_) => return Err(Instead::Late),
            }
        }
    }
}

/// The end of the connection, or what broke it, in the middle of a header is nothing to answer.
fn more(read: io::Result<usize>) -> Result<(), Instead> {
    match read {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Instead::Nothing),
    }
}

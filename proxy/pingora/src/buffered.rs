//! The client's session as the proxy loop sees it, with the two things the loop lacks.
//!
//! Pingora reads the model's name too late and its retry buffer holds 64 KiB. So the body is read
//! whole in `request_filter`, and from then on the real session sits inside a
//! [`BufferedSession`], which
//!
//! * says that a complete body is at hand, of whatever size and for every attempt. What is sent
//!   is put in its place by `request_body_filter`, anew for each attempt;
//! * is polled while the upstream is silent, and so can tell when it has been silent too long;
//! * lets a body that is too large to be kept go up while it comes in, of which only the beginning
//!   has been read;
//! * holds back the header of an answer that is not streamed until its body has been read, so
//!   that a body that turns out to be unreadable still gets the status of an error.
//!
//! The trait is hidden from Pingora's documentation: its version is pinned, and each promise of
//! this file has an end-to-end test.

mod timer;
mod upload;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::{CustomMessageWrite, server::Session as CustomSession};
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::Instant;

use crate::handle::{Beats, Handle, Upload};
use crate::head;
use timer::Timer;

/// Nothing came from the upstream in time.
pub(crate) const UPSTREAM_SILENT: ErrorType = ErrorType::Custom("UpstreamSilent");
/// The answer ended with its header or with trailers, where `response_body_filter` is not called.
pub(crate) const ENDED_UNSEEN: ErrorType = ErrorType::Custom("EndedUnseen");

/// Puts a [`BufferedSession`] in the place of the client's session, whose body has been read.
pub(crate) fn install(
    session: &mut Session,
    beats: Option<Beats>,
    upload: Option<Upload>,
) -> Handle {
    let handle = Handle::default();
    let uploads = upload.is_some();
    handle.lock().upload = upload;
    let inner = std::mem::replace(&mut session.downstream_session, nobody());
    *session.downstream_session = ServerSession::Custom(Box::new(BufferedSession {
        inner: Some(inner),
        handle: handle.clone(),
        began: None,
        heard: None,
        hears: false,
        timer: None,
        held: None,
        header_sent: false,
        ended: false,
        next_beat: beats.as_ref().map(|beats| Instant::now() + beats.rhythm.after),
        beats,
        torn: false,
        uploads,
    }));
    handle
}

/// Puts the client's session back, so that its connection can be used again. Harmless if it is
/// there already.
pub(crate) fn uninstall(session: &mut Session, handle: &Handle) {
    if !session.downstream_session.is_custom() {
        return;
    }
    // Dropping the decorator leaves the real session in the handle.
    drop(std::mem::replace(&mut session.downstream_session, nobody()));
    if let Some(inner) = handle.lock().inner.take() {
        session.downstream_session = inner;
    }
}

fn ended_unseen() -> Result<()> {
    Error::e_explain(ENDED_UNSEEN, "the answer has no body, or trailers behind it")
}

fn nobody() -> Box<ServerSession> {
    Box::new(ServerSession::Custom(Box::new(())))
}

struct BufferedSession {
    /// There until it is dropped.
    inner: Option<Box<ServerSession>>,
    handle: Handle,
    /// The attempt that `heard` and `held` belong to.
    began: Option<Instant>,
    /// When the upstream was last heard of in this attempt.
    heard: Option<Instant>,
    /// It was heard of since. When, is looked at only when it is waited for again: while the client
    /// does not read nobody listens to the upstream, which is not silent then.
    hears: bool,
    /// One timer for the life of an attempt: setting a timer for each event would cost more than
    /// translating it. It may go off early, and is then set again.
    timer: Option<Timer>,
    /// The header of an answer whose body has not been read yet.
    held: Option<Box<ResponseHeader>>,
    /// The client has a header.
    header_sent: bool,
    /// The client has all it will get, though the upstream may still be sending.
    ended: bool,
    beats: Option<Beats>,
    next_beat: Option<Instant>,
    /// A heartbeat may have gone out in part: it is ended before anything else is said.
    torn: bool,
    /// What has been read is only the beginning of the body.
    uploads: bool,
}

impl Drop for BufferedSession {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.handle.lock().inner = Some(inner);
        }
    }
}

impl BufferedSession {
    #[expect(clippy::expect_used, reason = "`inner` is taken in `drop` alone")]
    fn get(&self) -> &ServerSession {
        self.inner.as_deref().expect("the session is there until it is dropped")
    }

    #[expect(clippy::expect_used, reason = "`inner` is taken in `drop` alone")]
    fn get_mut(&mut self) -> &mut ServerSession {
        self.inner.as_deref_mut().expect("the session is there until it is dropped")
    }

    /// When the upstream will have been silent for too long, if an attempt is under way.
    fn deadline(&mut self) -> Option<Instant> {
        let (began, patience) = self.handle.lock().attempt?;
        if self.began != Some(began) {
            self.began = Some(began);
            self.heard = None;
            self.hears = false;
            self.held = None;
        }
        if std::mem::take(&mut self.hears) {
            self.heard = Some(Instant::now());
        }
        let silence = match self.heard {
            None => began + patience.first_byte,
            Some(heard) => heard + patience.idle,
        };
        Some(silence.min(Instant::from_std(patience.total)))
    }

    /// Tells the client that its request is being worked on.
    async fn beat(&mut self) -> Result<()> {
        let Some(beats) = &self.beats else { return Ok(()) };
        self.next_beat = Some(Instant::now() + beats.rhythm.every);
        if self.ended {
            return Ok(());
        }
        beats.counter.sent();
        let (bytes, media) = (beats.bytes(), beats.media);
        let mut tasks = Vec::with_capacity(2);
        if !self.header_sent {
            let named = (beats.dialect, beats.request_id.as_str());
            let mut header = head::opening(StatusCode::OK, media, named)?;
            if matches!(self.get(), ServerSession::H1(_)) {
                header.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            self.header_sent = true;
            self.handle.lock().header_is_out = true;
            tasks.push(HttpTask::Header(Box::new(header.into()), false));
        }
        tasks.push(HttpTask::Body(Some(bytes), false));
        if matches!(self.get(), ServerSession::H1(_)) {
            // Queued: what the upstream says may cut this off, and it is then gone on with.
            for task in tasks {
                self.get_mut().send_downstream_proxy_task(task);
            }
            self.get_mut().write_downstream_proxy_tasks().await?;
            return Ok(());
        }
        self.torn = true;
        self.get_mut().response_duplex_vec(tasks).await?;
        self.torn = false;
        Ok(())
    }

    /// Ends a heartbeat that was cut off.
    async fn finish_beat(&mut self) -> Result<()> {
        if matches!(self.get(), ServerSession::H1(_)) {
            if self.get().has_pending_downstream_proxy_tasks() {
                self.get_mut().write_downstream_proxy_tasks().await?;
            }
        } else if std::mem::take(&mut self.torn) {
            // Whatever part of a comment went out: an empty line ends it.
            let tasks = vec![HttpTask::Body(Some(Bytes::from_static(b"\n\n")), false)];
            self.get_mut().response_duplex_vec(tasks).await?;
        }
        Ok(())
    }

    fn said_something(&mut self) {
        if let Some(beats) = &self.beats {
            self.next_beat = Some(Instant::now() + beats.rhythm.after);
        }
    }

    /// Waits until then.
    async fn silence(slot: &mut Option<Timer>, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        loop {
            // Set again only when it goes off: most of the time the next event comes first.
            if slot.as_ref().is_none_or(|timer| timer.at() > deadline) {
                *slot = Some(Timer::until(deadline));
            }
            if let Some(timer) = slot {
                timer.goes_off().await;
            }
            *slot = None;
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    fn release(&mut self, body: Option<Bytes>, end: bool, out: &mut Vec<HttpTask>) {
        let Some(held) = self.held.take() else {
            out.push(HttpTask::Body(body, end));
            return;
        };
        if self.header_sent {
            out.push(HttpTask::Body(body, end));
            return;
        }
        self.header_sent = true;
        let streamed = head::is_event_stream(&held);
        let mut shared = self.handle.lock();
        let mut header = shared.header.take().unwrap_or(held);
        if let Some(losses) = shared.losses.take() {
            // Cannot fail: both are valid already.
            let _ = header.insert_header(&head::LOSSES, losses);
        }
        drop(shared);
        let length = body.as_ref().map_or(0, Bytes::len);
        if end && !streamed {
            header.remove_header(&TRANSFER_ENCODING);
            // Cannot fail: a number is a valid header value.
            let _ = header.insert_header(CONTENT_LENGTH, length);
        }
        out.push(HttpTask::Header(header, end && length == 0));
        if length > 0 {
            out.push(HttpTask::Body(body, end));
        }
    }

    fn admit(&mut self, task: HttpTask, out: &mut Vec<HttpTask>) -> Result<()> {
        match task {
            _ if self.ended => {}
            HttpTask::Header(header, _) if header.status.is_informational() => {}
            HttpTask::Header(_, true) | HttpTask::Trailer(_) => return ended_unseen(),
            HttpTask::Header(header, _) => self.held = Some(header),
            HttpTask::Body(None, false) => {}
            HttpTask::Body(body, end) => {
                self.ended = end;
                self.release(body, end, out);
            }
            // Ended here and not by the proxy loop, which would close the client's connection.
            HttpTask::Failed(error) => match self.handle.end_by(&error) {
                Some(tail) => {
                    self.ended = true;
                    out.push(HttpTask::Body(Some(tail), true));
                }
                None => out.push(HttpTask::Failed(error)),
            },
            HttpTask::Done if self.held.is_some() => return ended_unseen(),
            other => out.push(other),
        }
        Ok(())
    }
}

#[async_trait]
impl CustomSession for BufferedSession {
    fn req_header(&self) -> &RequestHeader {
        self.get().req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.get_mut().req_header_mut()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, _: bool) -> Result<()> {
        self.held = None;
        self.header_sent = true;
        self.finish_beat().await?;
        self.get_mut().write_response_header(header).await
    }

    async fn write_response_header_ref(
        &mut self,
        header: &ResponseHeader,
        end: bool,
    ) -> Result<()> {
        self.write_response_header(Box::new(header.clone()), end).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.finish_beat().await?;
        self.get_mut().write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.get_mut().write_response_trailers(trailers).await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.hears = true;
        let mut out = Vec::with_capacity(tasks.len() + 1);
        for task in tasks {
            self.admit(task, &mut out)?;
        }
        // The filters have seen all of these tasks: a stream that has told the client of its
        // failure did so in the last of them, and is over whatever the upstream still sends.
        if !self.ended && self.handle.stream_has_failed() {
            self.ended = true;
            match out.last_mut() {
                Some(HttpTask::Body(_, end)) => *end = true,
                _ => out.push(HttpTask::Body(None, true)),
            }
        }
        if out.is_empty() {
            return Ok(false);
        }
        self.said_something();
        self.finish_beat().await?;
        self.get_mut().response_duplex_vec(out).await
    }

    async fn read_body_or_idle(&mut self, no_body: bool) -> Result<Option<Bytes>> {
        if self.uploads && !no_body && self.handle.is_uploading() {
            return self.read_upload().await;
        }
        self.finish_beat().await?;
        loop {
            let deadline = self.deadline();
            let wake = match (deadline, self.next_beat.filter(|_| !self.ended)) {
                (Some(deadline), Some(beat)) => Some(deadline.min(beat)),
                (one, other) => one.or(other),
            };
            let Self { inner: Some(inner), timer, .. } = self else {
                return Error::e_explain(ErrorType::InternalError, "the session is gone");
            };
            tokio::select! {
                gone = inner.read_body_or_idle(true) => return gone,
                () = Self::silence(timer, wake) => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Error::e_explain(UPSTREAM_SILENT, "no answer in time");
            }
            self.beat().await?;
        }
    }

    fn is_body_done(&mut self) -> bool {
        !(self.uploads && self.handle.is_uploading())
    }

    /// Never: of an empty body the proxy loop would send nothing, where the filter has a body to
    /// put in its place.
    fn is_body_empty(&mut self) -> bool {
        false
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    /// Stands for the body, which `request_body_filter` puts in its place.
    fn get_retry_buffer(&self) -> Option<Bytes> {
        Some(Bytes::from_static(b"{}"))
    }

    async fn finish(&mut self) -> Result<()> {
        self.get_mut().finish_body().await
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.get_mut().shutdown().await;
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.get_mut().set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.get().get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.get_mut().set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.get().get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.get_mut().set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.get().get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.get().request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.get().response_written()
    }

    fn body_bytes_sent(&self) -> usize {
        self.get().body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.get().body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.get().digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.get_mut().digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.get().client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.get().server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.get().to_h1_raw()
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn futures_core::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>>
    {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<
            dyn futures_core::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static,
        >,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(
        &mut self,
        _writer: Box<dyn CustomMessageWrite>,
    ) -> Result<()> {
        Ok(())
    }
}

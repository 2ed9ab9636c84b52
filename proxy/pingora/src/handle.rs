//! What the filters and the buffered session tell each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters_canonical::dialect::Dialect;
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::DecodeError;
use adapters_openai::multipart::{Unwanted, Watch};
use bytes::Bytes;
use conf_schema::plan::{Heartbeat, Limits};
use http::HeaderValue;
use pingora::Error;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use proxy_telemetry::Heartbeats;
use tokio::time::Instant;

use crate::answer::Outcome;
use crate::body::PATIENCE;
use crate::cause::{Cause, cause};
use crate::head::Media;
use crate::streamed::Streamed;

/// How long the upstream may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Before its header.
    pub(crate) first_byte: Duration,
    /// Between two pieces of its body.
    pub(crate) idle: Duration,
    /// When the whole request must be over.
    pub(crate) total: std::time::Instant,
}

/// What the client hears while there is nothing to say.
pub(crate) struct Beats {
    pub(crate) rhythm: Heartbeat,
    /// What the answer is made of.
    pub(crate) media: Media,
    /// What is said in a stream; before JSON in one piece it is white space.
    pub(crate) words: &'static [u8],
    pub(crate) request_id: String,
    /// What the client speaks.
    pub(crate) dialect: Dialect,
    pub(crate) counter: Heartbeats,
}

impl Beats {
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from_static(if self.media == Media::Json { b" " } else { self.words })
    }
}

/// A body that goes up while it comes in.
pub(crate) struct Upload {
    /// `limits.request_body_bytes`, and what is left of it.
    limit: u64,
    left: u64,
    /// What of it must not come twice.
    watch: Option<Watch>,
    /// When all of it must have come.
    until: Instant,
    /// Something has gone up that was not kept: there is no other attempt.
    moved: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    Moving,
    /// Nobody wants the rest.
    Stopped,
    Complete,
}

impl Upload {
    /// Of which `read` bytes have been read.
    pub(crate) fn of(limits: &Limits, read: u64, watch: Option<Watch>) -> Self {
        let limit = limits.request_body_bytes;
        Self {
            limit,
            left: limit.saturating_sub(read),
            watch,
            until: Instant::now() + limits.body_timeout,
            moved: false,
            stage: Stage::Moving,
        }
    }
}

/// What the filters and the session tell each other.
#[derive(Default)]
pub(crate) struct Shared {
    /// The real session, on its way back.
    pub(crate) inner: Option<Box<ServerSession>>,
    /// The header to send instead of the one held back.
    pub(crate) header: Option<Box<ResponseHeader>>,
    /// What the header is to say of losses.
    pub(crate) losses: Option<HeaderValue>,
    /// The answer, if it is streamed.
    streamed: Option<Box<Streamed>>,
    /// When the current attempt began, and how long its upstream may be silent.
    pub(crate) attempt: Option<(Instant, Patience)>,
    /// The client has a header, and so there is no other status to be had.
    pub(crate) header_is_out: bool,
    /// All of an answer in one piece has been handed on.
    content_sent: bool,
    /// The body, if it goes up while it comes in.
    pub(crate) upload: Option<Upload>,
    /// Why the rest of the body is not taken.
    refused: Option<Failure>,
}

/// The filters' end of a buffered session.
#[derive(Clone, Default)]
pub(crate) struct Handle(Arc<Mutex<Shared>>);

impl Handle {
    /// Replaces a header that is held back.
    pub(crate) fn replace_header(&self, header: Box<ResponseHeader>) {
        self.lock().header = Some(header);
    }

    /// Adds what got lost to a header that is held back.
    pub(crate) fn say_losses(&self, losses: Option<HeaderValue>) {
        self.lock().losses = losses;
    }

    /// Begins an attempt; forgets what an earlier one left behind.
    pub(crate) fn begin_attempt(&self, patience: Patience, now: std::time::Instant) {
        let mut shared = self.lock();
        shared.attempt = Some((Instant::from_std(now), patience));
        shared.content_sent = false;
        shared.header = None;
        shared.losses = None;
        shared.streamed = None;
    }

    /// No attempt is under way: nobody can be silent for too long.
    pub(crate) fn end_attempt(&self) {
        self.lock().attempt = None;
    }

    /// The answer is streamed.
    pub(crate) fn begin_stream(&self, streamed: Box<Streamed>) {
        self.lock().streamed = Some(streamed);
    }

    /// Takes the next bytes of a streamed answer, and gives the client's.
    ///
    /// # Errors
    ///
    /// Why the stream failed, if it did before there was content.
    pub(crate) fn push(&self, piece: Option<&[u8]>, end: bool) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        if let Some(streamed) = &mut self.lock().streamed {
            if let Some(piece) = piece {
                streamed.push(piece, &mut out);
            }
            if end {
                streamed.finish(&mut out);
            }
            if let Some(failure) = streamed.stillborn() {
                return Err(failure.clone());
            }
        }
        Ok(out)
    }

    /// Whether what was pushed last is the garbled beginning of a stream: see
    /// [`Streamed::is_garbled`].
    pub(crate) fn is_garbled(&self) -> bool {
        self.lock().streamed.as_ref().is_some_and(|streamed| streamed.is_garbled())
    }

    /// The well-formed end of a streamed answer that cannot go on; `None` if none has begun.
    pub(crate) fn give_up(&self, failure: &Failure) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut shared = self.lock();
        let streamed = shared.streamed.as_mut()?;
        streamed.break_off(failure.clone(), &mut out);
        streamed.give_up(failure.clone(), &mut out);
        Some(out)
    }

    /// Whether the client has any of the answer itself.
    pub(crate) fn content_is_out(&self) -> bool {
        let shared = self.lock();
        shared.content_sent || shared.streamed.as_ref().is_some_and(|s| s.has_begun())
    }

    /// The client has all of an answer in one piece.
    pub(crate) fn content_sent(&self) {
        self.lock().content_sent = true;
    }

    /// Whether a heartbeat has taken a header along.
    pub(crate) fn header_is_out(&self) -> bool {
        self.lock().header_is_out
    }

    /// Whether more of the body is to be read.
    pub(crate) fn is_uploading(&self) -> bool {
        self.lock().upload.as_ref().is_some_and(|upload| upload.stage == Stage::Moving)
    }

    /// Whether a part of the body has gone up that nobody has kept.
    pub(crate) fn upload_has_moved(&self) -> bool {
        self.lock().upload.as_ref().is_some_and(|upload| upload.moved)
    }

    /// Whether the client may still be sending its body.
    pub(crate) fn upload_is_open(&self) -> bool {
        self.lock().upload.as_ref().is_some_and(|upload| upload.stage != Stage::Complete)
    }

    /// Nobody wants the rest of the body.
    pub(crate) fn stop_upload(&self) {
        if let Some(upload) = &mut self.lock().upload
            && upload.stage == Stage::Moving
        {
            upload.stage = Stage::Stopped;
        }
    }

    /// How long to wait for the next piece of the body.
    pub(crate) fn upload_patience(&self) -> Duration {
        let shared = self.lock();
        let left =
            shared.upload.as_ref().map(|it| it.until.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().min(PATIENCE)
    }

    /// The next piece of the body has come, and whether it is the last. From then on its upstream is
    /// waited for.
    pub(crate) fn uploaded(&self, piece: &[u8], last: bool, now: Instant) -> Result<(), Failure> {
        let mut shared = self.lock();
        let Shared { upload: Some(upload), attempt, .. } = &mut *shared else { return Ok(()) };
        upload.moved = true;
        let Some(left) = upload.left.checked_sub(piece.len() as u64) else {
            return Err(Failure::BodyTooLarge { limit: upload.limit });
        };
        upload.left = left;
        if let Some(watch) = &mut upload.watch {
            watch.push(piece).map_err(unwanted)?;
        }
        if last {
            upload.stage = Stage::Complete;
            if let Some((began, _)) = attempt {
                *began = now;
            }
        }
        Ok(())
    }

    /// Why the body is not taken, for whoever asks next.
    pub(crate) fn refuse(&self, failure: Failure) {
        self.lock().refused = Some(failure);
    }

    pub(crate) fn take_refusal(&self) -> Option<Failure> {
        self.lock().refused.take()
    }

    /// What came of a streamed answer.
    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        self.lock().streamed.take().map(|streamed| streamed.into_outcome())
    }

    /// Reads the upstream's failure as the end of the stream that is under way, if one is.
    pub(crate) fn end_by(&self, error: &Error) -> Option<Bytes> {
        let mut shared = self.lock();
        // Before that, somebody else may answer.
        let streamed = shared.streamed.as_mut().filter(|streamed| streamed.has_begun())?;
        let provider = streamed.provider().to_owned();
        match cause(error, &provider, true) {
            Cause::Failure(failure) => {
                let mut out = Vec::new();
                streamed.break_off(failure, &mut out);
                Some(Bytes::from(out))
            }
            Cause::Client => None,
        }
    }

    pub(crate) fn stream_has_failed(&self) -> bool {
        self.lock().streamed.as_ref().is_some_and(|streamed| streamed.has_failed())
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client of a form is told that has what it must not have.
pub(crate) fn unwanted(what: Unwanted) -> Failure {
    Failure::BodyMalformed(match what {
        Unwanted::Twice => DecodeError::shape("model", "is there twice"),
        Unwanted::Malformed => {
            let reason = "is no form with the boundary that its header names";
            DecodeError::shape("$", reason)
        }
    })
}

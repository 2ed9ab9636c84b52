//! Reads a client's request body, whole, within bounds.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use adapters_canonical::failure::Failure;
use bytes::{Bytes, BytesMut};
use conf_schema::plan::Limits;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use pingora::Error;
use pingora::time::timeout;
use pingora_proxy::Session;

/// Between two pieces of a body. HTTP/2 has no such limit of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long to go on reading from a client that was told to stop, in all and between two pieces.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_IDLE: Duration = Duration::from_secs(1);
/// As much of a body as is read before it goes up.
const LONGEST_BEGINNING: usize = 64 << 10;
/// What is set aside at once for a body that says how long it is.
const TRUSTED_LENGTH: u64 = 1 << 20;

/// What Pingora calls chunks that it cannot read.
const MALFORMED: [&str; 2] = ["InvalidChunk", "InvalidTrailerEnd"];

/// Why a body could not be read.
pub(crate) enum Unread {
    /// The client did something it can be told of.
    Refused(Failure),
    /// The client is gone.
    Gone(Box<Error>),
}

/// Reads the body, within `limits`.
pub(crate) async fn read(session: &mut Session, limits: &Limits) -> Result<Bytes, Unread> {
    // Most bodies come with their header, in one piece. They need no timer, which would be the most
    // costly part of reading them.
    let mut reading = pin!(read_up_to(session, limits.request_body_bytes));
    if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return read;
    }
    match tokio::time::timeout(limits.body_timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(Unread::Refused(Failure::BodyTimedOut)),
    }
}

/// Reads the body, up to `limit` bytes.
async fn read_up_to(session: &mut Session, limit: u64) -> Result<Bytes, Unread> {
    let too_large = || Unread::Refused(Failure::BodyTooLarge { limit });
    let announced = announced_length(session);
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    if expects_continue(session) {
        session.write_continue_response().await.map_err(Unread::Gone)?;
    }
    let Some(first) = next(session).await? else { return Ok(Bytes::new()) };
    if first.len() as u64 > limit {
        return Err(too_large());
    }
    // Most bodies come in one piece, which needs no copy.
    if session.is_body_done() {
        return Ok(first);
    }
    let Some(second) = next(session).await? else { return Ok(first) };
    let expected = announced.unwrap_or(0).min(TRUSTED_LENGTH);
    let mut body = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    body.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if (body.len() + bytes.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&bytes);
        piece = next(session).await?;
    }
    Ok(body.freeze())
}

/// The beginning of a body.
pub(crate) struct Beginning {
    pub(crate) bytes: Bytes,
    /// Whether more is to come.
    pub(crate) more: bool,
}

/// Reads the body until `enough` of it is known, up to 64 KiB or a little more.
pub(crate) async fn read_beginning(
    session: &mut Session,
    limits: &Limits,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<Beginning, Unread> {
    let limit = limits.request_body_bytes;
    if announced_length(session).is_some_and(|length| length > limit) {
        return Err(Unread::Refused(Failure::BodyTooLarge { limit }));
    }
    if expects_continue(session) {
        session.write_continue_response().await.map_err(Unread::Gone)?;
    }
    let reading = async {
        let mut bytes = BytesMut::new();
        while let Some(piece) = next(session).await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > limit {
                return Err(Unread::Refused(Failure::BodyTooLarge { limit }));
            }
            if bytes.len() >= LONGEST_BEGINNING || enough(&bytes) {
                let more = !session.is_body_done();
                return Ok(Beginning { bytes: bytes.freeze(), more });
            }
        }
        Ok(Beginning { bytes: bytes.freeze(), more: false })
    };
    match tokio::time::timeout(limits.body_timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(Unread::Refused(Failure::BodyTimedOut)),
    }
}

/// Reads on for a while and forgets what comes. Many clients read an answer only when they have
/// sent everything; to close while they send would reset the connection, answer and all.
pub(crate) async fn discard(session: &mut Session) {
    if awaits_leave(session) {
        return;
    }
    let reading = async {
        let idle = LINGER_IDLE;
        while let Ok(Ok(Some(_))) = tokio::time::timeout(idle, session.read_request_body()).await {}
    };
    // Either it is through, or it had its time.
    let _ = tokio::time::timeout(LINGER, reading).await;
}

/// Whether the client waits for leave to send its body, and was not given it.
pub(crate) fn awaits_leave(session: &Session) -> bool {
    expects_continue(session) && session.body_bytes_read() == 0
}

/// Whether the body says that it is JSON, or does not say what it is.
pub(crate) fn may_be_json(session: &Session) -> bool {
    let Some(value) = session.req_header().headers.get(CONTENT_TYPE) else { return true };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence[essence.len() - 5..].eq_ignore_ascii_case("+json"))
}

async fn next(session: &mut Session) -> Result<Option<Bytes>, Unread> {
    let mut reading = pin!(session.read_request_body());
    let read = match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        Poll::Ready(read) => read,
        // Pingora's timers are coarse, which is enough here.
        Poll::Pending => match timeout(PATIENCE, reading).await {
            Ok(read) => read,
            Err(_) => return Err(Unread::Refused(Failure::BodyTimedOut)),
        },
    };
    read.map_err(|error| {
        if MALFORMED.contains(&error.etype().as_str()) {
            let reason = "the body is not chunked as it should be";
            Unread::Refused(Failure::RequestMalformed { reason })
        } else {
            Unread::Gone(error)
        }
    })
}

pub(crate) fn announced_length(session: &Session) -> Option<u64> {
    session.req_header().headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn expects_continue(session: &Session) -> bool {
    session
        .req_header()
        .headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

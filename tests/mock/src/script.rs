//! What an upstream answers: a [`Script`] picks a [`Reply`], a reply is a sequence of [`Step`]s.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::gate::Gate;
use crate::ledger::Recorded;

/// Decides what each request is answered.
#[derive(Clone)]
pub struct Script(Arc<Decide>);

type Decide = dyn Fn(&Recorded, usize) -> Reply + Send + Sync;

impl Script {
    /// Asks `decide` for each request; the number counts the requests before it, from 0.
    pub fn new(decide: impl Fn(&Recorded, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    /// Answers every request alike.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self::new(move |_, _| reply.clone())
    }

    /// Answers the first request with the first reply, and so on; the last one stays.
    #[must_use]
    pub fn sequence(replies: Vec<Reply>) -> Self {
        Self::new(move |_, attempt| {
            let stays = replies.len().saturating_sub(1);
            replies.get(attempt.min(stays)).cloned().unwrap_or_else(Reply::hang)
        })
    }

    pub(crate) fn decide(&self, request: &Recorded, attempt: usize) -> Reply {
        (self.0)(request, attempt)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

/// One thing an upstream does while it answers.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes: one chunk on HTTP/1.1, one DATA frame on HTTP/2.
    Event(Bytes),
    /// Waits for that long.
    Delay(Duration),
    /// Waits for the test.
    Wait(Gate),
    /// Ends with an error: RST of the connection on HTTP/1.1, RST_STREAM (`INTERNAL_ERROR`) on
    /// HTTP/2.
    Reset,
    /// Closes the connection (FIN) without the body's proper end.
    Close,
    /// Announces a chunk twice as long as these bytes, sends them, and closes. On HTTP/2, which
    /// has no such thing, the bytes and a close.
    CutChunk(Bytes),
    /// Takes no further request on this connection and goes on with the answer: GOAWAY on HTTP/2;
    /// on HTTP/1.1 a close after the answer that nothing announced.
    GoAway,
}

impl Step {
    /// An event of these bytes.
    pub fn event(bytes: impl Into<Bytes>) -> Self {
        Self::Event(bytes.into())
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Event(bytes) | Self::CutChunk(bytes) => bytes,
            Self::Delay(_) | Self::Wait(_) | Self::Reset | Self::Close | Self::GoAway => &[],
        }
    }
}

/// One answer, with everything that may go wrong in it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) before: Vec<Step>,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Status, headers and a body with a length.
    Whole(StatusCode, HeaderMap, Bytes),
    /// Status, headers and a body that is played; chunked unless the headers give a length.
    Steps(StatusCode, HeaderMap, Vec<Step>),
    /// These bytes onto the socket, then FIN.
    Raw(Bytes),
    /// Nothing after the steps before the header.
    Nothing,
}

impl Reply {
    /// Answers with a JSON body and its length.
    ///
    /// A status outside 100..=999 becomes 500.
    #[must_use]
    pub fn json(status: u16, headers: &[(&str, &str)], body: &Value) -> Self {
        let all = [&[("content-type", "application/json")], headers].concat();
        Self::whole(status, &all, body.to_string())
    }

    /// Answers with these headers and a body that has a length.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::with(Content::Whole(checked_status(status), checked_headers(headers), body.into()))
    }

    /// Answers 200 with an event stream.
    #[must_use]
    pub fn sse(steps: Vec<Step>) -> Self {
        Self::steps(200, &[("content-type", "text/event-stream; charset=utf-8")], steps)
    }

    /// Answers with these headers and plays the body.
    ///
    /// With a `content-length` among the headers, HTTP/1.1 sends the bytes as they are instead of
    /// in chunks: how to cut a body of known length.
    #[must_use]
    pub fn steps(status: u16, headers: &[(&str, &str)], steps: Vec<Step>) -> Self {
        Self::with(Content::Steps(checked_status(status), checked_headers(headers), steps))
    }

    /// Puts these bytes onto the socket in place of an answer, and closes. On HTTP/2 only the
    /// close happens.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::with(Content::Raw(bytes.into()))
    }

    /// Never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::with(Content::Nothing).after(Step::Wait(Gate::shut()))
    }

    /// Resets before any header.
    #[must_use]
    pub fn reset() -> Self {
        Self::with(Content::Nothing).after(Step::Reset)
    }

    /// Closes the connection before any header.
    #[must_use]
    pub fn close() -> Self {
        Self::with(Content::Nothing).after(Step::Close)
    }

    /// Does this before the header, behind what is done already. Bytes cannot be sent there.
    #[must_use]
    pub fn after(mut self, step: Step) -> Self {
        self.before.push(step);
        self
    }

    /// Adds a header, unless the reply has none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Content::Whole(_, headers, _) | Content::Steps(_, headers, _) = &mut self.content {
            headers.extend(checked_headers(&[(name, value)]));
        }
        self
    }

    /// Waits at the gate before each event of the body.
    #[must_use]
    pub fn paced(self, gate: &Gate) -> Self {
        self.before_events(|| Step::Wait(gate.clone()))
    }

    /// Waits that long before each event of the body.
    #[must_use]
    pub fn slowly(self, pause: Duration) -> Self {
        self.before_events(|| Step::Delay(pause))
    }

    /// Plays the first `count` events of the body and then `step` in place of the rest.
    #[must_use]
    pub fn cut_after(mut self, count: usize, step: Step) -> Self {
        if let Content::Steps(_, _, steps) = &mut self.content {
            let is_event = |step: &Step| matches!(step, Step::Event(_));
            let kept = match count.checked_sub(1) {
                None => 0,
                Some(last) => {
                    let mut events = steps.iter().enumerate().filter(|(_, step)| is_event(step));
                    events.nth(last).map_or(steps.len(), |(at, _)| at + 1)
                }
            };
            steps.truncate(kept);
            steps.push(step);
        }
        self
    }

    /// The bytes of the body, all events joined; of a raw reply, everything.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.content {
            Content::Whole(_, _, body) | Content::Raw(body) => body.clone(),
            Content::Steps(_, _, steps) => steps.iter().flat_map(Step::bytes).copied().collect(),
            Content::Nothing => Bytes::new(),
        }
    }

    fn before_events(mut self, pause: impl Fn() -> Step) -> Self {
        if let Content::Steps(_, _, steps) = &mut self.content {
            *steps = std::mem::take(steps)
                .into_iter()
                .flat_map(|step| match step {
                    Step::Event(_) => vec![pause(), step],
                    _ => vec![step],
                })
                .collect();
        }
        self
    }

    fn with(content: Content) -> Self {
        Self { before: Vec::new(), content }
    }
}

fn checked_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Leaves out what is no header: such a thing is sent with [`Reply::raw`].
fn checked_headers(headers: &[(&str, &str)]) -> HeaderMap {
    let checked = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in checked {
        map.append(name, value);
    }
    map
}

//! The way of an answer in one piece from the upstream's bytes to the client's.
//!
//! Sans I/O: the filters push what arrived and send on what comes out.

use adapters_canonical::chat::ChatResponse;
use adapters_canonical::dialect::{AnswerContext, Egress};
use adapters_canonical::embedding::EmbeddingRequest;
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::Ingress;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_canonical::usage::Usage;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde::de::IgnoredAny;

use crate::task::{self, Task};

/// More than any answer that is not streamed needs.
const LARGEST_WHOLE_ANSWER: usize = 256 << 20;

/// What came of an answer, for the log and the metrics.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) usage: Usage,
    /// Why the client got less than it asked for.
    pub(crate) failure: Option<Failure>,
    /// Bytes of words that no usage counts.
    pub(crate) unreported: u64,
    /// Those of the usage that nobody reported.
    pub(crate) estimated: Estimate,
    /// Events that could not be read.
    pub(crate) malformed: u64,
    /// What of the answer the client's dialect has no words for.
    pub(crate) losses: Vec<Loss>,
    /// What the provider calls it, if the next request can go on from it.
    pub(crate) kept_id: Option<String>,
}

impl Outcome {
    /// Notes a loss. A stream may lose something with every event: each is noted once, and no more
    /// than anybody reads.
    pub(crate) fn lose(&mut self, loss: Loss) {
        const MOST: usize = 256;
        if self.losses.len() < MOST && !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }
}

/// Tokens that nobody reported and that were taken to be used all the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// The two sides of an answer that is translated, or passes through from one to the other.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) ingress: &'a dyn Ingress,
    pub(crate) egress: &'a dyn Egress,
    pub(crate) passthrough: bool,
    /// What was asked for.
    pub(crate) task: Task,
    /// What was to be embedded, if that was asked for and translated.
    pub(crate) embedding: Option<&'a EmbeddingRequest>,
}

/// What a client gets of an answer in one piece.
pub(crate) struct Said {
    pub(crate) body: Bytes,
    pub(crate) usage: Usage,
    pub(crate) losses: Vec<Loss>,
    pub(crate) kept_id: Option<String>,
}

/// An answer that comes in one piece.
pub(crate) struct Whole {
    status: u16,
    headers: HeaderMap,
    body: Pieces,
}

/// The pieces of a body; most come in one, which needs no copy.
#[derive(Default)]
enum Pieces {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Pieces {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(piece),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + piece.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
        };
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

impl Whole {
    pub(crate) fn new(status: u16, headers: HeaderMap) -> Self {
        Self { status, headers, body: Pieces::None }
    }

    /// Takes the next piece; fails if the answer is larger than any answer should be.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), DecodeError> {
        if self.body.len() + piece.len() > LARGEST_WHOLE_ANSWER {
            return Err(DecodeError::Framing("the answer is too large".to_owned()));
        }
        self.body.push(piece);
        Ok(())
    }

    /// The client's bytes, once the upstream's are complete; `keep` is shown what was translated.
    pub(crate) fn finish(
        self,
        sides: Sides<'_>,
        streaming: bool,
        context: &AnswerContext,
        keep: impl FnOnce(&ChatResponse),
    ) -> Result<Said, Unusable> {
        let Sides { ingress, egress, passthrough, .. } = sides;
        let body = self.body.into_bytes();
        if (300..400).contains(&self.status) {
            let what = format!("it is a redirection, with status {}", self.status);
            return Err(Unusable::Malformed(DecodeError::Framing(what)));
        }
        if !(200..300).contains(&self.status) {
            let error = egress.decode_error(self.status, &self.headers, &body);
            return Err(Unusable::Refused(error, self.headers));
        }
        if streaming {
            let what = "a stream was asked for, something else came".to_owned();
            return Err(Unusable::Malformed(DecodeError::Framing(what)));
        }
        match sides.task {
            Task::Chat => {}
            Task::Count(client) => {
                return task::count(client, &sides, body).map_err(Unusable::Malformed);
            }
            Task::Pass(_) => return Ok(task::passed(body)),
            Task::Embed(client) => {
                return task::embed(client, &sides, body).map_err(Unusable::Malformed);
            }
        }
        if passthrough {
            let usage = ingress.read_usage(&body);
            if usage.is_none() {
                // Nothing is wrong with an answer that does not say what it cost, if it is one.
                serde_json::from_slice::<IgnoredAny>(&body)
                    .map_err(|error| Unusable::Malformed(error.into()))?;
            }
            let kept_id = ingress.read_kept_id(&body);
            return Ok(Said {
                body,
                usage: usage.unwrap_or_default(),
                losses: Vec::new(),
                kept_id,
            });
        }
        let decoded = egress.decode_response(&body).map_err(Unusable::Malformed)?;
        keep(&decoded.value);
        let encoded = ingress.encode_response(&decoded.value, context);
        let mut losses = decoded.losses;
        losses.extend(encoded.losses);
        let usage = decoded.value.usage.unwrap_or_default();
        Ok(Said { body: encoded.value.into(), usage, losses, kept_id: None })
    }
}

/// Why an answer is none.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The provider said no, with these headers.
    Refused(UpstreamError, HeaderMap),
    /// It cannot be read.
    Malformed(DecodeError),
}

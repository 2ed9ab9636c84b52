//! The way of an answer from the upstream's bytes to the client's.
//!
//! Sans I/O: the filters push what arrived and send on what comes out.

use std::sync::Arc;

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{AnswerContext, Egress, StreamDecoder, StreamEncoder};
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use adapters_openai::ingress::{self, ChatStreamEncoder, StreamErrors};
use adapters_openai::passthrough::{self, StreamTap};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde::de::IgnoredAny;

/// More than any answer that is not streamed needs.
const LARGEST_WHOLE_ANSWER: usize = 256 << 20;

/// What came of an answer, for the log and the metrics.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) usage: Usage,
    /// Why the client got less than it asked for.
    pub(crate) failure: Option<Failure>,
    /// Events that could not be read.
    pub(crate) malformed: u64,
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

    /// The client's bytes, once the upstream's are complete.
    pub(crate) fn finish(
        self,
        egress: &dyn Egress,
        passthrough: bool,
        streaming: bool,
        context: &AnswerContext,
    ) -> Result<(Bytes, Usage), Unusable> {
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
        if passthrough {
            let Some(usage) = passthrough::read_usage(&body) else {
                // Nothing is wrong with an answer that does not say what it cost, if it is one.
                serde_json::from_slice::<IgnoredAny>(&body)
                    .map_err(|error| Unusable::Malformed(error.into()))?;
                return Ok((body, Usage::default()));
            };
            return Ok((body, usage));
        }
        let answer = egress.decode_response(&body).map_err(Unusable::Malformed)?.value;
        let bytes = ingress::encode_response(&answer, context);
        Ok((bytes.into(), answer.usage.unwrap_or_default()))
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

/// An answer that is streamed.
pub(crate) struct Streamed {
    way: Way,
    provider: Arc<str>,
    /// Nothing more goes to the client.
    ended: bool,
    outcome: Outcome,
}

enum Way {
    /// Both sides speak the same dialect: frames pass untouched.
    Tap(Box<StreamTap>),
    Translate {
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<ChatStreamEncoder>,
        /// Kept for its memory.
        deltas: Vec<Delta>,
    },
}

impl Streamed {
    /// From a provider that speaks the client's dialect.
    pub(crate) fn pass_through(
        context: AnswerContext,
        errors: StreamErrors,
        usage_injected: bool,
        provider: Arc<str>,
    ) -> Self {
        let tap = StreamTap::new(context, errors, usage_injected);
        Self::new(Way::Tap(Box::new(tap)), provider)
    }

    /// From a provider that speaks another.
    pub(crate) fn translate(
        decoder: Box<dyn StreamDecoder>,
        context: AnswerContext,
        errors: StreamErrors,
        provider: Arc<str>,
    ) -> Self {
        let encoder = Box::new(ChatStreamEncoder::new(context, errors));
        Self::new(Way::Translate { decoder, encoder, deltas: Vec::new() }, provider)
    }

    fn new(way: Way, provider: Arc<str>) -> Self {
        Self { way, provider, ended: false, outcome: Outcome::default() }
    }

    /// Who sends it.
    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether the client has been told that it broke off; what the upstream still sends is of no
    /// use.
    pub(crate) fn has_failed(&self) -> bool {
        self.ended && self.outcome.failure.is_some()
    }

    /// What came of it.
    pub(crate) fn into_outcome(self) -> Outcome {
        self.outcome
    }

    /// Takes the next bytes and appends what they mean to `out`.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let pushed = match &mut self.way {
            Way::Tap(tap) => tap.push(chunk, out),
            Way::Translate { decoder, deltas, .. } => decoder.push(chunk, deltas),
        };
        self.forward(out);
        if let Err(error) = pushed
            && !self.ended
        {
            self.fail(self.malformed(error), out);
        }
    }

    /// The upstream's body is complete.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let provider = self.provider.to_string();
        self.break_off(Failure::UpstreamBrokeOff { provider }, out);
    }

    /// Nothing more will come, because of `failure`. If the answer is complete all the same, the
    /// client need not know.
    pub(crate) fn break_off(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let finished = match &mut self.way {
            Way::Tap(tap) => tap.finish(out),
            Way::Translate { decoder, deltas, .. } => decoder.finish(deltas),
        };
        self.forward(out);
        if self.ended {
            return;
        }
        match finished {
            Ok(()) => {
                if let Way::Translate { encoder, .. } = &mut self.way {
                    encoder.finish(out);
                }
                self.ended = true;
            }
            Err(DecodeError::Truncated) => self.fail(failure, out),
            Err(error) => self.fail(self.malformed(error), out),
        }
    }

    /// Ends the stream so that the client sees a well-formed end.
    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.ended = true;
        match &mut self.way {
            Way::Tap(tap) => tap.fail(&failure, out),
            Way::Translate { encoder, .. } => encoder.fail(&failure, out),
        }
        self.outcome.failure.get_or_insert(failure);
    }

    /// Translates what was decoded, and takes note of what it cost.
    fn forward(&mut self, out: &mut Vec<u8>) {
        let Self { way, outcome, .. } = self;
        let mut failed = None;
        match way {
            Way::Tap(tap) => {
                if let Some(usage) = tap.usage() {
                    outcome.usage.update(usage);
                }
                outcome.malformed = tap.malformed();
                failed = tap.error().cloned();
            }
            Way::Translate { encoder, deltas, .. } => {
                for delta in deltas.drain(..) {
                    match delta {
                        Delta::Usage(ref usage) => outcome.usage.update(usage),
                        Delta::Malformed(_) => outcome.malformed += 1,
                        Delta::Failure(error) => {
                            failed = Some(error);
                            break;
                        }
                        _ => {}
                    }
                    encoder.push(&delta, out);
                }
            }
        }
        if let Some(error) = failed {
            let provider = self.provider.to_string();
            self.fail(Failure::UpstreamRefused { provider, error }, out);
        }
    }

    fn malformed(&self, error: DecodeError) -> Failure {
        Failure::UpstreamMalformed { provider: self.provider.to_string(), error }
    }
}

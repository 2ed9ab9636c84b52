//! What a provider's dialect must be able to do, and what both sides of a stream are.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue};

use crate::chat::{ChatRequest, ChatResponse, Media};
use crate::delta::Delta;
use crate::failure::{Failure, UpstreamError};
use crate::ingress::Framing;
use crate::loss::{DecodeError, Translated};
use crate::media::MediaKind;
use crate::operation::{CountEgress, EmbedEgress};

/// A wire format for conversations.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dialect {
    /// OpenAI chat completions.
    OpenAi,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        })
    }
}

/// The upstream side of a dialect: how a provider is asked, and what it answered.
pub trait Egress: Send + Sync {
    /// The header that carries the credential, marked sensitive.
    ///
    /// # Errors
    ///
    /// If the secret has bytes that no header may have.
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue>;

    /// Asks `target` what `request` asks.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] names what this provider has no words for, in the client's path.
    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError>;

    /// Reads an answer that was not streamed.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] names what did not fit. An unknown field is not an error.
    fn decode_response(&self, body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError>;

    /// Reads an answer that is streamed.
    fn decode_stream(&self) -> Box<dyn StreamDecoder>;

    /// Reads an answer whose status is not a success. Never fails: a body that cannot be read
    /// leaves what the status says.
    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError;

    /// Whether the provider takes this medium as data although not at the address where it stands,
    /// or could only guess there what it is. `false` too for what it takes in no form.
    fn wants_data(&self, kind: MediaKind, media: &Media) -> bool;

    /// How it is asked to count tokens; `None` where it cannot be.
    fn counting(&self) -> Option<&dyn CountEgress> {
        None
    }

    /// How it is asked for vectors; `None` where it makes none.
    fn embedding(&self) -> Option<&dyn EmbedEgress> {
        None
    }
}

/// What is asked of which of a provider's models.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The provider's own name of the model.
    pub model: &'a str,
    /// The API version to ask for, where the dialect has one.
    pub api_version: Option<&'a str>,
}

/// A request as the provider wants it, without its credential.
#[derive(Clone, Debug, Default)]
pub struct UpstreamRequest {
    /// Path and query below the provider's base URL, beginning with `/`.
    pub path: String,
    /// Headers beside `content-type`, `content-length`, `host` and the credential.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Turns upstream bytes into canonical deltas. The caller owns the socket and the clock.
///
/// Where the bytes are split means nothing: every split of one body yields the same deltas.
pub trait StreamDecoder: Send + Sync {
    /// Takes the next bytes and appends whatever they completed to `out`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Framing`] if the stream cannot go on; one event that cannot be read becomes
    /// [`Delta::Malformed`] instead.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<Delta>) -> Result<(), DecodeError>;

    /// Call once, at the end of the body. Ends what is still open.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the upstream stopped mid-message.
    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError>;
}

/// Turns canonical deltas into the client's bytes.
pub trait StreamEncoder: Send + Sync {
    /// Appends what `delta` says to `out`; often nothing.
    fn push(&mut self, delta: &Delta, out: &mut Vec<u8>);

    /// Says what of the answer is not, or not exactly, said, in a way that every client passes over:
    /// a comment, where the dialect's clients know comments. `losses` is visible ASCII. Call at most
    /// once, before [`finish`](Self::finish).
    fn losses(&mut self, losses: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b": penstock-losses: ");
        out.extend_from_slice(losses.as_bytes());
        out.extend_from_slice(b"\n\n");
    }

    /// Ends a stream whose upstream ended well. Call once.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Ends a stream whose upstream did not, in the dialect's own form, so that the client sees a
    /// well-formed end and not a cut connection. Call once, instead of [`finish`](Self::finish).
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>);
}

/// What an encoder of answers knows beside the answer.
#[derive(Clone, Debug, Default)]
pub struct AnswerContext {
    /// `x-request-id` of the request; names the answer where the provider does not.
    pub request_id: String,
    /// The model as the client named it; stands in where the provider does not say.
    pub model: String,
    /// Now, in seconds since 1970; stands in where the provider does not say.
    pub created: u64,
    /// Whether a streaming client asked for the usage.
    pub include_usage: bool,
    /// How the events of a stream are told apart.
    pub framing: Framing,
    /// How a broken stream tells of it, in dialects that leave a choice.
    pub stream_errors: StreamErrors,
    /// The request as the client wrote it, for dialects whose answers repeat some of it; else empty.
    pub request: Bytes,
}

/// How the cause of a broken stream is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StreamErrors {
    /// In a field that no SDK raises on: the stream looks like a normal end.
    #[default]
    Graceful,
    /// So that official SDKs raise an exception.
    Explicit,
}

/// A failure in the client's words.
#[derive(Clone, Debug)]
pub struct ErrorAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

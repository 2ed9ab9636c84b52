//! What may be asked of a model beside an answer: to count tokens, and to make vectors of texts.
//!
//! Each operation has the two sides of a [dialect](crate::dialect): how a client asks, and how a
//! provider is asked. A dialect has those it has words for; a request is then translated like a
//! conversation, or its bytes pass if both sides speak one dialect. The few facts that decide where
//! it goes are read by [`Ingress::read_envelope`](crate::ingress::Ingress::read_envelope).

use std::borrow::Cow;

use crate::chat::ChatRequest;
use crate::dialect::{Target, UpstreamRequest};
use crate::embedding::{EmbeddingRequest, EmbeddingResponse};
use crate::ingress::Envelope;
use crate::loss::{DecodeError, Translated};
use crate::usage::Usage;

/// How clients of a dialect ask how many tokens a conversation would have.
pub trait CountIngress: Send + Sync {
    /// Reads what is to be counted, as `Ingress::decode_request` reads what is to be answered.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
    /// did not fit.
    fn decode_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError>;

    /// The body that says how many there are.
    fn encode_response(&self, input_tokens: u64) -> Vec<u8>;

    /// The same request for a provider of this dialect: its bytes, but for the name of the model.
    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
    ) -> UpstreamRequest;
}

/// How a provider is asked how many tokens a conversation would have.
pub trait CountEgress: Send + Sync {
    /// Asks `target` about `request`. What has no bearing on the count is left out, and no loss.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] names what this provider has no words for, in the canonical path.
    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError>;

    /// How many there are, as the provider says.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it does not say.
    fn decode_response(&self, body: &[u8]) -> Result<u64, DecodeError>;
}

/// How clients of a dialect ask for vectors.
pub trait EmbedIngress: Send + Sync {
    /// Reads what is to be embedded.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path of what
    /// did not fit.
    fn decode_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Result<Translated<EmbeddingRequest>, DecodeError>;

    /// What the client calls what a loss or an error names by its canonical path.
    fn client_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        Cow::Borrowed(path)
    }

    /// The body that answers `request`.
    fn encode_response(&self, request: &EmbeddingRequest, response: &EmbeddingResponse) -> Vec<u8>;

    /// The same request for a provider of this dialect: its bytes, but for the name of the model.
    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
    ) -> UpstreamRequest;

    /// What an answer of a provider of this dialect says it cost, without reading the vectors.
    fn read_usage(&self, body: &[u8]) -> Option<Usage>;
}

/// How a provider is asked for vectors.
pub trait EmbedEgress: Send + Sync {
    /// Asks `target` for the vectors.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] names what this provider has no words for, in the canonical path.
    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError>;

    /// Reads the vectors.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if there are none.
    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, DecodeError>;
}

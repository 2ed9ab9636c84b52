//! The provider's side: how we ask one that speaks OpenAI, and what it answered.

mod request;
mod response;
mod stream;

use adapters_canonical::chat::{ChatRequest, ChatResponse, Media};
use adapters_canonical::dialect::{Egress, StreamDecoder, Target, UpstreamRequest};
use adapters_canonical::failure::UpstreamError;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::media::MediaKind;
use adapters_canonical::operation::EmbedEgress;
use adapters_openai_words::refusal;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::embedding::Embeddings;
use crate::quirk::{Quirk, Quirks};

/// Asks OpenAI.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAi;

/// Asks servers that speak OpenAI chat completions, each with its [`Quirks`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Compatible {
    /// In what the server differs from OpenAI.
    pub quirks: Quirks,
}

impl Egress for OpenAi {
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        Compatible::default().credential(secret)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        Compatible::default().encode_request(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
        Compatible::default().decode_response(body)
    }

    fn decode_stream(&self) -> Box<dyn StreamDecoder> {
        Compatible::default().decode_stream()
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        Compatible::default().decode_error(status, headers, body)
    }

    fn wants_data(&self, kind: MediaKind, media: &Media) -> bool {
        Compatible::default().wants_data(kind, media)
    }

    fn embedding(&self) -> Option<&dyn EmbedEgress> {
        Some(&Embeddings)
    }
}

impl Egress for Compatible {
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        let (name, value) = match self.quirks.has(Quirk::KeyHeader) {
            true => (HeaderName::from_static("api-key"), secret.to_owned()),
            false => (AUTHORIZATION, format!("Bearer {secret}")),
        };
        let mut value = HeaderValue::try_from(value)?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        request::encode(request, target, self.quirks)
    }

    fn decode_response(&self, body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
        response::decode(body)
    }

    fn decode_stream(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::ChunkDecoder::default())
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        refusal::decode(status, headers, body)
    }

    fn wants_data(&self, kind: MediaKind, _: &Media) -> bool {
        match kind {
            MediaKind::Image => self.quirks.has(Quirk::NoImageUrls),
            // Elsewhere `input_audio` has data, and `file` data or an id.
            MediaKind::Audio => !self.quirks.has(Quirk::PlainAudio),
            MediaKind::Document => !self.quirks.takes_file_urls(),
            MediaKind::Video => false,
        }
    }

    fn embedding(&self) -> Option<&dyn EmbedEgress> {
        Some(&Embeddings)
    }
}

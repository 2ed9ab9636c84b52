//! The provider's side: how we ask one that speaks Responses, and what it answered.

pub(crate) mod error;
mod request;
mod response;
mod stream;

use adapters_canonical::chat::{ChatRequest, ChatResponse, Media};
use adapters_canonical::dialect::{Egress, StreamDecoder, Target, UpstreamRequest};
use adapters_canonical::failure::UpstreamError;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::media::MediaKind;
use adapters_canonical::operation::CountEgress;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::count::InputTokens;

pub(crate) use request::encode_count;

/// Asks providers that speak OpenAI Responses.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponsesUpstream;

impl Egress for ResponsesUpstream {
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {secret}"))?;
        value.set_sensitive(true);
        Ok((AUTHORIZATION, value))
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        request::encode(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
        response::decode(body)
    }

    fn decode_stream(&self) -> Box<dyn StreamDecoder> {
        Box::<stream::EventDecoder>::default()
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        error::decode(status, headers, body)
    }

    fn wants_data(&self, kind: MediaKind, _: &Media) -> bool {
        match kind {
            MediaKind::Audio => true,
            // `image_url` and `file_url` are addresses; films are not taken.
            MediaKind::Image | MediaKind::Document | MediaKind::Video => false,
        }
    }

    fn counting(&self) -> Option<&dyn CountEgress> {
        Some(&InputTokens)
    }
}

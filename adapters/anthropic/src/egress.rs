//! How do we ask Anthropic, and what did it answer?

mod error;
mod loss;
mod request;
mod response;
mod stream;

use adapters_canonical::chat::{ChatRequest, ChatResponse, Media};
use adapters_canonical::dialect::{Egress, StreamDecoder, Target, UpstreamRequest};
use adapters_canonical::failure::UpstreamError;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::media::MediaKind;
use adapters_canonical::operation::CountEgress;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Asks `target` how many tokens `request` has; a request for
/// `POST /v1/messages/count_tokens`.
///
/// # Errors
///
/// [`DecodeError::Shape`] names what this provider has no words for, in the client's path.
pub fn encode_count_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    request::encode_count(request, target)
}

/// How many input tokens a request has, as the provider's answer to
/// [`encode_count_request`] says.
///
/// # Errors
///
/// [`DecodeError`] if it does not say.
pub fn decode_count(body: &[u8]) -> Result<u64, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Count {
        input_tokens: Option<u64>,
    }

    let count: Count = serde_json::from_slice(body)?;
    count.input_tokens.ok_or_else(|| DecodeError::shape("input_tokens", "is missing"))
}

pub(crate) use error::decode_event as stream_error;
pub(crate) use request::{COUNT_PATH, PATH, version_headers};
pub(crate) use response::read_usage;

/// The upstream side of the Messages API.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anthropic;

impl Egress for Anthropic {
    /// `x-api-key`, which every version of the API takes.
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(secret)?;
        value.set_sensitive(true);
        Ok((HeaderName::from_static("x-api-key"), value))
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
        Box::new(stream::Stream::default())
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        error::decode(status, headers, body)
    }

    fn wants_data(&self, kind: MediaKind, media: &Media) -> bool {
        match kind {
            // At an address a document must be a PDF; what says nothing of itself is taken for one.
            MediaKind::Document => {
                media.mime_type.as_deref().is_some_and(|mime| mime != "application/pdf")
            }
            // Pictures are taken at addresses, and the others not at all.
            MediaKind::Image | MediaKind::Audio | MediaKind::Video => false,
        }
    }

    fn counting(&self) -> Option<&dyn CountEgress> {
        Some(self)
    }
}

impl CountEgress for Anthropic {
    fn encode_request(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Translated<UpstreamRequest>, DecodeError> {
        encode_count_request(request, target)
    }

    fn decode_response(&self, body: &[u8]) -> Result<u64, DecodeError> {
        decode_count(body)
    }
}

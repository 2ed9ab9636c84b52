//! How do we ask Anthropic, and what did it answer?

mod error;
mod request;
mod response;
mod stream;

use adapters_canonical::chat::{ChatRequest, ChatResponse};
use adapters_canonical::dialect::{Egress, StreamDecoder, Target, UpstreamRequest};
use adapters_canonical::failure::UpstreamError;
use adapters_canonical::loss::{DecodeError, Translated};
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};

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
}

//! The client's side: what was asked of us in Anthropic's words, and how we answer.

mod answer;
mod envelope;
mod error;
mod frames;
mod models;
mod path;
mod request;
mod response;
mod stream;
mod vocabulary;

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, ChatResponse};
use adapters_canonical::dialect::{
    AnswerContext, Dialect, ErrorAnswer, StreamEncoder, Target, UpstreamRequest,
};
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{
    Asked, Envelope, Framing, Ingress, ModelEntry, Opening, StreamTap,
};
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::operation::CountIngress;
use adapters_canonical::unsaid::Vocabulary;
use adapters_canonical::usage::Usage;
use adapters_json::write;
use serde::Serialize;

use self::vocabulary::VOCABULARY;
use crate::passthrough;

pub use error::encode_failure;
pub use request::{decode_count_request, decode_request};
pub use response::encode_response;
pub use stream::MessageStreamEncoder;

pub(crate) use envelope::read_envelope;
pub(crate) use frames::{block_stop, error as error_frame, message_stop};

/// Answers clients that speak Anthropic's Messages API.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

impl Ingress for Messages {
    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }

    fn read_envelope<'a>(
        &self,
        _: &Asked<'a>,
        body: &'a [u8],
    ) -> Result<Envelope<'a>, DecodeError> {
        read_envelope(body)
    }

    fn opening<'a>(&self, body: &'a [u8]) -> Opening<'a> {
        envelope::read_opening(body)
    }

    fn decode_request(
        &self,
        body: &[u8],
        _: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode_request(body)
    }

    /// For paths that others name. Losses and errors of [`decode_request`] are in the client's words
    /// already.
    fn client_path<'p>(&self, request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
        path::client_path(request, path)
    }

    fn vocabulary(&self) -> &'static Vocabulary {
        &VOCABULARY
    }

    fn encode_response(
        &self,
        response: &ChatResponse,
        context: &AnswerContext,
    ) -> Translated<Vec<u8>> {
        encode_response(response, context)
    }

    fn encode_stream(&self, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(MessageStreamEncoder::new(context))
    }

    fn encode_failure(&self, failure: &Failure, request_id: &str) -> ErrorAnswer {
        encode_failure(failure, request_id)
    }

    /// Official SDKs pass over it wherever it stands, even before `message_start`.
    fn heartbeat(&self, _: Framing) -> &'static [u8] {
        b"event: ping\ndata: {\"type\": \"ping\"}\n\n"
    }

    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
        _: bool,
    ) -> UpstreamRequest {
        passthrough::pass_request(body, envelope, target)
    }

    fn pass_stream(&self, context: AnswerContext, _: bool) -> Box<dyn StreamTap> {
        Box::new(passthrough::EventTap::new(context))
    }

    fn read_usage(&self, body: &[u8]) -> Option<Usage> {
        passthrough::read_usage(body)
    }

    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8> {
        models::encode_model(model)
    }

    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8> {
        models::encode_models(models)
    }
}

/// Answers `POST /v1/messages/count_tokens`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountTokens;

impl CountIngress for CountTokens {
    fn decode_request(
        &self,
        body: &[u8],
        _: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode_count_request(body)
    }

    fn encode_response(&self, input_tokens: u64) -> Vec<u8> {
        encode_count(input_tokens)
    }

    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
    ) -> UpstreamRequest {
        passthrough::pass_count_request(body, envelope, target)
    }
}

/// The body that answers `POST /v1/messages/count_tokens`.
#[must_use]
pub fn encode_count(input_tokens: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Count {
        input_tokens: u64,
    }

    write::body(&Count { input_tokens })
}

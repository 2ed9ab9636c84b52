//! The client's side: what was asked of us, and how we answer.

mod chunk;
mod envelope;
mod logprobs;
mod message;
mod opening;
mod request;
mod response;
mod stream;
mod tool;
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
use adapters_canonical::unsaid::Vocabulary;
use adapters_canonical::usage::Usage;

use adapters_openai_words::{failure, models};

use crate::{address, hosted, passthrough};

pub use envelope::read_optional_envelope;
pub use request::decode_request;
pub use response::encode_response;
pub use stream::ChatStreamEncoder;

pub(crate) use chunk::{Chunks, done};
pub(crate) use envelope::{Options, read_envelope};
pub(crate) use message::located;
pub(crate) use response::completion_id;

use vocabulary::VOCABULARY;

/// Where the dialect is asked, below the base URL.
pub(crate) const PATH: &str = "/chat/completions";

/// Status and body for a client that speaks OpenAI.
#[must_use]
pub fn encode_failure(failure: &Failure, request_id: &str) -> ErrorAnswer {
    failure::encode_failure(failure, request_id)
}

/// Answers clients that speak OpenAI chat completions.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatCompletions;

impl Ingress for ChatCompletions {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAi
    }

    fn read_envelope<'a>(
        &self,
        _: &Asked<'a>,
        body: &'a [u8],
    ) -> Result<Envelope<'a>, DecodeError> {
        read_envelope(body)
    }

    fn opening<'a>(&self, body: &'a [u8]) -> Opening<'a> {
        opening::read(body)
    }

    fn decode_request(
        &self,
        body: &[u8],
        _: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode_request(body)
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

    fn client_path<'p>(&self, request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
        hosted::client_path(request, path).map_or(Cow::Borrowed(path), Cow::Owned)
    }

    fn encode_stream(&self, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(ChatStreamEncoder::new(context))
    }

    fn encode_failure(&self, failure: &Failure, request_id: &str) -> ErrorAnswer {
        encode_failure(failure, request_id)
    }

    fn heartbeat(&self, _: Framing) -> &'static [u8] {
        b": keep-alive\n\n"
    }

    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
        inject_usage: bool,
    ) -> UpstreamRequest {
        UpstreamRequest {
            path: address::path(target, PATH),
            headers: Vec::new(),
            body: passthrough::rewrite_request(body, envelope, target.model, inject_usage),
        }
    }

    fn pass_stream(&self, context: AnswerContext, usage_injected: bool) -> Box<dyn StreamTap> {
        Box::new(passthrough::ChunkTap::new(context, usage_injected))
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

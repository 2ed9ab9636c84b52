//! The client's side: what was asked of us, and how we answer.

pub(crate) mod annotation;
mod content;
mod echo;
mod envelope;
pub(crate) mod event;
mod input;
mod item;
pub(crate) mod object;
mod opening;
mod paths;
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
use adapters_json::{edit, write};
use adapters_openai_words::{failure, models};

use self::vocabulary::VOCABULARY;
use crate::passthrough;

pub use stream::ResponseStreamEncoder;

pub(crate) use request::decode_request;

/// Where the dialect is asked, below the base URL.
pub(crate) const PATH: &str = "/responses";

/// Path and query below the provider's base URL. Azure OpenAI takes dated versions in the query, of
/// letters, digits and dashes.
pub(crate) fn path(target: &Target<'_>) -> String {
    path_of(PATH, target)
}

/// The same of a place of the dialect.
pub(crate) fn path_of(place: &str, target: &Target<'_>) -> String {
    match target.api_version {
        None => place.to_owned(),
        Some(version) => format!("/openai{place}?api-version={version}"),
    }
}

/// Answers clients that speak OpenAI Responses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responses;

impl Ingress for Responses {
    fn dialect(&self) -> Dialect {
        Dialect::Responses
    }

    fn read_envelope<'a>(
        &self,
        _: &Asked<'a>,
        body: &'a [u8],
    ) -> Result<Envelope<'a>, DecodeError> {
        envelope::read_envelope(body)
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

    fn client_path<'p>(&self, request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
        paths::client_path(request, path)
    }

    fn vocabulary(&self) -> &'static Vocabulary {
        &VOCABULARY
    }

    fn encode_response(
        &self,
        response: &ChatResponse,
        context: &AnswerContext,
    ) -> Translated<Vec<u8>> {
        response::encode_response(response, context)
    }

    fn encode_stream(&self, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(ResponseStreamEncoder::new(context))
    }

    fn encode_failure(&self, failure: &Failure, request_id: &str) -> ErrorAnswer {
        failure::encode_failure(failure, request_id)
    }

    fn heartbeat(&self, _: Framing) -> &'static [u8] {
        b": keep-alive\n\n"
    }

    /// The usage is always told, so that there is nothing to inject.
    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
        _: bool,
    ) -> UpstreamRequest {
        let body = rename(body, envelope, target);
        UpstreamRequest { path: path(target), headers: Vec::new(), body }
    }

    fn pass_stream(&self, context: AnswerContext, _: bool) -> Box<dyn StreamTap> {
        Box::new(passthrough::EventTap::new(context))
    }

    fn read_usage(&self, body: &[u8]) -> Option<Usage> {
        passthrough::read_usage(body)
    }

    fn repeats_request(&self) -> bool {
        true
    }

    fn read_kept_id(&self, body: &[u8]) -> Option<String> {
        passthrough::read_id(body)
    }

    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8> {
        models::encode_model(model)
    }

    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8> {
        models::encode_models(models)
    }
}

/// The same request with the target's name of the model, and without what another provider thought
/// and did, which this one would refuse.
pub(crate) fn rename(body: &[u8], envelope: &Envelope<'_>, target: &Target<'_>) -> Vec<u8> {
    let mut edits = passthrough::foreign::edits(body);
    let span = envelope.model_span.clone().filter(|_| envelope.model != target.model);
    edits.extend(span.map(|span| (span, write::body(&target.model))));
    edits.sort_by_key(|(span, _)| span.start);
    edit::splice(body, &edits)
}

//! The client's side: what was asked of us, and how we answer.
//!
//! | module       | does                                                               |
//! |--------------|--------------------------------------------------------------------|
//! | `envelope`   | reads where a request goes                                         |
//! | `opening`    | reads how its conversation begins                                  |
//! | `request`    | reads all of it                                                    |
//! | `contents`   | … its turns: who said what, calls and their results                |
//! | `media`      | … its pictures, sounds, films and documents                        |
//! | `tools`      | … its functions, and which of them must be called                  |
//! | `schema`     | … their schemas, which are of a kind of Google's own               |
//! | `generation` | … its sampling, output form and thinking                           |
//! | `path`       | says what a client calls what the canonical request calls its way  |
//! | `response`   | writes a whole answer                                              |
//! | `stream`     | writes a streamed answer                                           |
//! | `part`       | … its parts, sources and likelihoods                               |
//! | `seal`       | … the seals of other providers, and knows them again               |
//! | `finish`     | … why it ended                                                     |
//! | `usage`      | … its tokens                                                       |
//! | `vocabulary` | says what an answer has no words for                               |
//! | `frame`      | tells chunks apart                                                 |
//! | `error`      | writes why there is no answer                                      |
//! | `models`     | writes the list of models                                          |

mod contents;
mod envelope;
mod error;
mod finish;
mod frame;
mod generation;
mod media;
mod models;
mod opening;
mod part;
mod path;
mod request;
mod response;
mod schema;
pub mod seal;
mod stream;
mod tools;
mod usage;
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

use self::vocabulary::VOCABULARY;
use crate::passthrough;

pub use error::encode_failure;
pub use request::decode_request;
pub use response::encode_response;
pub use stream::ContentStreamEncoder;

pub(crate) use error::write_failure;
pub(crate) use frame::Frames;

/// Answers clients that speak Gemini's `generateContent` and `streamGenerateContent`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GenerateContent;

impl Ingress for GenerateContent {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn read_envelope<'a>(
        &self,
        asked: &Asked<'a>,
        body: &'a [u8],
    ) -> Result<Envelope<'a>, DecodeError> {
        envelope::read_envelope(asked, body)
    }

    fn opening<'a>(&self, body: &'a [u8]) -> Opening<'a> {
        opening::read(body)
    }

    fn decode_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
    ) -> Result<Translated<ChatRequest>, DecodeError> {
        decode_request(body, envelope)
    }

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
        Box::new(ContentStreamEncoder::new(context))
    }

    fn encode_failure(&self, failure: &Failure, request_id: &str) -> ErrorAnswer {
        encode_failure(failure, request_id)
    }

    /// An empty line. Not a comment, as in other dialects: Google's Python SDK takes every line
    /// that does not begin with `data: ` for a chunk, and raises.
    fn heartbeat(&self, _: Framing) -> &'static [u8] {
        b"\r\n"
    }

    /// A stream always ends with the usage, so there is no wish to inject.
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
        Box::new(passthrough::ContentTap::new(context))
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

//! The upstream side: how Gemini is asked, and what it answered.
//!
//! | module         | does                                                             |
//! |----------------|------------------------------------------------------------------|
//! | [`request`]    | writes a request                                                 |
//! | `conversation` | … its turns: who said what, calls and their results              |
//! | `seal`         | … its seals: which, and where                                    |
//! | `media`        | … its pictures, sounds, films and documents                      |
//! | `tools`        | … its functions, and which of them must be called                |
//! | `generation`   | … its sampling, output form and thinking                         |
//! | `schema`       | … the schema of its output, as far as Gemini knows it            |
//! | `model`        | knows what the generations of Gemini take                        |
//! | [`response`]   | reads a whole answer                                             |
//! | [`stream`]     | reads a streamed answer                                          |
//! | `answer`       | … turns chunks into deltas in order                              |
//! | `annotation`   | … where its words come from, and how likely they were            |
//! | `arguments`    | … puts streamed arguments together                               |
//! | `framing`      | … finds the chunks, in an event stream or a JSON array           |
//! | `finish`       | says why an answer ended                                         |
//! | `usage`        | counts tokens                                                    |
//! | [`error`]      | reads an answer that is none                                     |

mod annotation;
mod answer;
mod arguments;
mod conversation;
pub mod error;
mod finish;
mod framing;
mod generation;
mod loss;
mod media;
mod model;
mod open_call;
pub mod request;
pub mod response;
mod schema;
mod seal;
pub mod stream;
mod tools;
mod usage;

pub(crate) use error::in_stream;
pub(crate) use finish::is_final;
pub(crate) use framing::{Chunk, Chunks};
pub(crate) use model::Model;
pub(crate) use request::VERSION;
pub(crate) use usage::Tally;

use adapters_canonical::chat::{ChatRequest, ChatResponse, Media};
use adapters_canonical::dialect::{Egress, StreamDecoder, Target, UpstreamRequest};
use adapters_canonical::failure::UpstreamError;
use adapters_canonical::loss::{DecodeError, Translated};
use adapters_canonical::media::MediaKind;
use adapters_canonical::operation::{CountEgress, EmbedEgress};
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::count_tokens::CountTokens;
use crate::embedding::Embeddings;

const API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Gemini `generateContent` as an upstream: the Gemini API, and Vertex AI below a base URL that
/// ends where `/v1beta` begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemini;

impl Egress for Gemini {
    fn credential(&self, secret: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(secret)?;
        value.set_sensitive(true);
        Ok((API_KEY, value))
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
        Box::new(stream::Decoder::default())
    }

    fn decode_error(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        error::decode(status, headers, body)
    }

    /// Gemini wants to be told what is at an address, and it cannot always be told from its name.
    fn wants_data(&self, _: MediaKind, media: &Media) -> bool {
        media::is_unknown(media)
    }

    fn counting(&self) -> Option<&dyn CountEgress> {
        Some(&CountTokens)
    }

    fn embedding(&self) -> Option<&dyn EmbedEgress> {
        Some(&Embeddings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_is_marked_sensitive() {
        let (name, value) = Gemini.credential("abc").unwrap();
        assert_eq!(name, "x-goog-api-key");
        assert!(value.is_sensitive());
        assert!(Gemini.credential("line\nbreak").is_err());
    }
}

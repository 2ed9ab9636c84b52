//! What a client's dialect must be able to do: to read what is asked, and to say what came of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::{ChatRequest, ChatResponse};
use crate::dialect::{AnswerContext, Dialect, ErrorAnswer, StreamEncoder, Target, UpstreamRequest};
use crate::failure::{Failure, UpstreamError};
use crate::loss::{DecodeError, Translated};
use crate::unsaid::Vocabulary;
use crate::usage::Usage;

/// The client side of a dialect.
///
/// The canonical request speaks of its members in the words of OpenAI's chat completions. A dialect
/// with words of its own says in [`client_path`](Self::client_path) what it calls them.
pub trait Ingress: Send + Sync {
    /// Which dialect it is.
    fn dialect(&self) -> Dialect;

    /// Reads the few facts that decide where a request goes, in one pass and without building the
    /// rest. The syntax of the body is checked throughout, its shape only where it is used here.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
    fn read_envelope<'a>(
        &self,
        asked: &Asked<'a>,
        body: &'a [u8],
    ) -> Result<Envelope<'a>, DecodeError>;

    /// How the conversation of a request begins. What has another shape counts as absent.
    fn opening<'a>(&self, body: &'a [u8]) -> Opening<'a>;

    /// Reads a whole request. What only this dialect has words for is reported as a loss: where the
    /// provider speaks it too, nothing is translated and this is not called.
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

    /// What the client calls what a loss or an error names by its canonical path.
    fn client_path<'p>(&self, _request: &ChatRequest, path: &'p str) -> Cow<'p, str> {
        Cow::Borrowed(path)
    }

    /// What this dialect has no words for in an answer: of a stream, whoever drives it finds the
    /// losses by it.
    fn vocabulary(&self) -> &'static Vocabulary;

    /// Writes an answer in one piece. Losses are named by what the canonical answer calls them; those
    /// by the [`vocabulary`](Self::vocabulary) are among them.
    fn encode_response(
        &self,
        response: &ChatResponse,
        context: &AnswerContext,
    ) -> Translated<Vec<u8>>;

    /// Writes an answer that is streamed.
    fn encode_stream(&self, context: AnswerContext) -> Box<dyn StreamEncoder>;

    /// Writes why there is no answer. Never quotes what a provider says of the gateway's own
    /// credential.
    fn encode_failure(&self, failure: &Failure, request_id: &str) -> ErrorAnswer;

    /// What keeps a silent stream alive, at any border between events: clients pass over it.
    fn heartbeat(&self, framing: Framing) -> &'static [u8];

    /// The same request for a provider of this dialect: its bytes, but for the name of the model
    /// and, if `inject_usage`, a wish for the usage that the client did not utter. `envelope` must
    /// have been read from this very `body`. The address begins with `/`, below the base URL.
    fn pass_request(
        &self,
        body: &[u8],
        envelope: &Envelope<'_>,
        target: &Target<'_>,
        inject_usage: bool,
    ) -> UpstreamRequest;

    /// Passes a stream on from a provider of this dialect. `usage_injected` if the request got its
    /// wish for the usage from [`pass_request`](Self::pass_request) and not from the client.
    fn pass_stream(&self, context: AnswerContext, usage_injected: bool) -> Box<dyn StreamTap>;

    /// What a whole answer of a provider of this dialect says it cost, without reading the rest.
    fn read_usage(&self, body: &[u8]) -> Option<Usage>;

    /// Whether an answer repeats some of its request, which is then kept until the answer ends.
    fn repeats_request(&self) -> bool {
        false
    }

    /// The name under which a provider of this dialect keeps the whole answer `body`, so that the
    /// next request can go on from it; `None` in dialects where none does.
    fn read_kept_id(&self, _body: &[u8]) -> Option<String> {
        None
    }

    /// The body that answers a wish for one model of the list.
    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8>;

    /// The body that answers a wish for the list of models.
    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8>;
}

/// What a request says outside its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The model, where the address names it, free of percent-encoding.
    pub model: Option<&'a str>,
    /// Whether the address asks for a stream, where it is the address that does.
    pub stream: bool,
    /// The query, without its `?`. It may hold a credential: nothing of it travels unless known.
    pub query: &'a str,
}

/// What the gateway must know of a request before it knows which dialect answers it. Holding one
/// proves that the body is a JSON object and that exactly one model is named.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope<'a> {
    /// The model as the client named it; not empty.
    pub model: Cow<'a, str>,
    /// Where its JSON string stands in the body, quotes included; `None` if the address names it.
    pub model_span: Option<Range<usize>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// How the events of a stream are told apart.
    pub framing: Framing,
    /// Whether a streamed answer is to end with the usage, in dialects where that is a choice.
    pub include_usage: bool,
    /// Where the value of `stream_options` stands in the body, be it an object or `null`.
    pub stream_options: Option<Range<usize>>,
    /// The end user, as a stable and opaque identifier: OpenAI's `user`, Anthropic's
    /// `metadata.user_id`.
    pub user: Option<Cow<'a, str>>,
    /// What groups requests with a long prefix in common: `prompt_cache_key`.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// Another name for the end user: `safety_identifier`.
    pub safety_identifier: Option<Cow<'a, str>>,
    /// The answer this request goes on from: `previous_response_id`, or the id of a conversation.
    pub previous: Option<Cow<'a, str>>,
    /// How long the answer may be, if that is a number.
    pub max_tokens: Option<u64>,
    /// Where the value of `metadata` (Gemini: `labels`) stands in the body: see
    /// [`metadata`](Self::metadata).
    pub metadata: Option<Range<usize>>,
}

impl Envelope<'_> {
    /// The same, free of the body's lifetime.
    #[must_use]
    pub fn into_owned(self) -> Envelope<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Envelope {
            model: own(self.model),
            model_span: self.model_span,
            stream: self.stream,
            framing: self.framing,
            include_usage: self.include_usage,
            stream_options: self.stream_options,
            user: self.user.map(own),
            prompt_cache_key: self.prompt_cache_key.map(own),
            safety_identifier: self.safety_identifier.map(own),
            previous: self.previous.map(own),
            max_tokens: self.max_tokens,
            metadata: self.metadata,
        }
    }

    /// The entries of `metadata` in the body that this was read from. Whatever is no string there
    /// is left out: whether it may be there is for the provider to say.
    #[must_use]
    pub fn metadata(&self, body: &[u8]) -> Vec<(String, String)> {
        let text = self.metadata.clone().and_then(|at| body.get(at)).unwrap_or_default();
        serde_json::from_slice(text).map(|Entries(entries)| entries).unwrap_or_default()
    }
}

/// The strings of an object, in their order.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if let Ok(value) = serde_json::from_str(value.get()) {
                        entries.push((name, value));
                    }
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(Object)
    }
}

/// How the events of a stream are told apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Events,
    /// The elements of one JSON array, as Gemini has it unless asked for `alt=sse`.
    JsonArray,
}

/// The beginning of a conversation, as JSON: what stays the same while it goes on, so that a hash
/// can tell conversations apart by it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Opening<'a> {
    /// The instructions, or the content of the first system or developer message.
    pub system: Option<&'a str>,
    /// `tools`.
    pub tools: Option<&'a str>,
    /// The content of the first message of the user.
    pub first_user_message: Option<&'a str>,
}

/// A stream that passes unchanged from a provider to a client of one dialect, and what is learned
/// of it on the way.
///
/// Every event is looked into, none is built anew. One that cannot be read is left out and counted;
/// one that reports an error is left out, and so is everything that follows it.
pub trait StreamTap: Send + Sync {
    /// Takes the provider's next bytes and appends what the client gets to `out`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Framing`] if one event outgrows all bounds; what was complete before it is in
    /// `out`.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError>;

    /// Ends a stream whose provider closed it; supplies the event that ends every stream, if only
    /// that is missing. Call once.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the answer is not complete; the caller then ends the stream
    /// with [`fail`](Self::fail).
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError>;

    /// Ends a stream that broke off, in the form of [`StreamEncoder::fail`]. Call once, last.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>);

    /// What it cost so far.
    fn usage(&self) -> Option<&Usage>;

    /// Whether the client has been sent any of the answer itself: from then on there is no other
    /// attempt.
    fn saw_content(&self) -> bool;

    /// Whether the answer is complete, whatever still comes.
    fn is_complete(&self) -> bool;

    /// The error the provider reported inside the stream.
    fn error(&self) -> Option<&UpstreamError>;

    /// How many events were left out because they could not be read.
    fn malformed(&self) -> u64;

    /// Bytes of the answer's words that have passed since the provider last said how much output
    /// there was: what an estimate goes by if the stream is cut.
    fn unreported(&self) -> u64;

    /// The name under which the provider keeps the answer, as [`Ingress::read_kept_id`].
    fn kept_id(&self) -> Option<String> {
        None
    }
}

/// A model a client may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModelEntry<'a> {
    /// The name to ask for it by.
    pub id: &'a str,
    /// Since when it is offered, in seconds since 1970.
    pub created: u64,
    /// Who serves it.
    pub owned_by: &'a str,
}

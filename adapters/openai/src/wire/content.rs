//! What a message or a delta contains.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::object::{Ignored, object};
use adapters_json::string::Str;

/// A plain string, or an array of parts.
#[derive(Debug)]
pub(crate) enum Content<P> {
    Text(String),
    Parts(Vec<P>),
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Content<P> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<P>(PhantomData<P>);

        impl<'de, P: Deserialize<'de>> Visitor<'de> for Either<P> {
            type Value = Content<P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content<P>, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Content<P>, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Content<P>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Content::Parts)
            }
        }

        from.deserialize_any(Either(PhantomData))
    }
}

object! {
    /// One part, of whatever `type`; only the member of that type is there.
    pub(crate) Part<'a> {
        kind as "type": Str<'a>,
        text: String,
        ..rare: Option<Box<RareOfPart<'a>>>
    }
}

object! {
    /// What only a part that is no plain text has.
    pub(crate) RareOfPart<'a> {
        refusal: String,
        image_url: Address<'a>,
        /// An extension of several providers.
        video_url: Address<'a>,
        input_audio: InputAudio<'a>,
        file: File<'a>,
        /// An extension: Mistral's thoughts.
        thinking: Thinking,
        /// An extension: Anthropic's seal on a `thinking`.
        signature: String,
        /// An extension: Anthropic's way to end a cached prefix.
        cache_control: CacheControl,
        prompt_cache_breakpoint: CacheControl,
        ..others: Ignored
    }
}

/// A part of an answer, and its bytes: one of a kind we do not know stays as it was.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) part: Option<Part<'a>>,
    pub(crate) raw: &'a RawValue,
}

impl<'a, 'de: 'a> Deserialize<'de> for Kept<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        let part = serde_json::from_str::<Part<'de>>(raw.get()).ok();
        Ok(Self { part: part.filter(|part| part.kind.is_some()), raw })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Address<'a> {
    #[serde(borrow)]
    pub(crate) url: Str<'a>,
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct InputAudio<'a> {
    #[serde(borrow)]
    pub(crate) data: Str<'a>,
    pub(crate) format: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct File<'a> {
    #[serde(borrow)]
    pub(crate) file_data: Option<Str<'a>>,
    pub(crate) file_id: Option<String>,
    pub(crate) filename: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CacheControl {
    pub(crate) ttl: Option<String>,
}

/// A string, or an array of text parts.
#[derive(Debug)]
pub(crate) struct Thinking(pub(crate) String);

impl<'de> Deserialize<'de> for Thinking {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Content::<Part<'de>>::deserialize(from)? {
            Content::Text(text) => text,
            Content::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        };
        Ok(Self(text))
    }
}

/// One of `reasoning_details`, OpenRouter's form for thoughts that must be sent back unchanged.
#[derive(Debug, Deserialize)]
pub(crate) struct ReasoningDetail<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) text: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) id: Option<String>,
    /// Details of one index are pieces of one thought.
    pub(crate) index: Option<u32>,
    /// Whose seal or cipher it is; see [`crate::thought`].
    #[serde(borrow)]
    pub(crate) format: Option<Str<'a>>,
}

/// A tool call: whole in a message, a fragment in a delta.
#[derive(Debug, Deserialize)]
pub(crate) struct ToolCall {
    pub(crate) index: Option<u32>,
    pub(crate) id: Option<String>,
    pub(crate) function: Option<FunctionCall>,
    pub(crate) custom: Option<CustomCall>,
    /// Where Gemini's own OpenAI-compatible service keeps the seal on a call.
    pub(crate) extra_content: Option<ExtraContent>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionCall {
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CustomCall {
    pub(crate) name: Option<String>,
    pub(crate) input: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ExtraContent {
    google: Option<Google>,
}

#[derive(Debug, Deserialize)]
struct Google {
    thought_signature: Option<String>,
}

impl ExtraContent {
    pub(crate) fn signature(self) -> Option<String> {
        self.google?.thought_signature.filter(|seal| !seal.is_empty())
    }
}

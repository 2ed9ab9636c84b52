//! What a message or a delta contains.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use adapters_json::string::{Object, Str};

/// A plain string, or an array of parts.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(String),
    Parts(Vec<Part<'a>>),
}

impl<'a, 'de: 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content<'de>, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Content<'de>, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Content<'de>, A::Error> {
                let parts: Vec<Object<_>> = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Content::Parts(parts.into_iter().map(|Object(part)| part).collect()))
            }
        }

        from.deserialize_any(Either)
    }
}

/// One part, of whatever `type`; only the field of that type is there.
#[derive(Debug, Deserialize)]
pub(crate) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) text: Option<String>,
    pub(crate) refusal: Option<String>,
    #[serde(borrow)]
    pub(crate) image_url: Option<Address<'a>>,
    /// An extension of several providers.
    #[serde(borrow)]
    pub(crate) video_url: Option<Address<'a>>,
    #[serde(borrow)]
    pub(crate) input_audio: Option<InputAudio<'a>>,
    #[serde(borrow)]
    pub(crate) file: Option<File<'a>>,
    /// An extension: Mistral's thoughts.
    pub(crate) thinking: Option<Thinking>,
    /// An extension: Anthropic's seal on a `thinking`.
    pub(crate) signature: Option<String>,
    /// An extension: Anthropic's way to end a cached prefix.
    pub(crate) cache_control: Option<CacheControl>,
    pub(crate) prompt_cache_breakpoint: Option<CacheControl>,
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
        let text = match Content::deserialize(from)? {
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

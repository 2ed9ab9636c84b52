//! A whole answer, and the pieces that streamed answers share with it.

use adapters_json::string::Str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The body of a successful answer, and the `message` of a `message_start` event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) model: Option<Str<'a>>,
    /// Each block is read on its own, so that an unknown one can be kept as it is.
    #[serde(borrow)]
    pub(crate) content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) usage: Option<&'a RawValue>,
    /// Where code ran.
    pub(crate) container: Option<IgnoredAny>,
    /// What of the conversation was left out to make room.
    pub(crate) context_management: Option<IgnoredAny>,
}

/// Why the model refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StopDetails {
    /// In words for people.
    pub(crate) explanation: Option<String>,
    /// In a word for programs.
    pub(crate) category: Option<IgnoredAny>,
}

/// Only what kind of value it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
}

/// Every field that a block we understand may have. One flat struct: an internally tagged enum
/// would copy the whole block before reading it, and could not hold raw JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    /// Who calls.
    #[serde(borrow)]
    pub(crate) caller: Option<&'a RawValue>,
}

impl<'a> Block<'a> {
    /// Reads a block; `None` if it is of a kind that we do not understand.
    ///
    /// # Errors
    ///
    /// If it is of one that we do, and has another shape.
    pub(crate) fn read(raw: &'a RawValue) -> serde_json::Result<Option<Self>> {
        if !raw.get().starts_with('{') {
            return Err(serde::de::Error::custom("must be an object"));
        }
        match serde_json::from_str::<Self>(raw.get()) {
            Ok(block) => Ok(is_understood(block.kind.as_deref()).then_some(block)),
            // Other kinds may have members of the same names and other shapes.
            Err(misfit) => match serde_json::from_str::<Tag<'_>>(raw.get()) {
                Ok(tag) if !is_understood(tag.kind.as_deref()) => Ok(None),
                Ok(_) | Err(_) => Err(misfit),
            },
        }
    }
}

fn is_understood(kind: Option<&str>) -> bool {
    matches!(kind, Some("text" | "thinking" | "redacted_thinking" | "tool_use"))
}

/// Tokens. Cached input is *not* part of `input_tokens`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage<'a> {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) cache_creation_input_tokens: Option<u64>,
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) cache_creation: Option<CacheCreation>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) output_tokens_details: Option<OutputDetails>,
    pub(crate) server_tool_use: Option<ServerTools>,
    #[serde(borrow)]
    pub(crate) service_tier: Option<Str<'a>>,
}

/// Tokens written to a cache, by time to live.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CacheCreation {
    pub(crate) ephemeral_5m_input_tokens: Option<u64>,
    pub(crate) ephemeral_1h_input_tokens: Option<u64>,
}

/// What the output tokens were.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OutputDetails {
    pub(crate) thinking_tokens: Option<u64>,
}

/// How often tools ran that the provider runs itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerTools {
    pub(crate) web_search_requests: Option<u64>,
    pub(crate) web_fetch_requests: Option<u64>,
}

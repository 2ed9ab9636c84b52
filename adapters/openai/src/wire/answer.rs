//! A chat completion, whole or in chunks.

use adapters_openai_words::wire::Said;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::content::{Content, FunctionCall, Kept, Part, ReasoningDetail, ToolCall};
use super::usage::Usage;
use adapters_json::string::Str;

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) model: Option<Str<'a>>,
    /// A float with some providers.
    pub(crate) created: Option<f64>,
    #[serde(borrow)]
    pub(crate) choices: Option<Vec<Choice<'a>>>,
    pub(crate) usage: Option<Usage>,
    pub(crate) service_tier: Option<String>,
    /// Addresses of sources, of the whole answer: an extension of xAI and Perplexity.
    pub(crate) citations: Option<Vec<IgnoredAny>>,
    /// What the provider thinks of the words.
    pub(crate) moderation: Option<IgnoredAny>,
    #[serde(default)]
    pub(crate) error: Said,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice<'a> {
    pub(crate) index: Option<u32>,
    /// Of a whole answer.
    #[serde(borrow)]
    pub(crate) message: Option<Message<'a>>,
    /// Of a chunk.
    #[serde(borrow)]
    pub(crate) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(crate) finish_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) logprobs: Option<&'a RawValue>,
}

/// A message, or the next piece of one.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) content: Option<Content<Kept<'a>>>,
    pub(crate) refusal: Option<String>,
    pub(crate) reasoning_content: Option<String>,
    pub(crate) reasoning: Option<String>,
    #[serde(borrow)]
    pub(crate) reasoning_details: Option<Vec<ReasoningDetail<'a>>>,
    pub(crate) tool_calls: Option<Vec<ToolCall>>,
    pub(crate) function_call: Option<FunctionCall>,
    /// OpenRouter's form for pictures the model drew.
    #[serde(borrow)]
    pub(crate) images: Option<Vec<Part<'a>>>,
    pub(crate) audio: Option<Audio>,
    #[serde(borrow)]
    pub(crate) annotations: Option<Vec<&'a RawValue>>,
    /// An extension of ours; see [`crate::citation`].
    #[serde(borrow)]
    pub(crate) citations: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Audio {
    /// Names the sound in later turns.
    pub(crate) id: Option<IgnoredAny>,
    pub(crate) data: Option<String>,
    pub(crate) transcript: Option<String>,
}

/// `created` as seconds, if it says anything.
pub(crate) fn seconds(created: Option<f64>) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    created.map(|at| at as u64).filter(|at| *at > 0)
}

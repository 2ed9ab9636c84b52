//! One event of a streamed answer.

use adapters_json::string::Str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Every field that any event may have, read in one pass that borrows from the frame. The rare,
/// large ones stay raw and are read when it is known what they belong to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(crate) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    /// Of a `message_delta`.
    pub(crate) context_management: Option<IgnoredAny>,
}

/// What a `content_block_delta` or a `message_delta` adds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) partial_json: Option<Str<'a>>,
    /// Of a `citations_delta`.
    #[serde(borrow)]
    pub(crate) citation: Option<&'a RawValue>,
    /// Of a `compaction_delta`.
    #[serde(borrow)]
    pub(crate) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) stop_details: Option<&'a RawValue>,
    pub(crate) container: Option<IgnoredAny>,
}

//! The body of `POST /v1/messages` as clients write it.

use std::fmt;

use adapters_json::object::{Names, object};
use adapters_json::string::Str;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answer::Tag;

/// The members that are looked at before the rest is read.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Facts<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) stream: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) max_tokens: Option<&'a RawValue>,
}

/// How a conversation begins.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Beginning<'a> {
    #[serde(borrow)]
    pub(crate) system: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) tools: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) messages: Option<Vec<&'a RawValue>>,
}

object! {
    /// What is asked.
    pub(crate) Request<'a> {
        model: String,
        max_tokens: u64,
        system: Content<'a>,
        messages: Vec<Message<'a>>,
        tools: Vec<&'a RawValue>,
        mcp_servers: Vec<&'a RawValue>,
        tool_choice: ToolChoice<'a>,
        stop_sequences: Vec<String>,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        thinking: Thinking<'a>,
        output_config: OutputConfig<'a>,
        /// The older name of `output_config.format`.
        output_format: Format<'a>,
        service_tier: String,
        metadata: Metadata<'a>,
        cache_control: CacheControl<'a>,
        stream: bool,
        speed: Str<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// Whose request it is.
    pub(crate) Metadata<'a> {
        user_id: Str<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// One turn.
    pub(crate) Message<'a> {
        role: Str<'a>,
        content: Content<'a>,
        ..others: Names<'a>
    }
}

/// A plain string, or an array of blocks. Each block is read on its own, so that an unknown one can
/// be kept as it is.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(Str<'a>),
    Blocks(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content blocks")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str(text.into())))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str(text.to_owned().into())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element()? {
                    blocks.push(block);
                }
                Ok(Content::Blocks(blocks))
            }
        }

        from.deserialize_any(Either)
    }
}

object! {
    /// One content block, of whatever type; only the members of that type are there. Members that
    /// mean different things in different blocks are raw.
    pub(crate) Block<'a> {
        kind as "type": Str<'a>,
        text: String,
        citations: &'a RawValue,
        cache_control: CacheControl<'a>,
        source: &'a RawValue,
        title: String,
        context: Str<'a>,
        transformations: &'a RawValue,
        thinking: String,
        signature: Str<'a>,
        data: Str<'a>,
        id: String,
        name: String,
        input: &'a RawValue,
        caller: Tag<'a>,
        toolset_name: Str<'a>,
        tool_use_id: String,
        content: Content<'a>,
        is_error: bool,
        ..others: Names<'a>
    }
}

object! {
    /// Where the bytes of an image or a document are.
    pub(crate) Source<'a> {
        kind as "type": Str<'a>,
        media_type: String,
        data: String,
        url: String,
        file_id: String,
        content: Content<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// Whether a document is to be cited.
    pub(crate) Citations<'a> {
        enabled: bool,
        ..others: Names<'a>
    }
}

object! {
    /// Ends a prefix that is to be cached.
    pub(crate) CacheControl<'a> {
        kind as "type": Str<'a>,
        ttl: String,
        ..others: Names<'a>
    }
}

object! {
    /// Something the model may call.
    pub(crate) Tool<'a> {
        kind as "type": Str<'a>,
        name: String,
        description: String,
        input_schema: &'a RawValue,
        strict: bool,
        cache_control: CacheControl<'a>,
        eager_input_streaming: bool,
        defer_loading: bool,
        allowed_callers: Vec<Str<'a>>,
        input_examples: Vec<&'a RawValue>,
        ..others: Names<'a>
    }
}

object! {
    /// Whether and what the model must call.
    pub(crate) ToolChoice<'a> {
        kind as "type": Str<'a>,
        name: String,
        disable_parallel_tool_use: bool,
        ..others: Names<'a>
    }
}

object! {
    /// Whether to think before answering.
    pub(crate) Thinking<'a> {
        kind as "type": Str<'a>,
        budget_tokens: u64,
        display: Str<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// How much to work, and the form of the answer.
    pub(crate) OutputConfig<'a> {
        effort: Str<'a>,
        format: Format<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// The form of the answer.
    pub(crate) Format<'a> {
        kind as "type": Str<'a>,
        schema: &'a RawValue,
        ..others: Names<'a>
    }
}

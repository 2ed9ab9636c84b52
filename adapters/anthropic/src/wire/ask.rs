//! The body of `POST /v1/messages` as clients write it.

use std::fmt;

use adapters_json::string::Str;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answer::Tag;
use super::object::object;

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
    Request<'a> {
        model "model": String,
        max_tokens "max_tokens": u64,
        system "system": Content<'a>,
        messages "messages": Vec<Message<'a>>,
        tools "tools": Vec<&'a RawValue>,
        tool_choice "tool_choice": ToolChoice<'a>,
        stop_sequences "stop_sequences": Vec<String>,
        temperature "temperature": f64,
        top_p "top_p": f64,
        top_k "top_k": u64,
        thinking "thinking": Thinking<'a>,
        output_config "output_config": OutputConfig<'a>,
        /// The older name of `output_config.format`.
        output_format "output_format": Format<'a>,
        service_tier "service_tier": String,
        metadata "metadata": Metadata<'a>,
        cache_control "cache_control": CacheControl<'a>,
        stream "stream": bool,
        speed "speed": Str<'a>,
    }
}

object! {
    /// Whose request it is.
    Metadata<'a> {
        user_id "user_id": Str<'a>,
    }
}

object! {
    /// One turn.
    Message<'a> {
        role "role": Str<'a>,
        content "content": Content<'a>,
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
    Block<'a> {
        kind "type": Str<'a>,
        text "text": String,
        citations "citations": &'a RawValue,
        cache_control "cache_control": CacheControl<'a>,
        source "source": &'a RawValue,
        title "title": String,
        context "context": Str<'a>,
        transformations "transformations": &'a RawValue,
        thinking "thinking": String,
        signature "signature": Str<'a>,
        data "data": Str<'a>,
        id "id": String,
        name "name": String,
        input "input": &'a RawValue,
        caller "caller": Tag<'a>,
        toolset_name "toolset_name": Str<'a>,
        tool_use_id "tool_use_id": String,
        content "content": Content<'a>,
        is_error "is_error": bool,
    }
}

object! {
    /// Where the bytes of an image or a document are.
    Source<'a> {
        kind "type": Str<'a>,
        media_type "media_type": String,
        data "data": String,
        url "url": String,
        file_id "file_id": String,
        content "content": Content<'a>,
    }
}

object! {
    /// Whether a document is to be cited.
    Citations<'a> {
        enabled "enabled": bool,
    }
}

object! {
    /// Ends a prefix that is to be cached.
    CacheControl<'a> {
        kind "type": Str<'a>,
        ttl "ttl": String,
    }
}

object! {
    /// Something the model may call.
    Tool<'a> {
        kind "type": Str<'a>,
        name "name": String,
        description "description": String,
        input_schema "input_schema": &'a RawValue,
        strict "strict": bool,
        cache_control "cache_control": CacheControl<'a>,
        eager_input_streaming "eager_input_streaming": bool,
        defer_loading "defer_loading": bool,
        allowed_callers "allowed_callers": Vec<Str<'a>>,
        input_examples "input_examples": Vec<&'a RawValue>,
    }
}

object! {
    /// Whether and what the model must call.
    ToolChoice<'a> {
        kind "type": Str<'a>,
        name "name": String,
        disable_parallel_tool_use "disable_parallel_tool_use": bool,
    }
}

object! {
    /// Whether to think before answering.
    Thinking<'a> {
        kind "type": Str<'a>,
        budget_tokens "budget_tokens": u64,
        display "display": Str<'a>,
    }
}

object! {
    /// How much to work, and the form of the answer.
    OutputConfig<'a> {
        effort "effort": Str<'a>,
        format "format": Format<'a>,
    }
}

object! {
    /// The form of the answer.
    Format<'a> {
        kind "type": Str<'a>,
        schema "schema": &'a RawValue,
    }
}

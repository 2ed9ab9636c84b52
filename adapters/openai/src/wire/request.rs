//! A request for a chat completion.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::content::{CacheControl, Content, FunctionCall, Part, ReasoningDetail, ToolCall};
use adapters_json::string::{Object, OneOrMany, Str};

/// Writes the struct and its visitor, so that what is unknown is noted on the way: a flattened
/// map for the rest would make serde buffer the whole request. `null` is as good as absent.
macro_rules! request {
    ($life:lifetime, $($field:ident: $type:ty,)*) => {
        #[derive(Default)]
        pub(crate) struct Request<$life> {
            $(pub(crate) $field: Option<$type>,)*
            /// Members that are not listed here, in order.
            pub(crate) unmapped: Vec<Cow<$life, str>>,
        }

        impl<$life> Request<$life> {
            fn read<A: MapAccess<$life>>(&mut self, mut map: A) -> Result<(), A::Error> {
                while let Some(key) = map.next_key::<Str<$life>>()? {
                    match &*key {
                        $(stringify!($field) => {
                            if self.$field.is_some() {
                                return Err(de::Error::duplicate_field(stringify!($field)));
                            }
                            self.$field = map.next_value()?;
                        })*
                        _ => {
                            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                                self.unmapped.push(key.0);
                            }
                        }
                    }
                }
                Ok(())
            }
        }
    };
}

request! { 'a,
    model: String,
    messages: Vec<Object<Message<'a>>>,
    tools: Vec<&'a RawValue>,
    tool_choice: &'a RawValue,
    functions: Vec<&'a RawValue>,
    function_call: &'a RawValue,
    parallel_tool_calls: bool,
    max_completion_tokens: u64,
    max_tokens: u64,
    temperature: f64,
    top_p: f64,
    top_k: u64,
    seed: i64,
    presence_penalty: f64,
    frequency_penalty: f64,
    logit_bias: BTreeMap<String, f64>,
    logprobs: bool,
    top_logprobs: u32,
    n: u32,
    stop: OneOrMany,
    response_format: ResponseFormat<'a>,
    reasoning_effort: String,
    reasoning: Reasoning,
    include_reasoning: bool,
    service_tier: String,
    verbosity: String,
    user: String,
    safety_identifier: String,
    metadata: BTreeMap<String, String>,
    store: bool,
    stream: bool,
    stream_options: StreamOptions,
    prompt_cache_key: String,
    prompt_cache_retention: String,
    cache_control: CacheControl,
    modalities: Vec<String>,
}

impl<'a, 'de: 'a> Deserialize<'de> for Request<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Request<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Request<'de>, A::Error> {
                let mut request = Request::default();
                request.read(map)?;
                Ok(request)
            }
        }

        from.deserialize_map(Members)
    }
}

/// One message, of whatever role.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) role: Str<'a>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<Object<Part<'a>>>>,
    pub(crate) name: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) tool_calls: Option<Vec<Object<ToolCall>>>,
    pub(crate) function_call: Option<FunctionCall>,
    pub(crate) tool_call_id: Option<String>,
    pub(crate) reasoning_content: Option<String>,
    pub(crate) reasoning: Option<String>,
    #[serde(borrow)]
    pub(crate) reasoning_details: Option<Vec<ReasoningDetail<'a>>>,
    pub(crate) audio: Option<IgnoredAny>,
    pub(crate) cache_control: Option<CacheControl>,
    /// Citations of an earlier answer.
    #[serde(borrow)]
    pub(crate) annotations: Option<Vec<&'a RawValue>>,
    /// An extension of ours; see [`crate::citation`].
    #[serde(borrow)]
    pub(crate) citations: Option<Vec<&'a RawValue>>,
    /// An extension: pictures of an earlier answer.
    #[serde(borrow)]
    pub(crate) images: Option<Vec<Object<Part<'a>>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    #[serde(borrow)]
    pub(crate) json_schema: Option<JsonSchema<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct JsonSchema<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
}

/// OpenRouter's form, which says more than `reasoning_effort`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) exclude: Option<bool>,
    pub(crate) enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
    pub(crate) include_obfuscation: Option<bool>,
}

/// One of `tools`; the whole value is kept beside it.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    #[serde(borrow)]
    pub(crate) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(crate) custom: Option<Custom<'a>>,
    pub(crate) cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Function<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Custom<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[serde(borrow)]
    pub(crate) format: Option<&'a RawValue>,
}

/// `tool_choice` where it is an object.
#[derive(Debug, Deserialize)]
pub(crate) struct ToolChoice<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) function: Option<Named>,
    pub(crate) custom: Option<Named>,
    #[serde(borrow)]
    pub(crate) allowed_tools: Option<AllowedTools<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AllowedTools<'a> {
    #[serde(borrow)]
    pub(crate) mode: Str<'a>,
    #[serde(borrow)]
    pub(crate) tools: Vec<AllowedTool<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AllowedTool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) function: Option<Named>,
    pub(crate) custom: Option<Named>,
}

//! A request for a response, as clients write it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::string::Str;

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
    input: &'a RawValue,
    instructions: String,
    tools: Vec<&'a RawValue>,
    tool_choice: &'a RawValue,
    parallel_tool_calls: bool,
    max_output_tokens: u64,
    temperature: f64,
    top_p: f64,
    top_logprobs: u32,
    include: Vec<Str<'a>>,
    text: Text<'a>,
    reasoning: Reasoning,
    service_tier: String,
    user: String,
    safety_identifier: String,
    prompt_cache_key: String,
    prompt_cache_retention: String,
    metadata: BTreeMap<String, String>,
    store: bool,
    stream: bool,
    stream_options: StreamOptions,
    truncation: Str<'a>,
    background: bool,
    previous_response_id: &'a RawValue,
    conversation: &'a RawValue,
    prompt: &'a RawValue,
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

#[derive(Deserialize)]
pub(crate) struct Text<'a> {
    #[serde(borrow)]
    pub(crate) format: Option<Format<'a>>,
    pub(crate) verbosity: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Format<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
    pub(crate) summary: Option<String>,
    /// The older name of `summary`.
    pub(crate) generate_summary: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) mode: Option<String>,
    /// An extension, as in chat: a bound on reasoning tokens.
    pub(crate) max_tokens: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_obfuscation: Option<bool>,
}

/// A tool of any kind.
#[derive(Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) format: Option<&'a RawValue>,
    pub(crate) allowed_callers: Option<IgnoredAny>,
    pub(crate) defer_loading: Option<bool>,
    #[serde(rename = "async")]
    pub(crate) later: Option<bool>,
    pub(crate) output_schema: Option<IgnoredAny>,
}

/// `tool_choice` where it is an object.
#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) name: Option<String>,
    #[serde(borrow)]
    pub(crate) mode: Option<Str<'a>>,
    pub(crate) tools: Option<Vec<Named>>,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
}

/// The grammar of a custom tool; chat completions have its members one level down.
#[derive(Deserialize)]
pub(crate) struct Grammar<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) syntax: Option<&'a RawValue>,
    pub(crate) definition: Option<&'a RawValue>,
}

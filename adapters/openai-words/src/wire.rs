//! The error envelope.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use adapters_json::string::Label;

/// What we write. Clients require the first four; `provider` and `request_id` are ours.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// What happened.
    pub error: Written<'a>,
}

/// The error in our words.
#[derive(Debug, Serialize)]
pub struct Written<'a> {
    /// For a person.
    pub message: &'a str,
    /// Such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The member of the request it is about.
    pub param: Option<&'a str>,
    /// For a program.
    pub code: Option<&'a str>,
    /// The provider that said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a str>,
    /// `x-request-id` of the request.
    pub request_id: &'a str,
}

/// What providers write, in every form that has been seen.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) error: Said,
    /// FastAPI's word for it.
    #[serde(default)]
    pub(crate) detail: Said,
    /// Where there is no envelope.
    #[serde(default)]
    pub(crate) message: Label,
    #[serde(default, rename = "type")]
    pub(crate) kind: Label,
    #[serde(default)]
    pub(crate) code: Label,
    #[serde(default)]
    pub(crate) param: Label,
}

/// The error itself: an object, a plain string, or an array of complaints.
#[derive(Debug, Default)]
pub enum Said {
    /// None.
    #[default]
    Nothing,
    /// A sentence.
    Words(String),
    /// What OpenAI writes.
    Object(Box<Object>),
}

/// An error of which each member may be missing.
#[derive(Debug, Default, Deserialize)]
pub struct Object {
    /// For a person.
    #[serde(default, alias = "msg")]
    pub message: Label,
    /// The provider's own type.
    #[serde(default, rename = "type")]
    pub kind: Label,
    /// The member of the request it is about.
    #[serde(default)]
    pub param: Label,
    /// For a program; some providers put the status here.
    #[serde(default)]
    pub code: Label,
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Said;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Said, E> {
                Ok(if text.is_empty() { Said::Nothing } else { Said::Words(text.to_owned()) })
            }

            fn visit_unit<E: de::Error>(self) -> Result<Said, E> {
                Ok(Said::Nothing)
            }

            fn visit_bool<E: de::Error>(self, set: bool) -> Result<Said, E> {
                Ok(if set { Said::Object(Box::default()) } else { Said::Nothing })
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Said, E> {
                let code = Label((number != 0).then(|| number.to_string()));
                Ok(match code.0 {
                    None => Said::Nothing,
                    Some(_) => Said::Object(Box::new(Object { code, ..Object::default() })),
                })
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Said, E> {
                self.visit_u64(number.unsigned_abs())
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Said, E> {
                Ok(Said::Object(Box::default()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Said, A::Error> {
                let mut first = Said::Nothing;
                while let Some(said) = seq.next_element::<Said>()? {
                    if matches!(first, Said::Nothing) {
                        first = said;
                    }
                }
                Ok(first)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
                let object = Object::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Said::Object(Box::new(object)))
            }
        }

        from.deserialize_any(Any)
    }
}

//! A look into one chunk: what the gateway must know of it, and nothing built of the rest.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::read;
use adapters_json::string::Str;

/// What a chunk says. Reading one also proves that it is a JSON object.
#[derive(Default)]
pub(super) struct Peek<'a> {
    pub(super) id: Option<Str<'a>>,
    pub(super) model: Option<Str<'a>>,
    pub(super) created: Option<f64>,
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Member<'a>>,
    pub(super) error: Option<&'a RawValue>,
}

/// A member of the chunk.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    key: &'a str,
    pub(super) value: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) delta: Delta,
    /// Whether there is one.
    #[serde(default)]
    pub(super) finish_reason: Something,
}

/// How much a delta says beside the role.
#[derive(Default)]
pub(super) struct Delta(pub(super) Something);

/// How much a value says, in bytes of the texts within. Nothing: an empty text, an empty list, a
/// number. An object or a list with anything in it counts for one byte at least.
#[derive(Default)]
pub(super) struct Something(pub(super) u64);

impl Something {
    pub(super) fn is_there(&self) -> bool {
        self.0 > 0
    }
}

impl<'a> Peek<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl Member<'_> {
    /// Where the member stands in `json`, together with one of the commas around it.
    pub(super) fn with_comma(&self, json: &str) -> Option<Range<usize>> {
        let key = read::span(json, self.key)?;
        let value = read::span(json, self.value.get())?;
        // The key's span is without its quotes.
        let (mut start, mut end) = (key.start.checked_sub(1)?, value.end);
        let before = json.get(..start)?.trim_end();
        let after = json.get(end..)?;
        if before.ends_with(',') {
            start = before.len() - 1;
        } else if let Some(rest) = after.trim_start().strip_prefix(',') {
            end = json.len() - rest.len();
        }
        Some(start..end)
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Peek<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Peek<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a chunk")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Peek<'de>, A::Error> {
                let mut peek = Peek::default();
                while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
                    match (&*key, &key) {
                        ("id", _) => peek.id = map.next_value()?,
                        ("model", _) => peek.model = map.next_value()?,
                        ("created", _) => peek.created = map.next_value()?,
                        ("choices", _) => {
                            peek.choices = map.next_value::<Option<_>>()?.unwrap_or_default();
                        }
                        ("error", _) => peek.error = Some(map.next_value()?),
                        // Nobody writes this key with escapes; one who did would keep it.
                        ("usage", &std::borrow::Cow::Borrowed(key)) => {
                            peek.usage = Some(Member { key, value: map.next_value()? });
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(peek)
            }
        }

        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Delta;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a delta")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Delta, A::Error> {
                let mut says = 0_u64;
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    let something = map.next_value::<Something>()?.0;
                    if &*key != "role" {
                        says = says.saturating_add(something);
                    }
                }
                Ok(Delta(Something(says)))
            }
        }

        from.deserialize_any(Object)
    }
}

impl<'de> Deserialize<'de> for Something {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Something;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Something, E> {
                Ok(Something::default())
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Something, E> {
                Ok(Something::default())
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Something, E> {
                Ok(Something::default())
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Something, E> {
                Ok(Something::default())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Something, E> {
                Ok(Something::default())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Something, E> {
                Ok(Something(text.len() as u64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Something, A::Error> {
                let mut says = 0_u64;
                while let Some(Something(one)) = seq.next_element()? {
                    says = says.saturating_add(one.max(1));
                }
                Ok(Something(says))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Something, A::Error> {
                let mut says = 0_u64;
                while let Some((_, Something(one))) = map.next_entry::<IgnoredAny, _>()? {
                    says = says.saturating_add(one);
                }
                Ok(Something(says.max(1)))
            }
        }

        from.deserialize_any(Any)
    }
}

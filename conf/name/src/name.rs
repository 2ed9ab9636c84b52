//! Names: what is allowed in each, checked once.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text cannot be a name. Says where, never what: a mistaken paste may be a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidName {
    /// Empty, or too long.
    #[error("must be 1 to {max} bytes long, but has {len}")]
    Length {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A byte outside the allowed set.
    #[error("character {} is not allowed; use letters, digits and `{punctuation}`", at + 1)]
    Character {
        /// Characters before the first bad one.
        at: usize,
        /// The punctuation that is allowed.
        punctuation: &'static str,
    },
}

/// Checks `text` against a length and a set of bytes: ASCII letters, digits and `punctuation`.
fn check(text: &str, max: usize, punctuation: &'static str) -> Result<(), InvalidName> {
    if text.is_empty() || text.len() > max {
        return Err(InvalidName::Length { len: text.len(), max });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
    match text.chars().position(|c| !allowed(c)) {
        Some(at) => Err(InvalidName::Character { at, punctuation }),
        None => Ok(()),
    }
}

/// Declares one kind of name. `$pattern` is the same set as `$punctuation`, for the JSON Schema.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $punctuation:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check(text, $max, $punctuation).map(|()| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max,
                    "pattern": $pattern,
                })
            }
        }
    };
}

name!(
    /// What a client puts in `"model"`, such as `gpt-5` or `team/fast`.
    ///
    /// 1 to 256 bytes of `[A-Za-z0-9._:/@+-]`.
    ModelName,
    256,
    "._:/@+-",
    "^[A-Za-z0-9._:/@+-]+$"
);
name!(
    /// A provider under `providers:`. Has no `/`, so that `<provider>/<model>` splits one way only.
    ///
    /// 1 to 64 bytes of `[A-Za-z0-9._-]`.
    ProviderName,
    64,
    "._-",
    "^[A-Za-z0-9._-]+$"
);
name!(
    /// One account (one API key) of a provider.
    ///
    /// 1 to 64 bytes of `[A-Za-z0-9._-]`.
    AccountName,
    64,
    "._-",
    "^[A-Za-z0-9._-]+$"
);
name!(
    /// A key that clients present to the gateway, by its name rather than its secret.
    ///
    /// 1 to 64 bytes of `[A-Za-z0-9._-]`.
    KeyName,
    64,
    "._-",
    "^[A-Za-z0-9._-]+$"
);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_model_name_may_look_like_a_path_or_a_tag() {
        for text in ["gpt-5", "team/fast", "llama3:70b", "a@2026-01-01", "x+y", &"m".repeat(256)] {
            assert_eq!(text.parse::<ModelName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_provider_name_has_no_slash() {
        assert_eq!(
            "a/b".parse::<ProviderName>(),
            Err(InvalidName::Character { at: 1, punctuation: "._-" })
        );
    }

    #[test]
    fn the_empty_and_the_overlong_name_are_refused() {
        assert_eq!("".parse::<KeyName>(), Err(InvalidName::Length { len: 0, max: 64 }));
        assert_eq!(
            "k".repeat(65).parse::<AccountName>(),
            Err(InvalidName::Length { len: 65, max: 64 })
        );
        assert!("m".repeat(257).parse::<ModelName>().is_err());
    }

    #[test]
    fn an_error_does_not_repeat_the_text() {
        let said = "sk secret".parse::<KeyName>().unwrap_err().to_string();
        assert_eq!(said, "character 3 is not allowed; use letters, digits and `._-`");
    }

    #[test]
    fn serde_checks_too() {
        assert!(serde_json::from_str::<ModelName>("\"a b\"").is_err());
        let name: ModelName = serde_json::from_str("\"a/b\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"a/b\"");
    }

    #[test]
    fn a_map_is_searched_by_plain_text() {
        let by_name = HashMap::from([("fast".parse::<ModelName>().unwrap(), 1)]);
        assert_eq!(by_name.get("fast"), Some(&1));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_short_and_visible_ascii(text in "\\PC{0,80}|[a-z._/-]{0,80}") {
            if let Ok(name) = text.parse::<ProviderName>() {
                prop_assert!((1..=64).contains(&name.as_str().len()));
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_graphic() && b != b'/'));
            }
        }
    }
}

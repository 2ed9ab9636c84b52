//! What an answer says, whatever dialect it is in.

use serde_json::Value;

/// An answer, with everything that must survive a translation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The words of the answer.
    pub text: String,
    /// The words of its thoughts.
    pub thoughts: String,
    /// The words of a refusal.
    pub refusal: String,
    /// Calls that the client must answer.
    pub calls: Vec<Call>,
    /// Seals and ciphers, in order.
    pub seals: Vec<String>,
    /// `stop`, `length`, `tool_calls`, `content_filter` or `error`; `None` if it does not end.
    pub finish: Option<&'static str>,
    /// What it cost.
    pub usage: Option<Tokens>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `None` where the provider gives none.
    pub id: Option<String>,
    /// Which tool.
    pub name: String,
    /// JSON where it is JSON, else the text itself.
    pub arguments: Value,
}

/// Tokens that every dialect can tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    /// All of the input.
    pub input: u64,
    /// Those of the input that were read from a cache; zero if nothing is said of it.
    pub cached: u64,
    /// All of the output.
    pub output: u64,
}

impl Said {
    /// Why two readings of one answer do not agree; `None` if they do. An id that one of them does
    /// not have is the other's to choose, and what only carries back what a provider did with a tool
    /// of its own is no seal of the provider's.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<String> {
        let (mut one, mut other) = (self.clone(), other.clone());
        for said in [&mut one, &mut other] {
            said.seals.retain(|seal| !seal.starts_with("step:"));
        }
        for (ours, theirs) in self.calls.iter().zip(&mut other.calls) {
            if ours.id.is_none() || theirs.id.is_none() {
                theirs.id.clone_from(&ours.id);
            }
        }
        (one != other).then(|| format!("\n  one reads {one:?}\n  another {other:?}"))
    }
}

/// Arguments as they are compared: none is an empty object.
#[must_use]
pub fn arguments(text: &str) -> Value {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

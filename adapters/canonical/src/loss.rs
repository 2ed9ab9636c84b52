//! What a translation could not carry over, and what it could not read.

use std::borrow::Cow;

/// A translated value, and what did not make it across.
#[derive(Clone, Debug)]
pub struct Translated<T> {
    /// What came out.
    pub value: T,
    /// What of the input it does not, or not exactly, say.
    pub losses: Vec<Loss>,
}

impl<T> From<T> for Translated<T> {
    fn from(value: T) -> Self {
        Self { value, losses: Vec::new() }
    }
}

/// Something the other side cannot express.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loss {
    /// JSON path in the client's own words, such as `tools[0].function.strict`.
    pub path: Cow<'static, str>,
    /// What became of it.
    pub kind: LossKind,
    /// Why, for a person: lower case, no full stop.
    pub reason: Cow<'static, str>,
}

/// What became of something the other side cannot express.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LossKind {
    /// It says nearly the same, in another way or within other bounds.
    Adapted,
    /// It is gone.
    Dropped,
}

impl Loss {
    /// Something that was said in another way or within other bounds.
    pub fn adapted(
        path: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { path: path.into(), kind: LossKind::Adapted, reason: reason.into() }
    }

    /// Something that is gone.
    pub fn dropped(
        path: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { path: path.into(), kind: LossKind::Dropped, reason: reason.into() }
    }
}

/// Bytes that do not say what their dialect should say. Never quotes the bytes themselves: they
/// may be somebody's prompt.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("not valid JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// JSON of another shape.
    #[error("`{path}`: {reason}")]
    Shape {
        /// JSON path, such as `messages[2].content`; `$` for the whole body.
        path: String,
        /// What should stand there.
        reason: String,
    },
    /// An event stream that is not one.
    #[error("not a usable event stream: {0}")]
    Framing(String),
    /// The stream ended before its last event.
    #[error("the stream ended before its last event")]
    Truncated,
}

impl DecodeError {
    /// JSON of another shape than `reason` says, at `path`.
    pub fn shape(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Shape { path: path.into(), reason: reason.into() }
    }

    /// The JSON path that did not fit, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Shape { path, .. } => Some(path),
            Self::Syntax { .. } | Self::Framing(_) | Self::Truncated => None,
        }
    }
}

impl From<serde_json::Error> for DecodeError {
    /// Takes the position apart from the message. The message names types and fields, and for a
    /// wrong value the value itself, which is cut off here.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        let reason = match reason.split_once(": ") {
            Some((kind @ ("invalid type" | "invalid value"), rest)) => {
                match rest.rsplit_once(", expected ") {
                    Some((_, expected)) => format!("{kind}, expected {expected}"),
                    None => kind.to_owned(),
                }
            }
            _ => reason.to_owned(),
        };
        Self::Syntax { line: error.line(), column: error.column(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_message_never_quotes_the_value() {
        let error = serde_json::from_str::<u32>("\"my secret, expected, plan\"");
        let said = DecodeError::from(error.expect_err("not a number")).to_string();
        assert!(said.ends_with("invalid type, expected u32"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

//! Reads JSON, and says where it does not fit.

use std::ops::Range;

use adapters_canonical::loss::DecodeError;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::string::Object;

/// The body as text: JSON is UTF-8.
///
/// # Errors
///
/// [`DecodeError::Syntax`] at the first byte that is not.
pub fn text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| {
        let (before, _) = body.split_at(error.valid_up_to());
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        DecodeError::Syntax {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
            reason: "not UTF-8".to_owned(),
        }
    })
}

/// Whether this is one JSON object, whatever is in it. Texts in it may hold bytes that are no UTF-8.
#[must_use]
pub fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(json).is_ok()
}

/// Reads a whole body. Only if that fails is it read again, to find the path.
///
/// # Errors
///
/// [`DecodeError::Syntax`] or [`DecodeError::Shape`].
pub fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let json = text(body)?;
    serde_json::from_str(json).map_err(|error| explain::<T>(json, "", error))
}

/// Reads an object that stands at `path`.
///
/// # Errors
///
/// [`DecodeError::Shape`] with a path that begins with `path`.
pub fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &str) -> Result<T, DecodeError> {
    let object: Result<Object<T>, _> = serde_json::from_str(raw.get());
    match object {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(explain::<Object<T>>(raw.get(), path, error)),
    }
}

fn explain<'a, T: Deserialize<'a>>(
    json: &'a str,
    base: &str,
    error: serde_json::Error,
) -> DecodeError {
    if !error.is_data() {
        return error.into();
    }
    let mut parser = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut parser) {
        Ok(_) => error.into(),
        Err(found) => {
            let path = found.path().to_string();
            shape(base, &path, found.into_inner())
        }
    }
}

fn shape(base: &str, path: &str, error: serde_json::Error) -> DecodeError {
    let reason = match DecodeError::from(error) {
        DecodeError::Syntax { reason, .. } => reason,
        other @ (DecodeError::Shape { .. } | DecodeError::Framing(_) | DecodeError::Truncated) => {
            return other;
        }
    };
    let at = join(base, if path == "." { "" } else { path });
    for (prefix, said) in
        [("missing field `", "is missing"), ("duplicate field `", "is there twice")]
    {
        if let Some(field) = reason.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('`')) {
            // The path of a duplicate already ends with it, the path of a missing one does not.
            let at = if ends_with_member(&at, field) { at } else { join(&at, field) };
            return DecodeError::shape(at, said);
        }
    }
    let at = if at.is_empty() { "$".to_owned() } else { at };
    DecodeError::shape(at, reason)
}

fn ends_with_member(path: &str, field: &str) -> bool {
    path.strip_suffix(field).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn join(base: &str, path: &str) -> String {
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "") => base.to_owned(),
        (base, path) if path.starts_with('[') => format!("{base}{path}"),
        (base, path) => format!("{base}.{path}"),
    }
}

/// Where `part`, a slice of `whole`, lies in it. Both borrow from one buffer; if they do not, the
/// answer is `None`.
pub fn span(whole: impl AsRef<[u8]>, part: &str) -> Option<Range<usize>> {
    let whole = whole.as_ref();
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

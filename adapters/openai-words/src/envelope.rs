//! The members of a request that decide where it goes, read in one pass without building the rest.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use adapters_canonical::loss::DecodeError;
use adapters_json::string::Str;
use adapters_json::{read, scan};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Some members of an object, unread, and where they stand.
#[derive(Debug)]
pub struct Members<'a, const N: usize> {
    body: &'a [u8],
    names: &'static [&'static str; N],
    values: [Option<&'a str>; N],
}

impl<'a, const N: usize> Members<'a, N> {
    /// Looks for `names` in a whole body. Its syntax is checked throughout. None of them may be there
    /// twice, lest the provider obey the other one.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Syntax`] with line and column, or [`DecodeError::Shape`] with the path.
    pub fn read(body: &'a [u8], names: &'static [&'static str; N]) -> Result<Self, DecodeError> {
        if let Some(values) = walk(body, names) {
            return Ok(Self { body, names, values });
        }
        let json = read::text(body)?;
        let mut parser = serde_json::Deserializer::from_str(json);
        let looked = Look(names).deserialize(&mut parser).and_then(|found| {
            parser.end()?;
            Ok(found)
        });
        let (values, twice) = looked.map_err(|error| {
            if error.is_data() {
                DecodeError::shape("$", "must be an object")
            } else {
                error.into()
            }
        })?;
        match twice {
            Some(name) => Err(DecodeError::shape(name, "is there twice")),
            None => Ok(Self { body, names, values }),
        }
    }

    /// The member `name`, which must be one that was looked for; `null` is a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at).copied().flatten()
    }

    /// The name of the model and where its string stands, quotes included.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] if there is none.
    pub fn model(&self) -> Result<(Cow<'a, str>, Range<usize>), DecodeError> {
        const MODEL: &str = "model";
        let span = self.span(MODEL)?.ok_or_else(|| DecodeError::shape(MODEL, "is missing"))?;
        match self.string(MODEL)? {
            Some(name) if name.is_empty() => Err(DecodeError::shape(MODEL, "must not be empty")),
            Some(name) => Ok((name, span)),
            None => Err(DecodeError::shape(MODEL, "must be a string")),
        }
    }

    /// A member that is a string; `null` is as good as absent.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] if it is something else.
    pub fn string(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.get(name).map_or(Ok(None), |raw| string(raw, name))
    }

    /// A member that is true or false; `null` is as good as absent, which is false.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] if it is something else.
    pub fn flag(&self, name: &'static str) -> Result<bool, DecodeError> {
        flag(self.get(name), name)
    }

    /// A member that is a count, if it is one. An estimate starts from it; whether it is right is for
    /// others to say.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Where the value of a member stands in the body.
    ///
    /// # Errors
    ///
    /// None that can happen: the parser borrows from the body. An error is better than a panic.
    pub fn span(&self, name: &'static str) -> Result<Option<Range<usize>>, DecodeError> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        let span = read::span(self.body, raw);
        span.map(Some).ok_or_else(|| DecodeError::shape(name, "cannot be located"))
    }
}

/// A string at `path`; `None` for `null`.
///
/// # Errors
///
/// [`DecodeError::Shape`] if it is something else.
pub fn string<'a>(raw: &'a str, path: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match serde_json::from_str::<Option<Str<'a>>>(raw) {
        Ok(text) => Ok(text.map(|Str(text)| text)),
        // A lone surrogate is no syntax error until somebody wants the string.
        Err(_) => Err(DecodeError::shape(path, "must be a string")),
    }
}

/// True or false at `path`; `null` is as good as absent, which is false.
///
/// # Errors
///
/// [`DecodeError::Shape`] if it is something else.
pub fn flag(raw: Option<&str>, path: &'static str) -> Result<bool, DecodeError> {
    match raw.unwrap_or("null") {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(DecodeError::shape(path, "must be true or false")),
    }
}

/// The members of these names, if `body` is such that nothing is left to be said about it.
fn walk<'a, const N: usize>(
    body: &'a [u8],
    names: &[&'static str; N],
) -> Option<[Option<&'a str>; N]> {
    if !body.is_ascii() {
        std::str::from_utf8(body).ok()?;
    }
    let (mut values, mut strange) = ([None; N], false);
    scan::members(body, |name, value| {
        let known = names.iter().position(|known| known.as_bytes() == name);
        if let Some(slot) = known.and_then(|at| values.get_mut(at)) {
            let value = std::str::from_utf8(value).ok();
            strange |= value.is_none() || std::mem::replace(slot, value).is_some();
        }
    })?;
    (!strange).then_some(values)
}

/// Reads the members of these names, and the first name that is there twice.
struct Look<const N: usize>(&'static [&'static str; N]);

type Found<'a, const N: usize> = ([Option<&'a str>; N], Option<&'static str>);

impl<'de, const N: usize> DeserializeSeed<'de> for Look<N> {
    type Value = Found<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Look<N> {
    type Value = Found<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut values, mut twice) = ([None; N], None);
        while let Some(key) = map.next_key::<Str<'de>>()? {
            let mut slots = self.0.iter().zip(&mut values);
            let Some((name, slot)) = slots.find(|(name, _)| **name == &*key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if slot.replace(map.next_value::<&RawValue>()?.get()).is_some() {
                twice = twice.or(Some(*name));
            }
        }
        Ok((values, twice))
    }
}

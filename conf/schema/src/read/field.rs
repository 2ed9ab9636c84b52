//! A value that may be missing or wrong, and where it stands.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IntoDeserializer, SeqAccess, Visitor},
};

use super::{Fault, Reader};
use crate::problem::{Place, Problems};

/// By this name a [`Field`] asks our reader for its parts; `serde_spanned` does the same.
pub(super) const NAME: &str = "$conf_schema::Field";

/// A value of a configuration section as far as it could be read.
///
/// A key that is absent or left empty is `Missing`, so a section need not mark its optional keys
/// for the reader; `#[serde(default)]` marks them for the JSON Schema.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<T> {
    /// Not there, or there without a value.
    #[default]
    Missing,
    /// There, but wrong, which was noted.
    Invalid,
    /// There, and readable.
    Given(Placed<T>),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: Place,
}

impl<T> Field<T> {
    /// The value; `None` if it is missing or was wrong.
    pub(crate) fn given(self) -> Option<Placed<T>> {
        match self {
            Self::Given(placed) => Some(placed),
            Self::Missing | Self::Invalid => None,
        }
    }

    /// The value without its place.
    pub(crate) fn value(self) -> Option<T> {
        self.given().map(|placed| placed.value)
    }

    /// The value; notes that `name` is missing from the section at `parent`.
    pub(crate) fn required(
        self,
        parent: &Place,
        name: &str,
        problems: &Problems,
    ) -> Option<Placed<T>> {
        if matches!(self, Self::Missing) {
            problems.error(&parent.child(name), "is missing");
        }
        self.given()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As an option first: serde answers `none` for the keys of a struct that are not there.
        deserializer.deserialize_option(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Missing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<T>, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Field<T>, A::Error> {
        let line = parts.next_element()?.unwrap_or_default();
        let column = parts.next_element()?.unwrap_or_default();
        let key = parts.next_element()?.unwrap_or_default();
        Ok(match parts.next_element()? {
            Some(value) => Field::Given(Placed { value, at: Place { line, column, key } }),
            None => Field::Invalid,
        })
    }
}

/// A node as a [`Field`] wants it: line, column, key, and the value unless it is wrong.
pub(super) struct Parts<'de, 'p> {
    reader: Reader<'de, 'p>,
    next: usize,
}

impl<'de, 'p> Parts<'de, 'p> {
    pub(super) fn new(reader: Reader<'de, 'p>) -> Self {
        Self { reader, next: 0 }
    }
}

impl<'de> SeqAccess<'de> for Parts<'de, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Reader { node, problems, .. } = self.reader;
        self.next += 1;
        match self.next {
            1 => seed.deserialize(node.line.into_deserializer()).map(Some),
            2 => seed.deserialize(node.column.into_deserializer()).map(Some),
            3 => seed.deserialize(self.reader.path.to_string().into_deserializer()).map(Some),
            _ => Ok(problems.note(&self.reader.place(), seed.deserialize(self.reader))),
        }
    }
}

/// In the JSON Schema a field is the value it holds.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

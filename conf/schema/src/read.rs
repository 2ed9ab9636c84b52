//! Reads a [`Node`] into a serde type without stopping at the first mistake.
//!
//! A plain serde reader gives up at the first error and forgets where it was. Here a struct drops
//! its unknown keys after noting them, and a [`Field`] takes the
//! place of a value that may be missing or wrong. So one pass over the file
//! finds every mistake, and what was read still knows its line for the checks that come later.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    problem::{Place, Problems},
    tree::{Entry, Node, Value},
};

mod field;

pub(crate) use field::{Field, Placed};

/// Reads the root of a configuration. `None` if not even its outer shape fits.
pub(crate) fn root<'de, T: Deserialize<'de>>(
    node: &'de Node,
    problems: &'de Problems,
) -> Option<T> {
    let reader = Reader { node, path: Path::Root, problems };
    let read = T::deserialize(reader);
    problems.note(&reader.place(), read)
}

/// What is wrong with the value at hand; whoever catches it knows the place.
#[derive(Debug)]
struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// The words of serde's errors. None of them quotes what was found: it may be a secret.
impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let wanted = wanted(expected);
        let found = kind(found);
        let hint = if wanted == "a string" && found != "a list" && found != "a map" {
            " (put it in quotes)"
        } else {
            ""
        };
        Self(format!("expected {wanted}, found {found}{hint}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self(format!("expected {}", wanted(expected)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let mut message = format!("expected {}", alternatives(expected));
        if let Some(near) = nearest(found, expected) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        Self(message)
    }
}

/// What serde calls by the names of Rust, in the words of YAML.
fn wanted(expected: &dyn de::Expected) -> String {
    match expected.to_string().as_str() {
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "i64" => "a whole number".to_owned(),
        other => other.to_owned(),
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "`true` or `false`",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        _ => "a string",
    }
}

fn alternatives(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The name that was probably meant, if one is near enough.
pub(crate) fn nearest<'a>(found: &str, names: &[&'a str]) -> Option<&'a str> {
    let found = found.to_lowercase();
    let near = |name: &&str| strsim::damerau_levenshtein(&found, name);
    let best = names.iter().min_by_key(|name| near(name))?;
    // One slip in three letters, and never all of them.
    (near(best) <= (best.len() / 3).max(1) && near(best) < best.len()).then_some(*best)
}

/// The way from the root to a node.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, name) => f.write_str(name),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// One node, on its way into a value.
#[derive(Clone, Copy)]
struct Reader<'a, 'p> {
    node: &'a Node,
    path: Path<'p>,
    problems: &'a Problems,
}

impl Reader<'_, '_> {
    fn place(&self) -> Place {
        Place { line: self.node.line, column: self.node.column, key: self.path.to_string() }
    }
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(items) => visitor.visit_seq(Items { list: self, rest: items, index: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries::new(self, entries, None)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == field::NAME {
            return visitor.visit_seq(field::Parts::new(self));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(entries) => visitor.visit_map(Entries::new(self, entries, Some(fields))),
            // Serde would take the items for the fields in their order.
            Value::List(_) => Err(Fault::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(Fault::custom(format_args!("expected {}", alternatives(variants)))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The items of a list, without the empty ones, which are noted.
struct Items<'de, 'p> {
    list: Reader<'de, 'p>,
    rest: &'de [Node],
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        while let Some((node, rest)) = self.rest.split_first() {
            let path = Path::Item(&self.list.path, self.index);
            let item = Reader { node, path, problems: self.list.problems };
            (self.rest, self.index) = (rest, self.index + 1);
            if node.value != Value::Null {
                return seed.deserialize(item).map(Some);
            }
            item.problems.error(&item.place(), "the item is empty");
        }
        Ok(None)
    }
}

/// The entries of a map; with `known`, only those.
struct Entries<'de, 'p> {
    map: Reader<'de, 'p>,
    rest: &'de [Entry],
    known: Option<&'static [&'static str]>,
    current: Option<&'de Entry>,
}

impl<'de, 'p> Entries<'de, 'p> {
    fn new(
        map: Reader<'de, 'p>,
        rest: &'de [Entry],
        known: Option<&'static [&'static str]>,
    ) -> Self {
        Self { map, rest, known, current: None }
    }

    /// Notes a key that nobody knows.
    fn unknown(&self, entry: &Entry, known: &[&str]) {
        let mut message = String::from("unknown key");
        match nearest(&entry.name, known) {
            Some(near) => message.push_str(&format!("; did you mean `{near}`?")),
            None => message.push_str(&format!("; expected {}", alternatives(known))),
        }
        let key = Path::Key(&self.map.path, &entry.name).to_string();
        let at = Place { line: entry.line, column: entry.column, key };
        self.map.problems.error(&at, message);
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        while let Some((entry, rest)) = self.rest.split_first() {
            self.rest = rest;
            match self.known {
                Some(known) if !known.contains(&entry.name.as_str()) => self.unknown(entry, known),
                _ => {
                    self.current = Some(entry);
                    let name = entry.name.as_str().into_deserializer();
                    return seed.deserialize(name).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(entry) = self.current.take() else {
            return Err(Fault::custom("a value without a key"));
        };
        let path = Path::Key(&self.map.path, &entry.name);
        seed.deserialize(Reader { node: &entry.value, path, problems: self.map.problems })
    }
}

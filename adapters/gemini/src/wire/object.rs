//! Objects whose members keep their order, read and written one by one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// Writes the members of an object.
pub(crate) struct Object<'o> {
    pub(crate) out: &'o mut String,
    pub(crate) any: bool,
}

impl Object<'_> {
    /// Begins a member: its value is to follow.
    pub(crate) fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(',');
        }
        self.out.push_str(&serde_json::Value::String(name.to_owned()).to_string());
        self.out.push(':');
    }

    /// Writes a member whose value is JSON already.
    pub(crate) fn member(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }
}

/// The members of an object, in order, unread.
pub(crate) struct Members<'a>(pub(crate) Vec<(Str<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(All)
    }
}

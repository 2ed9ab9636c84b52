//! A JSON object taken apart only one level deep, in the order it was written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The members of an object. Whoever replaces one leaves the bytes of the others alone.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Fields<'a> {
    /// The member `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Takes the member `name` out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, RawValue>> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Calls the member `old` by the name `new`; whether there is one.
    pub(crate) fn rename(&mut self, old: &str, new: &'static str) -> bool {
        let found = self.0.iter_mut().find(|(key, _)| key == old);
        found.map(|(key, _)| *key = Cow::Borrowed(new)).is_some()
    }

    /// Puts `value` in the place of the member `name`, if there is a value; whether there is.
    pub(crate) fn put(&mut self, name: &'static str, value: Option<Box<RawValue>>) -> bool {
        value.map(|value| self.set(name, value)).is_some()
    }

    /// Replaces every member for which there is something else; whether there was any.
    pub(crate) fn replace_each(
        &mut self,
        mut with: impl FnMut(&RawValue) -> Option<Box<RawValue>>,
    ) -> bool {
        let mut any = false;
        for (_, value) in &mut self.0 {
            if let Some(new) = with(value) {
                *value = Cow::Owned(new);
                any = true;
            }
        }
        any
    }

    /// Puts `value` in the place of the member `name`, or at the end.
    pub(crate) fn set(&mut self, name: &'static str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.0.push((Cow::Borrowed(name), Cow::Owned(value))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            fields.push((Cow::Owned(key), Cow::Borrowed(value)));
        }
        Ok(Fields(fields))
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_member_keeps_its_place_and_the_others_their_bytes() {
        let mut fields: Fields<'_> =
            serde_json::from_str(r#"{"z":1.0e0,"input":{},"a":[ 1 ]}"#).unwrap();
        fields.set("input", RawValue::from_string("{\"q\":1}".into()).unwrap());
        assert_eq!(
            serde_json::to_string(&fields).unwrap(),
            r#"{"z":1.0e0,"input":{"q":1},"a":[ 1 ]}"#
        );
    }
}

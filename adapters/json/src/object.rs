//! Objects whose members are known by name, and what becomes of those that are not.
//!
//! A derived struct would also read an array, take a flattened map for the rest only by buffering
//! everything, and hold each member twice before it is put together. Here a member is read into the
//! place where it stays.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::string::Str;

/// Takes the members of an object, one by one.
pub trait Members<'de>: Default {
    /// Takes the member `name`, whose value comes next in `map`.
    ///
    /// # Errors
    ///
    /// If the value does not fit, or the member has been there already.
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object, and nothing but an object.
///
/// # Errors
///
/// If a member does not fit, or is there twice.
pub fn read<'de, T: Members<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Reading<T>(PhantomData<T>);

    impl<'de, T: Members<'de>> Visitor<'de> for Reading<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut object = T::default();
            while let Some(name) = map.next_key()? {
                object.member(name, &mut map)?;
            }
            Ok(object)
        }
    }

    from.deserialize_map(Reading(PhantomData))
}

/// Members that nobody asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored;

impl<'de> Members<'de> for Ignored {
    fn member<A: MapAccess<'de>>(&mut self, _: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }
}

/// The names of members, in order, but for those that are `null`: what is asked of us and not
/// understood must be said.
#[derive(Debug, Default)]
pub struct Names<'a>(pub Vec<Cow<'a, str>>);

impl<'a, 'de: 'a> Members<'de> for Names<'a> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        if map.next_value::<Option<IgnoredAny>>()?.is_some() {
            self.0.push(name.0);
        }
        Ok(())
    }
}

/// Members unread, in order, but for those that are `null`.
#[derive(Debug, Default)]
pub struct Unread<'a>(pub Vec<(Str<'a>, &'a RawValue)>);

impl<'a, 'de: 'a> Members<'de> for Unread<'a> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        if let Some(value) = map.next_value()? {
            self.0.push((name, value));
        }
        Ok(())
    }
}

/// All members unread, in order.
#[derive(Debug, Default)]
pub struct Every<'a>(pub Vec<(Str<'a>, &'a RawValue)>);

impl<'a, 'de: 'a> Members<'de> for Every<'a> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        self.0.push((name, map.next_value()?));
        Ok(())
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Every<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from)
    }
}

/// Members that few objects have: kept apart, so that they take no room in those that have none.
impl<'de, T: Members<'de>> Members<'de> for Option<Box<T>> {
    fn member<A: MapAccess<'de>>(&mut self, name: Str<'de>, map: &mut A) -> Result<(), A::Error> {
        self.get_or_insert_default().member(name, map)
    }
}

/// Declares a struct that is read from a JSON object, each member of which may be absent.
///
/// A member has the name of its field, unless `as` gives it another; `or` gives it a second one.
/// `null` is as good as absent, and a member that is there twice is an error. What becomes of members
/// that are not declared is for the type of the last field to say:
/// [`Ignored`](crate::object::Ignored), [`Names`](crate::object::Names),
/// [`Unread`](crate::object::Unread), or a box of another object.
///
/// ```
/// use adapters_json::object::{Names, object};
/// use adapters_json::string::Str;
///
/// object! {
///     /// Something the model may call.
///     pub(crate) Tool<'a> {
///         kind as "type": Str<'a>,
///         max_uses or "maxUses": u32,
///         ..others: Names<'a>
///     }
/// }
///
/// let tool: Tool<'_> = serde_json::from_str(r#"{"type":"search","maxUses":2,"x":1}"#)?;
/// assert_eq!((tool.kind.as_deref(), tool.max_uses), (Some("search"), Some(2)));
/// assert_eq!(tool.others.0, ["x"]);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! object {
    (
        $(#[$about:meta])*
        $public:vis $name:ident<$life:lifetime> {
            $(
                $(#[$note:meta])*
                $field:ident $(as $written:literal)? $(or $second:literal)?: $kind:ty,
            )*
            ..$rest:ident: $rest_kind:ty
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        $public struct $name<$life> {
            $($(#[$note])* $public $field: Option<$kind>,)*
            /// What becomes of all other members.
            $public $rest: $rest_kind,
        }

        impl<'de: $life, $life> $crate::object::Members<'de> for $name<$life> {
            fn member<A: serde::de::MapAccess<'de>>(
                &mut self,
                name: $crate::string::Str<'de>,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match &*name {
                    $($crate::object!(@name $field $($written)?) $(| $second)? => {
                        if self.$field.is_some() {
                            let name = $crate::object!(@name $field $($written)? $($second)?);
                            return Err(serde::de::Error::duplicate_field(name));
                        }
                        self.$field = map.next_value()?;
                    })*
                    _ => $crate::object::Members::member(&mut self.$rest, name, map)?,
                }
                Ok(())
            }
        }

        impl<'de: $life, $life> serde::Deserialize<'de> for $name<$life> {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::object::read(from)
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $written:literal) => { $written };
}

pub use object;

#[cfg(test)]
mod tests {
    use super::*;

    object! {
        Speech<'a> {
            role: Str<'a>,
            turns or "maxTurns": u32,
            ..rare: Option<Box<Rare<'a>>>
        }
    }

    object! {
        Rare<'a> {
            kind as "type": Str<'a>,
            ..others: Unread<'a>
        }
    }

    fn read(json: &str) -> Result<Speech<'_>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn members_that_few_have_take_no_room_in_the_others() {
        let common = read(r#"{"role":"user","maxTurns":2}"#).unwrap();
        assert_eq!((common.role.as_deref(), common.turns), (Some("user"), Some(2)));
        assert!(common.rare.is_none());
        let rare = read(r#"{"type":"a","x":[1],"y":null}"#).unwrap().rare.unwrap();
        assert_eq!(rare.kind.as_deref(), Some("a"));
        let others: Vec<_> = rare.others.0.iter().map(|(name, it)| (&**name, it.get())).collect();
        assert_eq!(others, [("x", "[1]")]);
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_by_whatever_name() {
        for (json, name) in [
            (r#"{"role":"a","r\u006fle":"b"}"#, "role"),
            (r#"{"turns":1,"maxTurns":2}"#, "maxTurns"),
            (r#"{"type":"a","type":"b"}"#, "type"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.starts_with(&format!("duplicate field `{name}`")), "{error}");
        }
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(read(r#"["user"]"#).unwrap_err().contains("expected an object"));
    }
}

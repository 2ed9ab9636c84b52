//! JSON objects whose members are all known by name, and what becomes of those that are not.

/// Declares a struct that is read from a JSON object, each member of which may be absent.
///
/// `null` is as good as absent, a member that is there twice is an error, and the names of members
/// that are not declared are kept in `others`, unless their value is `null`: what is asked of us
/// and not understood must be said.
macro_rules! object {
    (
        $(#[$about:meta])*
        $name:ident<$life:lifetime> {
            $($(#[$note:meta])* $field:ident $key:literal: $kind:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$life> {
            $($(#[$note])* pub(crate) $field: Option<$kind>,)*
            /// The names of all other members.
            pub(crate) others: Vec<std::borrow::Cow<$life, str>>,
        }

        impl<'de: $life, $life> serde::Deserialize<'de> for $name<$life> {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Reading<$life>(std::marker::PhantomData<&$life ()>);

                impl<'de: $life, $life> serde::de::Visitor<'de> for Reading<$life> {
                    type Value = $name<$life>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        $(let mut $field: Option<Option<$kind>> = None;)*
                        let mut others = Vec::new();
                        while let Some(key) = map.next_key::<adapters_json::string::Str<$life>>()? {
                            match &*key {
                                $($key => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::duplicate_field($key));
                                    }
                                    $field = Some(map.next_value()?);
                                })*
                                _ => {
                                    let value: &serde_json::value::RawValue = map.next_value()?;
                                    if value.get() != "null" {
                                        others.push(key.0);
                                    }
                                }
                            }
                        }
                        Ok($name { $($field: $field.flatten(),)* others })
                    }
                }

                from.deserialize_map(Reading(std::marker::PhantomData))
            }
        }
    };
}

pub(crate) use object;

//! Values with a notation of their own: addresses, networks, durations, sizes and secrets.

use core::net::{IpAddr, SocketAddr};
use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use conf_name::Secret;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, Error as _, MapAccess, Unexpected, Visitor},
};

/// An IP address and a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// An IP network, or a single address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network(pub(crate) IpNet);

/// A duration above zero, such as `30s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timespan(pub(crate) Duration);

/// A number of bytes above zero, such as `64MiB` or plain `1048576`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteSize(pub(crate) u64);

/// A secret, or where to find it.
#[derive(Clone, Debug)]
pub(crate) enum SecretRef {
    /// Written out in the file.
    Plain(Secret),
    /// In an environment variable of this name.
    Env(String),
    /// In a file at this path.
    File(String),
}

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads digits and one of `units`. `None` if it is something else, zero, or too large.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*factor).filter(|amount| *amount > 0)
}

/// A value that is written in a notation of its own.
trait Notation: Sized {
    /// What to write, with examples.
    const EXPECTED: &'static str;

    /// Reads what was written as a string.
    fn read(text: &str) -> Option<Self>;

    /// Reads what was written as a plain number.
    fn count(_: u64) -> Option<Self> {
        None
    }
}

impl Notation for Address {
    const EXPECTED: &'static str =
        "an IP address and a port, such as 127.0.0.1:8080 or \"[::]:8080\"";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl Notation for Network {
    const EXPECTED: &'static str =
        "an IP address or network, such as 10.0.0.7, 10.0.0.0/8 or \"fd00::/8\"";

    fn read(text: &str) -> Option<Self> {
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().map(|it| it.trunc()).or_else(alone).map(Self)
    }
}

impl Notation for Timespan {
    const EXPECTED: &'static str =
        "a duration above zero with its unit, such as 500ms, 30s, 5m or 1h";

    fn read(text: &str) -> Option<Self> {
        amount(text, DURATION_UNITS).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl Notation for ByteSize {
    const EXPECTED: &'static str = "a number of bytes above zero, such as 64MiB, 10MB or 1048576";

    fn read(text: &str) -> Option<Self> {
        amount(text, SIZE_UNITS).map(Self)
    }

    fn count(bytes: u64) -> Option<Self> {
        (bytes > 0).then_some(Self(bytes))
    }
}

struct NotationVisitor<T>(PhantomData<T>);

impl<T: Notation> Visitor<'_> for NotationVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::count(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// Gives a [`Notation`] to serde.
macro_rules! deserialize {
    ($($type:ident)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NotationVisitor(PhantomData))
            }
        }
    )*};
}

deserialize!(Address Network Timespan ByteSize);

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Secret", &["env", "file"], SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME}, {file: PATH} or a string in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
        if text.starts_with('$') {
            let message = "variables are not replaced here; write {env: NAME} instead";
            return Err(E::custom(message));
        }
        Ok(SecretRef::Plain(Secret::new(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let text = map.next_value::<String>()?;
            if found.is_some() {
                return Err(A::Error::custom("has both `env` and `file`; give one of them"));
            }
            found = Some(match key.as_str() {
                "env" => SecretRef::Env(env_name(text).map_err(A::Error::custom)?),
                _ if text.is_empty() => return Err(A::Error::custom("the path is empty")),
                _ => SecretRef::File(text),
            });
        }
        found.ok_or_else(|| A::Error::custom("expected {env: NAME} or {file: PATH}"))
    }
}

/// Checks the name of an environment variable. Strict, and silent about what was given: the key
/// itself is sometimes written where its variable's name belongs.
fn env_name(name: String) -> Result<String, &'static str> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !word || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("`env` takes the name of a variable: letters, digits and `_`");
    }
    Ok(name)
}

/// Gives a value its schema, under the name it has in the document.
macro_rules! schema {
    ($type:ident, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Address, "Address", {
    "description": "An IP address and a port, such as `127.0.0.1:8080` or `\"[::1]:8080\"`.",
    "type": "string",
    "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$",
});

schema!(Network, "Network", {
    "description": "An IP address or a network, such as `10.0.0.7`, `10.0.0.0/8` or `\"fd00::/8\"`.",
    "type": "string",
    "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
});

schema!(Timespan, "Duration", {
    "description": "A whole number and its unit: `ms`, `s`, `m` or `h`. Above zero.",
    "type": "string",
    "pattern": "^0*[1-9][0-9]* *(ms|s|m|h)$",
});

schema!(ByteSize, "Size", {
    "description": "A number of bytes above zero, alone or with a unit: `B`, `kB`, `MB` and `GB` \
                    count in thousands, `KiB`, `MiB` and `GiB` in 1024s.",
    "anyOf": [
        { "type": "integer", "minimum": 1 },
        { "type": "string", "pattern": "^0*[1-9][0-9]* *(B|[kKMG]B|[KMG]iB)?$" },
    ],
});

schema!(SecretRef, "Secret", {
    "description": "Where to find a secret. Written out as a string it works too, with a warning.",
    "anyOf": [
        {
            "description": "In an environment variable.",
            "type": "object",
            "properties": { "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" } },
            "required": ["env"],
            "additionalProperties": false,
        },
        {
            "description": "In a file; line ends at its end do not count.",
            "type": "object",
            "properties": { "file": { "type": "string", "minLength": 1 } },
            "required": ["file"],
            "additionalProperties": false,
        },
        { "description": "The secret itself.", "type": "string", "pattern": "^[^$]" },
    ],
});

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn millis(text: &str, expected: Option<u64>) {
        assert_eq!(amount(text, DURATION_UNITS), expected, "{text}");
    }

    #[track_caller]
    fn bytes(text: &str, expected: Option<u64>) {
        assert_eq!(amount(text, SIZE_UNITS), expected, "{text}");
    }

    #[test]
    fn durations_need_a_unit_and_a_value() {
        millis("500ms", Some(500));
        millis("30s", Some(30_000));
        millis("5 m", Some(300_000));
        millis("1h", Some(3_600_000));
        for bad in ["", "30", "s", "0s", "-1s", "1.5s", "1d", "1H", "99999999999999999999s"] {
            millis(bad, None);
        }
        millis("18446744073709551615h", None);
    }

    #[test]
    fn sizes_count_in_thousands_or_in_1024s() {
        bytes("64MiB", Some(67_108_864));
        bytes("10MB", Some(10_000_000));
        bytes("1 KiB", Some(1024));
        bytes("7", Some(7));
        for bad in ["", "MiB", "0", "0MiB", "1mb", "1Mb", "1.5MiB", "-1"] {
            bytes(bad, None);
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_variable_name_is_not_repeated() {
        let said = env_name("sk-ant-secret".into()).unwrap_err();
        assert!(!said.contains("sk-ant"));
        assert_eq!(env_name("_KEY_1".into()).unwrap(), "_KEY_1");
    }
}

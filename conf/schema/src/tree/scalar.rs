//! What an untyped scalar is: the YAML 1.2 core schema.

use saphyr_parser::{ScalarStyle, Tag};

use super::Value;

/// Reads `text` as written in `style`. Only a plain scalar can be anything but a text.
///
/// # Errors
///
/// The tag, if it is not one of the core schema.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(tag.to_string()),
        Some(tag) if tag.suffix == "str" => Ok(Value::Text(text.to_owned())),
        _ if style == ScalarStyle::Plain => Ok(plain(text)),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// <https://yaml.org/spec/1.2.2/#1032-tag-resolution>
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn integer(text: &str) -> Option<Value> {
    let parsed = if let Some(digits) = text.strip_prefix("0x") {
        unsigned(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        unsigned(digits, 8)
    } else {
        text.parse().ok()
    };
    parsed.map(Value::Integer)
}

/// `from_str_radix` would let a second sign through.
fn unsigned(digits: &str, radix: u32) -> Option<i64> {
    digits.chars().all(|c| c.is_digit(radix)).then(|| i64::from_str_radix(digits, radix).ok())?
}

/// Rust reads `inf` and `nan` as numbers, YAML does not.
fn float(text: &str) -> Option<Value> {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    has_digit.then(|| text.parse().ok().map(Value::Float))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(plain(text), expected, "{text}");
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        check("~", Value::Null);
        check("True", Value::Bool(true));
        check("no", Value::Text("no".into()));
        check("-17", Value::Integer(-17));
        check("+12", Value::Integer(12));
        check("0x1F", Value::Integer(31));
        check("0o17", Value::Integer(15));
        check("0x-1", Value::Text("0x-1".into()));
        check("0x", Value::Text("0x".into()));
        check("1.5", Value::Float(1.5));
        check("1e3", Value::Float(1000.0));
        check("99999999999999999999", Value::Float(1e20));
        check("inf", Value::Text("inf".into()));
        check("-.INF", Value::Float(f64::NEG_INFINITY));
        check("2023-06-01", Value::Text("2023-06-01".into()));
        check("127.0.0.1:8080", Value::Text("127.0.0.1:8080".into()));
        check("64MiB", Value::Text("64MiB".into()));
    }

    #[test]
    fn quotes_make_a_text() {
        assert_eq!(resolve("1", ScalarStyle::SingleQuoted, None), Ok(Value::Text("1".into())));
        assert_eq!(resolve("", ScalarStyle::DoubleQuoted, None), Ok(Value::Text(String::new())));
    }
}

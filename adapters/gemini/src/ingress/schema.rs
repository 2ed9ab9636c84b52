//! From the kind of schema that Google made of OpenAPI's to JSON Schema.
//!
//! | Google's                              | JSON Schema                              |
//! |---------------------------------------|------------------------------------------|
//! | `"type": "STRING"`                    | `"type": "string"`                       |
//! | `"type": "INTEGER", "nullable": true` | `"type": ["integer", "null"]`            |
//! | `"type": "TYPE_UNSPECIFIED"`          | without `type`                           |
//! | `"minItems": "3"`, as 64-bit numbers  | `"minItems": 3`                          |
//! | `propertyOrdering`                    | the order in which properties stand      |
//! | `example`                             | `"examples": […]`                        |
//!
//! Every other member stays as it is, and members keep their order: models heed it.

use adapters_canonical::loss::DecodeError;
use adapters_json::object::Every;
use adapters_json::read;
use adapters_json::string::Str;
use serde_json::value::RawValue;

use crate::wire::object::Object;

/// How deep a schema may nest.
const MAX_DEPTH: usize = 64;

/// Writes the schema that stands at `path` as JSON Schema.
///
/// # Errors
///
/// [`DecodeError::Shape`] if it is no object, or too deep.
pub(super) fn json_schema(schema: &RawValue, path: &str) -> Result<Box<RawValue>, DecodeError> {
    let mut out = String::with_capacity(schema.get().len());
    write(schema, path, 0, &mut out)?;
    Ok(RawValue::from_string(out)?)
}

fn write(schema: &RawValue, path: &str, depth: usize, out: &mut String) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::shape(path, "is nested too deeply"));
    }
    // JSON Schema knows `true` and `false` too.
    if matches!(schema.get(), "true" | "false") {
        out.push_str(schema.get());
        return Ok(());
    }
    let Every(members) = read::object(schema, path)?;
    let nullable =
        members.iter().any(|(name, value)| &**name == "nullable" && value.get() == "true");
    let order = members
        .iter()
        .find(|(name, _)| matches!(&**name, "propertyOrdering" | "property_ordering"));
    let order: Option<Vec<Str<'_>>> =
        order.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok());
    let mut object = Object { out, any: false };
    object.out.push('{');
    for (name, value) in &members {
        let at = format!("{path}.{}", &**name);
        match &**name {
            "nullable" | "propertyOrdering" | "property_ordering" => {}
            "type" => kind(value, nullable, &mut object),
            "example" => {
                object.name("examples");
                object.out.push('[');
                object.out.push_str(value.get());
                object.out.push(']');
            }
            "items" | "additionalProperties" | "additional_properties" => {
                object.name(camel(name));
                write(value, &at, depth + 1, object.out)?;
            }
            "anyOf" | "any_of" => {
                object.name("anyOf");
                let all: Vec<&RawValue> = serde_json::from_str(value.get())
                    .map_err(|_| DecodeError::shape(at.clone(), "must be a list of schemas"))?;
                list(&all, &at, depth, nullable, object.out)?;
            }
            "properties" | "defs" | "$defs" => {
                object.name(if &**name == "properties" { "properties" } else { "$defs" });
                properties(value, &at, depth, order.as_deref(), object.out)?;
            }
            "ref" => {
                object.name("$ref");
                object.out.push_str(value.get());
            }
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
            | "maxProperties" | "min_items" | "max_items" | "min_length" | "max_length"
            | "min_properties" | "max_properties" => {
                object.name(camel(name));
                object.out.push_str(value.get().trim_matches('"'));
            }
            _ => {
                object.name(name);
                object.out.push_str(value.get());
            }
        }
    }
    object.out.push('}');
    Ok(())
}

fn kind(value: &RawValue, nullable: bool, object: &mut Object<'_>) {
    let Ok(kind) = serde_json::from_str::<Str<'_>>(value.get()) else {
        // A list of types is JSON Schema already.
        object.name("type");
        object.out.push_str(value.get());
        return;
    };
    if &*kind == "TYPE_UNSPECIFIED" {
        return;
    }
    object.name("type");
    let kind = serde_json::Value::String(kind.to_ascii_lowercase()).to_string();
    if nullable {
        object.out.push('[');
        object.out.push_str(&kind);
        object.out.push_str(",\"null\"]");
    } else {
        object.out.push_str(&kind);
    }
}

fn list(
    all: &[&RawValue],
    path: &str,
    depth: usize,
    nullable: bool,
    out: &mut String,
) -> Result<(), DecodeError> {
    out.push('[');
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(one, &format!("{path}[{index}]"), depth + 1, out)?;
    }
    if nullable {
        out.push_str(if all.is_empty() { "{\"type\":\"null\"}" } else { ",{\"type\":\"null\"}" });
    }
    out.push(']');
    Ok(())
}

fn properties(
    value: &RawValue,
    path: &str,
    depth: usize,
    order: Option<&[Str<'_>]>,
    out: &mut String,
) -> Result<(), DecodeError> {
    let Every(mut members) = read::object(value, path)?;
    if let Some(order) = order {
        let place = |name: &str| order.iter().position(|one| &**one == name);
        members.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    }
    let mut object = Object { out, any: false };
    object.out.push('{');
    for (name, value) in members {
        object.name(&name);
        write(value, &format!("{path}.{}", &*name), depth + 1, object.out)?;
    }
    object.out.push('}');
    Ok(())
}

fn camel(name: &str) -> &str {
    match name {
        "additional_properties" => "additionalProperties",
        "min_items" => "minItems",
        "max_items" => "maxItems",
        "min_length" => "minLength",
        "max_length" => "maxLength",
        "min_properties" => "minProperties",
        "max_properties" => "maxProperties",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(google: &str, expected: &str) {
        let raw = RawValue::from_string(google.to_owned()).unwrap();
        let got = json_schema(&raw, "p").unwrap();
        assert_eq!(got.get(), expected);
    }

    #[test]
    fn types_are_written_small_and_null_is_a_type() {
        check(
            r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"b":
            {"type":"ARRAY","items":{"type":"INTEGER","format":"int64"},"minItems":"1"}},"required":["a"]}"#,
            r#"{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"type":"array","items":{"type":"integer","format":"int64"},"minItems":1}},"required":["a"]}"#,
        );
    }

    #[test]
    fn properties_stand_in_the_order_that_is_asked_for() {
        check(
            r#"{"type":"OBJECT","properties":{"z":{"type":"NUMBER"},"type":{"type":"BOOLEAN"}},"propertyOrdering":["type","z"]}"#,
            r#"{"type":"object","properties":{"type":{"type":"boolean"},"z":{"type":"number"}}}"#,
        );
    }

    #[test]
    fn choices_nest_and_json_schema_stays_as_it_is() {
        check(
            r#"{"any_of":[{"type":"STRING"},{"$ref":"x"}],"nullable":true,"example":1,"defs":{"x":{"type":"OBJECT"}}}"#,
            r#"{"anyOf":[{"type":"string"},{"$ref":"x"},{"type":"null"}],"examples":[1],"$defs":{"x":{"type":"object"}}}"#,
        );
        let json = r#"{"type":["object","null"],"additionalProperties":false,"const":"X"}"#;
        check(json, json);
    }

    #[test]
    fn what_is_no_schema_is_refused_by_its_path() {
        let raw = RawValue::from_string(r#"{"properties":{"a":7}}"#.to_owned()).unwrap();
        let error = json_schema(&raw, "p").unwrap_err();
        assert_eq!(error.path(), Some("p.properties.a"));
        let deep = "{\"items\":".repeat(70) + "{}" + &"}".repeat(70);
        let raw = RawValue::from_string(deep).unwrap();
        assert!(json_schema(&raw, "p").is_err());
    }
}

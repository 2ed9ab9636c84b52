//! Schemas that the provider enforces: it refuses some keywords there, which are told instead.
//!
//! | in a schema                                       | becomes                                  |
//! |---------------------------------------------------|------------------------------------------|
//! | an object without `"additionalProperties": false` | one with it                              |
//! | bounds on numbers, lengths and counts             | words at the end of the description (¹)  |
//! | a string's `format` that the API does not know    | the same                                 |
//! | `oneOf`                                           | `anyOf`                                  |
//!
//! (¹) but for a `minItems` of 0 or 1. The rules are those of the official SDKs' own
//! `transform_schema`. What needs no change keeps its bytes, and members keep their order: models
//! write them in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use adapters_canonical::loss::Loss;
use serde_json::value::{RawValue, to_raw_value};

use crate::wire::fields::Fields;

/// Keywords that the API refuses.
const TOLD: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
];

/// Formats of strings that the API knows.
const FORMATS: &[&str] = &[
    "\"date-time\"",
    "\"time\"",
    "\"date\"",
    "\"duration\"",
    "\"email\"",
    "\"hostname\"",
    "\"uri\"",
    "\"ipv4\"",
    "\"ipv6\"",
    "\"uuid\"",
];

/// Deeper than any schema that the API takes.
const DEEPEST: usize = 64;

/// A schema that the API can enforce; what was changed is reported at `path`.
pub(super) fn enforceable<'a>(
    schema: &'a RawValue,
    path: impl FnOnce() -> String,
    losses: &mut Vec<Loss>,
) -> Cow<'a, RawValue> {
    let mut changed = BTreeSet::new();
    let Some(adapted) = adapt(schema, DEEPEST, &mut changed) else { return Cow::Borrowed(schema) };
    let names: Vec<_> = changed.into_iter().collect();
    let reason =
        format!("told in words or closed where it cannot be enforced: `{}`", names.join("`, `"));
    losses.push(Loss::adapted(path(), reason));
    Cow::Owned(adapted)
}

type Changed = BTreeSet<&'static str>;

/// `None` if nothing needs to change.
fn adapt(schema: &RawValue, depth: usize, changed: &mut Changed) -> Option<Box<RawValue>> {
    let depth = depth.checked_sub(1)?;
    let mut fields: Fields<'_> = serde_json::from_str(schema.get()).ok()?;
    let mut told = Vec::new();
    for name in TOLD {
        told.extend(fields.take(name).map(|value| (*name, value)));
    }
    let refused = |name: &str, value: &str| match name {
        "minItems" => !matches!(value, "0" | "1"),
        _ => !FORMATS.contains(&value),
    };
    for name in ["minItems", "format"] {
        if fields.get(name).is_some_and(|value| refused(name, value.get())) {
            told.extend(fields.take(name).map(|value| (name, value)));
        }
    }
    let mut any = !told.is_empty();
    if is_object(&fields)
        && fields.get("additionalProperties").is_none_or(|value| value.get() != "false")
    {
        any = true;
        changed.insert("additionalProperties");
        fields.set("additionalProperties", to_raw_value(&false).ok()?);
    }
    if fields.get("anyOf").is_none() && fields.rename("oneOf", "anyOf") {
        any = true;
        changed.insert("oneOf");
    }
    any |= inside(&mut fields, depth, changed);
    if !any {
        return None;
    }
    changed.extend(told.iter().map(|(name, _)| *name));
    describe(&mut fields, &told);
    to_raw_value(&fields).ok()
}

fn is_object(fields: &Fields<'_>) -> bool {
    match fields.get("type") {
        Some(kind) => kind.get() == "\"object\"",
        None => fields.get("properties").is_some(),
    }
}

/// Adapts the schemas inside of a schema.
fn inside(fields: &mut Fields<'_>, depth: usize, changed: &mut Changed) -> bool {
    let mut any = false;
    for name in ["properties", "$defs", "definitions"] {
        let adapted = fields.get(name).and_then(|map| {
            let mut map: Fields<'_> = serde_json::from_str(map.get()).ok()?;
            let found = map.replace_each(|schema| adapt(schema, depth, changed));
            found.then(|| to_raw_value(&map).ok()).flatten()
        });
        any |= fields.put(name, adapted);
    }
    for name in ["anyOf", "allOf"] {
        let adapted = fields.get(name).and_then(|list| {
            let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
            let adapted: Vec<_> = list.iter().map(|schema| adapt(schema, depth, changed)).collect();
            let found = adapted.iter().any(Option::is_some);
            let whole: Vec<_> = list
                .iter()
                .zip(adapted)
                .map(|(old, new)| new.map_or(Cow::Borrowed(*old), Cow::Owned))
                .collect();
            found.then(|| to_raw_value(&whole).ok()).flatten()
        });
        any |= fields.put(name, adapted);
    }
    let items = fields.get("items").and_then(|items| adapt(items, depth, changed));
    any | fields.put("items", items)
}

fn describe(fields: &mut Fields<'_>, told: &[(&'static str, Cow<'_, RawValue>)]) {
    if told.is_empty() {
        return;
    }
    let before = fields.get("description");
    let before: Option<String> = before.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let words: Vec<_> = told.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let words = format!("{{{}}}", words.join(", "));
    let said = before.map_or(words.clone(), |before| format!("{before}\n\n{words}"));
    if let Ok(said) = to_raw_value(&said) {
        fields.set("description", said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: &str, changed: &str) {
        let raw = RawValue::from_string(schema.to_owned()).unwrap();
        let mut losses = Vec::new();
        let got = enforceable(&raw, || "schema".to_owned(), &mut losses);
        assert_eq!(got.get(), expected);
        let said: Vec<_> = losses.iter().map(|loss| loss.reason.to_string()).collect();
        assert_eq!(said.is_empty(), changed.is_empty(), "{said:?}");
        assert!(said.iter().all(|reason| reason.ends_with(changed)), "{said:?}");
    }

    #[test]
    fn what_can_be_enforced_keeps_its_bytes() {
        let schema = r#"{ "type":"object", "additionalProperties":false, "properties": {
            "b": {"const": 1.0}, "a": {"type":"array","minItems":1,"items":{"type":"string","format":"uuid"}}}}"#;
        check(schema, schema, "");
        check("true", "true", "");
        let reference = r##"{"$ref":"#/$defs/a"}"##;
        check(reference, reference, "");
    }

    #[test]
    fn objects_are_closed_wherever_they_are() {
        check(
            r#"{"type":"object","properties":{"z":{"anyOf":[{"type":"object","additionalProperties":{}},{"type":"null"}]},"a":{}},"required":["z"]}"#,
            r#"{"type":"object","properties":{"z":{"anyOf":[{"type":"object","additionalProperties":false},{"type":"null"}]},"a":{}},"required":["z"],"additionalProperties":false}"#,
            "`additionalProperties`",
        );
        check(
            r#"{"$defs":{"a":{"type":"object"}},"type":"array","items":{"$ref":"x"}}"#,
            r#"{"$defs":{"a":{"type":"object","additionalProperties":false}},"type":"array","items":{"$ref":"x"}}"#,
            "`additionalProperties`",
        );
    }

    #[test]
    fn bounds_are_told() {
        check(
            r#"{"type":"integer","minimum":1,"description":"How many.","maximum":10}"#,
            r#"{"type":"integer","description":"How many.\n\n{minimum: 1, maximum: 10}"}"#,
            "`maximum`, `minimum`",
        );
        check(
            r#"{"type":"array","minItems":2,"items":{"type":"string","format":"color"}}"#,
            r#"{"type":"array","items":{"type":"string","description":"{format: \"color\"}"},"description":"{minItems: 2}"}"#,
            "`format`, `minItems`",
        );
        check(r#"{"oneOf":[{"type":"null"}]}"#, r#"{"anyOf":[{"type":"null"}]}"#, "`oneOf`");
    }

    #[test]
    fn a_property_may_have_the_name_of_a_keyword() {
        let schema = r#"{"type":"object","properties":{"minimum":{"type":"string"},"format":{"type":"string"}},"additionalProperties":false}"#;
        check(schema, schema, "");
    }

    #[test]
    fn deep_schemas_are_left_as_they_are_and_no_danger() {
        let deep = r#"{"items":"#.repeat(10_000) + "{}" + &"}".repeat(10_000);
        check(&deep, &deep, "");
    }
}

//! Fits a JSON Schema to what Gemini's structured output knows of it.
//!
//! | keyword                                                   | becomes                       |
//! |-----------------------------------------------------------|-------------------------------|
//! | `const`                                                   | an `enum` of one              |
//! | `exclusiveMinimum`, `exclusiveMaximum`, numbers           | `minimum`, `maximum`          |
//! | `$schema`, `$comment`, `examples`, `default`, `deprecated`, `readOnly`, `writeOnly` | nothing: they bind nobody |
//! | `pattern`, `minLength`, `maxLength`, `uniqueItems`, `multipleOf`, `allOf`, `not`, `if`, `then`, `else`, `patternProperties`, `propertyNames`, `minProperties`, `maxProperties`, `contains`, `dependentRequired`, `unevaluatedProperties` … | nothing |
//! | beside a `$ref`                                           | nothing                       |
//! | all others that Google documents                          | stay as they are              |
//!
//! What binds an answer and is gone is reported, one loss a keyword. A schema that needs no change
//! is passed byte for byte; members keep their order, which models heed.
//!
//! Spec: <https://ai.google.dev/gemini-api/docs/structured-output>

use std::borrow::Cow;

use adapters_canonical::loss::Loss;
use adapters_json::object::Every;
use serde_json::value::RawValue;

use crate::wire::object::Object;

/// How deep a schema is looked into; what is deeper stays as it is.
const MAX_DEPTH: usize = 64;
/// Where losses say the schema stands.
const PATH: &str = "response_format.json_schema.schema";

/// What Gemini knows.
const KNOWN: &[&str] = &[
    "$id",
    "$defs",
    "$ref",
    "$anchor",
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
    "nullable",
];

/// What binds no answer.
const IDLE: &[&str] = &[
    "$schema",
    "$comment",
    "examples",
    "example",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// The schema as Gemini takes it.
pub(super) fn fit<'a>(schema: &'a RawValue, losses: &mut Vec<Loss>) -> Cow<'a, RawValue> {
    let mut fit = Fit { changed: false, gone: Vec::new() };
    let mut out = String::with_capacity(schema.get().len());
    fit.schema(schema, 0, &mut out);
    for keyword in fit.gone {
        let reason = format!("answers are not held to `{keyword}`");
        losses.push(Loss::adapted(PATH, reason));
    }
    match RawValue::from_string(out) {
        Ok(fitted) if fit.changed => Cow::Owned(fitted),
        Ok(_) | Err(_) => Cow::Borrowed(schema),
    }
}

struct Fit {
    changed: bool,
    /// Keywords that are gone and bound answers, each once.
    gone: Vec<String>,
}

impl Fit {
    fn schema(&mut self, schema: &RawValue, depth: usize, out: &mut String) {
        let members = match serde_json::from_str(schema.get()) {
            Ok(Every(members)) if depth < MAX_DEPTH => members,
            // `true`, `false`, or no schema at all.
            Ok(_) | Err(_) => return out.push_str(schema.get()),
        };
        let has = |wanted: &str| members.iter().any(|(name, _)| &**name == wanted);
        let refers = has("$ref");
        let mut object = Object { out, any: false };
        object.out.push('{');
        for (name, value) in &members {
            match &**name {
                other if refers && !other.starts_with('$') => self.drop(other),
                "const" if !has("enum") => {
                    self.changed = true;
                    object.member("enum", &format!("[{}]", value.get()));
                }
                "exclusiveMinimum" if !has("minimum") => self.bound("minimum", value, &mut object),
                "exclusiveMaximum" if !has("maximum") => self.bound("maximum", value, &mut object),
                "properties" | "$defs" | "definitions" => {
                    object.name(name);
                    self.map(value, depth, object.out);
                }
                "items" | "additionalProperties" => {
                    object.name(name);
                    self.schema(value, depth + 1, object.out);
                }
                "anyOf" | "oneOf" | "prefixItems" => {
                    object.name(name);
                    self.list(value, depth, object.out);
                }
                known if KNOWN.contains(&known) => object.member(known, value.get()),
                other => self.drop(other),
            }
        }
        object.out.push('}');
    }

    fn drop(&mut self, keyword: &str) {
        self.changed = true;
        let binds = !IDLE.contains(&keyword) && !matches!(keyword, "title" | "description");
        if binds && !self.gone.iter().any(|gone| gone == keyword) {
            self.gone.push(keyword.to_owned());
        }
    }

    /// A bound that the value itself may not reach becomes one that it may.
    fn bound(&mut self, name: &str, value: &RawValue, object: &mut Object<'_>) {
        self.drop(if name == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" });
        object.member(name, value.get());
    }

    fn map(&mut self, value: &RawValue, depth: usize, out: &mut String) {
        let Ok(Every(members)) = serde_json::from_str(value.get()) else {
            return out.push_str(value.get());
        };
        let mut object = Object { out, any: false };
        object.out.push('{');
        for (name, value) in members {
            object.name(&name);
            self.schema(value, depth + 1, object.out);
        }
        object.out.push('}');
    }

    fn list(&mut self, value: &RawValue, depth: usize, out: &mut String) {
        let Ok(all) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            return out.push_str(value.get());
        };
        out.push('[');
        for (at, one) in all.into_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.schema(one, depth + 1, out);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: &str, gone: &[&str]) {
        let raw = RawValue::from_string(schema.to_owned()).unwrap();
        let mut losses = Vec::new();
        assert_eq!(fit(&raw, &mut losses).get(), expected);
        let reasons: Vec<_> = losses.iter().map(|loss| loss.reason.to_string()).collect();
        let expected: Vec<_> =
            gone.iter().map(|it| format!("answers are not held to `{it}`")).collect();
        assert_eq!(reasons, expected);
    }

    #[test]
    fn a_schema_that_fits_is_passed_byte_for_byte() {
        let schema = r#"{ "type":"object", "properties":{"pattern":{"type":"string"}},"required":["pattern"],"additionalProperties":false}"#;
        check(schema, schema, &[]);
    }

    #[test]
    fn what_has_a_counterpart_is_said_by_it() {
        check(
            r#"{"properties":{"kind":{"const":"a"},"n":{"type":"number","exclusiveMinimum":0}}}"#,
            r#"{"properties":{"kind":{"enum":["a"]},"n":{"type":"number","minimum":0}}}"#,
            &["exclusiveMinimum"],
        );
    }

    #[test]
    fn what_binds_nobody_goes_in_silence_and_what_binds_is_reported_once() {
        check(
            r#"{"$schema":"x","items":{"anyOf":[{"pattern":"a"},{"pattern":"b","default":1}]},"uniqueItems":true}"#,
            r#"{"items":{"anyOf":[{},{}]}}"#,
            &["pattern", "uniqueItems"],
        );
        check(r##"{"$ref":"#/$defs/x","description":"d"}"##, r##"{"$ref":"#/$defs/x"}"##, &[]);
    }
}

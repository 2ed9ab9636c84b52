//! Instances of a JSON Schema.

use serde_json::{Map, Value};

use crate::draw::Draw;

/// Deeper than this everything is `null`: a schema may refer to itself.
const DEPTH: usize = 12;
/// More items than this are not made, whatever `minItems` says.
const ITEMS: usize = 8;
/// After this many values everything is `null`: one that refers to itself twice would double at
/// every level.
const VALUES: usize = 1000;

/// An instance of `schema`, with values drawn from `draw` where they fit.
pub(crate) fn instance(schema: &Value, draw: &mut Draw<'_>) -> Value {
    Maker { root: schema, draw, left: VALUES }.make(schema, "", 0)
}

struct Maker<'a, 'd, 't> {
    root: &'a Value,
    draw: &'d mut Draw<'t>,
    /// How many values may still be made.
    left: usize,
}

impl<'a> Maker<'a, '_, '_> {
    /// `member` is the name under which the value will stand.
    fn make(&mut self, schema: &'a Value, member: &str, depth: usize) -> Value {
        if depth > DEPTH || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        let Some(object) = schema.as_object() else {
            return Value::Null;
        };
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return target.map_or(Value::Null, |target| self.make(target, member, depth + 1));
        }
        if let Some(fixed) = fixed(object) {
            return fixed.clone();
        }
        if let Some(chosen) = alternative(object) {
            return self.make(chosen, member, depth + 1);
        }
        let own = match kind(object) {
            "object" => self.object(object, depth),
            "array" => self.array(object, member, depth),
            "integer" => self.number(object, true),
            "number" => self.number(object, false),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.string(object, member)),
        };
        self.all_of(object, own, member, depth)
    }

    fn object(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required = schema.get("required").and_then(Value::as_array);
        let names: Vec<&str> = match required {
            Some(required) => required.iter().filter_map(Value::as_str).collect(),
            None => properties.keys().map(String::as_str).collect(),
        };
        let mut made = Map::new();
        for name in names {
            // Properties live as long as the schema, unless there are none.
            let schema = schema.get("properties").and_then(|all| all.get(name));
            let value = match schema {
                Some(schema) => self.make(schema, name, depth + 1),
                None => Value::String(self.draw.string(name)),
            };
            made.insert(name.to_owned(), value);
        }
        Value::Object(made)
    }

    fn array(&mut self, schema: &'a Map<String, Value>, member: &str, depth: usize) -> Value {
        let size = |key: &str| {
            let size = schema.get(key).and_then(Value::as_u64)?;
            Some(usize::try_from(size).unwrap_or(ITEMS).min(ITEMS))
        };
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let mut made: Vec<Value> = first
            .into_iter()
            .flatten()
            .take(ITEMS)
            .map(|schema| self.make(schema, member, depth + 1))
            .collect();
        let wanted = size("minItems").unwrap_or(1).max(1).min(size("maxItems").unwrap_or(ITEMS));
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            while made.len() < wanted {
                made.push(self.make(items, member, depth + 1));
            }
        }
        Value::Array(made)
    }

    fn number(&mut self, schema: &Map<String, Value>, whole: bool) -> Value {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0).or(whole.then_some(1.0));
        let fits = |number: f64| {
            bound("minimum").is_none_or(|least| number >= least)
                && bound("maximum").is_none_or(|most| number <= most)
                && bound("exclusiveMinimum").is_none_or(|least| number > least)
                && bound("exclusiveMaximum").is_none_or(|most| number < most)
                && step.is_none_or(|step| (number / step).fract() == 0.0)
        };
        let least = bound("minimum").or(bound("exclusiveMinimum"));
        let most = bound("maximum").or(bound("exclusiveMaximum"));
        let stride = step.unwrap_or(1.0);
        let up = |from: f64| (from / stride).ceil() * stride;
        let down = |from: f64| (from / stride).floor() * stride;
        let middle = least.zip(most).map(|(least, most)| f64::midpoint(least, most));
        let candidates = [
            Some(1.0),
            least.map(up),
            least.map(|least| up(least) + stride),
            most.map(down),
            most.map(|most| down(most) - stride),
            least,
            most,
            middle,
        ];
        let drawn = self.draw.number(fits);
        let plain = candidates.into_iter().flatten().find(|number| fits(*number));
        written(drawn.or(plain).unwrap_or(1.0))
    }

    fn string(&mut self, schema: &Map<String, Value>, member: &str) -> String {
        let format = schema.get("format").and_then(Value::as_str);
        let mut text =
            format.and_then(formatted).map_or_else(|| self.draw.string(member), str::to_owned);
        let size = |key: &str| {
            let size = schema.get(key).and_then(Value::as_u64)?;
            usize::try_from(size).ok().filter(|size| *size <= 4096)
        };
        let least = size("minLength").unwrap_or(0);
        let length = text.chars().count();
        text.extend(std::iter::repeat_n('x', least.saturating_sub(length)));
        match size("maxLength") {
            Some(most) if most < length.max(least) => text.chars().take(most).collect(),
            Some(_) | None => text,
        }
    }

    /// What `allOf` adds to an object.
    fn all_of(
        &mut self,
        schema: &'a Map<String, Value>,
        own: Value,
        member: &str,
        depth: usize,
    ) -> Value {
        let Some(all) = schema.get("allOf").and_then(Value::as_array) else { return own };
        let said = schema.contains_key("type") || schema.contains_key("properties");
        let mut made = said.then_some(own);
        for schema in all {
            let more = self.make(schema, member, depth + 1);
            made = Some(match (made, more) {
                (Some(Value::Object(mut made)), Value::Object(more)) => {
                    made.extend(more);
                    Value::Object(made)
                }
                (made, more) => made.unwrap_or(more),
            });
        }
        made.unwrap_or(Value::Null)
    }
}

fn fixed(schema: &Map<String, Value>) -> Option<&Value> {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|all| all.first());
    schema
        .get("const")
        .or_else(|| first("enum"))
        .or_else(|| schema.get("default"))
        .or_else(|| first("examples"))
}

/// The first alternative that is not `null`.
fn alternative(schema: &Map<String, Value>) -> Option<&Value> {
    let all = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)?;
    let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
    all.iter().find(|schema| !is_null(schema)).or_else(|| all.first())
}

fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.contains_key("properties") => "object",
        _ if schema.contains_key("items") || schema.contains_key("prefixItems") => "array",
        _ => "string",
    }
}

fn formatted(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" => "ada@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

/// A whole number is written without a point.
fn written(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2⁵³")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    fn check(schema: Value, text: &str, expected: Value) {
        assert_eq!(instance(&schema, &mut Draw::new(text)), expected);
    }

    #[test]
    fn required_members_are_filled_from_the_text() {
        check(
            json!({"type": "object", "required": ["city", "days"], "properties": {
                "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1},
                "unit": {"enum": ["c", "f"]}}}),
            "How will Ghent be in 3 days?",
            json!({"city": "Ghent", "days": 3}),
        );
    }

    #[test]
    fn numbers_are_drawn_in_the_order_of_the_required_members() {
        check(
            json!({"type": "object", "required": ["minuend", "a"], "properties": {
                "a": {"type": "number"}, "minuend": {"type": "number"}}}),
            "take 2 from 7.5",
            json!({"minuend": 2, "a": 7.5}),
        );
    }

    #[test]
    fn without_a_word_on_what_is_required_all_members_are() {
        check(
            json!({"properties": {"on": {"type": "boolean"}, "unit": {"enum": ["c", "f"]}}}),
            "",
            json!({"on": true, "unit": "c"}),
        );
    }

    #[test]
    fn references_alternatives_and_compositions_are_followed() {
        check(
            json!({"$defs": {"n": {"type": ["null", "integer"]}}, "type": "object",
                "required": ["a", "b", "c"], "properties": {
                    "a": {"$ref": "#/$defs/n"},
                    "b": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"const": 5}}]},
                    "c": {"allOf": [{"type": "object", "properties": {"x": {"const": 1}}},
                                    {"type": "object", "properties": {"y": {"const": 2}}}]}}}),
            "",
            json!({"a": 1, "b": [5], "c": {"x": 1, "y": 2}}),
        );
    }

    #[test]
    fn bounds_are_kept() {
        check(json!({"type": "integer", "minimum": 10}), "2", json!(10));
        check(json!({"type": "integer", "exclusiveMinimum": 10}), "", json!(11));
        check(json!({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}), "", json!(0.5));
        check(json!({"type": "integer", "maximum": -3}), "", json!(-3));
        check(json!({"type": "integer", "multipleOf": 5, "minimum": 7}), "", json!(10));
        check(json!({"type": "string", "minLength": 9}), "", json!("examplexx"));
        check(json!({"type": "string", "maxLength": 4}), "", json!("exam"));
        check(json!({"type": "array", "items": {"const": 0}, "minItems": 3}), "", json!([0, 0, 0]));
        check(json!({"type": "array", "items": {"const": 0}, "maxItems": 0}), "", json!([]));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"type": "object", "required": ["next"],
            "properties": {"next": {"$ref": "#"}}});
        let made = instance(&tree, &mut Draw::new("")).to_string();
        assert!(made.contains("null"), "{made}");
        check(json!({"$ref": "#"}), "", Value::Null);
    }

    fn schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({})),
            Just(json!(true)),
            Just(json!({"$ref": "#"})),
            Just(json!({"type": "integer", "minimum": 1e300, "multipleOf": 1e-300})),
            Just(json!({"type": "string", "maxLength": 0, "minLength": u64::MAX})),
            Just(json!({"enum": []})),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| json!({"type": "array", "items": it, "minItems": 9})),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| json!({"anyOf": [a], "allOf": [b]})),
                (inner.clone(), inner).prop_map(|(a, b)| {
                    json!({"properties": {"a": a, "b": b}, "required": ["a", "zz"]})
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_schema_is_a_danger(schema in schema(), text in ".{0,20}") {
            instance(&schema, &mut Draw::new(&text));
        }
    }
}

//! The JSON Schema of a configuration, for editors and forms.

use crate::raw;

/// The JSON Schema (draft 2020-12) of a configuration.
///
/// It knows the shape of every value, but not how they hang together: what it accepts,
/// [`check`](crate::check) may still refuse. It is stricter in one respect: a key that is left
/// empty is one that is absent to `check`, and of the wrong type to the schema.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<raw::Config>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        problem::Problems,
        tree::{self, Value},
    };

    /// YAML as the JSON that an editor would check.
    fn to_json(node: &tree::Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => json!(value),
            Value::Integer(value) => json!(value),
            Value::Float(value) => json!(value),
            Value::Text(value) => json!(value),
            Value::List(items) => items.iter().map(to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.name.clone(), to_json(&entry.value))).collect()
            }
        }
    }

    fn accepts(yaml: &str) -> Result<(), String> {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("penstock.json", json_schema()).unwrap();
        let schema = compiler.compile("penstock.json", &mut schemas).unwrap();
        let document = to_json(&tree::parse(yaml, &Problems::default()).unwrap());
        schemas.validate(&document, schema).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_files_we_ship_fit_the_schema() {
        for yaml in [include_str!("../../quickstart.yaml"), include_str!("../../gateway.yaml")] {
            assert_eq!(accepts(yaml), Ok(()));
        }
    }

    #[test]
    fn what_check_refuses_for_its_shape_the_schema_refuses_too() {
        for yaml in [
            "listner: []",
            "listeners: [{address: localhost}]",
            "listeners: [{}]",
            "limits: {request_body_bytes: 0}",
            "limits: {request_body_bytes: 1 mile}",
            "providers: [{name: a/b, dialect: mock}]",
            "providers: [{name: a, dialect: cohere}]",
            "providers: [{name: a}]",
            "providers: [{name: a, dialect: openai, accounts: [{name: b, weight: 0}]}]",
            "providers: [{name: a, dialect: mock, timeouts: {idle: 5}}]",
            "providers: [{name: a, dialect: mock, extra: 1}]",
            "auth: {keys: [{name: a, key: {env: A, file: b}}]}",
            "auth: {keys: [{name: a, key: $KEY}]}",
            "auth: {mode: closed}",
            "models: [{name: m, targets: []}]",
            "providers: [{name: a, dialect: mock, accounts: []}]",
            "listeners: []",
            "models: [{name: m m, targets: [{provider: a, model: b}]}]",
            "direct_models: yes",
            "models: [{name: m, targets: [{provider: a, model: b}], strategy: best}]",
            "models: [{name: m, targets: [{provider: a, model: b}], timeouts: {first: 1s}}]",
            "providers: [{name: a, dialect: mock, accounts: [{name: b, limits: {concurrent: 0}}]}]",
            "heartbeat: {after: 5}",
            "stream_errors: silent",
            "losses: forgive",
        ] {
            assert!(accepts(yaml).is_err(), "{yaml}");
            struct Nowhere;
            impl crate::SecretSource for Nowhere {
                fn env(&self, _: &str) -> Option<String> {
                    None
                }
                fn file(&self, _: &str) -> Result<Vec<u8>, String> {
                    Err("none".into())
                }
            }
            assert!(crate::check(yaml, &Nowhere).plan.is_none(), "{yaml}");
        }
    }

    #[test]
    fn no_object_takes_unknown_keys_and_every_key_is_described() {
        fn walk(schema: &Json, path: &str) {
            if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
                assert_eq!(schema["additionalProperties"], json!(false), "{path}");
                for (name, property) in properties {
                    let nested = property.get("pattern").is_some();
                    assert!(
                        nested || property.get("description").is_some() || path.contains("Secret"),
                        "{path}.{name}"
                    );
                }
            }
            let children = schema.as_object().into_iter().flatten();
            for (name, child) in children {
                walk(child, &format!("{path}/{name}"));
            }
            for (index, child) in schema.as_array().into_iter().flatten().enumerate() {
                walk(child, &format!("{path}/{index}"));
            }
        }
        let schema = json_schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], "Penstock configuration");
        walk(&schema, "");
    }
}

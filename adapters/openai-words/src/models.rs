//! The list of models.

use adapters_canonical::ingress::ModelEntry;
use serde::Serialize;

use adapters_json::write;

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// The body that answers `GET /v1/models/{id}`.
#[must_use]
pub fn encode_model(model: &ModelEntry<'_>) -> Vec<u8> {
    write::body(&wire(model))
}

/// The body that answers `GET /v1/models`.
#[must_use]
pub fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    write::body(&List { object: "list", data: models.iter().map(wire).collect() })
}

fn wire<'a>(&ModelEntry { id, created, owned_by }: &ModelEntry<'a>) -> Model<'a> {
    Model { id, object: "model", created, owned_by }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_list_holds_what_a_single_answer_shows() {
        let model = ModelEntry { id: "team/fast", created: 7, owned_by: "acme" };
        let one: Value = serde_json::from_slice(&encode_model(&model)).unwrap();
        let expected =
            json!({"id": "team/fast", "object": "model", "created": 7, "owned_by": "acme"});
        assert_eq!(one, expected);
        let list: Value = serde_json::from_slice(&encode_models(&[model])).unwrap();
        assert_eq!(list, json!({"object": "list", "data": [expected]}));
    }
}

//! The list of models.

use adapters_canonical::ingress::ModelEntry;
use adapters_json::write;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    name: String,
    display_name: &'a str,
    description: String,
    supported_generation_methods: &'static [&'static str],
}

#[derive(Serialize)]
struct List<'a> {
    models: Vec<Model<'a>>,
}

/// The body that answers `GET /v1beta/models/{id}`.
pub(super) fn encode_model(model: &ModelEntry<'_>) -> Vec<u8> {
    write::body(&wire(model))
}

/// The body that answers `GET /v1beta/models`, all on one page.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    write::body(&List { models: models.iter().map(wire).collect() })
}

fn wire<'a>(&ModelEntry { id, created: _, owned_by }: &ModelEntry<'a>) -> Model<'a> {
    Model {
        name: format!("models/{id}"),
        display_name: id,
        description: format!("Served by {owned_by}"),
        supported_generation_methods: &["generateContent", "streamGenerateContent"],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_list_holds_what_a_single_answer_shows() {
        let model = ModelEntry { id: "team/fast", created: 7, owned_by: "acme" };
        let one: Value = serde_json::from_slice(&encode_model(&model)).unwrap();
        assert_eq!(one["name"], "models/team/fast");
        assert_eq!(one["displayName"], "team/fast");
        let list: Value = serde_json::from_slice(&encode_models(&[model])).unwrap();
        assert_eq!(list, json!({"models": [one]}));
    }
}

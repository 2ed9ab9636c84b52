//! The list of models.

use serde::Serialize;

use crate::wire::write;

/// A model a client may name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Model<'a> {
    /// The name to put in `model`.
    pub id: &'a str,
    /// Since when, in seconds since 1970.
    pub created: u64,
    /// Who serves it.
    pub owned_by: &'a str,
}

#[derive(Serialize)]
struct Tagged<'a> {
    object: &'static str,
    #[serde(flatten)]
    model: &'a Model<'a>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Tagged<'a>>,
}

/// The body that answers `GET /v1/models/{id}`.
#[must_use]
pub fn encode_model(model: &Model<'_>) -> Vec<u8> {
    write::body(&tagged(model))
}

/// The body that answers `GET /v1/models`.
#[must_use]
pub fn encode_models(models: &[Model<'_>]) -> Vec<u8> {
    write::body(&List { object: "list", data: models.iter().map(tagged).collect() })
}

fn tagged<'a>(model: &'a Model<'a>) -> Tagged<'a> {
    Tagged { object: "model", model }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_list_holds_what_a_single_answer_shows() {
        let model = Model { id: "team/fast", created: 7, owned_by: "acme" };
        let one: Value = serde_json::from_slice(&encode_model(&model)).unwrap();
        let expected =
            json!({"id": "team/fast", "object": "model", "created": 7, "owned_by": "acme"});
        assert_eq!(one, expected);
        let list: Value = serde_json::from_slice(&encode_models(&[model])).unwrap();
        assert_eq!(list, json!({"object": "list", "data": [expected]}));
    }
}

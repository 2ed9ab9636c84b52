//! Texts as vectors: what is asked, and what is answered.

use crate::usage::Usage;

/// Everything a client asked for beside the model's own work.
///
/// Losses and errors name its members by their path in OpenAI's embeddings, such as `input[2]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingRequest {
    /// The model as the client named it; the target's own name travels beside the request.
    pub model: String,
    /// What is to be embedded, one vector each.
    pub inputs: Vec<EmbeddingInput>,
    /// How many numbers a vector is to have; `None` leaves it to the model.
    pub dimensions: Option<u32>,
    /// What the vectors are for, in Gemini's words, such as `RETRIEVAL_QUERY`.
    pub task: Option<String>,
    /// The title of the document that the texts are of.
    pub title: Option<String>,
    /// The end user, as a stable and opaque identifier.
    pub user: Option<String>,
}

/// One thing to be embedded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EmbeddingInput {
    /// Words.
    Text(String),
    /// Tokens, in the numbering of OpenAI's models.
    Tokens(Vec<u32>),
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingResponse {
    /// The model that answered, in the provider's words; empty where it does not say.
    pub model: String,
    /// One vector for each input, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What it cost.
    pub usage: Option<Usage>,
}

//! Texts as vectors: what is asked, and what is answered.

use crate::loss::DecodeError;
use crate::usage::Usage;

/// Everything a client asked for beside the model's own work.
///
/// Losses and errors name its members by their path in OpenAI's embeddings, such as `input[2]`; what
/// those lack is called `task_type` and `title`.
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
    /// Whether the client wants its vectors as base64 of little-endian floats. How a provider says
    /// them is between it and us.
    pub base64: bool,
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

impl EmbeddingResponse {
    /// Whether there is one vector for each input.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] if there is not: which text a vector is of would be a guess.
    pub fn answers(&self, request: &EmbeddingRequest) -> Result<(), DecodeError> {
        let (asked, came) = (request.inputs.len(), self.vectors.len());
        if asked == came {
            return Ok(());
        }
        Err(DecodeError::shape("$", format!("has {came} vectors for {asked} inputs")))
    }
}

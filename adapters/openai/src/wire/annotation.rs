//! What an answer says about its own words: citations and log probabilities.

use serde::{Deserialize, Serialize};

use adapters_json::string::Str;

/// One of `annotations`, of whatever `type`: the object of that type is there or, with some
/// providers, its members stand beside the `type`.
#[derive(Debug, Deserialize)]
pub(crate) struct Annotation<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    pub(crate) url_citation: Option<Cited>,
    pub(crate) file_citation: Option<Cited>,
    pub(crate) document_citation: Option<Cited>,
    pub(crate) citation: Option<Cited>,
}

/// What a citation says.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Cited {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_id: Option<String>,
    /// An extension: the document of the request, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// What the Responses API calls the title of a file.
    #[serde(skip_serializing)]
    pub(crate) filename: Option<String>,
    /// An extension of OpenRouter: the words of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// What others call the words of the source.
    #[serde(skip_serializing)]
    pub(crate) quote: Option<String>,
}

/// `logprobs` of a choice.
#[derive(Debug, Deserialize)]
pub(crate) struct Logprobs {
    pub(crate) content: Option<Vec<Token>>,
    pub(crate) refusal: Option<Vec<Token>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) logprob: f64,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) top_logprobs: Option<Vec<Token>>,
}

//! An answer of `generateContent` as it is written for clients, whole or one chunk of it.

use std::borrow::Cow;

use serde::Serialize;

use super::request::Part;
use crate::hosted::{GroundingMetadata, UrlContextMetadata};

/// A whole answer, or one chunk of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage_metadata: Option<UsageMetadata<'a>>,
    pub(crate) model_version: &'a str,
    pub(crate) create_time: &'a str,
    pub(crate) response_id: &'a str,
    /// An extension, in the last chunk of a stream: what of the answer is not, or not exactly, said.
    /// SDKs pass over members they do not know, but not over comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) penstock_losses: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptFeedback<'a> {
    pub(crate) block_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block_reason_message: Option<&'a str>,
}

/// One answer, or how it goes on. Chat helpers of the Python SDK forget a whole turn if one chunk
/// of it has no part, so there always is one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate<'a> {
    pub(crate) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finish_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) citation_metadata: Option<CitationMetadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grounding_metadata: Option<GroundingMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url_context_metadata: Option<UrlContextMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avg_logprobs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs_result: Option<LogprobsResult<'a>>,
    pub(crate) index: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct Content<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) role: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct CitationMetadata<'a> {
    pub(crate) citations: Cow<'a, [Citation]>,
}

/// A source, and the bytes of the answer's text that come from it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Citation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogprobsResult<'a> {
    pub(crate) chosen_candidates: Vec<Logprob<'a>>,
    pub(crate) top_candidates: Vec<TopCandidates<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TopCandidates<'a> {
    pub(crate) candidates: Vec<Logprob<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logprob<'a> {
    pub(crate) token: &'a str,
    pub(crate) log_probability: f64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageMetadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thoughts_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) prompt_tokens_details: Vec<ModalityTokenCount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cache_tokens_details: Vec<ModalityTokenCount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) candidates_tokens_details: Vec<ModalityTokenCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModalityTokenCount {
    pub(crate) modality: &'static str,
    pub(crate) token_count: u64,
}

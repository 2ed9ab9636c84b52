//! An answer of `generateContent`, and each chunk of `streamGenerateContent`: both have one shape.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// A whole answer, or one chunk of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The answers, or how they go on.
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    /// What the provider thinks of the prompt.
    #[serde(borrow)]
    pub prompt_feedback: Option<PromptFeedback<'a>>,
    /// Tokens so far.
    #[serde(borrow)]
    pub usage_metadata: Option<UsageMetadata<'a>>,
    /// The model that answers.
    #[serde(borrow)]
    pub model_version: Option<Str<'a>>,
    /// The provider's name for this answer.
    #[serde(borrow)]
    pub response_id: Option<Str<'a>>,
    /// RFC 3339.
    #[serde(borrow)]
    pub create_time: Option<Str<'a>>,
    /// How old the model is.
    pub model_status: Option<IgnoredAny>,
    /// In place of all else: what went wrong after the answer began.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// One answer, or how it goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    /// What is said.
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    /// Why it ended.
    #[serde(borrow)]
    pub finish_reason: Option<Str<'a>>,
    /// Its place among the answers; absent for the first.
    pub index: Option<u32>,
    /// Why, in words.
    #[serde(borrow)]
    pub finish_message: Option<Str<'a>>,
    /// Sources it quotes.
    #[serde(borrow)]
    pub citation_metadata: Option<CitationMetadata<'a>>,
    /// Sources it rests on.
    #[serde(borrow)]
    pub grounding_metadata: Option<GroundingMetadata<'a>>,
    /// Pages that were read for it.
    #[serde(borrow)]
    pub url_context_metadata: Option<UrlContextMetadata<'a>>,
    /// Log probabilities.
    #[serde(borrow)]
    pub logprobs_result: Option<LogprobsResult<'a>>,
    /// What the provider thinks of it.
    pub safety_ratings: Option<Vec<SafetyRating>>,
}

/// What the provider thinks of an answer in one respect.
#[derive(Debug, Default, Deserialize)]
pub struct SafetyRating {
    /// Whether the answer ended for it.
    pub blocked: Option<bool>,
}

/// Sources that an answer quotes.
#[derive(Debug, Default, Deserialize)]
pub struct CitationMetadata<'a> {
    /// Each with the place in the answer; Vertex AI has always called them so.
    #[serde(borrow, alias = "citationSources")]
    pub citations: Option<Vec<&'a RawValue>>,
}

/// A source, and the bytes of the answer's text that come from it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation<'a> {
    /// The first byte; absent for 0.
    pub start_index: Option<usize>,
    /// The byte after the last.
    pub end_index: Option<usize>,
    /// Where.
    #[serde(borrow)]
    pub uri: Option<Str<'a>>,
    /// What it is called.
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
    /// On what terms it may be used.
    pub license: Option<IgnoredAny>,
    /// When it was published.
    pub publication_date: Option<IgnoredAny>,
}

/// Sources that an answer rests on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingMetadata<'a> {
    /// What the web was searched for.
    #[serde(borrow)]
    pub web_search_queries: Option<Vec<Str<'a>>>,
    /// The sources.
    #[serde(borrow)]
    pub grounding_chunks: Option<Vec<GroundingChunk<'a>>>,
    /// Which words rest on which of them.
    #[serde(borrow)]
    pub grounding_supports: Option<Vec<GroundingSupport<'a>>>,
    /// Suggestions to search on, which have to be shown.
    pub search_entry_point: Option<IgnoredAny>,
    /// The same among pictures.
    pub image_search_queries: Option<Vec<IgnoredAny>>,
    /// The same among documents of the client's own.
    pub retrieval_queries: Option<Vec<IgnoredAny>>,
    /// Shows a map.
    pub google_maps_widget_context_token: Option<IgnoredAny>,
}

/// Pages that were read for an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlContextMetadata<'a> {
    /// One by one.
    #[serde(borrow)]
    pub url_metadata: Option<Vec<UrlMetadata<'a>>>,
}

/// A page that was read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlMetadata<'a> {
    /// Its address.
    #[serde(borrow)]
    pub retrieved_url: Option<Str<'a>>,
    /// Whether it could be read.
    #[serde(borrow)]
    pub url_retrieval_status: Option<Str<'a>>,
}

/// A source: at most one member is set.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingChunk<'a> {
    /// A page of the web.
    #[serde(borrow)]
    pub web: Option<GroundingSource<'a>>,
    /// A document of the client's own.
    #[serde(borrow)]
    pub retrieved_context: Option<GroundingSource<'a>>,
    /// A place.
    #[serde(borrow)]
    pub maps: Option<GroundingSource<'a>>,
}

/// Where a source is.
#[derive(Debug, Default, Deserialize)]
pub struct GroundingSource<'a> {
    /// Its address.
    #[serde(borrow)]
    pub uri: Option<Str<'a>>,
    /// What it is called.
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
    /// The words that were found there.
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
}

/// Words, and what they rest on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingSupport<'a> {
    /// The words.
    #[serde(borrow)]
    pub segment: Option<Segment<'a>>,
    /// Places in the list of sources.
    pub grounding_chunk_indices: Option<Vec<usize>>,
}

/// Some words of one part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment<'a> {
    /// Which part; absent for the first.
    pub part_index: Option<usize>,
    /// The first byte; absent for 0.
    pub start_index: Option<usize>,
    /// The byte after the last.
    pub end_index: Option<usize>,
    /// The words.
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
}

/// How likely each token was.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogprobsResult<'a> {
    /// The tokens of the answer.
    #[serde(borrow)]
    pub chosen_candidates: Option<Vec<LogprobCandidate<'a>>>,
    /// For each of them the likeliest ones.
    #[serde(borrow)]
    pub top_candidates: Option<Vec<TopCandidates<'a>>>,
}

/// The likeliest tokens at one place.
#[derive(Debug, Default, Deserialize)]
pub struct TopCandidates<'a> {
    /// Best first.
    #[serde(borrow)]
    pub candidates: Option<Vec<LogprobCandidate<'a>>>,
}

/// How likely one token was.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogprobCandidate<'a> {
    /// The token.
    #[serde(borrow)]
    pub token: Option<Str<'a>>,
    /// The natural logarithm of its probability.
    pub log_probability: Option<f64>,
}

/// What is said.
#[derive(Debug, Default, Deserialize)]
pub struct Content<'a> {
    /// In order.
    #[serde(borrow)]
    pub parts: Option<Vec<Part<'a>>>,
}

/// One piece of what is said.
#[derive(Debug, Default)]
pub struct Part<'a> {
    /// Words.
    pub text: Option<Str<'a>>,
    /// Whether this is a thought.
    pub thought: bool,
    /// The provider's seal.
    pub thought_signature: Option<Str<'a>>,
    /// The model calls a function.
    pub function_call: Option<FunctionCall<'a>>,
    /// A [`Blob`], unread: few look into it, and it may be large.
    pub inline_data: Option<&'a RawValue>,
    /// Members this crate has no field for, as the provider wrote them.
    pub other: Vec<(Str<'a>, &'a RawValue)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut part = Part::default();
        while let Some(key) = map.next_key::<Str<'de>>()? {
            match &*key {
                "text" => part.text = map.next_value()?,
                "thought" => part.thought = map.next_value::<Option<bool>>()?.unwrap_or(false),
                "thoughtSignature" => part.thought_signature = map.next_value()?,
                "functionCall" => part.function_call = map.next_value()?,
                "inlineData" => part.inline_data = map.next_value()?,
                _ => {
                    if let Some(value) = map.next_value::<Option<&'de RawValue>>()? {
                        part.other.push((key, value));
                    }
                }
            }
        }
        Ok(part)
    }
}

/// The model calls a function, or goes on doing so.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCall<'a> {
    /// Names the call; older models give none.
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    /// Which function; absent where an earlier chunk said it.
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    /// A JSON object.
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    /// Pieces of a JSON object.
    #[serde(borrow)]
    pub partial_args: Option<Vec<PartialArg<'a>>>,
    /// Set if the next chunk goes on with this call.
    pub will_continue: Option<bool>,
}

/// A piece of a call's arguments: at most one of the values is set, and none stands for `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialArg<'a> {
    /// Where it belongs, such as `$.steps[0].name`.
    #[serde(borrow)]
    pub json_path: Option<Str<'a>>,
    /// The next words of a string.
    #[serde(borrow)]
    pub string_value: Option<Str<'a>>,
    /// A number, as the provider wrote it.
    #[serde(borrow)]
    pub number_value: Option<&'a RawValue>,
    /// A truth value.
    pub bool_value: Option<bool>,
    /// Set if more of this string follows.
    pub will_continue: Option<bool>,
}

/// Bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob<'a> {
    /// IANA media type.
    #[serde(borrow)]
    pub mime_type: Option<Str<'a>>,
    /// Base64.
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
}

/// What the provider thinks of the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptFeedback<'a> {
    /// Why there will be no answer.
    #[serde(borrow)]
    pub block_reason: Option<Str<'a>>,
    /// The same in words.
    #[serde(borrow)]
    pub block_reason_message: Option<Str<'a>>,
    /// What the provider thinks of it.
    pub safety_ratings: Option<Vec<IgnoredAny>>,
}

/// Tokens so far; every chunk carries a running total, early ones often without some members.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageMetadata<'a> {
    /// Tokens of the prompt, cached ones included.
    pub prompt_token_count: Option<u64>,
    /// Those of the prompt that came from a cache.
    pub cached_content_token_count: Option<u64>,
    /// Tokens of the answers, thoughts excluded.
    pub candidates_token_count: Option<u64>,
    /// Tokens of thoughts.
    pub thoughts_token_count: Option<u64>,
    /// Tokens that the provider's own tools fed back to the model.
    pub tool_use_prompt_token_count: Option<u64>,
    /// The prompt by modality.
    #[serde(borrow)]
    pub prompt_tokens_details: Option<Vec<ModalityTokenCount<'a>>>,
    /// What came from a cache by modality.
    #[serde(borrow)]
    pub cache_tokens_details: Option<Vec<ModalityTokenCount<'a>>>,
    /// The answers by modality.
    #[serde(borrow)]
    pub candidates_tokens_details: Option<Vec<ModalityTokenCount<'a>>>,
    /// `flex`, `standard` or `priority`.
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
}

/// Tokens of one modality.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModalityTokenCount<'a> {
    /// `TEXT`, `IMAGE`, `VIDEO`, `AUDIO` or `DOCUMENT`.
    #[serde(borrow)]
    pub modality: Option<Str<'a>>,
    /// How many.
    pub token_count: Option<u64>,
}

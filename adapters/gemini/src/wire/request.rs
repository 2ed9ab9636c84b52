//! A request to `generateContent` or `streamGenerateContent`.

use std::borrow::Cow;

use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::hosted::{Code, Own};

/// Stands for a signature that was never there: what it is on was made by another model.
/// Documented at <https://ai.google.dev/gemini-api/docs/thought-signatures>.
pub const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The whole body.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// What the model is told before the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_instruction: Option<Content<'a>>,
    /// The conversation.
    pub contents: Vec<Content<'a>>,
    /// What the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    /// Whether and what it must call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'a>>,
    /// How to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation_config: Option<GenerationConfig<'a>>,
    /// `flex`, `standard` or `priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    /// Whether the provider may log this request; Gemini API only, not Vertex AI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
}

/// One turn.
#[derive(Debug, Serialize)]
pub struct Content<'a> {
    /// `user` or `model`; absent in the system instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// What is said, in order.
    pub parts: Vec<Part<'a>>,
}

/// One piece of a turn.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Part<'a> {
    /// Something this crate can name.
    Known(KnownPart<'a>),
    /// What another provider did with a tool of its own.
    Hosted(Code),
    /// A whole part as the provider wrote it.
    Opaque(&'a RawValue),
}

/// A piece of a turn that this crate can name; one of the first five members is set. Most pieces
/// are words: the others are apart, so that words take little room.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownPart<'a> {
    /// Words.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::some_text")]
    pub text: Option<&'a str>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_data: Option<Box<Blob<'a>>>,
    /// Bytes that lie elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_data: Option<Box<FileData<'a>>>,
    /// The model calls a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Box<FunctionCall<'a>>>,
    /// What a function answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_response: Option<Box<FunctionResponse<'a>>>,
    /// Set if the words are a thought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought: Option<bool>,
    /// The provider's seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_signature: Option<Cow<'a, str>>,
}

/// Bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob<'a> {
    /// IANA media type.
    pub mime_type: Cow<'a, str>,
    /// Base64.
    #[serde(serialize_with = "write::text")]
    pub data: &'a str,
}

/// Bytes that lie elsewhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData<'a> {
    /// IANA media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Cow<'a, str>>,
    /// Where.
    pub file_uri: Cow<'a, str>,
}

/// The model calls a function.
#[derive(Debug, Serialize)]
pub struct FunctionCall<'a> {
    /// Names the call, where the provider gave it a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Which function.
    pub name: &'a str,
    /// A JSON object.
    pub args: Payload<'a>,
}

/// What a function answered.
#[derive(Debug, Serialize)]
pub struct FunctionResponse<'a> {
    /// The call it answers, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Which function.
    pub name: &'a str,
    /// A JSON object.
    pub response: Payload<'a>,
    /// Pictures and the like that belong to the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part<'a>>,
}

/// A JSON object that was one already, or was made one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Payload<'a> {
    /// Byte for byte.
    Object(&'a RawValue),
    /// No members.
    Empty {},
    /// `{"result": …}`.
    Result {
        /// What was not an object.
        result: Value<'a>,
    },
    /// `{"error": …}`.
    Error {
        /// What the function said of its failure.
        error: Value<'a>,
    },
    /// `{"input": …}`, for arguments that are free text.
    Input {
        /// The text.
        #[serde(serialize_with = "write::text")]
        input: &'a str,
    },
}

/// Some JSON, or words.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Value<'a> {
    /// JSON, byte for byte.
    Json(&'a RawValue),
    /// Words.
    Text(#[serde(serialize_with = "write::text")] Cow<'a, str>),
}

/// What the model may call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Tool<'a> {
    /// Functions of the client.
    #[serde(rename_all = "camelCase")]
    Functions {
        /// All of them.
        function_declarations: Vec<FunctionDeclaration<'a>>,
    },
    /// A tool that the provider runs itself.
    Hosted(Own<'a>),
    /// The same as the client wrote it.
    Opaque(&'a RawValue),
}

/// A function of the client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDeclaration<'a> {
    /// What the model calls it by.
    pub name: &'a str,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// JSON Schema of its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_json_schema: Option<Cow<'a, RawValue>>,
}

/// Whether and what the model must call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    /// For functions of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_calling_config: Option<FunctionCallingConfig<'a>>,
    /// Set where there are functions and tools of the provider: the model keeps what it did with
    /// the latter in the conversation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_server_side_tool_invocations: bool,
}

/// Whether and which functions of the client the model must call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCallingConfig<'a> {
    /// `AUTO`, `ANY`, `NONE` or `VALIDATED`.
    pub mode: &'static str,
    /// Only these; with `ANY` and `VALIDATED` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_function_names: Vec<&'a str>,
}

/// How to answer.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampling {
    /// 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Only the `k` likeliest tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Makes sampling repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i32>,
    /// −2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// −2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Whether to return log probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_logprobs: Option<bool>,
    /// How many alternatives per token to return with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
}

/// How to answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationConfig<'a> {
    /// How many answers to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_count: Option<u32>,
    /// Bound on output tokens, thoughts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<i32>,
    /// How tokens are drawn.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Where to stop; at most five.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub stop_sequences: &'a [String],
    /// `application/json`, if the answer must be that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mime_type: Option<&'static str>,
    /// JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_json_schema: Option<Cow<'a, RawValue>>,
    /// What the answer is made of: `TEXT`, `IMAGE`, `AUDIO`, `VIDEO`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modalities: Vec<&'static str>,
    /// How much to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_config: Option<ThinkingConfig>,
}

/// How much to think, and how much of it to show. Level and budget exclude each other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinkingConfig {
    /// Whether to return thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_thoughts: Option<bool>,
    /// In tokens; 0 switches thinking off. For Gemini 2.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_budget: Option<u32>,
    /// `MINIMAL`, `LOW`, `MEDIUM` or `HIGH`. For Gemini 3 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_level: Option<&'static str>,
}

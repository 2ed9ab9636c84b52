//! Items: what a conversation and an answer are made of.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// An item of any kind, as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) role: Option<Str<'a>>,
    pub(crate) content: Option<&'a RawValue>,
    pub(crate) id: Option<String>,
    pub(crate) call_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<&'a RawValue>,
    pub(crate) input: Option<&'a RawValue>,
    pub(crate) output: Option<&'a RawValue>,
    pub(crate) summary: Option<Vec<Words>>,
    pub(crate) encrypted_content: Option<String>,
    pub(crate) phase: Option<&'a RawValue>,
    pub(crate) namespace: Option<IgnoredAny>,
    pub(crate) revised_prompt: Option<IgnoredAny>,
}

/// `summary_text` or `reasoning_text`.
#[derive(Debug, Deserialize)]
pub(crate) struct Words {
    #[serde(default)]
    pub(crate) text: String,
}

/// A content part of any kind, as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Content<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Str<'a>,
    pub(crate) text: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) annotations: Option<Vec<&'a RawValue>>,
    pub(crate) logprobs: Option<Vec<Logprob>>,
    pub(crate) image_url: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) file_id: Option<String>,
    pub(crate) file_data: Option<String>,
    pub(crate) file_url: Option<String>,
    pub(crate) filename: Option<String>,
    #[serde(borrow)]
    pub(crate) input_audio: Option<Sound<'a>>,
    pub(crate) prompt_cache_breakpoint: Option<Breakpoint>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sound<'a> {
    pub(crate) data: String,
    #[serde(borrow)]
    pub(crate) format: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Breakpoint {
    pub(crate) ttl: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Logprob {
    pub(crate) token: String,
    pub(crate) bytes: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) logprob: f64,
    #[serde(default)]
    pub(crate) top_logprobs: Vec<Top>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Top {
    #[serde(default)]
    pub(crate) token: String,
    pub(crate) bytes: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) logprob: f64,
}

/// How far an item has come.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

/// An item as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Written<'a> {
    Reasoning {
        id: &'a str,
        summary: &'a [Summary<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    Message {
        id: &'a str,
        status: Status,
        role: &'static str,
        content: &'a [Said<'a>],
    },
    FunctionCall {
        id: &'a str,
        status: Status,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    CustomToolCall {
        id: &'a str,
        status: Status,
        call_id: &'a str,
        name: &'a str,
        input: &'a str,
    },
    ImageGenerationCall {
        id: &'a str,
        status: Status,
        result: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_format: Option<&'a str>,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(crate) struct Summary<'a> {
    pub(crate) text: &'a str,
}

/// A content part of an answer as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Said<'a> {
    OutputText { text: &'a str, annotations: &'a [Box<RawValue>], logprobs: &'a [Logprob] },
    Refusal { refusal: &'a str },
}

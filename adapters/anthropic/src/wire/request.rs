//! The body of `POST /v1/messages`.

use std::borrow::Cow;

use adapters_json::write;
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// What is asked.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) model: &'a str,
    /// Absent only where nothing is to be written but a count of the request's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Content::is_empty")]
    pub(crate) system: Content<'a>,
    pub(crate) messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<Tool<'a>>,
    /// Servers whose tools the provider may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mcp_servers: Vec<McpServer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    pub(crate) output_config: OutputConfig<'a>,
    #[serde(flatten)]
    pub(crate) sampling: Sampling,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stop_sequences: Vec<&'a str>,
    /// Caches the prefix up to the last block that can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<CacheControl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stream: bool,
}

/// How tokens are drawn; refused by newer models and API versions.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Sampling {
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<u64>,
}

/// One turn; the API wants them to alternate.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) content: Content<'a>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    User,
    Assistant,
    /// Only where the model allows instructions in mid-conversation.
    System,
}

/// Content blocks; a lone text is written as a string, as people do.
#[derive(Debug, Default)]
pub(crate) struct Content<'a>(pub(crate) Vec<Block<'a>>);

impl Content<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Block::Text { text, citations, cache_control: None }] if citations.is_empty() => {
                write::text(text, serializer)
            }
            blocks => serializer.collect_seq(blocks),
        }
    }
}

/// One piece of content.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block<'a> {
    Text {
        #[serde(serialize_with = "write::text")]
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Cow<'a, RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        #[serde(serialize_with = "write::text")]
        thinking: &'a str,
        signature: Cow<'a, str>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Content::is_empty")]
        content: Content<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// A block that only this dialect knows, sent back as it came.
    #[serde(untagged)]
    Raw(&'a RawValue),
}

impl<'a> Block<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text { text: text.into(), citations: Vec::new(), cache_control: None }
    }
}

/// Where the bytes of an image or a document are.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Source<'a> {
    Base64 {
        media_type: &'a str,
        #[serde(serialize_with = "write::text")]
        data: &'a str,
    },
    Text {
        media_type: &'static str,
        #[serde(serialize_with = "write::text")]
        data: String,
    },
    Url {
        url: &'a str,
    },
    File {
        file_id: &'a str,
    },
}

/// Ends a prefix that is to be cached.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
pub(crate) struct CacheControl {
    /// `5m` or `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<&'static str>,
}

/// Something the model may call.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    Function {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// A tool that the provider runs itself.
    Hosted(crate::hosted::Wire<'a>),
    /// A tool as a client of this dialect wrote it.
    Raw(&'a RawValue),
}

/// A server whose tools the provider may call.
#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "url")]
pub(crate) struct McpServer<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_token: Option<&'a str>,
}

impl std::fmt::Debug for McpServer<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer").field("name", &self.name).field("url", &self.url).finish()
    }
}

/// Whether and what the model must call.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToolChoice<'a> {
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    None,
}

/// Whether to think before answering.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Thinking {
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<Display>,
    },
    Enabled {
        /// At least 1024 and less than `max_tokens`.
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<Display>,
    },
    Disabled,
    BetweenTools,
}

/// Whether thoughts are shown.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Display {
    Summarized,
    Omitted,
}

/// How much to work, and the form of the answer.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<OutputFormat<'a>>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// The form of the answer.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "type", rename = "json_schema")]
pub(crate) struct OutputFormat<'a> {
    pub(crate) schema: Cow<'a, RawValue>,
}

/// Whose request it is.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Metadata<'a> {
    pub(crate) user_id: &'a str,
}

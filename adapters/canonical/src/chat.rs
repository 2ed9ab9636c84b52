//! The conversation: a request, its messages and tools, and the whole answer.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::annotation::{Citation, TokenLogprob};
use crate::dialect::Dialect;
use crate::hosted::{Hosted, HostedStep, HostedTool};
use crate::usage::Usage;

/// Everything a client asked for, with each wish kept even where few providers can grant it.
///
/// Losses and errors name its members by their path in OpenAI's chat completions, such as
/// `messages[2].content[0]` or `tools[1].function.strict`.
#[derive(Clone, Debug, Default)]
pub struct ChatRequest {
    /// The model as the client named it; the target's own name travels beside the request.
    pub model: String,
    /// The conversation so far, in order, system and developer messages where they stood.
    pub messages: Vec<Message>,
    /// Where each message stands in the client's own request, such as `contents[2]`; empty where
    /// that is `messages[i]` for all of them.
    pub message_paths: Vec<String>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether and what the model must call.
    pub tool_choice: Option<ToolChoice>,
    /// At most so many calls of tools that the provider runs itself.
    pub max_hosted_calls: Option<u64>,
    /// Whether several calls may come in one answer. `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// Upper bound on output tokens, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Where to stop.
    pub stop: Vec<String>,
    /// The form the text must take.
    pub output_format: OutputFormat,
    /// What the answer is made of beside or instead of text: `text`, `audio`, `image`; empty
    /// leaves it to the provider.
    pub modalities: Vec<String>,
    /// How much to think, and how much of it to show.
    pub reasoning: Option<Reasoning>,
    /// How many answers to give; `None` means one.
    pub choices: Option<u32>,
    /// Who pays for speed, in the words of the dialect it came from.
    pub service_tier: Option<String>,
    /// How wordy the answer should be: `low`, `medium` or `high`.
    pub verbosity: Option<String>,
    /// The end user, as a stable and opaque identifier.
    pub user: Option<String>,
    /// Groups requests that share a long prefix, for the provider's prompt cache.
    pub prompt_cache_key: Option<String>,
    /// How long the provider should keep such a prefix: `in_memory` or `24h`.
    pub prompt_cache_retention: Option<String>,
    /// Caches the whole prefix up to its last block that can be, without a mark on any.
    pub cache: Option<CacheBreakpoint>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Whether the provider should keep the answer for later retrieval.
    pub store: Option<bool>,
    /// Set if the answer is to be streamed.
    pub stream: Option<StreamOptions>,
}

impl ChatRequest {
    /// About how many bytes the conversation takes in any dialect: a guess that costs no more than a
    /// look at each part.
    #[must_use]
    pub fn length(&self) -> usize {
        // Names and punctuation around each message.
        const AROUND: usize = 48;
        let length = |message: &Message| message.parts.iter().map(Part::length).sum::<usize>();
        self.messages.iter().map(|message| AROUND + length(message)).sum()
    }
}

impl ChatRequest {
    /// What the hosted tool called `name` does; `None` if that is a tool of the client's.
    #[must_use]
    pub fn named_hosted(&self, name: &str) -> Option<&Hosted> {
        let own = self.tools.iter().any(|tool| match tool {
            Tool::Function(function) => function.name == name,
            Tool::Custom(custom) => custom.name == name,
            Tool::Hosted(_) | Tool::Opaque(_) => false,
        });
        self.hosted().filter(|_| !own).find(|tool| tool.name() == name).map(|tool| &tool.does)
    }

    /// All tools that the provider runs itself and that others have too.
    pub fn hosted(&self) -> impl Iterator<Item = &HostedTool> {
        self.tools.iter().filter_map(|tool| match tool {
            Tool::Hosted(tool) => Some(&**tool),
            Tool::Function(_) | Tool::Custom(_) | Tool::Opaque(_) => None,
        })
    }
}

impl Part {
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.text.len(),
            Self::Image(it) | Self::Audio(it) | Self::Video(it) | Self::Document(it) => {
                match &it.source {
                    MediaSource::Url(words)
                    | MediaSource::Base64(words)
                    | MediaSource::File(words)
                    | MediaSource::Text(words) => words.len(),
                }
            }
            Self::Reasoning(thought) => thought.text.len(),
            Self::Refusal(words) => words.len(),
            Self::ToolCall(call) => call.arguments.len(),
            Self::ToolResult(result) => result.parts.iter().map(Self::length).sum(),
            Self::Hosted(step) => step.length(),
            Self::Opaque(opaque) => opaque.json.get().len(),
        }
    }
}

/// What a streaming client asked for beside the stream itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamOptions {
    /// A last event that carries the usage.
    pub include_usage: bool,
}

/// How tokens are drawn. `None` leaves it to the provider.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    /// 0 to 2 in OpenAI's scale, which is the canonical one.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Only the `k` likeliest tokens.
    pub top_k: Option<u64>,
    /// Makes sampling repeatable where the provider can.
    pub seed: Option<i64>,
    /// −2 to 2; penalises tokens that are already there at all.
    pub presence_penalty: Option<f64>,
    /// −2 to 2; penalises tokens by how often they are already there.
    pub frequency_penalty: Option<f64>,
    /// Token id → bias, −100 to 100.
    pub logit_bias: BTreeMap<String, f64>,
    /// Whether to return log probabilities.
    pub logprobs: Option<bool>,
    /// How many alternatives per token to return with them.
    pub top_logprobs: Option<u32>,
}

/// The form the text must take.
#[derive(Clone, Debug, Default)]
pub enum OutputFormat {
    /// Anything.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema(JsonSchema),
}

/// A named schema for structured output.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    /// What the schema is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The schema itself, byte for byte as the client wrote it.
    pub schema: Option<Box<RawValue>>,
    /// Whether the provider must guarantee the fit.
    pub strict: Option<bool>,
}

/// How much to think, and how much of it to show.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    pub effort: Option<String>,
    /// A bound on reasoning tokens.
    pub max_tokens: Option<u64>,
    /// Whether the client wants to read the thoughts.
    pub visible: Option<bool>,
}

/// One turn of the conversation.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where there are several of one role.
    pub name: Option<String>,
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Instructions of the platform.
    System,
    /// Instructions of the application's developer.
    Developer,
    /// The end user.
    User,
    /// The model.
    Assistant,
    /// Results of tools the model called; holds only [`Part::ToolResult`].
    Tool,
}

/// One piece of what is said.
#[derive(Clone, Debug)]
pub enum Part {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// A document such as a PDF.
    Document(Media),
    /// What the model thought before it answered.
    Reasoning(Thought),
    /// The model's words when it will not answer.
    Refusal(String),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The provider ran a tool of its own; nobody has to answer.
    Hosted(Box<HostedStep>),
    /// Something only one dialect knows, kept byte for byte.
    Opaque(Opaque),
}

/// A run of text.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The words.
    pub text: String,
    /// Where they come from.
    pub citations: Vec<Citation>,
    /// The provider's seal on it, to be sent back unchanged.
    pub signature: Option<String>,
    /// Ends a prefix that the provider should cache.
    pub cache: Option<CacheBreakpoint>,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Ends a prefix that the provider should cache.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CacheBreakpoint {
    /// How long it is wanted: `5m` or `1h`; `None` leaves it to the provider.
    pub ttl: Option<String>,
}

/// Something that is not text, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// Such as `image/png`, where it is known.
    pub mime_type: Option<String>,
    /// A file name to show.
    pub name: Option<String>,
    /// How closely to look at a picture: `low`, `high` or `auto`.
    pub detail: Option<String>,
    /// Ends a prefix that the provider should cache.
    pub cache: Option<CacheBreakpoint>,
}

/// Where the bytes of a [`Media`] are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MediaSource {
    /// At an address.
    Url(String),
    /// Here, in standard base64.
    Base64(String),
    /// With the provider, under this id.
    File(String),
    /// Here, as plain text.
    Text(String),
}

/// Whether this is how Google names a file: by an address or a path, as no other provider does.
#[must_use]
pub fn is_google_file(id: &str) -> bool {
    id.contains('/')
}

/// What the model thought, and the provider's seal on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Thought {
    /// The thought in words; empty where the provider hides it.
    pub text: String,
    /// The provider's seal, to be sent back unchanged.
    pub signature: Option<String>,
    /// The thought itself, enciphered, to be sent back unchanged.
    pub redacted: Option<String>,
    /// The dialect of the provider whose seal or cipher it is, where that is known: no other takes
    /// it back.
    pub origin: Option<Dialect>,
    /// The provider's name for the thought, to be sent back with it.
    pub id: Option<String>,
}

/// The model calls a tool.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToolCall {
    /// Names this call among all of the conversation.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// JSON for a function (the empty string stands for no arguments), free text for a custom
    /// tool; kept as the provider wrote it.
    pub arguments: String,
    /// Whether `arguments` is JSON.
    pub kind: ToolKind,
    /// The provider's seal on the call, to be sent back unchanged.
    pub signature: Option<String>,
}

/// What a tool takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ToolKind {
    /// JSON that fits a schema.
    #[default]
    Function,
    /// Free text.
    Custom,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// The [`ToolCall::id`] this answers.
    pub call_id: String,
    /// The answer.
    pub parts: Vec<Part>,
    /// Whether the tool failed; `None` where the dialect cannot say.
    pub is_error: Option<bool>,
    /// Ends a prefix that the provider should cache.
    pub cache: Option<CacheBreakpoint>,
}

/// Something only one dialect knows, kept byte for byte.
#[derive(Clone, Debug)]
pub struct Opaque {
    /// The dialect that knows it.
    pub dialect: Dialect,
    /// The whole JSON value.
    pub json: Box<RawValue>,
}

impl Opaque {
    /// What `dialect` writes so.
    #[must_use]
    pub fn new(dialect: Dialect, json: &RawValue) -> Self {
        Self { dialect, json: json.to_owned() }
    }
}

/// Something the model may call.
#[derive(Clone, Debug)]
pub enum Tool {
    /// A function with typed arguments.
    Function(Function),
    /// A tool that takes free text.
    Custom(CustomTool),
    /// A tool that the provider runs itself, and that others have too.
    Hosted(Box<HostedTool>),
    /// A tool only one dialect knows, such as its search in files.
    Opaque(Opaque),
}

/// A function the client offers.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// What the model calls it by.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments, byte for byte as the client wrote it; `None` takes none.
    pub parameters: Option<Box<RawValue>>,
    /// Whether the provider must guarantee the fit.
    pub strict: Option<bool>,
    /// Ends a prefix that the provider should cache.
    pub cache: Option<CacheBreakpoint>,
}

/// A tool that takes free text.
#[derive(Clone, Debug)]
pub struct CustomTool {
    /// What the model calls it by.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The grammar of its text, as the client wrote it.
    pub format: Option<Box<RawValue>>,
}

/// Whether and what the model must call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No call.
    None,
    /// Some call.
    Required,
    /// A call of this tool; one of the provider's own goes by [`HostedTool::name`].
    Named(String),
    /// Only these tools; `required` if one of them must be called.
    Allowed {
        /// The tools' names.
        names: Vec<String>,
        /// Whether one must be called.
        required: bool,
    },
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct ChatResponse {
    /// The provider's name for this answer; empty where it gives none.
    pub id: String,
    /// The model that answered, in the provider's words; empty where it does not say.
    pub model: String,
    /// When, in seconds since 1970, where the provider says.
    pub created: Option<u64>,
    /// The answers, one unless several were asked for; empty if the prompt itself was blocked.
    pub choices: Vec<Choice>,
    /// What it cost.
    pub usage: Option<Usage>,
    /// The tier that served it.
    pub service_tier: Option<String>,
}

/// One answer of a [`ChatResponse`].
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its place among the answers.
    pub index: u32,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
    /// How likely each token of its text was, if that was asked for.
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// Why an answer ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finish {
    /// The reason all dialects share.
    pub reason: FinishReason,
    /// The provider's own word for it, such as `end_turn`.
    pub native: Option<String>,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
    /// What the provider says about it, such as why it would not go on.
    pub message: Option<String>,
}

impl From<FinishReason> for Finish {
    fn from(reason: FinishReason) -> Self {
        Self { reason, native: None, stop_sequence: None, message: None }
    }
}

/// The reasons to end that all dialects share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FinishReason {
    /// The model was done, or met a stop sequence.
    Stop,
    /// The token limit or the context window was reached.
    Length,
    /// The model waits for the results of its tool calls.
    ToolCalls,
    /// The provider paused in the middle of its work, and can go on if it is sent back.
    Pause,
    /// The provider or the model would not go on.
    ContentFilter,
    /// The answer broke off.
    Error,
}

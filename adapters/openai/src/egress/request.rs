//! A request in the provider's words.

use std::borrow::Cow;
use std::collections::BTreeMap;

use adapters_canonical::chat::{
    ChatRequest, CustomTool, Function, OutputFormat, Part, Reasoning, Tool, ToolChoice,
};
use adapters_canonical::dialect::{Dialect, Target, UpstreamRequest};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use serde::Serialize;
use serde_json::value::RawValue;

use adapters_json::write;

mod message;

/// Asks `/chat/completions`.
///
/// A streamed answer is always asked to end with its usage: the gateway needs it, whether or not
/// the client does. Hints that OpenAI has no words for (`top_k`, cache breakpoints, the wish to
/// read thoughts, a bound on them) come back as a [`Loss`].
///
/// # Errors
///
/// [`DecodeError::Shape`] for content that cannot be sent at all, such as a document at an address.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let mut losses = Vec::new();
    let messages = message::messages(&request.messages, &mut losses)?;
    let sampling = &request.sampling;
    if sampling.top_k.is_some() {
        losses.push(Loss::dropped("top_k", "the provider does not have it"));
    }
    let stream = request.stream.is_some();
    let body = Body {
        model: target.model,
        messages,
        tools: tools(&request.tools, &mut losses),
        tool_choice: request.tool_choice.as_ref().map(|choice| tool_choice(choice, &request.tools)),
        parallel_tool_calls: request.parallel_tool_calls,
        max_completion_tokens: request.max_output_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        seed: sampling.seed,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        logit_bias: &sampling.logit_bias,
        logprobs: sampling.logprobs,
        top_logprobs: sampling.top_logprobs,
        n: request.choices,
        stop: &request.stop,
        response_format: response_format(&request.output_format),
        reasoning_effort: request.reasoning.as_ref().and_then(|it| effort(it, &mut losses)),
        service_tier: request.service_tier.as_deref(),
        verbosity: request.verbosity.as_deref(),
        user: request.user.as_deref(),
        prompt_cache_key: request.prompt_cache_key.as_deref(),
        metadata: &request.metadata,
        store: request.store,
        stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
    };
    cache_losses(request, &mut losses);
    let path = "/chat/completions".to_owned();
    let value = UpstreamRequest { path, headers: Vec::new(), body: write::body(&body) };
    Ok(Translated { value, losses })
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<message::Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logit_bias: &'a BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireTool<'a> {
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: WireFunction<'a>,
    },
    Custom {
        #[serde(rename = "type")]
        kind: &'static str,
        custom: WireCustom<'a>,
    },
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct WireCustom<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Tool(Named<'a>),
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        allowed_tools: Allowed<'a>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Named<'a> {
    Function { function: Name<'a> },
    Custom { custom: Name<'a> },
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Allowed<'a> {
    mode: &'static str,
    tools: Vec<AllowedTool<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AllowedTool<'a> {
    Named(Named<'a>),
    /// A tool of the provider's own goes by its type.
    Own {
        #[serde(rename = "type")]
        kind: &'a str,
    },
}

fn tools<'a>(tools: &'a [Tool], losses: &mut Vec<Loss>) -> Vec<WireTool<'a>> {
    let mut wire = Vec::with_capacity(tools.len());
    for (at, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(Function { name, description, parameters, strict, cache: _ }) => {
                let function = WireFunction {
                    name,
                    description: description.as_deref(),
                    parameters: parameters.as_deref(),
                    strict: *strict,
                };
                wire.push(WireTool::Function { kind: "function", function });
            }
            Tool::Custom(CustomTool { name, description, format }) => {
                let custom = WireCustom {
                    name,
                    description: description.as_deref(),
                    format: format.as_deref(),
                };
                wire.push(WireTool::Custom { kind: "custom", custom });
            }
            Tool::Opaque(opaque) if opaque.dialect == Dialect::OpenAi => {
                wire.push(WireTool::Opaque(&opaque.json));
            }
            Tool::Opaque(opaque) => {
                let reason = format!("a tool that only the {} dialect has", opaque.dialect);
                losses.push(Loss::dropped(format!("tools[{at}]"), reason));
            }
        }
    }
    wire
}

fn tool_choice<'a>(choice: &'a ToolChoice, tools: &[Tool]) -> Choice<'a> {
    match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => Choice::Tool(named(name, tools)),
        ToolChoice::Allowed { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools = names.iter().map(|name| allowed(name, tools)).collect();
            Choice::Allowed { kind: "allowed_tools", allowed_tools: Allowed { mode, tools } }
        }
    }
}

fn allowed<'a>(name: &'a str, tools: &[Tool]) -> AllowedTool<'a> {
    let (mut offered, mut opaque) = (false, false);
    for tool in tools {
        match tool {
            Tool::Function(function) => offered |= function.name == name,
            Tool::Custom(custom) => offered |= custom.name == name,
            Tool::Opaque(_) => opaque = true,
        }
    }
    if offered || !opaque {
        AllowedTool::Named(named(name, tools))
    } else {
        AllowedTool::Own { kind: name }
    }
}

fn named<'a>(name: &'a str, tools: &[Tool]) -> Named<'a> {
    let custom =
        tools.iter().any(|tool| matches!(tool, Tool::Custom(custom) if custom.name == name));
    if custom {
        Named::Custom { custom: Name { name } }
    } else {
        Named::Function { function: Name { name } }
    }
}

fn response_format(format: &OutputFormat) -> Option<ResponseFormat<'_>> {
    match format {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some(ResponseFormat::JsonObject),
        OutputFormat::JsonSchema(schema) => Some(ResponseFormat::JsonSchema {
            json_schema: Schema {
                name: &schema.name,
                description: schema.description.as_deref(),
                schema: schema.schema.as_deref(),
                strict: schema.strict,
            },
        }),
    }
}

/// A bound on thoughts is said as an effort, in the steps other gateways use.
fn effort<'a>(reasoning: &'a Reasoning, losses: &mut Vec<Loss>) -> Option<Cow<'a, str>> {
    if reasoning.visible == Some(true) {
        losses.push(Loss::dropped("reasoning.exclude", "the provider does not show its thoughts"));
    }
    let from_bound = reasoning.max_tokens.map(|bound| match bound {
        0 => "none",
        1..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    });
    if from_bound.is_some() {
        let reason = "the provider takes an effort, not a number of tokens";
        losses.push(Loss::adapted("reasoning.max_tokens", reason));
    }
    reasoning.effort.as_deref().or(from_bound).map(Cow::Borrowed)
}

fn cache_losses(request: &ChatRequest, losses: &mut Vec<Loss>) {
    let reason = "the provider finds the prefixes to cache by itself";
    for (at, message) in request.messages.iter().enumerate() {
        if message.parts.iter().any(has_breakpoint) {
            let path = format!("messages[{at}].cache_control");
            losses.push(Loss::adapted(path, reason));
        }
    }
    for (at, tool) in request.tools.iter().enumerate() {
        if matches!(tool, Tool::Function(function) if function.cache.is_some()) {
            losses.push(Loss::adapted(format!("tools[{at}].cache_control"), reason));
        }
    }
}

fn has_breakpoint(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache.is_some(),
        Part::Image(it) | Part::Audio(it) | Part::Video(it) | Part::Document(it) => {
            it.cache.is_some()
        }
        Part::ToolResult(result) => {
            result.cache.is_some() || result.parts.iter().any(has_breakpoint)
        }
        Part::Reasoning(_) | Part::Refusal(_) | Part::ToolCall(_) | Part::Opaque(_) => false,
    }
}

//! Tools in the provider's words.

use adapters_canonical::chat::{ChatRequest, CustomTool, Function, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::Loss;
use serde::Serialize;
use serde_json::value::RawValue;

use super::CacheControl;
use crate::quirk::{Quirk, Quirks};

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum WireTool<'a> {
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: WireFunction<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Custom {
        #[serde(rename = "type")]
        kind: &'static str,
        custom: WireCustom<'a>,
    },
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
pub(super) struct WireFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct WireCustom<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Choice<'a> {
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
pub(super) enum Named<'a> {
    Function { function: Name<'a> },
    Custom { custom: Name<'a> },
}

#[derive(Serialize)]
pub(super) struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Allowed<'a> {
    mode: &'static str,
    tools: Vec<AllowedTool<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AllowedTool<'a> {
    Named(Named<'a>),
    /// A tool of the provider's own goes by its type.
    Own {
        #[serde(rename = "type")]
        kind: &'a str,
    },
}

pub(super) fn tools<'a>(
    tools: &'a [Tool],
    quirks: Quirks,
    losses: &mut Vec<Loss>,
) -> Vec<WireTool<'a>> {
    let mut wire = Vec::with_capacity(tools.len());
    for (at, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(Function { name, description, parameters, strict, cache }) => {
                let cache = cache.as_ref().filter(|_| quirks.has(Quirk::CacheControl));
                let cache_control = cache.map(CacheControl::new);
                let function = WireFunction {
                    name,
                    description: description.as_deref(),
                    parameters: parameters.as_deref(),
                    strict: *strict,
                };
                wire.push(WireTool::Function { kind: "function", function, cache_control });
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
            // It is no tool here.
            Tool::Hosted(_) => {}
            Tool::Opaque(opaque) => {
                losses.push(Loss::dropped(format!("tools[{at}]"), opaque.why_lost()));
            }
        }
    }
    wire
}

/// What the model must call; `None` if that is a tool of the provider's, which cannot be chosen.
pub(super) fn tool_choice<'a>(
    request: &'a ChatRequest,
    losses: &mut Vec<Loss>,
) -> Option<Choice<'a>> {
    let tools = &request.tools;
    let hosted = |name: &str| request.named_hosted(name).is_some();
    Some(match request.tool_choice.as_ref()? {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) if hosted(name) => {
            let reason = "the model decides by itself whether it uses tools of its provider";
            losses.push(Loss::dropped("tool_choice", reason));
            return None;
        }
        ToolChoice::Named(name) => Choice::Tool(named(name, tools)),
        ToolChoice::Allowed { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<_> = names
                .iter()
                .filter(|name| !hosted(name))
                .map(|name| allowed(name, tools))
                .collect();
            if tools.is_empty() {
                return None;
            }
            Choice::Allowed { kind: "allowed_tools", allowed_tools: Allowed { mode, tools } }
        }
    })
}

fn allowed<'a>(name: &'a str, tools: &[Tool]) -> AllowedTool<'a> {
    let (mut offered, mut opaque) = (false, false);
    for tool in tools {
        match tool {
            Tool::Function(function) => offered |= function.name == name,
            Tool::Custom(custom) => offered |= custom.name == name,
            Tool::Hosted(_) => {}
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

//! Writes the functions, and which of them must be called.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, CustomTool, Function, OutputFormat, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Hosted, HostedTool};
use adapters_canonical::loss::Loss;
use serde_json::value::RawValue;

use super::model::{Model, OwnTools};
use crate::hosted;
use crate::wire::request::{
    FunctionCallingConfig, FunctionDeclaration, Tool as WireTool, ToolConfig,
};

/// Writes what the model may call. Schemas pass byte for byte: `parametersJsonSchema` takes JSON
/// Schema as it is, unlike the older `parameters`. Tools that Gemini runs itself are left out where
/// nothing may be called, since no mode forbids them.
pub(super) fn encode<'a>(
    request: &'a ChatRequest,
    model: Model<'_>,
    losses: &mut Vec<Loss>,
) -> Vec<WireTool<'a>> {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => functions.push(declaration(at, function, losses)),
            Tool::Custom(custom) => functions.push(custom_declaration(at, custom, losses)),
            Tool::Hosted(_) if forbidden => {}
            Tool::Hosted(tool) => {
                match (tool.own(Dialect::Gemini), why_not(request, model, tool)) {
                    (Some(own), _) => others.push(WireTool::Opaque(&own.json)),
                    (None, Some(reason)) => {
                        losses.push(Loss::dropped(format!("tools[{at}]"), reason));
                    }
                    (None, None) => {
                        let own = hosted::write_tool(&tool.does, at, model.on_vertex(), losses);
                        others.extend(own.map(WireTool::Hosted));
                    }
                }
            }
            Tool::Opaque(opaque) if opaque.dialect == Dialect::Gemini => {
                others.push(WireTool::Opaque(&opaque.json));
            }
            Tool::Opaque(opaque) => {
                losses.push(Loss::dropped(format!("tools[{at}]"), opaque.why_lost()));
            }
        }
    }
    if request.max_hosted_calls.is_some() && !others.is_empty() {
        let reason = "calls of its own tools are not bounded";
        losses.push(Loss::dropped("max_tool_calls", reason));
    }
    let functions =
        (!functions.is_empty()).then_some(WireTool::Functions { function_declarations: functions });
    functions.into_iter().chain(others).collect()
}

/// Why a model cannot be offered a tool of its provider's.
fn why_not(request: &ChatRequest, model: Model<'_>, tool: &HostedTool) -> Option<&'static str> {
    let offers = |tool: &Tool| matches!(tool, Tool::Function(_) | Tool::Custom(_));
    let formed = !matches!(request.output_format, OutputFormat::Text);
    match model.hosted() {
        OwnTools::None => Some("this model has no tools of its provider"),
        OwnTools::Alone if request.tools.iter().any(offers) => {
            Some("this model takes functions or tools of its provider, not both")
        }
        OwnTools::Alone if formed => {
            Some("this model answers in a given form or uses tools of its provider, not both")
        }
        OwnTools::Alone if matches!(tool.does, Hosted::Mcp(_)) => {
            Some("this model calls no tools of servers")
        }
        OwnTools::Alone | OwnTools::BesideFunctions => None,
    }
}

/// Writes whether and what the model must call; `None` leaves it to the model.
///
/// `ANY` is a must. Of the other modes only `VALIDATED` takes a list of names. Both hold calls to
/// their schemas, so a function that is strict asks for `VALIDATED` where the model decides.
pub(super) fn choice<'a>(
    request: &'a ChatRequest,
    model: Model<'_>,
    tools: &[WireTool<'_>],
    losses: &mut Vec<Loss>,
) -> Option<ToolConfig<'a>> {
    let functions = tools.iter().any(|tool| matches!(tool, WireTool::Functions { .. }));
    let hosted = tools.iter().any(|tool| matches!(tool, WireTool::Hosted(_)));
    let function_calling_config = function_choice(request, functions, losses);
    // Vertex AI does not know the wish.
    let include_server_side_tool_invocations = functions && hosted && !model.on_vertex();
    (function_calling_config.is_some() || include_server_side_tool_invocations)
        .then_some(ToolConfig { function_calling_config, include_server_side_tool_invocations })
}

fn function_choice<'a>(
    request: &'a ChatRequest,
    functions: bool,
    losses: &mut Vec<Loss>,
) -> Option<FunctionCallingConfig<'a>> {
    let (mode, names) = match request.tool_choice.as_ref().unwrap_or(&ToolChoice::Auto) {
        ToolChoice::Auto if any_strict(&request.tools) => ("VALIDATED", &[][..]),
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", &[][..]),
        ToolChoice::Required => ("ANY", &[][..]),
        ToolChoice::Named(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, required: true } => ("ANY", &names[..]),
        ToolChoice::Allowed { names, required: false } => ("VALIDATED", &names[..]),
    };
    let own: Vec<_> = names.iter().filter(|name| request.named_hosted(name).is_none()).collect();
    if own.len() < names.len() {
        let reason = "the model decides by itself whether it uses tools of its provider";
        losses.push(Loss::dropped("tool_choice", reason));
        if own.is_empty() {
            return None;
        }
    }
    if !functions {
        if mode != "NONE" {
            losses.push(Loss::dropped("tool_choice", "there is no function to choose"));
        }
        return None;
    }
    let allowed_function_names = own.into_iter().map(String::as_str).collect();
    Some(FunctionCallingConfig { mode, allowed_function_names })
}

/// Of one strict function all are held to their schemas: Gemini makes no difference.
fn any_strict(tools: &[Tool]) -> bool {
    let strict = |tool: &Tool| matches!(tool, Tool::Function(it) if it.strict == Some(true));
    tools.iter().any(strict)
}

fn declaration<'a>(
    at: usize,
    function: &'a Function,
    losses: &mut Vec<Loss>,
) -> FunctionDeclaration<'a> {
    if function.cache.is_some() {
        let reason = "the provider decides by itself what it caches";
        losses.push(Loss::dropped(format!("tools[{at}].cache_control"), reason));
    }
    FunctionDeclaration {
        name: &function.name,
        description: function.description.as_deref(),
        parameters_json_schema: function.parameters.as_deref().map(Cow::Borrowed),
    }
}

/// A tool that takes free text becomes one that takes an object with that text as its only
/// member, as its calls in the history do.
fn custom_declaration<'a>(
    at: usize,
    custom: &'a CustomTool,
    losses: &mut Vec<Loss>,
) -> FunctionDeclaration<'a> {
    let reason = "offered as a function whose argument `input` holds the text";
    losses.push(Loss::adapted(format!("tools[{at}].custom"), reason));
    if custom.format.is_some() {
        let reason = "free text cannot be held to a grammar";
        losses.push(Loss::dropped(format!("tools[{at}].custom.format"), reason));
    }
    let schema =
        r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;
    FunctionDeclaration {
        name: &custom.name,
        description: custom.description.as_deref(),
        parameters_json_schema: RawValue::from_string(schema.to_owned()).ok().map(Cow::Owned),
    }
}

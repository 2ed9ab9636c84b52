//! Writes the functions, and which of them must be called.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, CustomTool, Function, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::Loss;
use serde_json::value::RawValue;

use crate::wire::request::{
    FunctionCallingConfig, FunctionDeclaration, Tool as WireTool, ToolConfig,
};

/// Writes what the model may call. Schemas pass byte for byte: `parametersJsonSchema` takes JSON
/// Schema as it is, unlike the older `parameters`.
pub(super) fn encode<'a>(tools: &'a [Tool], losses: &mut Vec<Loss>) -> Vec<WireTool<'a>> {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for (at, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => functions.push(declaration(at, function, losses)),
            Tool::Opaque(opaque) if opaque.dialect == Dialect::Gemini => {
                others.push(WireTool::Opaque(&opaque.json));
            }
            Tool::Opaque(_) => {
                let reason = "only another provider has this tool";
                losses.push(Loss::dropped(format!("tools[{at}]"), reason));
            }
            Tool::Custom(custom) => functions.push(custom_declaration(at, custom, losses)),
        }
    }
    let functions =
        (!functions.is_empty()).then_some(WireTool::Functions { function_declarations: functions });
    functions.into_iter().chain(others).collect()
}

/// Writes whether and what the model must call; `None` leaves it to the model.
///
/// `ANY` is a must. Of the other modes only `VALIDATED` takes a list of names. Both hold calls to
/// their schemas, so a function that is strict asks for `VALIDATED` where the model decides.
pub(super) fn choice<'a>(
    request: &'a ChatRequest,
    tools: &[WireTool<'_>],
    losses: &mut Vec<Loss>,
) -> Option<ToolConfig<'a>> {
    let (mode, names) = match request.tool_choice.as_ref().unwrap_or(&ToolChoice::Auto) {
        ToolChoice::Auto if any_strict(&request.tools) => ("VALIDATED", &[][..]),
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", &[][..]),
        ToolChoice::Required => ("ANY", &[][..]),
        ToolChoice::Named(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, required: true } => ("ANY", &names[..]),
        ToolChoice::Allowed { names, required: false } => ("VALIDATED", &names[..]),
    };
    if !tools.iter().any(|tool| matches!(tool, WireTool::Functions { .. })) {
        if mode != "NONE" {
            losses.push(Loss::dropped("tool_choice", "there is no function to choose"));
        }
        return None;
    }
    let allowed_function_names = names.iter().map(String::as_str).collect();
    let function_calling_config = FunctionCallingConfig { mode, allowed_function_names };
    Some(ToolConfig { function_calling_config })
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

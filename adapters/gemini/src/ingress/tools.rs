//! What the model may call, and whether it must.

use adapters_canonical::chat::{Function, Opaque, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::request::{missing, others};
use super::schema;
use crate::hosted;
use crate::wire::asked::{
    FunctionCallingConfig, FunctionDeclaration, Tool as WireTool, ToolConfig,
};

/// Reads all tools. One entry of Gemini's list may hold many functions and tools of the provider.
pub(super) fn read(
    tools: Vec<WireTool<'_>>,
    config: Option<ToolConfig<'_>>,
    losses: &mut Vec<Loss>,
) -> Result<(Vec<Tool>, Option<ToolChoice>), DecodeError> {
    let mut read = Vec::new();
    for (at, tool) in tools.into_iter().enumerate() {
        for (index, function) in tool.function_declarations.into_iter().flatten().enumerate() {
            let path = format!("tools[{at}].functionDeclarations[{index}]");
            read.push(Tool::Function(declaration(&path, function, losses)?));
        }
        for (name, value) in &tool.other.0 {
            let json = crate::wire::whole_part(&[(&**name, *value)], false, None);
            let json = json.ok_or_else(|| missing(format!("tools[{at}].{}", &**name)))?;
            let path = format!("tools[{at}].{}", &**name);
            let hosted = hosted::read_tool(name, value, &json, &path, losses);
            if hosted.is_empty() {
                read.push(Tool::Opaque(Opaque { dialect: Dialect::Gemini, json }));
            }
            read.extend(hosted.into_iter().map(|tool| Tool::Hosted(Box::new(tool))));
        }
    }
    let Some(config) = config else { return Ok((read, None)) };
    others(&config.other, "toolConfig", losses);
    let choice = config.function_calling_config.map(|config| choice(config, losses)).transpose()?;
    Ok((read, choice.flatten()))
}

fn declaration(
    path: &str,
    function: FunctionDeclaration<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Function, DecodeError> {
    others(&function.other, path, losses);
    let name = function.name.map(String::from).filter(|name| !name.is_empty());
    let parameters = match (function.parameters_json_schema, function.parameters) {
        (Some(schema), _) => Some(RawValue::to_owned(schema)),
        (None, Some(schema)) => Some(schema::json_schema(schema, &format!("{path}.parameters"))?),
        (None, None) => None,
    };
    Ok(Function {
        name: name.ok_or_else(|| missing(format!("{path}.name")))?,
        description: function.description.map(String::from),
        parameters,
        strict: None,
        cache: None,
    })
}

fn choice(
    config: FunctionCallingConfig<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Option<ToolChoice>, DecodeError> {
    const PATH: &str = "toolConfig.functionCallingConfig";
    others(&config.other, PATH, losses);
    if config.stream_function_call_arguments == Some(true) {
        let path = format!("{PATH}.streamFunctionCallArguments");
        losses.push(Loss::adapted(path, "a call is sent once its arguments are complete"));
    }
    let mut names = config.allowed_function_names.unwrap_or_default();
    Ok(match config.mode.as_deref().unwrap_or("MODE_UNSPECIFIED") {
        "MODE_UNSPECIFIED" | "AUTO" if names.is_empty() => {
            config.mode.as_deref().filter(|mode| *mode == "AUTO").map(|_| ToolChoice::Auto)
        }
        "VALIDATED" if names.is_empty() => {
            let path = format!("{PATH}.mode");
            losses.push(Loss::adapted(path, "calls are not held to their schema"));
            Some(ToolChoice::Auto)
        }
        "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED" => {
            Some(ToolChoice::Allowed { names, required: false })
        }
        "NONE" => Some(ToolChoice::None),
        "ANY" if names.len() == 1 => names.pop().map(ToolChoice::Named),
        "ANY" if names.is_empty() => Some(ToolChoice::Required),
        "ANY" => Some(ToolChoice::Allowed { names, required: true }),
        _ => {
            let reason = "must be `AUTO`, `ANY`, `NONE` or `VALIDATED`";
            return Err(DecodeError::shape(format!("{PATH}.mode"), reason));
        }
    })
}

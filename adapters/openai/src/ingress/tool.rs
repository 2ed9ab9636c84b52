//! What the model may and must call.

use adapters_canonical::chat::{CacheBreakpoint, CustomTool, Function, Opaque, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::DecodeError;
use serde_json::value::RawValue;

use super::request::{expected, missing};
use crate::wire::request as wire;
use adapters_json::read;

/// `tools`, then the legacy `functions`.
pub(super) fn tools(
    tools: Option<Vec<&RawValue>>,
    functions: Option<Vec<&RawValue>>,
) -> Result<Vec<Tool>, DecodeError> {
    let tools = tools.into_iter().flatten().enumerate().map(|(i, raw)| tool(raw, i));
    let functions = functions.into_iter().flatten().enumerate().map(|(i, raw)| {
        let function: wire::Function<'_> = read::object(raw, &format!("functions[{i}]"))?;
        Ok(Tool::Function(canonical(function, None)))
    });
    tools.chain(functions).collect()
}

fn tool(raw: &RawValue, index: usize) -> Result<Tool, DecodeError> {
    let path = format!("tools[{index}]");
    let tool: wire::Tool<'_> = read::object(raw, &path)?;
    match &*tool.kind {
        "function" => {
            let function = tool.function.ok_or_else(|| missing(format!("{path}.function")))?;
            Ok(Tool::Function(canonical(function, tool.cache_control.map(|it| it.ttl))))
        }
        "custom" => {
            let custom = tool.custom.ok_or_else(|| missing(format!("{path}.custom")))?;
            Ok(Tool::Custom(CustomTool {
                name: custom.name,
                description: custom.description,
                format: custom.format.map(ToOwned::to_owned),
            }))
        }
        _ => Ok(Tool::Opaque(Opaque { dialect: Dialect::OpenAi, json: raw.to_owned() })),
    }
}

fn canonical(function: wire::Function<'_>, ttl: Option<Option<String>>) -> Function {
    let ttl = ttl.or(function.cache_control.map(|it| it.ttl));
    Function {
        name: function.name,
        description: function.description,
        parameters: function.parameters.map(ToOwned::to_owned),
        strict: function.strict,
        cache: ttl.map(|ttl| CacheBreakpoint { ttl }),
    }
}

/// `tool_choice`, or else the legacy `function_call`.
pub(super) fn choice(
    choice: Option<&RawValue>,
    legacy: Option<&RawValue>,
) -> Result<Option<ToolChoice>, DecodeError> {
    match (choice, legacy) {
        (Some(raw), _) => tool_choice(raw).map(Some),
        (None, Some(raw)) => function_call(raw).map(Some),
        (None, None) => Ok(None),
    }
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice, DecodeError> {
    match raw.get() {
        r#""auto""# => return Ok(ToolChoice::Auto),
        r#""none""# => return Ok(ToolChoice::None),
        r#""required""# => return Ok(ToolChoice::Required),
        text if text.starts_with('{') => {}
        _ => {
            let reason = "must be `auto`, `none`, `required` or an object";
            return Err(DecodeError::shape("tool_choice", reason));
        }
    }
    let choice: wire::ToolChoice<'_> = read::object(raw, "tool_choice")?;
    match &*choice.kind {
        "function" => named(choice.function, "tool_choice.function"),
        "custom" => named(choice.custom, "tool_choice.custom"),
        "allowed_tools" => allowed(choice.allowed_tools),
        _ => Err(expected("tool_choice.type", &["function", "custom", "allowed_tools"])),
    }
}

fn named(named: Option<wire::Named>, path: &str) -> Result<ToolChoice, DecodeError> {
    named.map(|it| ToolChoice::Named(it.name)).ok_or_else(|| missing(path))
}

fn allowed(allowed: Option<wire::AllowedTools<'_>>) -> Result<ToolChoice, DecodeError> {
    const PATH: &str = "tool_choice.allowed_tools";
    let allowed = allowed.ok_or_else(|| missing(PATH))?;
    let required = match &*allowed.mode {
        "auto" => false,
        "required" => true,
        _ => return Err(expected(format!("{PATH}.mode"), &["auto", "required"])),
    };
    let names = allowed.tools.into_iter().enumerate().map(|(i, tool)| match tool {
        wire::AllowedTool { function: Some(it), .. }
        | wire::AllowedTool { custom: Some(it), .. } => Ok(it.name),
        // A tool of the provider's own goes by its type.
        wire::AllowedTool { kind: Some(kind), .. } if !matches!(&*kind, "function" | "custom") => {
            Ok(kind.into())
        }
        wire::AllowedTool { .. } => Err(missing(format!("{PATH}.tools[{i}].function"))),
    });
    Ok(ToolChoice::Allowed { names: names.collect::<Result<_, _>>()?, required })
}

fn function_call(raw: &RawValue) -> Result<ToolChoice, DecodeError> {
    match raw.get() {
        r#""auto""# => Ok(ToolChoice::Auto),
        r#""none""# => Ok(ToolChoice::None),
        text if text.starts_with('{') => {
            let named: wire::Named = read::object(raw, "function_call")?;
            Ok(ToolChoice::Named(named.name))
        }
        _ => {
            let reason = "must be `auto`, `none` or an object";
            Err(DecodeError::shape("function_call", reason))
        }
    }
}

//! Tools, and which of them the model may or must call.

use adapters_canonical::chat::{CustomTool, Function, Opaque, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::read;
use serde_json::value::RawValue;

use super::request::{expected, missing};
use crate::wire::request as wire;

/// Reads `tools`. The provider's own ones stay as they are.
pub(super) fn tools(
    tools: Vec<&RawValue>,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Tool>, DecodeError> {
    tools.into_iter().enumerate().map(|(at, raw)| tool(at, raw, losses)).collect()
}

fn tool(at: usize, raw: &RawValue, losses: &mut Vec<Loss>) -> Result<Tool, DecodeError> {
    let path = format!("tools[{at}]");
    let wire: wire::Tool<'_> = read::object(raw, &path)?;
    let kind = &*wire.kind;
    if !matches!(kind, "function" | "custom") {
        let json = raw.to_owned();
        return Ok(Tool::Opaque(Opaque { dialect: Dialect::Responses, json }));
    }
    for (said, member) in [
        (wire.allowed_callers.is_some(), "allowed_callers"),
        (wire.defer_loading == Some(true), "defer_loading"),
        (wire.later == Some(true), "async"),
        (wire.output_schema.is_some(), "output_schema"),
    ] {
        if said {
            let reason = "only providers of the Responses dialect have it";
            losses.push(Loss::dropped(format!("{path}.{member}"), reason));
        }
    }
    let name = wire.name.ok_or_else(|| missing(format!("{path}.name")))?;
    if kind == "function" {
        return Ok(Tool::Function(Function {
            name,
            description: wire.description,
            parameters: wire.parameters.map(ToOwned::to_owned),
            strict: wire.strict,
            cache: None,
        }));
    }
    let format = wire.format.map(|format| grammar(format, &path)).transpose()?;
    Ok(Tool::Custom(CustomTool { name, description: wire.description, format }))
}

/// Chat completions, whose words the canonical request uses, put the grammar one level down.
fn grammar(raw: &RawValue, path: &str) -> Result<Box<RawValue>, DecodeError> {
    let path = format!("{path}.format");
    let wire: wire::Grammar<'_> = read::object(raw, &path)?;
    if &*wire.kind != "grammar" {
        return Ok(raw.to_owned());
    }
    let [syntax, definition] = [("syntax", wire.syntax), ("definition", wire.definition)]
        .map(|(name, value)| value.ok_or_else(|| missing(format!("{path}.{name}"))));
    let (syntax, definition) = (syntax?.get(), definition?.get());
    let said = format!(
        r#"{{"type":"grammar","grammar":{{"syntax":{syntax},"definition":{definition}}}}}"#
    );
    RawValue::from_string(said).map_err(DecodeError::from)
}

/// Reads `tool_choice`.
pub(super) fn choice(
    raw: Option<&RawValue>,
    losses: &mut Vec<Loss>,
) -> Result<Option<ToolChoice>, DecodeError> {
    const PATH: &str = "tool_choice";
    let Some(raw) = raw else { return Ok(None) };
    match raw.get() {
        "null" => return Ok(None),
        "\"auto\"" => return Ok(Some(ToolChoice::Auto)),
        "\"none\"" => return Ok(Some(ToolChoice::None)),
        "\"required\"" => return Ok(Some(ToolChoice::Required)),
        text if text.starts_with('"') => return Err(expected(PATH, &["auto", "none", "required"])),
        _ => {}
    }
    let wire: wire::Choice<'_> = read::object(raw, PATH)?;
    match &*wire.kind {
        "function" | "custom" => {
            wire.name.map(ToolChoice::Named).map(Some).ok_or_else(|| missing("tool_choice.name"))
        }
        "allowed_tools" => allowed(wire, losses).map(Some),
        _ => {
            let reason = "other providers cannot be told to use a tool of their own";
            losses.push(Loss::dropped(PATH, reason));
            Ok(None)
        }
    }
}

fn allowed(wire: wire::Choice<'_>, losses: &mut Vec<Loss>) -> Result<ToolChoice, DecodeError> {
    let required = match wire.mode.as_deref() {
        Some("auto") => false,
        Some("required") => true,
        Some(_) => return Err(expected("tool_choice.mode", &["auto", "required"])),
        None => return Err(missing("tool_choice.mode")),
    };
    let tools = wire.tools.ok_or_else(|| missing("tool_choice.tools"))?;
    let mut names = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool.name {
            Some(name) => names.push(name),
            None => losses.push(Loss::dropped(
                format!("tool_choice.tools[{at}]"),
                "only tools with a name can be allowed elsewhere",
            )),
        }
    }
    Ok(ToolChoice::Allowed { names, required })
}

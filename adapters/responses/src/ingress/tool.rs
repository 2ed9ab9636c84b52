//! Tools, and which of them the model may or must call.

use adapters_canonical::chat::{CustomTool, Function, Opaque, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::read;
use serde_json::value::RawValue;

use super::request::{expected, missing};
use crate::hosted;
use crate::wire::request as wire;

/// Reads `tools`. Those that only this dialect has stay as they are.
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
        return Ok(match hosted::read_tool(raw, kind, &path, losses) {
            Some(tool) => Tool::Hosted(Box::new(tool)),
            None => Tool::Opaque(Opaque::new(Dialect::Responses, raw)),
        });
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
    tools: &[Tool],
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
        "allowed_tools" => allowed(wire, tools, losses).map(Some),
        kind => {
            let server = wire.server_label.filter(|_| wire.name.is_none());
            let name = server.or_else(|| hosted::name_of(kind).map(str::to_owned));
            if let Some(name) = name.filter(|name| is_hosted(name, tools)) {
                return Ok(Some(ToolChoice::Named(name)));
            }
            let reason = "other providers cannot be told to use this tool";
            losses.push(Loss::dropped(PATH, reason));
            Ok(None)
        }
    }
}

fn is_hosted(name: &str, tools: &[Tool]) -> bool {
    tools.iter().any(|tool| match tool {
        Tool::Hosted(tool) => tool.name() == name,
        Tool::Function(_) | Tool::Custom(_) | Tool::Opaque(_) => false,
    })
}

fn allowed(
    wire: wire::Choice<'_>,
    offered: &[Tool],
    losses: &mut Vec<Loss>,
) -> Result<ToolChoice, DecodeError> {
    let required = match wire.mode.as_deref() {
        Some("auto") => false,
        Some("required") => true,
        Some(_) => return Err(expected("tool_choice.mode", &["auto", "required"])),
        None => return Err(missing("tool_choice.mode")),
    };
    let tools = wire.tools.ok_or_else(|| missing("tool_choice.tools"))?;
    let mut names = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        let kind = tool.kind.as_deref();
        let hosted = tool.server_label.or(kind.and_then(hosted::name_of).map(str::to_owned));
        match tool.name.or(hosted.filter(|name| is_hosted(name, offered))) {
            Some(name) => names.push(name),
            None => losses.push(Loss::dropped(
                format!("tool_choice.tools[{at}]"),
                "only tools with a name can be allowed elsewhere",
            )),
        }
    }
    Ok(ToolChoice::Allowed { names, required })
}

//! What the model may call, and whether it must.

use adapters_canonical::chat::{Function, Opaque, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::parts::{members, need};
use super::trained;
use super::{ONLY_HERE, breakpoint, expected, missing, object};
use crate::hosted::{self, McpServers};
use crate::wire::answer::Tag;
use crate::wire::ask;

/// Reads all tools, and the servers whose tools the provider may call. What is not known is kept as
/// it is.
pub(super) fn read(
    tools: Vec<&RawValue>,
    servers: Vec<&RawValue>,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Tool>, DecodeError> {
    let mut servers = McpServers::read(servers)?;
    let mut read = Vec::with_capacity(tools.len());
    for (at, raw) in tools.into_iter().enumerate() {
        let path = || format!("tools[{at}]");
        read.push(if is_of_another_type(raw) {
            match hosted::read_tool(raw, at, &mut servers, losses)? {
                Some(tool) => Tool::Hosted(Box::new(tool)),
                None => trained(raw, at, losses)
                    .unwrap_or_else(|| Tool::Opaque(Opaque::new(Dialect::Anthropic, raw))),
            }
        } else {
            Tool::Function(function(object(raw, path)?, &path, losses)?)
        });
    }
    read.extend(servers.rest());
    Ok(read)
}

/// A tool whose form other models must be told.
fn trained(raw: &RawValue, at: usize, losses: &mut Vec<Loss>) -> Option<Tool> {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow, rename = "type")]
        kind: adapters_json::string::Str<'a>,
        #[serde(borrow)]
        name: adapters_json::string::Str<'a>,
    }

    let Named { kind, name } = serde_json::from_str(raw.get()).ok()?;
    let function = trained::function(&kind, &name)?;
    let reason = "other models are told its form, which they were not trained for";
    losses.push(Loss::adapted(format!("tools[{at}]"), reason));
    Some(Tool::Function(function))
}

fn is_custom(kind: Option<&str>) -> bool {
    matches!(kind, None | Some("custom"))
}

fn is_of_another_type(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
        && serde_json::from_str::<Tag<'_>>(raw.get())
            .is_ok_and(|tag| !is_custom(tag.kind.as_deref()))
}

fn function(
    tool: ask::Tool<'_>,
    path: &dyn Fn() -> String,
    losses: &mut Vec<Loss>,
) -> Result<Function, DecodeError> {
    members(tool.others, path, losses);
    let only_direct = |callers: &[adapters_json::string::Str<'_>]| {
        callers.iter().all(|caller| &**caller == "direct")
    };
    let gone = [
        ("eager_input_streaming", tool.eager_input_streaming == Some(true)),
        ("defer_loading", tool.defer_loading == Some(true)),
        ("allowed_callers", tool.allowed_callers.is_some_and(|callers| !only_direct(&callers))),
        ("input_examples", tool.input_examples.is_some_and(|examples| !examples.is_empty())),
    ];
    for (member, _) in gone.into_iter().filter(|(_, lost)| *lost) {
        losses.push(Loss::dropped(format!("{}.{member}", path()), ONLY_HERE));
    }
    let schema = need(tool.input_schema, path, "input_schema")?;
    if !schema.get().starts_with('{') {
        return Err(DecodeError::shape(format!("{}.input_schema", path()), "must be an object"));
    }
    let name = need(tool.name, path, "name")?;
    if name.is_empty() {
        return Err(DecodeError::shape(format!("{}.name", path()), "must not be empty"));
    }
    Ok(Function {
        name,
        description: tool.description,
        parameters: Some(schema.to_owned()),
        strict: tool.strict,
        cache: breakpoint(tool.cache_control, || format!("{}.cache_control", path()), losses),
    })
}

/// The choice, and whether several calls may come at once.
pub(super) fn choice(
    choice: Option<ask::ToolChoice<'_>>,
    losses: &mut Vec<Loss>,
) -> Result<(Option<ToolChoice>, Option<bool>), DecodeError> {
    let Some(choice) = choice else { return Ok((None, None)) };
    members(choice.others, &|| "tool_choice".to_owned(), losses);
    let parallel = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    let choice = match choice.kind.as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Required,
        Some("none") => ToolChoice::None,
        Some("tool") => ToolChoice::Named(choice.name.ok_or_else(|| missing("tool_choice.name"))?),
        None => return Err(missing("tool_choice.type")),
        Some(_) => return Err(expected("tool_choice.type", &["auto", "any", "tool", "none"])),
    };
    Ok((Some(choice), parallel))
}

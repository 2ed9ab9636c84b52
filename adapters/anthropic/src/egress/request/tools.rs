//! What the model may call, and whether it must.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatRequest, CustomTool, Function, Tool, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Hosted, Token};
use adapters_canonical::loss::Loss;
use serde_json::value::RawValue;

use super::media::cache_control;
use super::schema;
use crate::capability::Capability;
use crate::hosted::{self, Wire};
use crate::wire::request as wire;

/// Tools and the choice among them.
#[derive(Debug)]
pub(super) struct Encoded<'a> {
    pub(super) tools: Vec<wire::Tool<'a>>,
    pub(super) mcp_servers: Vec<wire::McpServer<'a>>,
    pub(super) tool_choice: Option<wire::ToolChoice<'a>>,
    /// Whether the model must call one.
    pub(super) forced: bool,
}

pub(super) fn encode<'a>(
    request: &'a ChatRequest,
    capability: &Capability,
    losses: &mut Vec<Loss>,
) -> Encoded<'a> {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names.as_slice()),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_))
        | None => None,
    };
    if allowed.is_some() {
        losses
            .push(Loss::adapted("tool_choice.allowed_tools", "only the allowed tools are offered"));
    }
    let most = request.max_hosted_calls;
    let mut mcp_servers = Vec::new();
    let mut tools = Vec::with_capacity(request.tools.len());
    for (at, tool) in request.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !is_named(tool, names)) {
            continue;
        }
        let Some(wire) = encode_tool(at, tool, most, capability, losses) else { continue };
        tools.push(wire);
        if let Tool::Hosted(tool) = tool
            && let Hosted::Mcp(server) = &tool.does
        {
            mcp_servers.push(wire::McpServer {
                name: &server.label,
                url: &server.url,
                authorization_token: server.authorization.as_ref().map(Token::expose),
            });
        }
    }
    bounded(request, &tools, losses);
    if tools.is_empty() {
        return Encoded { tools, mcp_servers, tool_choice: None, forced: false };
    }
    let tool_choice = choice(request, &tools, capability, losses);
    let forced =
        matches!(tool_choice, Some(wire::ToolChoice::Any { .. } | wire::ToolChoice::Tool { .. }));
    Encoded { tools, mcp_servers, tool_choice, forced }
}

/// Says how well the bound on calls of all hosted tools is kept: each tool has one of its own.
fn bounded(request: &ChatRequest, tools: &[wire::Tool<'_>], losses: &mut Vec<Loss>) {
    if request.max_hosted_calls.is_none() {
        return;
    }
    let (mut kept, mut unbounded) = (0, false);
    for tool in tools {
        match tool {
            wire::Tool::Hosted(Wire::WebSearch { .. } | Wire::WebFetch { .. }) => kept += 1,
            wire::Tool::Hosted(Wire::CodeExecution { .. } | Wire::McpToolset { .. })
            | wire::Tool::Raw(_) => unbounded = true,
            wire::Tool::Function { .. } => {}
        }
    }
    if unbounded {
        let reason = "only searches and pages are counted";
        losses.push(Loss::dropped("max_tool_calls", reason));
    } else if kept > 1 {
        losses.push(Loss::adapted("max_tool_calls", "each tool is counted by itself"));
    }
}

fn choice<'a>(
    request: &'a ChatRequest,
    tools: &[wire::Tool<'_>],
    capability: &Capability,
    losses: &mut Vec<Loss>,
) -> Option<wire::ToolChoice<'a>> {
    let disable_parallel_tool_use = request.parallel_tool_calls == Some(false);
    let auto = wire::ToolChoice::Auto { disable_parallel_tool_use };
    let any = wire::ToolChoice::Any { disable_parallel_tool_use };
    let forced = match &request.tool_choice {
        None => return disable_parallel_tool_use.then_some(auto),
        Some(ToolChoice::None) => return Some(wire::ToolChoice::None),
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => return Some(auto),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => any,
        Some(ToolChoice::Named(name)) => match request.named_hosted(name) {
            Some(Hosted::Mcp(_)) => {
                let reason = "a server cannot be chosen, only a tool";
                losses.push(Loss::dropped("tool_choice", reason));
                return None;
            }
            Some(_) if !tools.iter().any(|tool| is_offered(tool, name)) => {
                losses.push(Loss::dropped("tool_choice", "the tool it names is not offered"));
                return None;
            }
            Some(_) | None => wire::ToolChoice::Tool { name, disable_parallel_tool_use },
        },
    };
    if capability.forced_calls {
        return Some(forced);
    }
    losses.push(Loss::adapted("tool_choice", "this model cannot be forced to call a tool"));
    Some(auto)
}

/// Whether it is the hosted tool of this name.
fn is_offered(tool: &wire::Tool<'_>, wanted: &str) -> bool {
    match tool {
        wire::Tool::Hosted(
            Wire::WebSearch { name, .. }
            | Wire::WebFetch { name, .. }
            | Wire::CodeExecution { name },
        ) => *name == wanted,
        wire::Tool::Raw(_) => true,
        wire::Tool::Hosted(Wire::McpToolset { .. }) | wire::Tool::Function { .. } => false,
    }
}

fn is_named(tool: &Tool, names: &[String]) -> bool {
    match tool {
        Tool::Function(Function { name, .. }) | Tool::Custom(CustomTool { name, .. }) => {
            names.contains(name)
        }
        Tool::Hosted(tool) => names.iter().any(|name| name == tool.name()),
        Tool::Opaque(_) => false,
    }
}

fn encode_tool<'a>(
    at: usize,
    tool: &'a Tool,
    most: Option<u64>,
    capability: &Capability,
    losses: &mut Vec<Loss>,
) -> Option<wire::Tool<'a>> {
    match tool {
        Tool::Function(function) => Some(encode_function(at, function, capability, losses)),
        Tool::Custom(custom) => Some(encode_custom(at, custom, losses)),
        Tool::Hosted(tool) => match tool.own(Dialect::Anthropic) {
            Some(own) => Some(wire::Tool::Raw(&own.json)),
            None if capability.hosted => {
                Some(wire::Tool::Hosted(hosted::write_tool(&tool.does, at, most, losses)))
            }
            None => {
                let reason = "this model is not known to have tools of its provider";
                losses.push(Loss::dropped(format!("tools[{at}]"), reason));
                None
            }
        },
        Tool::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
            Some(wire::Tool::Raw(&opaque.json))
        }
        Tool::Opaque(opaque) => {
            losses.push(Loss::dropped(format!("tools[{at}]"), opaque.why_lost()));
            None
        }
    }
}

fn encode_function<'a>(
    at: usize,
    function: &'a Function,
    capability: &Capability,
    losses: &mut Vec<Loss>,
) -> wire::Tool<'a> {
    let strict = function.strict == Some(true);
    if strict && !capability.schemas {
        losses.push(Loss::dropped(
            format!("tools[{at}].function.strict"),
            "this model cannot be held to a schema",
        ));
    }
    let path = || format!("tools[{at}].cache_control");
    let strict = strict && capability.schemas;
    let input_schema = match input_schema(function.parameters.as_deref()) {
        loose if !strict => loose,
        schema => enforced(schema, || format!("tools[{at}].function.parameters"), losses),
    };
    wire::Tool::Function {
        name: &function.name,
        description: function.description.as_deref().filter(|words| !words.is_empty()),
        input_schema,
        strict,
        cache_control: cache_control(function.cache.as_ref(), path, losses),
    }
}

fn enforced<'a>(
    schema: Cow<'a, RawValue>,
    path: impl FnOnce() -> String,
    losses: &mut Vec<Loss>,
) -> Cow<'a, RawValue> {
    match schema {
        Cow::Borrowed(schema) => schema::enforceable(schema, path, losses),
        Cow::Owned(schema) => Cow::Owned(schema::enforceable(&schema, path, losses).into_owned()),
    }
}

/// A tool that takes free text becomes one that takes an object with that text as its only
/// member, as its calls in the history do.
fn encode_custom<'a>(at: usize, custom: &'a CustomTool, losses: &mut Vec<Loss>) -> wire::Tool<'a> {
    losses.push(Loss::adapted(
        format!("tools[{at}].custom"),
        "offered as a function whose argument `input` holds the text",
    ));
    if custom.format.is_some() {
        losses.push(Loss::dropped(
            format!("tools[{at}].custom.format"),
            "free text cannot be held to a grammar",
        ));
    }
    wire::Tool::Function {
        name: &custom.name,
        description: custom.description.as_deref().filter(|words| !words.is_empty()),
        input_schema: raw(
            r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#
                .to_owned(),
        ),
        strict: false,
        cache_control: None,
    }
}

/// The client's schema as it is, but for `type`, which the API demands and OpenAI does not.
fn input_schema(parameters: Option<&RawValue>) -> Cow<'_, RawValue> {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }

    let Some(schema) = parameters.filter(|schema| schema.get() != "null") else {
        return raw(r#"{"type":"object","properties":{}}"#.to_owned());
    };
    let typed = serde_json::from_str::<Typed<'_>>(schema.get());
    let Some(rest) = schema.get().strip_prefix('{').map(str::trim_start) else {
        return Cow::Borrowed(schema);
    };
    match typed {
        Ok(Typed { kind: None }) if rest == "}" => {
            raw(r#"{"type":"object","properties":{}}"#.to_owned())
        }
        Ok(Typed { kind: None }) => raw(format!(r#"{{"type":"object",{rest}"#)),
        Ok(Typed { kind: Some(_) }) | Err(_) => Cow::Borrowed(schema),
    }
}

/// JSON that is known to be JSON.
fn raw<'a>(json: String) -> Cow<'a, RawValue> {
    RawValue::from_string(json).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: &str) {
        let schema = RawValue::from_string(schema.to_owned()).unwrap();
        assert_eq!(input_schema(Some(&schema)).get(), expected);
    }

    #[test]
    fn a_schema_keeps_its_bytes_and_gains_only_the_type_it_must_have() {
        let whole = r#"{ "type": "object", "properties": {"b": {"const": 1.0}, "a": {}} }"#;
        check(whole, whole);
        check("{}", r#"{"type":"object","properties":{}}"#);
        check("{ }", r#"{"type":"object","properties":{}}"#);
        check("null", r#"{"type":"object","properties":{}}"#);
        check(r#"{ "required": [] }"#, r#"{"type":"object","required": [] }"#);
        check("true", "true");
        assert_eq!(input_schema(None).get(), r#"{"type":"object","properties":{}}"#);
    }
}

//! Tools in the provider's words.

use adapters_canonical::chat::{self, ChatRequest, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Hosted, PageReading, WebSearch};
use adapters_canonical::loss::Loss;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hosted::{self, Wire};

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    Known(Known<'a>),
    Hosted(Wire<'a>),
    Opaque(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Known<'a> {
    Function {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        parameters: &'a RawValue,
        strict: bool,
    },
    Custom {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<Format<'a>>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Format<'a> {
    Grammar(Flat<'a>),
    Other(&'a RawValue),
}

#[derive(Serialize)]
pub(super) struct Flat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    syntax: &'a RawValue,
    definition: &'a RawValue,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Choice<'a> {
    Word(&'static str),
    Tool(Named<'a>),
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<Named<'a>>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Named<'a> {
    /// A tool of the client's.
    Own {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'a str,
    },
    Mcp {
        #[serde(rename = "type")]
        kind: &'static str,
        server_label: &'a str,
    },
    Hosted {
        #[serde(rename = "type")]
        kind: &'static str,
    },
}

pub(super) fn tools<'a>(tools: &'a [chat::Tool], losses: &mut Vec<Loss>) -> Vec<Tool<'a>> {
    let mut written = Vec::with_capacity(tools.len());
    let searches = tools.iter().any(|tool| {
        matches!(tool, chat::Tool::Hosted(tool) if matches!(tool.does, Hosted::WebSearch(_)))
    });
    for (at, tool) in tools.iter().enumerate() {
        match tool {
            chat::Tool::Function(function) => {
                if function.cache.is_some() {
                    let reason = "the provider caches by itself";
                    losses.push(Loss::adapted(format!("tools[{at}].cache_control"), reason));
                }
                written.push(Tool::Known(Known::Function {
                    name: &function.name,
                    description: function.description.as_deref(),
                    parameters: function.parameters.as_deref().unwrap_or_else(|| nothing()),
                    strict: function.strict.unwrap_or(false),
                }));
            }
            chat::Tool::Custom(custom) => written.push(Tool::Known(Known::Custom {
                name: &custom.name,
                description: custom.description.as_deref(),
                format: custom.format.as_deref().map(format),
            })),
            chat::Tool::Hosted(tool) => match tool.own(Dialect::Responses) {
                Some(own) => written.push(Tool::Opaque(&own.json)),
                None => {
                    let wire = hosted::write_tool(&tool.does, at, searches, losses);
                    written.extend(wire.map(Tool::Hosted));
                }
            },
            chat::Tool::Opaque(opaque) if opaque.dialect == Dialect::Responses => {
                written.push(Tool::Opaque(&opaque.json));
            }
            chat::Tool::Opaque(opaque) => {
                losses.push(Loss::dropped(format!("tools[{at}]"), opaque.why_lost()));
            }
        }
    }
    written
}

/// Chat completions, whose words the canonical request uses, have a level more.
fn format(raw: &RawValue) -> Format<'_> {
    #[derive(Deserialize)]
    struct Nested<'a> {
        #[serde(borrow)]
        grammar: Option<Grammar<'a>>,
    }

    #[derive(Deserialize)]
    struct Grammar<'a> {
        #[serde(borrow)]
        syntax: &'a RawValue,
        #[serde(borrow)]
        definition: &'a RawValue,
    }

    match serde_json::from_str(raw.get()) {
        Ok(Nested { grammar: Some(Grammar { syntax, definition }) }) => {
            Format::Grammar(Flat { kind: "grammar", syntax, definition })
        }
        Ok(Nested { grammar: None }) | Err(_) => Format::Other(raw),
    }
}

/// What the model must call; `None` if that is a tool which is not offered.
pub(super) fn choice<'a>(request: &'a ChatRequest, losses: &mut Vec<Loss>) -> Option<Choice<'a>> {
    Some(match request.tool_choice.as_ref()? {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => match named(name, request) {
            // A search is not among the types that can be chosen, but it can be the only one allowed.
            Some(tool @ Named::Hosted { kind: "web_search" }) => {
                Choice::Allowed { kind: "allowed_tools", mode: "required", tools: vec![tool] }
            }
            Some(tool) => Choice::Tool(tool),
            None => {
                losses.push(Loss::dropped("tool_choice", "the tool it names is not offered"));
                return None;
            }
        },
        ToolChoice::Allowed { names, required } => Choice::Allowed {
            kind: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().filter_map(|name| named(name, request)).collect(),
        },
    })
}

fn named<'a>(name: &'a str, request: &'a ChatRequest) -> Option<Named<'a>> {
    let custom = request.tools.iter().any(|tool| match tool {
        chat::Tool::Custom(custom) => custom.name == name,
        chat::Tool::Function(_) | chat::Tool::Hosted(_) | chat::Tool::Opaque(_) => false,
    });
    Some(match request.named_hosted(name) {
        Some(Hosted::WebSearch(_)) => Named::Hosted { kind: "web_search" },
        Some(Hosted::CodeExecution(_)) => Named::Hosted { kind: "code_interpreter" },
        Some(Hosted::Mcp(server)) => Named::Mcp { kind: "mcp", server_label: &server.label },
        Some(Hosted::PageReading(_)) => return None,
        None => Named::Own { kind: if custom { "custom" } else { "function" }, name },
    })
}

/// At most so many calls of hosted tools: what was said for all of them, or of the only one.
pub(super) fn most(request: &ChatRequest, losses: &mut Vec<Loss>) -> Option<u64> {
    if request.max_hosted_calls.is_some() {
        return request.max_hosted_calls;
    }
    let only = request.hosted().count() == 1;
    let mut most = None;
    for (at, tool) in request.tools.iter().enumerate() {
        let chat::Tool::Hosted(tool) = tool else { continue };
        let (Hosted::WebSearch(WebSearch { max_uses: Some(uses), .. })
        | Hosted::PageReading(PageReading { max_uses: Some(uses), .. })) = &tool.does
        else {
            continue;
        };
        let path = format!("tools[{at}].web_search.max_uses");
        match &tool.does {
            Hosted::WebSearch(_) if only => {
                most = Some(*uses);
                losses.push(Loss::adapted(path, "pages that are opened count as well"));
            }
            Hosted::WebSearch(_) => {
                losses.push(Loss::dropped(path, "calls are counted over all tools"));
            }
            // It is not offered at all.
            Hosted::PageReading(_) | Hosted::CodeExecution(_) | Hosted::Mcp(_) => {}
        }
    }
    most
}

/// The schema of a function that takes nothing.
fn nothing() -> &'static RawValue {
    constant(r#"{"type":"object","properties":{}}"#)
}

/// A schema that everything fits.
pub(super) fn anything() -> &'static RawValue {
    constant("{}")
}

fn constant(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap_or(RawValue::NULL)
}

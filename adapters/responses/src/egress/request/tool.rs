//! Tools in the provider's words.

use adapters_canonical::chat::{self, ToolChoice};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::Loss;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    Known(Known<'a>),
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
pub(super) struct Named<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
}

pub(super) fn tools<'a>(tools: &'a [chat::Tool], losses: &mut Vec<Loss>) -> Vec<Tool<'a>> {
    let mut written = Vec::with_capacity(tools.len());
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
            chat::Tool::Opaque(opaque) if opaque.dialect == Dialect::Responses => {
                written.push(Tool::Opaque(&opaque.json));
            }
            chat::Tool::Opaque(_) => {
                let reason = "only providers of another dialect know this tool";
                losses.push(Loss::dropped(format!("tools[{at}]"), reason));
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

pub(super) fn choice<'a>(choice: &'a ToolChoice, tools: &[chat::Tool]) -> Choice<'a> {
    match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => Choice::Tool(named(name, tools)),
        ToolChoice::Allowed { names, required } => Choice::Allowed {
            kind: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| named(name, tools)).collect(),
        },
    }
}

fn named<'a>(name: &'a str, tools: &[chat::Tool]) -> Named<'a> {
    let custom = tools.iter().any(|tool| match tool {
        chat::Tool::Custom(custom) => custom.name == name,
        chat::Tool::Function(_) | chat::Tool::Opaque(_) => false,
    });
    Named { kind: if custom { "custom" } else { "function" }, name }
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

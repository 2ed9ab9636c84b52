//! Blocks that tell a client what another provider did with a tool of its own.
//!
//! Their ids are ours (see [`is_made_up`](super::is_made_up)), and what Anthropic would seal is
//! empty: the API must never be sent one of them, and is not.

use adapters_canonical::hosted::{Action, HostedStep, Outcome, Page};
use serde::Serialize;
use serde_json::value::RawValue;

use super::step::MADE_UP;

/// A block that says what was done, or what came of it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Said {
    ServerToolUse { id: String, name: &'static str, input: Box<RawValue>, caller: Caller },
    McpToolUse { id: String, name: String, server_name: String, input: Box<RawValue> },
    WebSearchToolResult { tool_use_id: String, content: Found, caller: Caller },
    CodeExecutionToolResult { tool_use_id: String, content: Ran },
    McpToolResult { tool_use_id: String, content: [Text; 1], is_error: bool },
}

/// Who calls: the model itself, and no program that it wrote.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "direct")]
pub(crate) struct Caller {}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Found {
    Pages(Vec<Result>),
    Failed(Failed),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "web_search_result")]
pub(crate) struct Result {
    url: String,
    title: String,
    encrypted_content: &'static str,
    page_age: Option<()>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Ran {
    Done(Done),
    Failed(Failed),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "code_execution_result")]
pub(crate) struct Done {
    stdout: String,
    stderr: &'static str,
    return_code: u8,
    content: [(); 0],
}

#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    #[serde(rename = "type")]
    kind: &'static str,
    error_code: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "text")]
pub(crate) struct Text {
    text: String,
}

impl Said {
    /// What the model gave the tool, in blocks that have that; streams tell it apart.
    pub(crate) fn input(&mut self) -> Option<&mut Box<RawValue>> {
        match self {
            Self::ServerToolUse { input, .. } | Self::McpToolUse { input, .. } => Some(input),
            Self::WebSearchToolResult { .. }
            | Self::CodeExecutionToolResult { .. }
            | Self::McpToolResult { .. } => None,
        }
    }
}

/// The blocks that say a step of another provider's; empty if there is no form for it. A page that
/// was read has none without its content, which only its provider has.
pub(crate) fn blocks(step: &HostedStep) -> Vec<Said> {
    if matches!(step.action, Some(Action::ReadPage { .. })) {
        return Vec::new();
    }
    let mut blocks = Vec::with_capacity(2);
    blocks.extend(step.action.as_ref().and_then(|action| used(&step.id, action)));
    blocks.extend(step.outcome.as_ref().and_then(|outcome| {
        Some(match outcome {
            Outcome::Pages(pages) => {
                found(&step.id, Found::Pages(pages.iter().map(page).collect()))
            }
            Outcome::Ran { output, ok } => ran(&step.id, Ran::Done(done(output, *ok))),
            Outcome::Answered { text, ok } => answered(&step.id, text, *ok),
            Outcome::Failed(reason) => match step.action.as_ref()? {
                Action::Search { .. } => {
                    found(&step.id, Found::Failed(failed("web_search_tool_result_error")))
                }
                Action::RunCode { .. } => {
                    ran(&step.id, Ran::Failed(failed("code_execution_tool_result_error")))
                }
                Action::CallMcp { .. } => answered(&step.id, reason, false),
                Action::ReadPage { .. } => return None,
            },
        })
    }));
    blocks
}

fn used(id: &str, action: &Action) -> Option<Said> {
    let server = |name, input| Said::ServerToolUse {
        id: made_up(MADE_UP[0], id),
        name,
        input,
        caller: Caller {},
    };
    Some(match action {
        Action::Search { queries } => server("web_search", object("query", &queries.join("; "))),
        Action::RunCode { code, .. } => server("code_execution", object("code", code)),
        Action::CallMcp { server, tool, arguments } => Said::McpToolUse {
            id: made_up(MADE_UP[1], id),
            name: tool.clone(),
            server_name: server.clone(),
            input: serde_json::from_str::<Box<RawValue>>(arguments)
                .ok()
                .filter(|input| input.get().starts_with('{'))
                .unwrap_or_else(|| object("input", arguments)),
        },
        Action::ReadPage { .. } => return None,
    })
}

fn found(id: &str, content: Found) -> Said {
    let tool_use_id = made_up(MADE_UP[0], id);
    Said::WebSearchToolResult { tool_use_id, content, caller: Caller {} }
}

fn ran(id: &str, content: Ran) -> Said {
    Said::CodeExecutionToolResult { tool_use_id: made_up(MADE_UP[0], id), content }
}

fn answered(id: &str, text: &str, ok: bool) -> Said {
    Said::McpToolResult {
        tool_use_id: made_up(MADE_UP[1], id),
        content: [Text { text: text.to_owned() }],
        is_error: !ok,
    }
}

fn page(page: &Page) -> Result {
    Result {
        url: page.url.clone(),
        title: page.title.clone().unwrap_or_else(|| page.url.clone()),
        encrypted_content: "",
        page_age: None,
    }
}

fn done(output: &str, ok: bool) -> Done {
    Done { stdout: output.to_owned(), stderr: "", return_code: u8::from(!ok), content: [] }
}

fn failed(kind: &'static str) -> Failed {
    Failed { kind, error_code: "unavailable" }
}

fn made_up(prefix: &str, id: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    prefix.chars().chain(id.chars().map(fits)).collect()
}

fn object(name: &str, value: &str) -> Box<RawValue> {
    let object = std::collections::BTreeMap::from([(name, value)]);
    serde_json::value::to_raw_value(&object).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

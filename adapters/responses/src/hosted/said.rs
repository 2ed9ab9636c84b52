//! Items that tell a client what another provider did with a tool of its own.

use adapters_canonical::hosted::{Action, Outcome};
use adapters_json::write;
use serde::Serialize;

/// What every id of such an item has.
pub(crate) const MARK: &str = "_penstock_";

/// Whether the item of this id was made by us.
pub(crate) fn is_made_up(id: &str) -> bool {
    let kinds = ["ws", "ci", "mcp"];
    kinds.iter().any(|kind| id.strip_prefix(kind).is_some_and(|rest| rest.starts_with(MARK)))
}

/// What was done, and what came of it as far as that is known.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What it is called in this answer.
    pub(crate) id: String,
    pub(crate) action: Action,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Written<'a> {
    #[serde(rename = "web_search_call")]
    WebSearch { id: &'a str, status: &'a str, action: Looked<'a> },
    #[serde(rename = "code_interpreter_call")]
    CodeInterpreter {
        id: &'a str,
        status: &'a str,
        code: &'a str,
        /// Nobody says where it ran.
        container_id: &'static str,
        outputs: Option<Vec<Logs<'a>>>,
    },
    #[serde(rename = "mcp_call")]
    Mcp {
        id: &'a str,
        status: &'a str,
        server_label: &'a str,
        name: &'a str,
        arguments: &'a str,
        output: Option<&'a str>,
        error: Option<Error<'a>>,
        approval_request_id: Option<()>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Looked<'a> {
    Search {
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<&'a str>,
        queries: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        sources: Option<Vec<Url<'a>>>,
    },
    OpenPage {
        url: &'a str,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "url")]
struct Url<'a> {
    url: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "logs")]
struct Logs<'a> {
    logs: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "mcp_tool_execution_error")]
struct Error<'a> {
    content: &'a str,
}

impl Item {
    /// How ids of such an item begin, so that it is known for one that no provider wrote.
    pub(crate) fn prefix(action: &Action) -> &'static str {
        match action {
            Action::Search { .. } | Action::ReadPage { .. } => "ws_penstock",
            Action::RunCode { .. } => "ci_penstock",
            Action::CallMcp { .. } => "mcp_penstock",
        }
    }

    /// How it ended, if it has an outcome.
    pub(crate) fn ended(&self) -> &'static str {
        match &self.outcome {
            Some(Outcome::Failed(_) | Outcome::Ran { ok: false, .. }) => "failed",
            Some(Outcome::Answered { ok: false, .. }) => "failed",
            Some(Outcome::Pages(_) | Outcome::Ran { .. } | Outcome::Answered { .. }) | None => {
                "completed"
            }
        }
    }

    /// The item as JSON.
    pub(crate) fn json(&self, status: &str) -> Vec<u8> {
        let id = &*self.id;
        write::body(&match &self.action {
            Action::Search { queries } => {
                let sources = match &self.outcome {
                    Some(Outcome::Pages(pages)) => {
                        Some(pages.iter().map(|page| Url { url: &page.url }).collect())
                    }
                    Some(Outcome::Ran { .. } | Outcome::Answered { .. } | Outcome::Failed(_))
                    | None => None,
                };
                let query = queries.first().map(String::as_str);
                Written::WebSearch {
                    id,
                    status,
                    action: Looked::Search { query, queries, sources },
                }
            }
            Action::ReadPage { url } => {
                Written::WebSearch { id, status, action: Looked::OpenPage { url } }
            }
            Action::RunCode { code, .. } => Written::CodeInterpreter {
                id,
                status,
                code,
                container_id: "",
                outputs: match &self.outcome {
                    Some(Outcome::Ran { output, .. }) => Some(vec![Logs { logs: output }]),
                    Some(Outcome::Pages(_) | Outcome::Answered { .. } | Outcome::Failed(_))
                    | None => None,
                },
            },
            Action::CallMcp { server, tool, arguments } => {
                let (output, error) = match &self.outcome {
                    Some(Outcome::Answered { text, ok: true }) => (Some(&**text), None),
                    Some(
                        Outcome::Answered { text: content, ok: false } | Outcome::Failed(content),
                    ) => (None, Some(Error { content })),
                    Some(Outcome::Pages(_) | Outcome::Ran { .. }) | None => (None, None),
                };
                Written::Mcp {
                    id,
                    status,
                    server_label: server,
                    name: tool,
                    arguments,
                    output,
                    error,
                    approval_request_id: None,
                }
            }
        })
    }
}

//! Blocks that say what was done with a tool of the provider's, as they are read.
//!
//! | block                                                            | becomes      |
//! |------------------------------------------------------------------|--------------|
//! | `server_tool_use`, `mcp_tool_use`                                | an action    |
//! | `web_search_tool_result`, `web_fetch_tool_result`                | pages        |
//! | `code_execution_tool_result`, `bash_code_execution_tool_result`  | what code printed |
//! | `mcp_tool_result`                                                | an answer    |
//!
//! The API has more of them; whatever is not named here stays a block that only this dialect knows.

use adapters_canonical::chat::Opaque;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Action, HostedStep, Outcome, Page};
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How the ids begin that we made for what another provider did.
pub(super) const MADE_UP: [&str; 2] = ["srvtoolu_penstock_", "mcptoolu_penstock_"];

/// What every such id has.
pub(crate) const MARK: &str = "toolu_penstock_";

/// Whether the block of this id was made by us, so that Anthropic must not see it.
pub(crate) fn is_made_up(id: &str) -> bool {
    MADE_UP.iter().any(|prefix| id.starts_with(prefix))
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    server_name: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    is_error: Option<bool>,
}

/// Reads a block; `None` if it is of another kind, or does not say what was done.
pub(crate) fn read(raw: &RawValue) -> Option<HostedStep> {
    let block: Block<'_> = serde_json::from_str(raw.get()).ok()?;
    let (mut action, mut outcome) = (None, None);
    match &*block.kind {
        "server_tool_use" => action = Some(used(&block)?),
        "mcp_tool_use" => {
            action = Some(Action::CallMcp {
                server: text(block.server_name.as_ref()),
                tool: text(block.name.as_ref()),
                arguments: block.input.map_or("{}", RawValue::get).to_owned(),
            });
        }
        "web_search_tool_result" => outcome = Some(found(block.content?)?),
        "web_fetch_tool_result" => outcome = Some(fetched(block.content?)?),
        "code_execution_tool_result" | "bash_code_execution_tool_result" => {
            outcome = Some(ran(block.content?)?);
        }
        "mcp_tool_result" => {
            let ok = block.is_error != Some(true);
            outcome = Some(Outcome::Answered { text: words(block.content), ok });
        }
        _ => return None,
    }
    let id = block.id.or(block.tool_use_id).filter(|id| !id.is_empty())?;
    let own = (!is_made_up(&id)).then(|| Opaque::new(Dialect::Anthropic, raw));
    Some(HostedStep { id: id.into(), action, outcome, own })
}

fn text(text: Option<&Str<'_>>) -> String {
    text.map(|text| text.to_string()).unwrap_or_default()
}

fn used(block: &Block<'_>) -> Option<Action> {
    #[derive(Default, Deserialize)]
    struct Input {
        query: Option<String>,
        url: Option<String>,
        code: Option<String>,
        command: Option<String>,
    }

    let input = block.input.map(|input| serde_json::from_str::<Input>(input.get()));
    let input = input.and_then(Result::ok).unwrap_or_default();
    Some(match block.name.as_deref()? {
        "web_search" => Action::Search { queries: input.query.into_iter().collect() },
        "web_fetch" => Action::ReadPage { url: input.url.unwrap_or_default() },
        "code_execution" => {
            Action::RunCode { code: input.code.unwrap_or_default(), language: "python" }
        }
        "bash_code_execution" => {
            Action::RunCode { code: input.command.unwrap_or_default(), language: "bash" }
        }
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Failure {
    error_code: String,
}

fn failed(content: &RawValue) -> Option<Outcome> {
    let Failure { error_code } = serde_json::from_str(content.get()).ok()?;
    Some(Outcome::Failed(error_code))
}

fn found(content: &RawValue) -> Option<Outcome> {
    #[derive(Deserialize)]
    struct Found {
        url: String,
        title: Option<String>,
    }

    match serde_json::from_str::<Vec<Found>>(content.get()) {
        Ok(pages) => {
            let page = |Found { url, title }| Page { url, title };
            Some(Outcome::Pages(pages.into_iter().map(page).collect()))
        }
        Err(_) => failed(content),
    }
}

fn fetched(content: &RawValue) -> Option<Outcome> {
    #[derive(Deserialize)]
    struct Fetched {
        url: String,
        content: Option<Document>,
    }

    #[derive(Deserialize)]
    struct Document {
        title: Option<String>,
    }

    match serde_json::from_str::<Fetched>(content.get()) {
        Ok(Fetched { url, content }) => {
            let title = content.and_then(|document| document.title);
            Some(Outcome::Pages(vec![Page { url, title }]))
        }
        Err(_) => failed(content),
    }
}

fn ran(content: &RawValue) -> Option<Outcome> {
    #[derive(Deserialize)]
    struct Ran {
        // What is enciphered is not here.
        stdout: Option<String>,
        stderr: Option<String>,
        return_code: i64,
    }

    match serde_json::from_str::<Ran>(content.get()) {
        Ok(Ran { stdout, stderr, return_code }) => {
            let mut output = stdout.unwrap_or_default();
            output.push_str(&stderr.unwrap_or_default());
            Some(Outcome::Ran { output, ok: return_code == 0 })
        }
        Err(_) => failed(content),
    }
}

/// A text, or the texts of a list of blocks.
fn words(content: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Words {
        #[serde(default)]
        text: String,
    }

    let Some(content) = content else { return String::new() };
    if let Ok(blocks) = serde_json::from_str::<Vec<Words>>(content.get()) {
        let words: Vec<String> = blocks.into_iter().map(|block| block.text).collect();
        return words.join("\n");
    }
    serde_json::from_str(content.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(json: &str) -> Option<HostedStep> {
        read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn what_was_done_and_what_came_of_it_are_read() {
        let search = step(
            r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search",
                "input":{"query":"q"}}"#,
        );
        let search = search.unwrap();
        assert_eq!(search.id, "srvtoolu_1");
        assert_eq!(search.action, Some(Action::Search { queries: vec!["q".to_owned()] }));
        assert!(search.own.is_some());
        let found = step(
            r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[
                {"type":"web_search_result","url":"u","title":"t","encrypted_content":"e"}]}"#,
        );
        let page = Page { url: "u".to_owned(), title: Some("t".to_owned()) };
        assert_eq!(found.unwrap().outcome, Some(Outcome::Pages(vec![page])));
        let failed = step(
            r#"{"type":"web_search_tool_result","tool_use_id":"s","content":
                {"type":"web_search_tool_result_error","error_code":"max_uses_exceeded"}}"#,
        );
        let reason = Outcome::Failed("max_uses_exceeded".to_owned());
        assert_eq!(failed.unwrap().outcome, Some(reason));
        let ran = step(
            r#"{"type":"bash_code_execution_tool_result","tool_use_id":"s","content":
                {"type":"bash_code_execution_result","stdout":"a","stderr":"b","return_code":2,
                "content":[]}}"#,
        );
        let output = "ab".to_owned();
        assert_eq!(ran.unwrap().outcome, Some(Outcome::Ran { output, ok: false }));
    }

    #[test]
    fn a_block_that_we_made_is_nobodys_own() {
        let json = r#"{"type":"server_tool_use","id":"srvtoolu_penstock_1","name":"web_search",
            "input":{}}"#;
        assert!(step(json).unwrap().own.is_none());
    }

    #[test]
    fn what_is_not_known_stays_what_it_is() {
        for json in [
            r#"{"type":"server_tool_use","id":"s","name":"tool_search_tool_bm25","input":{}}"#,
            r#"{"type":"tool_search_tool_result","tool_use_id":"s","content":{}}"#,
            r#"{"type":"web_search_tool_result","tool_use_id":"s","content":7}"#,
            r#"{"type":"text","text":"x"}"#,
            "7",
        ] {
            assert!(step(json).is_none(), "{json}");
        }
    }
}

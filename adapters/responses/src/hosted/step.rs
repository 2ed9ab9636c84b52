//! Items that say what was done with a tool of the provider's, as they are read.
//!
//! | item                    | becomes                                             |
//! |-------------------------|-----------------------------------------------------|
//! | `web_search_call`       | a search or the reading of a page, and what it gave |
//! | `code_interpreter_call` | code, and what it printed                           |
//! | `mcp_call`              | a call of a server's tool, and its answer           |
//!
//! Whatever is not named here stays an item that only this dialect knows.

use adapters_canonical::chat::Opaque;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{Action, HostedStep, Outcome, Page};
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::said::is_made_up;

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    id: Option<String>,
    #[serde(borrow)]
    status: Option<Str<'a>>,
    action: Option<Looked>,
    code: Option<String>,
    outputs: Option<Vec<Output>>,
    server_label: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Looked {
    #[serde(default, rename = "type")]
    kind: String,
    query: Option<String>,
    queries: Option<Vec<String>>,
    sources: Option<Vec<Source>>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Output {
    logs: Option<String>,
}

/// Reads an item that is complete; `None` if it is of another kind.
pub(crate) fn read(raw: &RawValue) -> Option<HostedStep> {
    let item: Item<'_> = serde_json::from_str(raw.get()).ok()?;
    let failed = item.status.as_deref() == Some("failed");
    let (action, outcome) = match &*item.kind {
        "web_search_call" => looked(item.action?),
        "code_interpreter_call" => {
            let code = item.code.unwrap_or_default();
            let logs = |outputs: Vec<Output>| {
                outputs.into_iter().filter_map(|one| one.logs).collect::<Vec<_>>().concat()
            };
            let ran = item.outputs.map(|it| Outcome::Ran { output: logs(it), ok: !failed });
            (Action::RunCode { code, language: "python" }, ran)
        }
        "mcp_call" => {
            let error = item.error.filter(|error| error.get() != "null");
            let text = item.output.or_else(|| error.map(message));
            let ok = error.is_none() && !failed;
            let call = Action::CallMcp {
                server: item.server_label.unwrap_or_default(),
                tool: item.name.unwrap_or_default(),
                arguments: item.arguments.unwrap_or_default(),
            };
            (call, text.map(|text| Outcome::Answered { text, ok }))
        }
        _ => return None,
    };
    let outcome = outcome.or_else(|| failed.then(|| Outcome::Failed("failed".to_owned())));
    let id = item.id.filter(|id| !id.is_empty())?;
    let own = (!is_made_up(&id)).then(|| Opaque::new(Dialect::Responses, raw));
    Some(HostedStep { id, action: Some(action), outcome, own })
}

fn looked(action: Looked) -> (Action, Option<Outcome>) {
    if action.kind == "search" {
        let queries = action.queries.unwrap_or_else(|| action.query.into_iter().collect());
        let page = |url| Page { url, title: None };
        let pages = action.sources.map(|sources| {
            Outcome::Pages(sources.into_iter().filter_map(|it| it.url).map(page).collect())
        });
        return (Action::Search { queries }, pages);
    }
    let url = action.url.unwrap_or_default();
    let pages = Outcome::Pages(vec![Page { url: url.clone(), title: None }]);
    (Action::ReadPage { url }, Some(pages))
}

/// What an error of a server says, in words; older ones are mere words.
fn message(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Error {
        message: Option<String>,
    }

    if let Ok(words) = serde_json::from_str::<String>(error.get()) {
        return words;
    }
    let told = serde_json::from_str::<Error>(error.get()).ok().and_then(|error| error.message);
    told.unwrap_or_else(|| error.get().to_owned())
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
            r#"{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search",
                "query":"a","queries":["a","b"],"sources":[{"type":"url","url":"u"}]}}"#,
        );
        let search = search.unwrap();
        let queries = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(search.action, Some(Action::Search { queries }));
        let page = Page { url: "u".to_owned(), title: None };
        assert_eq!(search.outcome, Some(Outcome::Pages(vec![page])));
        let code = step(
            r#"{"type":"code_interpreter_call","id":"ci_1","status":"completed","code":"1",
                "container_id":"c","outputs":[{"type":"logs","logs":"x"},{"type":"image","url":"y"}]}"#,
        );
        let output = "x".to_owned();
        assert_eq!(code.unwrap().outcome, Some(Outcome::Ran { output, ok: true }));
        let call = step(
            r#"{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"t","arguments":"{}",
                "output":null,"error":{"type":"http_error","code":500,"message":"no"}}"#,
        );
        let text = "no".to_owned();
        assert_eq!(call.unwrap().outcome, Some(Outcome::Answered { text, ok: false }));
    }

    #[test]
    fn what_is_not_known_stays_what_it_is() {
        for json in [
            r#"{"type":"file_search_call","id":"fs_1","queries":[]}"#,
            r#"{"type":"web_search_call","id":"ws_1"}"#,
            r#"{"type":"web_search_call","id":"","action":{"type":"search"}}"#,
            "7",
        ] {
            assert!(step(json).is_none(), "{json}");
        }
    }
}

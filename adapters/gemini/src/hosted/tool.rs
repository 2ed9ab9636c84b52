//! Tools that the provider runs itself, as clients offer them and as Gemini is offered them.

use std::collections::BTreeMap;

use adapters_canonical::chat::Opaque;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{
    CodeExecution, Hosted, HostedTool, McpServer, PageReading, Token, WebSearch,
};
use adapters_canonical::loss::Loss;
use adapters_json::object::{Names, object};
use serde::Serialize;
use serde_json::value::RawValue;

const ONLY_HERE: &str = "only providers of the Gemini dialect have it";

object! {
    /// A search of the web.
    Search<'a> {
        exclude_domains or "excludeDomains": Vec<String>,
        search_types or "searchTypes": Types<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// What is searched for.
    Types<'a> {
        web_search or "webSearch": &'a RawValue,
        ..others: Names<'a>
    }
}

object! {
    /// A server whose tools the provider may call.
    Server<'a> {
        name: String,
        streamable_http_transport or "streamableHttpTransport": Transport<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// How it is reached.
    Transport<'a> {
        url: String,
        headers: BTreeMap<String, String>,
        ..others: Names<'a>
    }
}

/// Reads the member `name` of an entry of `tools`, which is whole in `json`. Empty if only this
/// dialect has such a tool.
pub(crate) fn read(
    name: &str,
    value: &RawValue,
    json: &RawValue,
    path: &str,
    losses: &mut Vec<Loss>,
) -> Vec<HostedTool> {
    let does = match name {
        "googleSearch" | "google_search" => search(value, path, losses).map(Hosted::WebSearch),
        "urlContext" | "url_context" => Some(Hosted::PageReading(PageReading {
            // It says on its own account which page its words are from.
            citations: true,
            ..PageReading::default()
        })),
        "codeExecution" | "code_execution" => {
            Some(Hosted::CodeExecution(CodeExecution { shell: false }))
        }
        "mcpServers" | "mcp_servers" => return servers(value, path, losses),
        _ => None,
    };
    let own = Some(Opaque::new(Dialect::Gemini, json));
    does.map(|does| HostedTool { does, own }).into_iter().collect()
}

fn search(value: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Option<WebSearch> {
    let asked: Search<'_> = serde_json::from_str(value.get()).ok()?;
    if let Some(types) = asked.search_types {
        let others = types.others.0;
        if types.web_search.is_none() && !others.is_empty() {
            return None;
        }
        unknown(others, &format!("{path}.searchTypes"), losses);
    }
    unknown(asked.others.0, path, losses);
    let blocked_domains = asked.exclude_domains.unwrap_or_default();
    Some(WebSearch { blocked_domains, ..WebSearch::default() })
}

fn servers(value: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Vec<HostedTool> {
    let Ok(servers) = serde_json::from_str::<Vec<Server<'_>>>(value.get()) else {
        return Vec::new();
    };
    let whole = |server: &Server<'_>| {
        let transport = server.streamable_http_transport.as_ref();
        server.name.is_some() && transport.is_some_and(|transport| transport.url.is_some())
    };
    if !servers.iter().all(whole) {
        return Vec::new();
    }
    let mut read = Vec::with_capacity(servers.len());
    for Server { name, streamable_http_transport, others } in servers {
        let Some(transport) = streamable_http_transport else { continue };
        unknown(others.0, path, losses);
        unknown(transport.others.0, &format!("{path}.streamableHttpTransport"), losses);
        let mut authorization = None;
        for (header, value) in transport.headers.unwrap_or_default() {
            match value.strip_prefix("Bearer ") {
                Some(token) if header.eq_ignore_ascii_case("authorization") => {
                    authorization = Some(Token::new(token.to_owned()));
                }
                Some(_) | None => {
                    let path = format!("{path}.streamableHttpTransport.headers");
                    losses.push(Loss::dropped(path, ONLY_HERE));
                }
            }
        }
        let (label, url) = (name.unwrap_or_default(), transport.url.unwrap_or_default());
        let does = Hosted::Mcp(McpServer { label, url, authorization, allowed_tools: None });
        // One entry may hold several servers, so none is the whole of it.
        read.push(HostedTool { does, own: None });
    }
    read
}

fn unknown(names: Vec<std::borrow::Cow<'_, str>>, path: &str, losses: &mut Vec<Loss>) {
    let lost = |name| Loss::dropped(format!("{path}.{name}"), ONLY_HERE);
    losses.extend(names.into_iter().map(lost));
}

/// What the member of a tool is called.
pub(crate) fn member(does: &Hosted) -> &'static str {
    match does {
        Hosted::WebSearch(_) => "googleSearch",
        Hosted::PageReading(_) => "urlContext",
        Hosted::CodeExecution(_) => "codeExecution",
        Hosted::Mcp(_) => "mcpServers",
    }
}

/// A tool as Gemini is offered it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Own<'a> {
    /// Searches the web.
    GoogleSearch(GoogleSearch<'a>),
    /// Reads pages.
    UrlContext {},
    /// Runs Python.
    CodeExecution {},
    /// Calls tools of a server.
    McpServers([Mcp<'a>; 1]),
}

/// How the web is searched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GoogleSearch<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    exclude_domains: &'a [String],
}

/// A server whose tools may be called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mcp<'a> {
    name: &'a str,
    streamable_http_transport: Reached<'a>,
}

/// How it is reached.
#[derive(Serialize)]
pub struct Reached<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
}

#[derive(Serialize)]
struct Headers {
    #[serde(rename = "Authorization")]
    authorization: String,
}

impl std::fmt::Debug for Reached<'_> {
    /// Without the headers: they let in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached").field("url", &self.url).finish()
    }
}

/// Writes a tool; `None` if it must not be offered so. `on_vertex` says which of Google's two
/// services it is for: each has options that the other has not.
pub(crate) fn write<'a>(
    does: &'a Hosted,
    at: usize,
    on_vertex: bool,
    losses: &mut Vec<Loss>,
) -> Option<Own<'a>> {
    let mut lost = |said: bool, member: &str, reason: &'static str| {
        if said {
            losses.push(Loss::dropped(format!("tools[{at}]{member}"), reason));
        }
    };
    const EVERYWHERE: &str = "the web is searched everywhere";
    const UNBOUNDED: &str = "calls of its own tools are not bounded";
    Some(match does {
        Hosted::WebSearch(it) => {
            let size = it.context_size.as_deref().is_some_and(|size| size != "medium");
            let blocks = !it.blocked_domains.is_empty();
            lost(!it.allowed_domains.is_empty(), ".web_search.allowed_domains", EVERYWHERE);
            lost(blocks && !on_vertex, ".web_search.blocked_domains", EVERYWHERE);
            lost(it.max_uses.is_some(), ".web_search.max_uses", UNBOUNDED);
            let place = it.location.as_ref().is_some_and(|place| *place != Default::default());
            lost(place, ".web_search.location", "places are not told by their names");
            lost(size, ".web_search.context_size", "how much is shown cannot be set");
            let exclude_domains = if on_vertex { &*it.blocked_domains } else { &[] };
            Own::GoogleSearch(GoogleSearch { exclude_domains })
        }
        Hosted::PageReading(it) => {
            const ANY: &str = "any page may be read";
            lost(!it.allowed_domains.is_empty(), ".web_fetch.allowed_domains", ANY);
            lost(!it.blocked_domains.is_empty(), ".web_fetch.blocked_domains", ANY);
            lost(it.max_uses.is_some(), ".web_fetch.max_uses", UNBOUNDED);
            let bounded = it.max_content_tokens.is_some();
            lost(bounded, ".web_fetch.max_content_tokens", "pages are read as a whole");
            Own::UrlContext {}
        }
        Hosted::CodeExecution(CodeExecution { shell }) => {
            if *shell {
                let reason = "the provider runs Python and has no shell";
                losses.push(Loss::adapted(format!("tools[{at}]"), reason));
            }
            Own::CodeExecution {}
        }
        // What was not allowed must not be allowed here.
        Hosted::Mcp(server) if server.allowed_tools.is_some() => {
            lost(true, ".mcp.allowed_tools", "all tools of a server may be called, or none");
            return None;
        }
        Hosted::Mcp(_) if on_vertex => {
            lost(true, "", "the provider calls no tools of servers");
            return None;
        }
        Hosted::Mcp(server) => {
            let bearer =
                |token: &Token| Headers { authorization: format!("Bearer {}", token.expose()) };
            let headers = server.authorization.as_ref().map(bearer);
            let streamable_http_transport = Reached { url: &server.url, headers };
            Own::McpServers([Mcp { name: &server.label, streamable_http_transport }])
        }
    })
}

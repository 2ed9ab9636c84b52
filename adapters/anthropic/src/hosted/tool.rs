//! Tools that the provider runs itself, as clients offer them and as the API is offered them.

use std::collections::BTreeMap;

use adapters_canonical::chat::{Opaque, Tool};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{
    CodeExecution, Hosted, HostedTool, Location, McpServer, PageReading, Token, WebSearch,
};
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::object::{Names, object};
use adapters_json::string::Str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the API wants to be told in `anthropic-beta` where it is to call tools of a server
/// (<https://platform.claude.com/docs/en/agents-and-tools/mcp-connector>).
pub(crate) const BETA_MCP: &str = "mcp-client-2025-11-20";

const ONLY_HERE: &str = "only providers of the Anthropic dialect have it";

object! {
    /// A tool of any of the types that are read; each has some of the members.
    Asked<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        allowed_domains: Vec<String>,
        blocked_domains: Vec<String>,
        max_uses: u64,
        max_content_tokens: u64,
        citations: Citations,
        user_location: Place<'a>,
        cache_control: &'a RawValue,
        allowed_callers: Vec<Str<'a>>,
        defer_loading: bool,
        response_inclusion: Str<'a>,
        url_sources: &'a RawValue,
        strict: bool,
        mcp_server_name: String,
        default_config: Config,
        configs: BTreeMap<String, Config>,
        tools: &'a RawValue,
        ..others: Names<'a>
    }
}

#[derive(Debug, Default, Deserialize)]
struct Citations {
    enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    enabled: Option<bool>,
    defer_loading: Option<bool>,
}

object! {
    /// About where the user is.
    Place<'a> {
        kind as "type": Str<'a>,
        city: String,
        country: String,
        region: String,
        timezone: String,
        ..others: Names<'a>
    }
}

/// The servers of a request, by their names.
#[derive(Debug, Default)]
pub(crate) struct McpServers(Vec<(McpServer, bool)>);

#[derive(Deserialize)]
struct Server {
    name: String,
    url: String,
    authorization_token: Option<String>,
    tool_configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    allowed_tools: Option<Vec<String>>,
    enabled: Option<bool>,
}

impl McpServers {
    /// Reads `mcp_servers`.
    pub(crate) fn read(servers: Vec<&RawValue>) -> Result<Self, DecodeError> {
        let mut read = Vec::with_capacity(servers.len());
        for (at, raw) in servers.into_iter().enumerate() {
            let server: Server = serde_json::from_str(raw.get()).map_err(|_| {
                DecodeError::shape(format!("mcp_servers[{at}]"), "must have a name and a url")
            })?;
            let configuration = server.tool_configuration;
            if configuration.as_ref().is_some_and(|it| it.enabled == Some(false)) {
                continue;
            }
            let server = McpServer {
                label: server.name,
                url: server.url,
                authorization: server.authorization_token.map(Token::new),
                allowed_tools: configuration.and_then(|it| it.allowed_tools),
            };
            read.push((server, false));
        }
        Ok(Self(read))
    }

    fn take(&mut self, name: &str) -> Option<McpServer> {
        let (server, taken) = self.0.iter_mut().find(|(server, _)| server.label == name)?;
        *taken = true;
        Some(server.clone())
    }

    /// Those that no toolset names: the older form of the API has none.
    pub(crate) fn rest(self) -> impl Iterator<Item = Tool> {
        self.0.into_iter().filter(|(_, taken)| !taken).map(|(server, _)| {
            Tool::Hosted(Box::new(HostedTool { does: Hosted::Mcp(server), own: None }))
        })
    }
}

/// Reads a tool of the provider's; `None` if only this dialect has such a tool.
///
/// # Errors
///
/// [`DecodeError::Shape`] if a toolset names no server.
pub(crate) fn read(
    raw: &RawValue,
    at: usize,
    servers: &mut McpServers,
    losses: &mut Vec<Loss>,
) -> Result<Option<HostedTool>, DecodeError> {
    let Ok(asked) = serde_json::from_str::<Asked<'_>>(raw.get()) else { return Ok(None) };
    let kind = asked.kind.as_deref().unwrap_or_default();
    let does = if kind.starts_with("web_search_") {
        Hosted::WebSearch(WebSearch::default())
    } else if kind.starts_with("web_fetch_") {
        Hosted::PageReading(PageReading::default())
    } else if kind.starts_with("code_execution_") {
        Hosted::CodeExecution(CodeExecution { shell: kind != "code_execution_20250522" })
    } else if kind == "mcp_toolset" {
        match toolset(&asked, at, servers)? {
            Some(server) => Hosted::Mcp(server),
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    report(&asked, at, losses);
    let does = match does {
        Hosted::WebSearch(_) => Hosted::WebSearch(WebSearch {
            allowed_domains: asked.allowed_domains.unwrap_or_default(),
            blocked_domains: asked.blocked_domains.unwrap_or_default(),
            max_uses: asked.max_uses,
            location: asked.user_location.map(location),
            context_size: None,
        }),
        Hosted::PageReading(_) => Hosted::PageReading(PageReading {
            allowed_domains: asked.allowed_domains.unwrap_or_default(),
            blocked_domains: asked.blocked_domains.unwrap_or_default(),
            max_uses: asked.max_uses,
            max_content_tokens: asked.max_content_tokens,
            citations: asked.citations.is_some_and(|it| it.enabled == Some(true)),
        }),
        does @ (Hosted::CodeExecution(_) | Hosted::Mcp(_)) => does,
    };
    Ok(Some(HostedTool { does, own: Some(Opaque::new(Dialect::Anthropic, raw)) }))
}

fn location(place: Place<'_>) -> Location {
    let Place { city, country, region, timezone, .. } = place;
    Location { city, country, region, timezone }
}

/// The server of a toolset, with the tools it may use. `None` if some are forbidden by name, which
/// nobody else can say: what was forbidden must not be allowed elsewhere.
fn toolset(
    asked: &Asked<'_>,
    at: usize,
    servers: &mut McpServers,
) -> Result<Option<McpServer>, DecodeError> {
    let name = asked.mcp_server_name.as_deref().unwrap_or_default();
    let server = servers.take(name).ok_or_else(|| {
        let path = format!("tools[{at}].mcp_server_name");
        DecodeError::shape(path, "must name a server of `mcp_servers`")
    })?;
    let configs = asked.configs.as_ref();
    let enabled = |on: bool| {
        let tools = configs.into_iter().flatten();
        tools.filter(move |(_, config)| config.enabled == Some(on)).map(|(name, _)| name.clone())
    };
    let by_default =
        asked.default_config.as_ref().is_none_or(|config| config.enabled != Some(false));
    if asked.tools.is_some() || by_default && enabled(false).next().is_some() {
        return Ok(None);
    }
    let allowed_tools =
        if by_default { server.allowed_tools.clone() } else { Some(enabled(true).collect()) };
    Ok(Some(McpServer { allowed_tools, ..server }))
}

/// What only this dialect can say of a tool that others have too.
fn report(asked: &Asked<'_>, at: usize, losses: &mut Vec<Loss>) {
    let callers = asked.allowed_callers.as_deref().unwrap_or_default();
    let deferred = |config: &Config| config.defer_loading == Some(true);
    let configs = asked.configs.iter().flatten().map(|(_, config)| config);
    for (said, member) in [
        (callers.iter().any(|caller| &**caller != "direct"), "allowed_callers"),
        (asked.defer_loading == Some(true), "defer_loading"),
        (
            asked.response_inclusion.as_deref().is_some_and(|how| how != "full"),
            "response_inclusion",
        ),
        (asked.url_sources.is_some(), "url_sources"),
        (asked.strict == Some(true), "strict"),
        (asked.default_config.iter().chain(configs).any(deferred), "default_config.defer_loading"),
    ] {
        if said {
            losses.push(Loss::dropped(format!("tools[{at}].{member}"), ONLY_HERE));
        }
    }
    if asked.cache_control.is_some() {
        let reason = "other providers cache no prefix that ends in a tool of their own";
        losses.push(Loss::adapted(format!("tools[{at}].cache_control"), reason));
    }
    losses.extend(
        asked
            .others
            .0
            .iter()
            .map(|name| Loss::dropped(format!("tools[{at}].{name}"), "not a known member")),
    );
}

/// A tool as the API is offered it.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Wire<'a> {
    #[serde(rename = "web_search_20250305")]
    WebSearch {
        name: &'static str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        allowed_domains: &'a [String],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        blocked_domains: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        max_uses: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_location: Option<At<'a>>,
    },
    #[serde(rename = "web_fetch_20250910")]
    WebFetch {
        name: &'static str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        allowed_domains: &'a [String],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        blocked_domains: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        max_uses: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_content_tokens: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Enabled>,
    },
    #[serde(rename = "code_execution_20250825")]
    CodeExecution { name: &'static str },
    #[serde(rename = "mcp_toolset")]
    McpToolset {
        mcp_server_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        default_config: Option<Enabled>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        configs: BTreeMap<&'a str, Enabled>,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "approximate")]
pub(crate) struct At<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
}

/// Writes a tool. `most` is how often it may be used at most, if the request bounds that for all.
pub(crate) fn write<'a>(
    does: &'a Hosted,
    at: usize,
    most: Option<u64>,
    losses: &mut Vec<Loss>,
) -> Wire<'a> {
    let max_uses = |own: Option<u64>| own.into_iter().chain(most).min();
    match does {
        Hosted::WebSearch(it) => {
            let path = format!("tools[{at}].web_search");
            if it.context_size.as_deref().is_some_and(|size| size != "medium") {
                let reason = "how much of what is found is shown cannot be set";
                losses.push(Loss::dropped(format!("{path}.context_size"), reason));
            }
            Wire::WebSearch {
                name: "web_search",
                allowed_domains: &it.allowed_domains,
                blocked_domains: blocked(&it.allowed_domains, &it.blocked_domains, &path, losses),
                max_uses: max_uses(it.max_uses),
                user_location: it.location.as_ref().map(|it| At {
                    city: it.city.as_deref(),
                    country: it.country.as_deref(),
                    region: it.region.as_deref(),
                    timezone: it.timezone.as_deref(),
                }),
            }
        }
        Hosted::PageReading(it) => {
            let path = format!("tools[{at}].web_fetch");
            Wire::WebFetch {
                name: "web_fetch",
                allowed_domains: &it.allowed_domains,
                blocked_domains: blocked(&it.allowed_domains, &it.blocked_domains, &path, losses),
                max_uses: max_uses(it.max_uses),
                max_content_tokens: it.max_content_tokens,
                citations: it.citations.then_some(Enabled { enabled: true }),
            }
        }
        Hosted::CodeExecution(_) => Wire::CodeExecution { name: "code_execution" },
        Hosted::Mcp(server) => {
            let only = server.allowed_tools.as_deref();
            let on = |name: &'a String| (name.as_str(), Enabled { enabled: true });
            Wire::McpToolset {
                mcp_server_name: &server.label,
                default_config: only.map(|_| Enabled { enabled: false }),
                configs: only.into_iter().flatten().map(on).collect(),
            }
        }
    }
}

/// The API takes domains that are allowed or those that are not, and no others can be found where
/// some are allowed.
fn blocked<'a>(
    allowed: &[String],
    blocked: &'a [String],
    path: &str,
    losses: &mut Vec<Loss>,
) -> &'a [String] {
    if allowed.is_empty() || blocked.is_empty() {
        return blocked;
    }
    let reason = "domains are allowed or blocked, not both";
    losses.push(Loss::dropped(format!("{path}.blocked_domains"), reason));
    &[]
}

//! Tools that the provider runs itself, as clients offer them and as a provider is offered them.

use std::collections::BTreeMap;

use adapters_canonical::chat::Opaque;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{
    CODE_EXECUTION, CodeExecution, Hosted, HostedTool, Location, McpServer, Token, WEB_SEARCH,
    WebSearch,
};
use adapters_canonical::loss::Loss;
use adapters_json::object::{Names, object};
use adapters_json::string::Str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const ONLY_HERE: &str = "only providers of the Responses dialect have it";

object! {
    /// A search of the web.
    AskedSearch<'a> {
        kind as "type": Str<'a>,
        filters: Filters<'a>,
        user_location: Place<'a>,
        search_context_size: String,
        search_content_types: Vec<Str<'a>>,
        external_web_access: bool,
        ..others: Names<'a>
    }
}

object! {
    /// Which pages may be found.
    Filters<'a> {
        allowed_domains: Vec<String>,
        ..others: Names<'a>
    }
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

object! {
    /// A place where Python runs.
    AskedCode<'a> {
        kind as "type": Str<'a>,
        container: &'a RawValue,
        allowed_callers: Vec<Str<'a>>,
        ..others: Names<'a>
    }
}

object! {
    /// How that place is made.
    Container<'a> {
        kind as "type": Str<'a>,
        file_ids: Vec<Str<'a>>,
        memory_limit: Str<'a>,
        network_policy: Policy<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// What code may reach.
    Policy<'a> {
        kind as "type": Str<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// A server whose tools the provider may call.
    AskedMcp<'a> {
        kind as "type": Str<'a>,
        server_label: String,
        server_url: String,
        authorization: String,
        headers: BTreeMap<String, String>,
        allowed_tools: Allowed,
        require_approval: Approval,
        server_description: Str<'a>,
        defer_loading: bool,
        allowed_callers: Vec<Str<'a>>,
        ..others: Names<'a>
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Allowed {
    Names(Vec<String>),
    Filter { tool_names: Option<Vec<String>>, read_only: Option<bool> },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Approval {
    Word(String),
    Filter { never: Option<Never> },
}

#[derive(Debug, Deserialize)]
struct Never {
    tool_names: Option<Vec<String>>,
}

/// Reads a tool of this `kind`, which stands at `path`; `None` if only this dialect has such a tool.
pub(crate) fn read(
    raw: &RawValue,
    kind: &str,
    path: &str,
    losses: &mut Vec<Loss>,
) -> Option<HostedTool> {
    let does = match kind {
        "web_search"
        | "web_search_2025_08_26"
        | "web_search_preview"
        | "web_search_preview_2025_03_11" => search(raw, path, losses)?,
        "code_interpreter" => code(raw, path, losses)?,
        "mcp" => mcp(raw, path, losses)?,
        _ => return None,
    };
    Some(HostedTool { does, own: Some(Opaque::new(Dialect::Responses, raw)) })
}

/// What a choice among tools calls the tool of this type.
pub(crate) fn name_of(kind: &str) -> Option<&'static str> {
    match kind {
        kind if kind.starts_with("web_search") => Some(WEB_SEARCH),
        "code_interpreter" => Some(CODE_EXECUTION),
        _ => None,
    }
}

fn search(raw: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Option<Hosted> {
    let asked: AskedSearch<'_> = serde_json::from_str(raw.get()).ok()?;
    if asked.external_web_access == Some(false) {
        let reason = "other providers search the web as it is, not a copy that they keep";
        losses.push(Loss::dropped(format!("{path}.external_web_access"), reason));
        return None;
    }
    let types = asked.search_content_types.as_deref().unwrap_or_default();
    if types.iter().any(|one| &**one != "text") {
        losses.push(Loss::dropped(format!("{path}.search_content_types"), ONLY_HERE));
    }
    unknown(asked.others, path, losses);
    let allowed_domains = asked.filters.map(|filters| {
        unknown(filters.others, &format!("{path}.filters"), losses);
        filters.allowed_domains.unwrap_or_default()
    });
    let location = asked.user_location.map(|place| {
        unknown(place.others, &format!("{path}.user_location"), losses);
        let Place { city, country, region, timezone, .. } = place;
        Location { city, country, region, timezone }
    });
    Some(Hosted::WebSearch(WebSearch {
        allowed_domains: allowed_domains.unwrap_or_default(),
        location,
        context_size: asked.search_context_size,
        ..WebSearch::default()
    }))
}

fn code(raw: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Option<Hosted> {
    let asked: AskedCode<'_> = serde_json::from_str(raw.get()).ok()?;
    callers(asked.allowed_callers.as_deref(), path, losses);
    unknown(asked.others, path, losses);
    let place = format!("{path}.container");
    let container = asked.container.map(RawValue::get).filter(|json| !json.starts_with('"'));
    match container {
        None if asked.container.is_some() => {
            let reason = "only its provider has this container; a new one is made";
            losses.push(Loss::dropped(place, reason));
        }
        None => {}
        Some(json) => {
            let container: Container<'_> = serde_json::from_str(json).ok()?;
            let network = container.network_policy.and_then(|policy| policy.kind);
            for (said, member) in [
                (container.file_ids.is_some_and(|ids| !ids.is_empty()), "file_ids"),
                (container.memory_limit.is_some(), "memory_limit"),
                (network.is_some_and(|kind| &*kind != "disabled"), "network_policy"),
            ] {
                if said {
                    losses.push(Loss::dropped(format!("{place}.{member}"), ONLY_HERE));
                }
            }
            unknown(container.others, &place, losses);
        }
    }
    Some(Hosted::CodeExecution(CodeExecution { shell: false }))
}

/// A server's tools run at other providers without anybody's approval, so they may be offered only
/// where the client wants that.
fn mcp(raw: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Option<Hosted> {
    let asked: AskedMcp<'_> = serde_json::from_str(raw.get()).ok()?;
    let allowed_tools = match asked.allowed_tools {
        None => None,
        Some(Allowed::Names(names)) => Some(names),
        Some(Allowed::Filter { tool_names, read_only: None | Some(false) }) => tool_names,
        Some(Allowed::Filter { read_only: Some(true), .. }) => {
            losses.push(Loss::dropped(format!("{path}.allowed_tools.read_only"), ONLY_HERE));
            return None;
        }
    };
    if !runs_unasked(asked.require_approval.as_ref(), allowed_tools.as_deref()) {
        let reason = "other providers call the tools of a server without asking: only `never` fits";
        losses.push(Loss::dropped(format!("{path}.require_approval"), reason));
        return None;
    }
    let url = asked.server_url?;
    callers(asked.allowed_callers.as_deref(), path, losses);
    let mut authorization = asked.authorization;
    for (name, value) in asked.headers.unwrap_or_default() {
        let bearer = value.strip_prefix("Bearer ").filter(|_| authorization.is_none());
        match bearer {
            Some(token) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(token.to_owned());
            }
            Some(_) | None => losses.push(Loss::dropped(format!("{path}.headers"), ONLY_HERE)),
        }
    }
    for (said, member) in [
        (asked.server_description.is_some(), "server_description"),
        (asked.defer_loading == Some(true), "defer_loading"),
    ] {
        if said {
            losses.push(Loss::dropped(format!("{path}.{member}"), ONLY_HERE));
        }
    }
    unknown(asked.others, path, losses);
    Some(Hosted::Mcp(McpServer {
        label: asked.server_label?,
        url,
        authorization: authorization.map(Token::new),
        allowed_tools,
    }))
}

/// Whether all tools that may be called may be called unasked. OpenAI asks unless told otherwise.
fn runs_unasked(approval: Option<&Approval>, allowed: Option<&[String]>) -> bool {
    match approval {
        Some(Approval::Word(word)) => word == "never",
        Some(Approval::Filter { never: Some(Never { tool_names: Some(never) }) }) => {
            allowed.is_some_and(|allowed| allowed.iter().all(|name| never.contains(name)))
        }
        Some(Approval::Filter { .. }) | None => false,
    }
}

fn callers(callers: Option<&[Str<'_>]>, path: &str, losses: &mut Vec<Loss>) {
    if callers.unwrap_or_default().iter().any(|caller| &**caller != "direct") {
        losses.push(Loss::dropped(format!("{path}.allowed_callers"), ONLY_HERE));
    }
}

fn unknown(others: Names<'_>, path: &str, losses: &mut Vec<Loss>) {
    let lost = |name| Loss::dropped(format!("{path}.{name}"), "not a known member");
    losses.extend(others.0.into_iter().map(lost));
}

/// A tool as a provider is offered it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Wire<'a> {
    WebSearch {
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<Only<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_location: Option<At<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        search_context_size: Option<&'a str>,
    },
    CodeInterpreter {
        container: Auto,
    },
    Mcp {
        server_label: &'a str,
        server_url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        authorization: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        allowed_tools: Option<&'a [String]>,
        require_approval: &'static str,
    },
}

#[derive(Serialize)]
pub(crate) struct Only<'a> {
    allowed_domains: &'a [String],
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "auto")]
pub(crate) struct Auto {}

#[derive(Serialize)]
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

/// Writes a tool; `None` if there is none like it. `searches` says whether the web may be searched
/// too: a search reads pages as well.
pub(crate) fn write<'a>(
    does: &'a Hosted,
    at: usize,
    searches: bool,
    losses: &mut Vec<Loss>,
) -> Option<Wire<'a>> {
    let path = |member: &str| format!("tools[{at}].{member}");
    match does {
        Hosted::WebSearch(it) => {
            if !it.blocked_domains.is_empty() {
                let reason = "domains can be allowed but not blocked";
                losses.push(Loss::dropped(path("web_search.blocked_domains"), reason));
            }
            let allowed_domains = &*it.allowed_domains;
            Some(Wire::WebSearch {
                filters: (!allowed_domains.is_empty()).then_some(Only { allowed_domains }),
                user_location: it.location.as_ref().map(|it| At {
                    city: it.city.as_deref(),
                    country: it.country.as_deref(),
                    region: it.region.as_deref(),
                    timezone: it.timezone.as_deref(),
                }),
                search_context_size: it.context_size.as_deref(),
            })
        }
        Hosted::PageReading(_) if searches => {
            let reason = "the provider's search reads pages too";
            losses.push(Loss::adapted(format!("tools[{at}]"), reason));
            None
        }
        Hosted::PageReading(_) => {
            let reason = "the provider reads pages only where it may search the web";
            losses.push(Loss::dropped(format!("tools[{at}]"), reason));
            None
        }
        Hosted::CodeExecution(CodeExecution { shell }) => {
            if *shell {
                let reason = "the provider runs Python and has no shell";
                losses.push(Loss::adapted(format!("tools[{at}]"), reason));
            }
            Some(Wire::CodeInterpreter { container: Auto {} })
        }
        Hosted::Mcp(server) => Some(Wire::Mcp {
            server_label: &server.label,
            server_url: &server.url,
            authorization: server.authorization.as_ref().map(Token::expose),
            allowed_tools: server.allowed_tools.as_deref(),
            require_approval: "never",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn offered(json: &str, expected: bool) {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let mut losses = Vec::new();
        let tool = read(&raw, "mcp", "tools[0]", &mut losses);
        assert_eq!(tool.is_some(), expected, "{json} {losses:?}");
        assert_eq!(losses.is_empty(), expected, "{json} {losses:?}");
    }

    #[test]
    fn a_server_whose_calls_must_be_approved_is_offered_to_nobody_else() {
        let with = |more: &str| {
            format!(r#"{{"type":"mcp","server_label":"s","server_url":"https://m.example"{more}}}"#)
        };
        offered(&with(r#","require_approval":"never""#), true);
        offered(&with(""), false);
        offered(&with(r#","require_approval":"always""#), false);
        let never = r#","require_approval":{"never":{"tool_names":["a","b"]}}"#;
        offered(&with(never), false);
        offered(&with(&format!(r#"{never},"allowed_tools":["a"]"#)), true);
        offered(&with(&format!(r#"{never},"allowed_tools":["c"]"#)), false);
    }

    #[test]
    fn a_search_without_the_web_is_no_search_elsewhere() {
        let json = r#"{"type":"web_search","external_web_access":false}"#;
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let mut losses = Vec::new();
        assert!(read(&raw, "web_search", "tools[0]", &mut losses).is_none());
        assert_eq!(losses.len(), 1);
    }
}

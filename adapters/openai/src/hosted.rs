//! The one tool that the provider runs itself: a search of the web, which is no tool here but a
//! member of the request, `web_search_options`.

use adapters_canonical::chat::{ChatRequest, Tool};
use adapters_canonical::hosted::{Hosted, HostedTool, Location, WebSearch};
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::object::{Names, object};
use adapters_json::read;
use adapters_json::string::Str;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::quirk::{Quirk, Quirks};

const PATH: &str = "web_search_options";

object! {
    /// How the web is searched.
    Options<'a> {
        search_context_size: String,
        user_location: Place<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// About where the user is.
    Place<'a> {
        kind as "type": Str<'a>,
        approximate: Approximate<'a>,
        ..others: Names<'a>
    }
}

object! {
    /// The same in words.
    Approximate<'a> {
        city: String,
        country: String,
        region: String,
        timezone: String,
        ..others: Names<'a>
    }
}

/// Reads `web_search_options`.
///
/// # Errors
///
/// [`DecodeError::Shape`] with the path of what did not fit.
pub(crate) fn read(raw: &RawValue, losses: &mut Vec<Loss>) -> Result<Tool, DecodeError> {
    let options: Options<'_> = read::object(raw, PATH)?;
    let mut unknown = |others: Names<'_>, path: &str| {
        let lost = |name| Loss::dropped(format!("{PATH}{path}.{name}"), "not a known member");
        losses.extend(others.0.into_iter().map(lost));
    };
    unknown(options.others, "");
    let location = options.user_location.map(|place| {
        unknown(place.others, ".user_location");
        let told = place.approximate.unwrap_or_default();
        unknown(told.others, ".user_location.approximate");
        let Approximate { city, country, region, timezone, .. } = told;
        Location { city, country, region, timezone }
    });
    let context_size = options.search_context_size;
    let does = Hosted::WebSearch(WebSearch { location, context_size, ..WebSearch::default() });
    Ok(Tool::Hosted(Box::new(HostedTool { does, own: None })))
}

/// What a client calls what is said of the search it asked for.
pub(crate) fn client_path(request: &ChatRequest, path: &str) -> Option<String> {
    let (at, rest) = path.strip_prefix("tools[")?.split_once(']')?;
    let tool = request.tools.get(at.parse::<usize>().ok()?)?;
    if !matches!(tool, Tool::Hosted(_)) {
        return None;
    }
    Some(match rest.strip_prefix(".web_search") {
        Some(".location") => format!("{PATH}.user_location"),
        Some(".context_size") => format!("{PATH}.search_context_size"),
        Some(rest) => format!("{PATH}{rest}"),
        None => PATH.to_owned(),
    })
}

/// `web_search_options` as a provider is sent it.
#[derive(Debug, Serialize)]
pub(crate) struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    search_context_size: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<At<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "approximate")]
struct At<'a> {
    approximate: Told<'a>,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
}

/// Writes what of the hosted tools can be said: a search of the web, where the model or the server
/// can. OpenAI's own models refuse it but for those that always search
/// (<https://platform.openai.com/docs/guides/tools-web-search>).
pub(crate) fn write<'a>(
    request: &'a ChatRequest,
    model: &str,
    quirks: Quirks,
    losses: &mut Vec<Loss>,
) -> Option<Wire<'a>> {
    let searches = model.contains("search") || quirks.has(Quirk::WebSearch);
    let mut wire = None;
    for (at, tool) in request.tools.iter().enumerate() {
        let Tool::Hosted(tool) = tool else { continue };
        match &tool.does {
            Hosted::WebSearch(search) if searches => {
                unsaid(search, at, losses);
                wire = Some(Wire {
                    search_context_size: search.context_size.as_deref(),
                    user_location: search.location.as_ref().map(|it| At {
                        approximate: Told {
                            city: it.city.as_deref(),
                            country: it.country.as_deref(),
                            region: it.region.as_deref(),
                            timezone: it.timezone.as_deref(),
                        },
                    }),
                });
            }
            Hosted::WebSearch(_)
            | Hosted::PageReading(_)
            | Hosted::CodeExecution(_)
            | Hosted::Mcp(_) => {
                losses.push(Loss::dropped(format!("tools[{at}]"), reason(&tool.does)));
            }
        }
    }
    if wire.is_some() && request.max_hosted_calls.is_some() {
        losses.push(Loss::dropped("max_tool_calls", "searches are not bounded"));
    }
    wire
}

fn reason(does: &Hosted) -> &'static str {
    match does {
        Hosted::WebSearch(_) => "of chat models only those whose name says so search the web",
        Hosted::PageReading(_) => "chat completions have no tool that reads pages",
        Hosted::CodeExecution(_) => "chat completions have no tool that runs code",
        Hosted::Mcp(_) => "chat completions call no tools of servers",
    }
}

fn unsaid(search: &WebSearch, at: usize, losses: &mut Vec<Loss>) {
    let WebSearch { allowed_domains, blocked_domains, max_uses, location: _, context_size: _ } =
        search;
    for (said, member, reason) in [
        (!allowed_domains.is_empty(), "allowed_domains", "the web is searched everywhere"),
        (!blocked_domains.is_empty(), "blocked_domains", "the web is searched everywhere"),
        (max_uses.is_some(), "max_uses", "searches are not bounded"),
    ] {
        if said {
            losses.push(Loss::dropped(format!("tools[{at}].web_search.{member}"), reason));
        }
    }
}

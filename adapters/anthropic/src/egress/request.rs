//! How do we ask Anthropic what a client asked us?
//!
//! What the API cannot be told is left out and reported as a [`Loss`], in the client's path.
//! What would change the conversation if it were left out, such as a sound, is an error.

mod media;
mod sampling;
mod schema;
mod thinking;
mod tools;
mod turns;

use adapters_canonical::chat::{ChatRequest, OutputFormat};
use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::write;
use http::{HeaderName, HeaderValue};

use crate::capability::Capability;
use crate::hosted;
use crate::wire::request::{self as wire, Block, Metadata, Request};

/// What is sent where the target names no version. It is the older one of two, because it takes
/// everything that the newer one takes, and samplers too.
const DEFAULT_VERSION: &str = "2023-06-01";

/// The first version that takes no samplers.
const VERSION_WITHOUT_SAMPLERS: &str = "2026-10-21";

/// Names what of the API is not settled yet.
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Where the API is asked, below the base URL.
pub(crate) const PATH: &str = "/v1/messages";

/// Where it is asked how many tokens a request has.
pub(crate) const COUNT_PATH: &str = "/v1/messages/count_tokens";

/// Asks `target` what `request` asks.
///
/// # Errors
///
/// [`DecodeError::Shape`] names the content that this provider has no words for, and the wish for
/// more than one answer: who asks for several would take one for all of them.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    if request.choices.is_some_and(|n| n > 1) {
        return Err(DecodeError::shape("n", "this provider gives one answer only"));
    }
    let mut losses = Vec::new();
    let body = body(request, target, &mut losses)?;
    dropped(request, &mut losses);
    Ok(Translated { value: upstream(PATH, target, request.length(), &body)?, losses })
}

/// Asks `target` how many tokens `request` has, as the provider counts them. What has no bearing on
/// that is left out, and no loss.
///
/// # Errors
///
/// As [`encode`].
pub(super) fn encode_count(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let mut losses = Vec::new();
    let body = Request {
        max_tokens: None,
        sampling: wire::Sampling::default(),
        stop_sequences: Vec::new(),
        metadata: None,
        service_tier: None,
        stream: false,
        ..body(request, target, &mut losses)?
    };
    losses.retain(|loss| COUNTED.iter().any(|path| loss.path.starts_with(path)));
    Ok(Translated { value: upstream(COUNT_PATH, target, request.length(), &body)?, losses })
}

/// The members that have tokens.
const COUNTED: &[&str] = &["messages", "tool", "response_format"];

fn upstream(
    path: &str,
    target: &Target<'_>,
    length: usize,
    body: &Request<'_>,
) -> Result<UpstreamRequest, DecodeError> {
    let version = target.api_version.unwrap_or(DEFAULT_VERSION);
    let mut headers = vec![version_header(version)?];
    if !body.mcp_servers.is_empty() {
        headers.push((BETA, HeaderValue::from_static(hosted::BETA_MCP)));
    }
    Ok(UpstreamRequest { path: path.to_owned(), headers, body: write::body_of_about(length, body) })
}

fn body<'a>(
    request: &'a ChatRequest,
    target: &'a Target<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Request<'a>, DecodeError> {
    let version = target.api_version.unwrap_or(DEFAULT_VERSION);
    let capability = Capability::of(target.model);
    let (mut system, messages) = turns::encode(&request.messages, &capability, losses)?;
    let tools::Encoded { tools, mcp_servers, tool_choice, forced } =
        tools::encode(request, &capability, losses);
    let max_tokens = max_tokens(request, &capability, losses);
    let thought = thinking::encode(request, &capability, max_tokens, forced, losses);
    let samplers_taken = version < VERSION_WITHOUT_SAMPLERS;
    let sampling =
        sampling::encode(&request.sampling, &capability, samplers_taken, thought.on, losses);
    let format = output_format(request, &capability, &mut system, losses);
    Ok(Request {
        model: target.model,
        max_tokens: Some(thought.max_tokens),
        system: wire::Content(system),
        messages,
        tools,
        mcp_servers,
        tool_choice,
        thinking: thought.thinking,
        output_config: wire::OutputConfig { effort: thought.effort, format },
        sampling,
        stop_sequences: stop_sequences(&request.stop, losses),
        cache_control: cache(request, losses),
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: service_tier(request.service_tier.as_deref(), losses),
        stream: request.stream.is_some(),
    })
}

/// The mark on the whole prefix. A wish for a retention that is longer than the provider's longest
/// gets that one.
fn cache(request: &ChatRequest, losses: &mut Vec<Loss>) -> Option<wire::CacheControl> {
    const RETENTION: &str = "prompt_cache_retention";
    let marked =
        media::cache_control(request.cache.as_ref(), || "cache_control".to_owned(), losses);
    match request.prompt_cache_retention.as_deref() {
        // What the provider does anyway.
        None | Some("in_memory") => marked,
        Some("24h") => {
            losses.push(Loss::adapted(RETENTION, "the cache keeps for an hour at most"));
            Some(marked.filter(|control| control.ttl.is_some()).unwrap_or(LONGEST))
        }
        Some(_) => {
            losses.push(Loss::dropped(RETENTION, "the cache keeps for `5m` or `1h`"));
            marked
        }
    }
}

const LONGEST: wire::CacheControl = wire::CacheControl { ttl: Some("1h") };

fn version_header(version: &str) -> Result<(HeaderName, HeaderValue), DecodeError> {
    let value = HeaderValue::from_str(version)
        .map_err(|_| DecodeError::shape("$", "the API version must be fit for a header"))?;
    Ok((HeaderName::from_static("anthropic-version"), value))
}

/// The same for a request that passes as it is: a version that no header can hold is left out.
pub(crate) fn version_headers(target: &Target<'_>) -> Vec<(HeaderName, HeaderValue)> {
    version_header(target.api_version.unwrap_or(DEFAULT_VERSION)).into_iter().collect()
}

/// The API demands a bound. Where the client set none, the model's default is no loss: OpenAI's
/// default is the model's own, too.
fn max_tokens(request: &ChatRequest, capability: &Capability, losses: &mut Vec<Loss>) -> u64 {
    match (request.max_output_tokens, capability.most_max_tokens) {
        (Some(wanted), Some(most)) if wanted > most => {
            losses.push(Loss::adapted(
                "max_completion_tokens",
                format!("this model writes at most {most} tokens"),
            ));
            most
        }
        (Some(wanted), _) => wanted,
        (None, _) => capability.default_max_tokens,
    }
}

fn output_format<'a>(
    request: &'a ChatRequest,
    capability: &Capability,
    system: &mut Vec<Block<'a>>,
    losses: &mut Vec<Loss>,
) -> Option<wire::OutputFormat<'a>> {
    let path = "response_format";
    let ask = "Answer with a single JSON object and nothing else.";
    match &request.output_format {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            losses.push(Loss::adapted(path, "asked for in words, not enforced"));
            system.push(Block::text(ask));
            None
        }
        OutputFormat::JsonSchema(format) => match &format.schema {
            Some(schema) if capability.schemas => {
                if format.description.is_some() {
                    losses.push(Loss::dropped(
                        "response_format.json_schema.description",
                        "a schema has no description beside itself",
                    ));
                }
                let path = || "response_format.json_schema.schema".to_owned();
                Some(wire::OutputFormat { schema: schema::enforceable(schema, path, losses) })
            }
            Some(schema) => {
                losses.push(Loss::adapted(path, "asked for in words: this model takes no schema"));
                system.push(Block::text(format!("{ask} It must fit this JSON Schema:\n{schema}")));
                None
            }
            None => {
                losses.push(Loss::adapted(path, "asked for in words: there is no schema"));
                system.push(Block::text(ask));
                None
            }
        },
    }
}

fn stop_sequences<'a>(stop: &'a [String], losses: &mut Vec<Loss>) -> Vec<&'a str> {
    let mut kept = Vec::with_capacity(stop.len());
    for (at, sequence) in stop.iter().enumerate() {
        if sequence.trim().is_empty() {
            losses.push(Loss::dropped(
                format!("stop[{at}]"),
                "a stop sequence must have more than white space",
            ));
        } else {
            kept.push(sequence.as_str());
        }
    }
    kept
}

fn service_tier(wanted: Option<&str>, losses: &mut Vec<Loss>) -> Option<&'static str> {
    match wanted? {
        "auto" => Some("auto"),
        "default" | "standard" | "standard_only" => Some("standard_only"),
        _ => {
            losses.push(Loss::dropped("service_tier", "this provider has no such tier"));
            None
        }
    }
}

/// Reports what the API has no field for. A value that means what the provider does anyway is no
/// loss.
fn dropped(request: &ChatRequest, losses: &mut Vec<Loss>) {
    let sampling = &request.sampling;
    let nonzero = |number: Option<f64>| number.is_some_and(|number| number != 0.0);
    let gone = [
        ("seed", sampling.seed.is_some(), "sampling cannot be made repeatable"),
        ("presence_penalty", nonzero(sampling.presence_penalty), "there are no penalties"),
        ("frequency_penalty", nonzero(sampling.frequency_penalty), "there are no penalties"),
        ("logit_bias", !sampling.logit_bias.is_empty(), "tokens cannot be biased"),
        ("logprobs", sampling.logprobs == Some(true), "there are no log probabilities"),
        (
            "top_logprobs",
            sampling.top_logprobs.is_some_and(|count| count > 0),
            "there are no log probabilities",
        ),
        (
            "verbosity",
            request.verbosity.as_deref().is_some_and(|wish| wish != "medium"),
            "wordiness cannot be set",
        ),
        (
            "prompt_cache_key",
            request.prompt_cache_key.is_some(),
            "the cache is keyed by the prompt alone",
        ),
        ("metadata", !request.metadata.is_empty(), "only an end user can be named"),
        ("store", request.store == Some(true), "answers are not kept"),
    ];
    losses.extend(
        gone.into_iter()
            .filter(|(_, lost, _)| *lost)
            .map(|(path, _, reason)| Loss::dropped(path, reason)),
    );
}

//! A provider's whole answer.

use adapters_canonical::annotation::TokenLogprob;
use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Media, MediaSource, Opaque, Part, Text, Thought,
    ToolCall, ToolKind,
};
use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::read;
use adapters_json::string::Str;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::hosted;
use crate::ingress::annotation;
use crate::passthrough;
use crate::wire::item::{Content, Item, Logprob, Words};
use crate::wire::response::{Response, seconds};
use crate::wire::usage::ToolUsage;

/// Reads a response object.
///
/// | item                                  | becomes                             |
/// |---------------------------------------|-------------------------------------|
/// | `message`                             | texts and refusals                  |
/// | `reasoning`                           | a thought; its cipher is its seal   |
/// | `function_call`, `custom_tool_call`   | a call                              |
/// | `image_generation_call` with a result | a picture                           |
/// | what was done with a tool of its own  | a step                              |
/// | anything else                         | kept byte for byte                  |
///
/// # Errors
///
/// [`DecodeError`] names what did not fit.
pub(super) fn decode(body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
    let response: Response<'_> = read::body(body)?;
    let Some(output) = &response.output else {
        let path = if response.error.is_some() { "error" } else { "output" };
        return Err(DecodeError::shape(
            path,
            "stands where the answer should be, or none is there",
        ));
    };
    let mut read = Read::default();
    for (at, raw) in output.iter().enumerate() {
        item(raw, &format!("output[{at}]"), &mut read)?;
    }
    let Read { parts, logprobs, mut losses } = read;
    let parts: Vec<_> = parts
        .into_iter()
        .flat_map(|part| {
            let carrier = part.carrier();
            [Some(part), carrier].into_iter().flatten()
        })
        .collect();
    losses.extend(finish_loss(&response));
    losses.extend(drawing_loss(&response));
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let finish = finish(&response, calls);
    let logprobs = Some(logprobs).filter(|tokens| !tokens.is_empty());
    let usage = passthrough::tokens(response.usage, response.tool_usage.as_ref());
    let value = ChatResponse {
        id: response.id.map(String::from).unwrap_or_default(),
        model: response.model.map(String::from).unwrap_or_default(),
        created: seconds(response.created_at),
        choices: vec![Choice { index: 0, parts, finish, logprobs }],
        usage,
        service_tier: response.service_tier,
    };
    Ok(Translated { value, losses })
}

/// Why the answer ended.
pub(super) fn finish(response: &Response<'_>, calls: bool) -> Finish {
    let done = if calls { FinishReason::ToolCalls } else { FinishReason::Stop };
    match response.status.as_deref() {
        Some("incomplete") => {
            let native = response.incomplete_details.as_ref().and_then(|it| it.reason.clone());
            let reason = match native.as_deref() {
                Some("content_filter") => FinishReason::ContentFilter,
                Some("max_output_tokens") | None => FinishReason::Length,
                Some(_) => done,
            };
            Finish { native, ..reason.into() }
        }
        Some(word @ ("failed" | "cancelled")) => {
            let message = response.error.map(|error| error::object(error).message);
            let native = Some(word.to_owned());
            Finish { native, message, ..FinishReason::Error.into() }
        }
        _ => done.into(),
    }
}

/// What the last event of a stream says of the end.
pub(super) fn ended(response: Response<'_>, calls: bool) -> Vec<Delta> {
    let finish = finish(&response, calls);
    let losses = finish_loss(&response).into_iter().chain(drawing_loss(&response));
    let mut deltas: Vec<Delta> = losses.map(Delta::Loss).collect();
    deltas.extend(response.service_tier.map(Delta::ServiceTier));
    let usage = passthrough::tokens(response.usage, response.tool_usage.as_ref());
    deltas.extend(usage.map(Delta::Usage));
    deltas.push(Delta::Finish { choice: 0, finish });
    deltas
}

/// What a reason to end says that the shared ones do not.
fn finish_loss(response: &Response<'_>) -> Option<Loss> {
    let native = response.incomplete_details.as_ref()?.reason.as_deref()?;
    let own = !matches!(native, "content_filter" | "max_output_tokens");
    let reason = "a reason of the provider's own; reported as complete";
    own.then(|| Loss::adapted("incomplete_details.reason", reason))
}

/// That pictures were counted apart.
fn drawing_loss(response: &Response<'_>) -> Option<Loss> {
    let drew = response.tool_usage.as_ref().is_some_and(ToolUsage::drew);
    let why = "tokens of pictures that were drawn are not counted";
    drew.then(|| Loss::dropped("tool_usage.image_gen", why))
}

/// What items say, one after another.
#[derive(Default)]
pub(super) struct Read {
    pub(super) parts: Vec<Part>,
    pub(super) logprobs: Vec<TokenLogprob>,
    pub(super) losses: Vec<Loss>,
}

/// Reads an item that is complete. `path` names it in errors and losses.
pub(super) fn item(raw: &RawValue, path: &str, out: &mut Read) -> Result<(), DecodeError> {
    let item: Item<'_> = read::object(raw, path)?;
    losses(&item, path, &mut out.losses);
    let parts = &mut out.parts;
    match item.kind.as_deref().unwrap_or_default() {
        "message" => message(&item, path, out)?,
        "reasoning" => parts.push(Part::Reasoning(thought(item))),
        kind @ ("function_call" | "custom_tool_call") => {
            let kind = tool_kind(kind);
            let arguments = match kind {
                ToolKind::Function => item.arguments,
                ToolKind::Custom => item.input,
            };
            let arguments = arguments.map(words).unwrap_or_default();
            let (id, name) = (call_id(&item), item.name.unwrap_or_default());
            parts.push(Part::ToolCall(ToolCall { id, name, arguments, kind, signature: None }));
        }
        kind => {
            let part = match picture(kind, raw) {
                Some(media) => Part::Image(media),
                None => match hosted::read(raw) {
                    Some(step) => Part::Hosted(Box::new(step)),
                    None => Part::Opaque(Opaque::new(Dialect::Responses, raw)),
                },
            };
            parts.push(part);
        }
    }
    Ok(())
}

pub(super) fn tool_kind(kind: &str) -> ToolKind {
    if kind == "custom_tool_call" { ToolKind::Custom } else { ToolKind::Function }
}

/// Names the call; some servers leave it out.
pub(super) fn call_id(item: &Item<'_>) -> String {
    let named = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    named(&item.call_id).or_else(|| named(&item.id)).unwrap_or_else(|| "call_0".to_owned())
}

/// The phase that a message has unless it says otherwise.
const FINAL: &str = "\"final_answer\"";

/// What of an item has no place in the canonical answer.
fn losses(item: &Item<'_>, path: &str, losses: &mut Vec<Loss>) {
    let kind = item.kind.as_deref().unwrap_or_default();
    let mut lose = |name: &str, why: &'static str| {
        losses.push(Loss::dropped(format!("{path}.{name}"), why));
    };
    match kind {
        "message" if item.phase.is_some_and(|phase| phase.get() != FINAL) => {
            lose("phase", "that words are a remark, and not yet the answer, is not told");
        }
        "function_call" | "custom_tool_call" if item.namespace.is_some() => {
            lose("namespace", "functions have no namespaces");
        }
        "image_generation_call" if item.revised_prompt.is_some() => {
            lose("revised_prompt", "in what words a picture was drawn has no place");
        }
        "reasoning" => {
            let summary = item.summary.as_ref().is_some_and(|words| !words.is_empty());
            let content = item.content.is_some_and(|raw| !matches!(raw.get(), "[]" | "null"));
            if summary && content {
                lose("content", "a thought is told by its summary, not word for word");
            }
        }
        _ => {}
    }
}

fn message(item: &Item<'_>, path: &str, out: &mut Read) -> Result<(), DecodeError> {
    let Some(content) = item.content else { return Ok(()) };
    let content: Vec<&RawValue> = serde_json::from_str(content.get())
        .map_err(|_| DecodeError::shape(format!("{path}.content"), "must be a list of parts"))?;
    for (at, raw) in content.into_iter().enumerate() {
        let content: Content<'_> = read::object(raw, &format!("{path}.content[{at}]"))?;
        match &*content.kind {
            "output_text" => {
                let mut citations = Vec::new();
                for (nth, raw) in content.annotations.unwrap_or_default().into_iter().enumerate() {
                    match annotation::read(raw) {
                        Some(citation) => {
                            if annotation::in_container(raw) {
                                out.losses.push(Loss::dropped(
                                    format!("{path}.content[{at}].annotations[{nth}].container_id"),
                                    "which container holds a file has no place",
                                ));
                            }
                            citations.push(citation);
                        }
                        None => out.losses.push(Loss::dropped(
                            format!("{path}.content[{at}].annotations[{nth}]"),
                            "not a known kind of annotation",
                        )),
                    }
                }
                out.logprobs.extend(content.logprobs.unwrap_or_default().into_iter().map(token));
                out.parts.push(Part::Text(Text {
                    citations,
                    ..content.text.unwrap_or_default().into()
                }));
            }
            "refusal" => out.parts.push(Part::Refusal(content.refusal.unwrap_or_default())),
            _ => out
                .parts
                .push(Part::Opaque(Opaque { dialect: Dialect::Responses, json: raw.to_owned() })),
        }
    }
    Ok(())
}

/// The thought of a reasoning item. Its summary goes before what was thought word for word.
pub(super) fn thought(item: Item<'_>) -> Thought {
    let content: Option<Vec<Words>> =
        item.content.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let words = item.summary.filter(|summary| !summary.is_empty()).or(content).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(|words| words.text.as_str()).collect();
    Thought {
        text: words.join("\n\n"),
        signature: item.encrypted_content.filter(|seal| !seal.is_empty()),
        redacted: None,
        origin: Some(Dialect::Responses),
        id: item.id,
    }
}

/// A text, or the JSON that stands where one should.
fn words(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

fn picture(kind: &str, raw: &RawValue) -> Option<Media> {
    #[derive(Deserialize)]
    struct Drawn<'a> {
        result: Option<String>,
        #[serde(borrow)]
        output_format: Option<Str<'a>>,
    }

    if kind != "image_generation_call" {
        return None;
    }
    let Drawn { result, output_format } = serde_json::from_str(raw.get()).ok()?;
    let format = output_format.as_deref().unwrap_or("png");
    Some(Media {
        source: MediaSource::Base64(result.filter(|result| !result.is_empty())?),
        mime_type: Some(format!("image/{format}")),
        name: None,
        detail: None,
        cache: None,
    })
}

pub(super) fn token(wire: Logprob) -> TokenLogprob {
    let top = wire.top_logprobs.into_iter().map(|top| TokenLogprob {
        token: top.token,
        logprob: top.logprob,
        bytes: top.bytes,
        top: Vec::new(),
    });
    TokenLogprob { token: wire.token, logprob: wire.logprob, bytes: wire.bytes, top: top.collect() }
}

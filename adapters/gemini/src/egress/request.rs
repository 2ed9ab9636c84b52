//! Writes a request.

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{Target, UpstreamRequest};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::write;

use super::model::Model;
use super::{conversation, generation, tools};
use crate::wire::request::Request;

/// The API version, unless the target asks for another.
pub(crate) const VERSION: &str = "v1beta";

/// Asks `target` what `request` asks.
///
/// What Gemini has no words for is reported as a [`Loss`], unless it would not change anything:
/// `n: 1` and `parallel_tool_calls: true` are what Gemini does anyway.
///
/// # Errors
///
/// [`DecodeError::Shape`] for content that cannot be sent, in the client's path: a file of another
/// provider, bytes of unknown type, a result of a call that was never made.
pub fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Translated<UpstreamRequest>, DecodeError> {
    let model = Model::new(target.model);
    let path = model.path(target.api_version.unwrap_or(VERSION), request.stream.is_some())?;
    let mut losses = Vec::new();
    let (system_instruction, contents) =
        conversation::encode(&request.messages, model, &mut losses)?;
    let tools = tools::encode(request, model, &mut losses);
    let tool_config = tools::choice(request, model, &tools, &mut losses);
    let body = Request {
        system_instruction,
        contents,
        tools,
        tool_config,
        generation_config: generation::encode(request, model, &mut losses),
        service_tier: service_tier(request.service_tier.as_deref(), &mut losses),
        store: store(request.store, model, &mut losses),
    };
    note_losses(request, &mut losses);
    let value = UpstreamRequest {
        path,
        headers: Vec::new(),
        body: write::body_of_about(request.length(), &body),
    };
    Ok(Translated { value, losses })
}

fn service_tier(tier: Option<&str>, losses: &mut Vec<Loss>) -> Option<&'static str> {
    match tier? {
        "auto" => None,
        "default" | "standard" => Some("standard"),
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        _ => {
            losses.push(Loss::dropped("service_tier", "the provider has no such tier"));
            None
        }
    }
}

/// What Gemini keeps is a log for the account's owner, which no client can retrieve: only the wish
/// that nothing be kept is passed on, and only where it is understood.
fn store(store: Option<bool>, model: Model<'_>, losses: &mut Vec<Loss>) -> Option<bool> {
    if store? {
        losses.push(Loss::dropped("store", "answers cannot be retrieved later"));
        return None;
    }
    (!model.on_vertex()).then_some(false)
}

fn note_losses(request: &ChatRequest, losses: &mut Vec<Loss>) {
    if request.parallel_tool_calls == Some(false) {
        let reason = "the model may call several tools at once";
        losses.push(Loss::dropped("parallel_tool_calls", reason));
    }
    if request.verbosity.as_deref().is_some_and(|verbosity| verbosity != "medium") {
        losses.push(Loss::dropped("verbosity", "how wordy an answer is cannot be set"));
    }
    if request.user.is_some() {
        losses.push(Loss::dropped("user", "the provider takes no name of the end user"));
    }
    if request.prompt_cache_key.is_some() {
        let reason = "the provider decides by itself what it caches";
        losses.push(Loss::dropped("prompt_cache_key", reason));
    }
    if request.prompt_cache_retention.is_some() {
        let reason = "the provider decides by itself what it caches";
        losses.push(Loss::dropped("prompt_cache_retention", reason));
    }
    if request.cache.is_some() {
        let reason = "the provider decides by itself what it caches";
        losses.push(Loss::dropped("cache_control", reason));
    }
    if !request.metadata.is_empty() {
        losses.push(Loss::dropped("metadata", "the provider takes no labels of this form"));
    }
}

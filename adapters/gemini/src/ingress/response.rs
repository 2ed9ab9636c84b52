//! A whole answer in the client's words.

use std::borrow::Cow;

use adapters_canonical::chat::{ChatResponse, Choice, Part};
use adapters_canonical::dialect::{AnswerContext, Dialect};
use adapters_canonical::loss::Translated;
use adapters_canonical::unsaid::unsaid;
use adapters_json::write;

use super::vocabulary::VOCABULARY;
use super::{finish, part, seal, usage};
use crate::hosted::{Code, Looked};
use crate::wire::answer::{Answer, Candidate, CitationMetadata, Content, PromptFeedback};
use crate::wire::request::Part as WirePart;

/// Writes a `GenerateContentResponse`.
///
/// Parts keep their order. A thought of another provider bears its seal in a form of ours (see
/// [`seal`](super::seal)); sources go to `citationMetadata`. An answer that was blocked before it
/// began has `promptFeedback` and no candidate. A part that only another dialect knows is left out
/// and reported.
#[must_use]
pub fn encode_response(response: &ChatResponse, context: &AnswerContext) -> Translated<Vec<u8>> {
    let losses = unsaid(&VOCABULARY, response);
    let blocked = blocked(response);
    let candidates = match blocked {
        Some(_) => Vec::new(),
        None => response.choices.iter().map(candidate).collect(),
    };
    let create_time = part::rfc3339(response.created.unwrap_or(context.created));
    let tier = response.service_tier.as_deref();
    let value = write::body(&Answer {
        candidates,
        prompt_feedback: blocked,
        usage_metadata: response.usage.as_ref().map(|used| usage::metadata(used, tier)),
        model_version: or(&response.model, &context.model),
        create_time: &create_time,
        response_id: or(&response.id, &context.request_id),
        penstock_losses: None,
    });
    Translated { value, losses }
}

pub(super) fn or<'a>(text: &'a str, fallback: &'a str) -> &'a str {
    if text.is_empty() { fallback } else { text }
}

fn blocked(response: &ChatResponse) -> Option<PromptFeedback<'_>> {
    let choice = match response.choices.as_slice() {
        [] => return Some(PromptFeedback { block_reason: "OTHER", block_reason_message: None }),
        [only] if only.parts.is_empty() => only,
        _ => return None,
    };
    let block_reason = finish::blocked(&choice.finish)?;
    Some(PromptFeedback { block_reason, block_reason_message: choice.finish.message.as_deref() })
}

fn candidate(choice: &Choice) -> Candidate<'_> {
    let (mut parts, mut citations, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut looked = Looked::default();
    for said in &choice.parts {
        if let Part::Text(text) = said {
            let cited = text.citations.iter();
            citations.extend(cited.map(|cited| part::citation(cited, &text.text, bytes)));
            bytes += text.text.len();
        }
        if matches!(said, Part::Reasoning(thought) if thought.carries(Dialect::Gemini).is_some()) {
            continue;
        }
        if let Part::Hosted(step) = said {
            match (step.own(Dialect::Gemini), Code::of(step)) {
                (Some(own), _) => parts.push(WirePart::Opaque(&own.json)),
                (None, Some(code)) => parts.extend(code.into_iter().map(WirePart::Hosted)),
                // The vocabulary says what has no place there.
                (None, None) => drop(looked.take(step)),
            }
            continue;
        }
        parts.extend(write_part(said));
    }
    if parts.is_empty() {
        parts.push(part::text("", None));
    }
    let (logprobs_result, avg_logprobs) = match &choice.logprobs {
        Some(tokens) => {
            let (result, mean) = part::logprobs(tokens);
            (Some(result), mean)
        }
        None => (None, None),
    };
    Candidate {
        content: Content { parts, role: "model" },
        finish_reason: Some(finish::reason(&choice.finish)),
        finish_message: choice.finish.message.as_deref(),
        grounding_metadata: looked.grounding(&citations),
        url_context_metadata: looked.pages(),
        citation_metadata: (!citations.is_empty())
            .then_some(CitationMetadata { citations: Cow::Owned(citations) }),
        avg_logprobs,
        logprobs_result,
        index: choice.index,
    }
}

fn write_part(said: &Part) -> Option<WirePart<'_>> {
    Some(match said {
        Part::Text(text) => part::text(&text.text, text.signature.as_deref()),
        Part::Refusal(text) => part::text(text, None),
        Part::Reasoning(thought) => part::thought(&thought.text, seal::wrap(thought, None)),
        Part::ToolCall(call) => part::call(call),
        Part::Image(media) => part::media(media, "image/png"),
        Part::Audio(media) => part::media(media, "audio/wav"),
        Part::Video(media) => part::media(media, "video/mp4"),
        Part::Document(media) => part::media(media, "application/octet-stream"),
        Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => WirePart::Opaque(&opaque.json),
        // Written apart: it may be several parts, or none.
        Part::Hosted(_) => return None,
        // The vocabulary says that they are left out.
        Part::Opaque(_) | Part::ToolResult(_) => return None,
    })
}

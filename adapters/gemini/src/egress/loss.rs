//! What of an answer the canonical answer has no place for: it is named as Gemini calls it.

use adapters_canonical::loss::Loss;

use crate::wire::response::{
    Candidate, Citation, GroundingMetadata, Part, PromptFeedback, Response,
};

/// Of an answer, or of a chunk of one, but for its candidates.
pub(super) fn of_response(response: &Response<'_>, losses: &mut Vec<Loss>) {
    if response.model_status.is_some() {
        losses.push(Loss::dropped("modelStatus", "how old the model is has no place"));
    }
    if let Some(feedback) = &response.prompt_feedback {
        of_feedback(feedback, losses);
    }
}

fn of_feedback(feedback: &PromptFeedback<'_>, losses: &mut Vec<Loss>) {
    let rated = feedback.safety_ratings.as_ref().is_some_and(|ratings| !ratings.is_empty());
    let other = |reason: &str| !matches!(reason, "" | "BLOCK_REASON_UNSPECIFIED" | "SAFETY");
    if feedback.block_reason.as_deref().is_some_and(other) {
        let why = "a reason of this provider's own; reported as `content_filter`";
        losses.push(Loss::adapted("promptFeedback.blockReason", why));
    }
    if feedback.block_reason.is_some() && rated {
        let path = "promptFeedback.safetyRatings";
        losses.push(Loss::dropped(path, "which rating blocked it has no place"));
    }
}

/// Of a candidate, or of a chunk of one.
pub(super) fn of_candidate(candidate: &Candidate<'_>, index: u32, losses: &mut Vec<Loss>) {
    let mut lose = |path: &str, why: &'static str| {
        losses.push(Loss::dropped(format!("candidates[{index}].{path}"), why));
    };
    let ratings = candidate.safety_ratings.iter().flatten();
    if ratings.into_iter().any(|rating| rating.blocked == Some(true)) {
        lose("safetyRatings", "which rating ended the answer has no place");
    }
    if let Some(grounding) = &candidate.grounding_metadata {
        of_grounding(grounding, &mut lose);
    }
    let cited = candidate.citation_metadata.as_ref().and_then(|it| it.citations.as_ref());
    if cited.into_iter().flatten().any(|raw| {
        serde_json::from_str::<Citation<'_>>(raw.get())
            .is_ok_and(|it| it.license.is_some() || it.publication_date.is_some())
    }) {
        lose("citationMetadata.citations", "the licence and the date of a source have no place");
    }
    if let Some(why) = candidate.finish_reason.as_deref().and_then(finish_reason) {
        losses.push(Loss::adapted(format!("candidates[{index}].finishReason"), why));
    }
}

fn of_grounding(grounding: &GroundingMetadata<'_>, lose: &mut impl FnMut(&str, &'static str)) {
    let some = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if grounding.search_entry_point.is_some() {
        lose("groundingMetadata.searchEntryPoint", "suggestions to search on have no place");
    }
    for (name, queries) in [
        ("groundingMetadata.imageSearchQueries", &grounding.image_search_queries),
        ("groundingMetadata.retrievalQueries", &grounding.retrieval_queries),
    ] {
        if some(queries) {
            lose(name, "what was searched for has no place");
        }
    }
    if grounding.google_maps_widget_context_token.is_some() {
        lose("groundingMetadata.googleMapsWidgetContextToken", "a map has no place");
    }
}

/// Of a part of a known kind that says more than that.
pub(super) fn of_part(part: &Part<'_>, index: u32, losses: &mut Vec<Loss>) {
    let known = part.text.is_some() || part.function_call.is_some();
    if !known {
        return;
    }
    for (name, _) in &part.other {
        let path = format!("candidates[{index}].content.parts.{}", &**name);
        losses.push(Loss::dropped(path, "what a part says beside its words has no place"));
    }
}

/// What Gemini's word for the end says that the shared ones do not.
fn finish_reason(word: &str) -> Option<&'static str> {
    match word {
        "" | "FINISH_REASON_UNSPECIFIED" | "STOP" | "MAX_TOKENS" | "SAFETY" => None,
        "CONTINUATION" | "TOO_MANY_TOOL_CALLS" => {
            Some("a reason of this provider's own; reported as `length`")
        }
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "MISSING_THOUGHT_SIGNATURE" => {
            Some("a reason of this provider's own; reported as `error`")
        }
        "OTHER" | "NO_IMAGE" => Some("a reason of this provider's own; reported as `stop`"),
        "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR" => Some("a reason of this provider's own; reported as `content_filter`"),
        image if image.starts_with("IMAGE_") => {
            Some("a reason of this provider's own; reported as `content_filter`")
        }
        _ => Some("a reason of this provider's own; reported as `stop`"),
    }
}

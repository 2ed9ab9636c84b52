//! What of an answer the canonical answer has no place for: it is named as Anthropic calls it.

use adapters_canonical::loss::Loss;
use serde_json::value::RawValue;

use crate::citation;
use crate::wire::answer::{Block, StopDetails, Tag, Usage};

/// Of a block.
pub(super) fn of_block(block: &Block<'_>, at: u64) -> Vec<Loss> {
    let mut losses = Vec::new();
    if citation::read_raw(block.citations).any(citation::has_place) {
        losses.push(of_citation(at));
    }
    if block.caller.is_some_and(|caller| !is_direct(caller)) {
        let path = format!("content[{at}].caller");
        losses.push(Loss::dropped(path, "that a program called, and not the model, is not said"));
    }
    losses
}

/// Of a citation that [has one](citation::has_place).
pub(super) fn of_citation(at: u64) -> Loss {
    let path = format!("content[{at}].citations");
    Loss::adapted(
        path,
        "where in its source the cited words stand, and the seal on it, have no place",
    )
}

/// Of where code ran.
pub(super) fn of_container() -> Loss {
    Loss::dropped("container", "where code ran has no place")
}

/// Of what was done to the conversation.
pub(super) fn of_context_management() -> Loss {
    Loss::dropped("context_management", "what was left out of the conversation has no place")
}

/// Of why the answer ended: what the reason says that the shared ones do not, and the kind of
/// refusal.
pub(super) fn of_stop(native: Option<&str>, details: Option<&RawValue>) -> Vec<Loss> {
    let reason = match native {
        None | Some("end_turn" | "stop_sequence" | "max_tokens" | "tool_use" | "refusal") => None,
        Some("model_context_window_exceeded") => {
            Some("the context window is full; reported as `length`")
        }
        Some("pause_turn") => Some("the provider paused, and can go on if it is sent its answer"),
        Some(_) => Some("a reason of this provider's own; reported as `stop`"),
    };
    let reason = reason.map(|reason| Loss::adapted("choices[0].finish_reason", reason));
    let details = details.and_then(|raw| serde_json::from_str::<StopDetails>(raw.get()).ok());
    let category = details
        .and_then(|details| details.category)
        .map(|_| Loss::dropped("stop_details.category", "what kind of refusal it is has no place"));
    reason.into_iter().chain(category).collect()
}

/// Of what was counted.
pub(super) fn of_usage(raw: &RawValue) -> Option<Loss> {
    let usage: Usage<'_> = serde_json::from_str(raw.get()).ok()?;
    let fetched = usage.server_tool_use?.web_fetch_requests.is_some_and(|count| count > 0);
    let path = "usage.server_tool_use.web_fetch_requests";
    fetched.then(|| Loss::dropped(path, "pages that the provider fetched are not counted"))
}

fn is_direct(caller: &RawValue) -> bool {
    let tag = serde_json::from_str::<Tag<'_>>(caller.get());
    tag.is_ok_and(|tag| tag.kind.as_deref().is_none_or(|kind| kind == "direct"))
}

//! Says why an answer ended.

use adapters_canonical::chat::{Finish, FinishReason};

/// What Gemini's word for the end means. `called` says whether the answer called a function:
/// Gemini says `STOP` then too.
///
/// | `finishReason`                                                        | [`FinishReason`]    |
/// |-----------------------------------------------------------------------|---------------------|
/// | `STOP`                                                                | `Stop`, `ToolCalls` |
/// | `MAX_TOKENS`, `CONTINUATION` (¹), `TOO_MANY_TOOL_CALLS` (²)           | `Length`            |
/// | `SAFETY`, `RECITATION`, `LANGUAGE`, `BLOCKLIST`, `PROHIBITED_CONTENT`, `SPII`, `ESCALATION`, `PUP_LIMITED_DISABLED`, `MODEL_ARMOR`, `IMAGE_*` | `ContentFilter` |
/// | `MALFORMED_FUNCTION_CALL`, `MALFORMED_RESPONSE`, `UNEXPECTED_TOOL_CALL`, `MISSING_THOUGHT_SIGNATURE` | `Error` |
/// | `OTHER`, `NO_IMAGE`, every word unknown here                          | `Stop`, `ToolCalls` |
///
/// (¹) the provider's own limit for one answer; (²) the provider's own tools ran too often.
pub(super) fn finish(native: &str, called: bool) -> Finish {
    let reason = match native {
        "MAX_TOKENS" | "CONTINUATION" | "TOO_MANY_TOOL_CALLS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "MISSING_THOUGHT_SIGNATURE" => FinishReason::Error,
        image if image.starts_with("IMAGE_") => FinishReason::ContentFilter,
        _ if called => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    };
    Finish { native: Some(native.to_owned()), ..Finish::from(reason) }
}

/// The end of an answer that never began, since the prompt was blocked for `reason`.
pub(super) fn blocked(reason: &str, message: Option<String>) -> Finish {
    let native = Some(reason.to_owned());
    Finish { native, message, ..Finish::from(FinishReason::ContentFilter) }
}

/// Whether this word says that the answer ended; proto's zero value does not.
pub(crate) fn is_final(native: &str) -> bool {
    !native.is_empty() && native != "FINISH_REASON_UNSPECIFIED"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_from_a_stop_and_a_broken_call_is_no_stop() {
        assert_eq!(finish("STOP", true).reason, FinishReason::ToolCalls);
        assert_eq!(finish("STOP", false).reason, FinishReason::Stop);
        assert_eq!(finish("MAX_TOKENS", true).reason, FinishReason::Length);
        assert_eq!(finish("MALFORMED_FUNCTION_CALL", false).reason, FinishReason::Error);
        assert_eq!(finish("IMAGE_SAFETY", false).reason, FinishReason::ContentFilter);
        assert_eq!(finish("NO_IMAGE", false).reason, FinishReason::Stop);
    }

    #[test]
    fn the_native_word_is_kept() {
        assert_eq!(finish("A_NEW_WORD", false).native.as_deref(), Some("A_NEW_WORD"));
    }
}

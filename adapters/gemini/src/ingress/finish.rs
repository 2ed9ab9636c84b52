//! Says why an answer ended, or why there is none.

use adapters_canonical::chat::{Finish, FinishReason};

/// All words of `finishReason`: a client's SDK may know no other.
const REASONS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "CONTINUATION",
    "MODEL_ARMOR",
];

/// All words of `promptFeedback.blockReason`.
const BLOCKED: &[&str] = &[
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Gemini's word for an end: its own if it said one, else the one that means the same. Calls of
/// functions end in `STOP`.
pub(super) fn reason(finish: &Finish) -> &str {
    if let Some(native) = finish.native.as_deref().filter(|native| REASONS.contains(native)) {
        return native;
    }
    match finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter => "SAFETY",
        FinishReason::Pause | FinishReason::Error => "OTHER",
    }
}

/// Why the prompt was blocked, if this is the end of an answer that never began since Gemini
/// blocked it.
pub(super) fn blocked(finish: &Finish) -> Option<&str> {
    let native = finish.native.as_deref().filter(|native| BLOCKED.contains(native));
    native.filter(|_| finish.reason == FinishReason::ContentFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(reason: FinishReason, native: Option<&str>) -> Finish {
        Finish { native: native.map(str::to_owned), ..Finish::from(reason) }
    }

    #[test]
    fn every_end_has_a_word_that_sdks_know() {
        for (end, native, word) in [
            (FinishReason::Stop, Some("end_turn"), "STOP"),
            (FinishReason::ToolCalls, Some("tool_use"), "STOP"),
            (FinishReason::Length, None, "MAX_TOKENS"),
            (FinishReason::ContentFilter, Some("refusal"), "SAFETY"),
            (FinishReason::Error, None, "OTHER"),
            (FinishReason::Error, Some("MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
        ] {
            assert_eq!(reason(&finish(end, native)), word);
        }
    }

    #[test]
    fn only_geminis_own_word_says_that_the_prompt_was_blocked() {
        assert_eq!(
            blocked(&finish(FinishReason::ContentFilter, Some("JAILBREAK"))),
            Some("JAILBREAK")
        );
        assert_eq!(blocked(&finish(FinishReason::ContentFilter, Some("content_filter"))), None);
        assert_eq!(blocked(&finish(FinishReason::ContentFilter, None)), None);
    }
}

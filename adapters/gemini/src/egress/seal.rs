//! Which seals Gemini is sent, and where.
//!
//! Gemini refuses a seal that is not its own. A seal of which the maker is not known is believed if
//! it could be one: base64, and not one of another provider that was wrapped for a Gemini client.

use std::borrow::Cow;

use adapters_canonical::chat::Thought;
use adapters_canonical::dialect::Dialect;

use crate::ingress::seal::MARK;
use crate::wire::request::{Content, KnownPart, NO_SIGNATURE, Part};

/// A seal of unknown maker, if Gemini could have made it.
pub(super) fn plausible(signature: Option<&str>) -> Option<&str> {
    signature.filter(|signature| {
        let body = signature.trim_end_matches('=');
        let of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        let is_base64 = body.bytes().all(of_base64) && body.len() % 4 != 1;
        !body.is_empty() && is_base64 && !signature.starts_with(MARK) || *signature == NO_SIGNATURE
    })
}

/// Whether a thought may be shown to Gemini: its own, or of an unknown maker. The thoughts of
/// another provider are sealed for that one alone.
pub(super) fn is_ours(thought: &Thought) -> bool {
    match thought.origin {
        Some(Dialect::Gemini) => true,
        Some(Dialect::OpenAi | Dialect::Responses | Dialect::Anthropic) => false,
        None => thought.redacted.is_none(),
    }
}

/// Gives the first call of each step of the current turn a seal, if it has none: another model made
/// it, and Gemini 3 refuses it without. Parallel calls share that seal, and earlier turns are not
/// checked.
pub(super) fn seal_steps(contents: &mut [Content<'_>]) {
    let says = |part: &Part<'_>| match part {
        Part::Known(part) => part.function_response.is_none(),
        Part::Hosted(_) | Part::Opaque(_) => true,
    };
    let by_user = |content: &Content<'_>| content.role == Some("user");
    let last =
        contents.iter().rposition(|content| by_user(content) && content.parts.iter().any(says));
    let current = contents.get_mut(last.unwrap_or(0)..).unwrap_or_default();
    for content in current {
        if let Some(first) = content.parts.iter_mut().find_map(call) {
            first.thought_signature.get_or_insert(Cow::Borrowed(NO_SIGNATURE));
        }
    }
}

fn call<'p, 'a>(part: &'p mut Part<'a>) -> Option<&'p mut KnownPart<'a>> {
    match part {
        Part::Known(part) if part.function_call.is_some() => Some(part),
        Part::Known(_) | Part::Hosted(_) | Part::Opaque(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_geminis_seal_is_taken_for_one() {
        assert_eq!(plausible(Some("EpAI+/8=")), Some("EpAI+/8="));
        assert_eq!(plausible(Some("EpAI-_8")), Some("EpAI-_8"));
        assert_eq!(plausible(Some(NO_SIGNATURE)), Some(NO_SIGNATURE));
        for other in ["", "no seal!", "a.b", "cGVuc3RvY2s6YW50aHJvcGlj", "abcde"] {
            assert_eq!(plausible(Some(other)), None, "{other}");
        }
    }
}

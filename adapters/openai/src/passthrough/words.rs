//! Words that a server has other ones for, and ids in the form it takes.

use std::borrow::Cow;

use adapters_canonical::loss::Loss;

use crate::quirk::{Quirk, Quirks};

/// What is said in the place of a word.
pub(super) struct Said {
    /// JSON.
    pub(super) word: &'static str,
    /// What is lost by it.
    pub(super) loss: Option<Loss>,
}

/// What is said in the place of `value`, the JSON of the member `key`; `None` if that is said.
pub(super) fn said(key: &str, value: &str, quirks: Quirks) -> Option<Said> {
    let same = |word| Some(Said { word, loss: None });
    let nearest = |word| {
        let reason = "the provider knows no effort below `low` and none above `high`";
        Some(Said { word, loss: Some(Loss::adapted("reasoning_effort", reason)) })
    };
    match (key, value) {
        ("service_tier", r#""default""#) if quirks.has(Quirk::OnDemandTier) => {
            same(r#""on_demand""#)
        }
        ("service_tier", r#""priority""#) if quirks.has(Quirk::OnDemandTier) => {
            same(r#""performance""#)
        }
        ("reasoning_effort", r#""minimal""#) if quirks.has(Quirk::FewEfforts) => {
            nearest(r#""low""#)
        }
        ("reasoning_effort", r#""xhigh""# | r#""max""#) if quirks.has(Quirk::FewEfforts) => {
            nearest(r#""high""#)
        }
        _ => None,
    }
}

const ID_LENGTH: usize = 9;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id of nine letters and digits: this one, if it is such an id; else always the same for it, so
/// that a call and its result keep together.
pub(super) fn short_id(id: &str) -> Cow<'_, str> {
    if id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    // FNV-1a: it must be the same in every process, and nobody gains by a collision with himself.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let digit = |at: u32| {
        let place = (hash / 62_u64.pow(at)) % 62;
        usize::try_from(place)
            .ok()
            .and_then(|place| DIGITS.get(place))
            .map_or('0', |it| char::from(*it))
    };
    Cow::Owned((0..9).map(digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passthrough::adapt_request;

    #[track_caller]
    fn check(quirk: Quirk, body: &str, expected: &str, losses: usize) {
        let fit = adapt_request(body.as_bytes(), Quirks::of(&[quirk]));
        assert_eq!(
            (std::str::from_utf8(&fit.value).unwrap(), fit.losses.len()),
            (expected, losses)
        );
    }

    #[test]
    fn tiers_and_efforts_are_said_in_the_words_the_server_knows() {
        let tier = |word: &str| format!(r#"{{"service_tier":"{word}"}}"#);
        for (word, expected) in [
            ("default", "on_demand"),
            ("priority", "performance"),
            ("flex", "flex"),
            ("auto", "auto"),
        ] {
            check(Quirk::OnDemandTier, &tier(word), &tier(expected), 0);
        }
        let effort = |word: &str| format!(r#"{{"reasoning_effort":"{word}"}}"#);
        for (word, expected) in [("minimal", "low"), ("xhigh", "high"), ("max", "high")] {
            check(Quirk::FewEfforts, &effort(word), &effort(expected), 1);
            check(Quirk::OnDemandTier, &effort(word), &effort(word), 0);
        }
        for word in ["none", "low", "medium", "high"] {
            check(Quirk::FewEfforts, &effort(word), &effort(word), 0);
        }
    }

    #[test]
    fn a_call_and_its_result_keep_together_under_a_short_id() {
        assert_eq!(short_id("aB3456789"), "aB3456789");
        let ids = ["call_abc", "toolu_01XYZ", "aB345678", "aB34567890", "aB345678-", ""];
        let short: std::collections::BTreeSet<_> = ids.iter().map(|id| short_id(id)).collect();
        assert_eq!(short.len(), ids.len());
        for id in &short {
            assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            assert_eq!(short_id(id), *id);
        }
        let body = |id: &str| {
            format!(
                r#"{{"messages":[{{"tool_calls":[{{"id":"{id}"}}]}},{{"tool_call_id":"{id}"}}]}}"#
            )
        };
        check(Quirk::ShortCallIds, &body("call_abc"), &body(&short_id("call_abc")), 0);
        // Whatever was sealed into it is not part of it.
        let sealed = body("call_abc__thought__YWJj");
        check(Quirk::ShortCallIds, &sealed, &body(&short_id("call_abc")), 0);
    }
}

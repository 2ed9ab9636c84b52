//! The seal of a tool call inside its id, for clients that send back nothing else (field 30).
//!
//! Gemini refuses a call that comes back without the seal it gave it. The seal stands in
//! `extra_content`, which many clients drop; ids they all keep. So a call that bears a seal gets the
//! id `<id>__thought__<seal>`, where the seal is written in the URL alphabet of base64 and without
//! padding: letters, digits, `-` and `_`, which every provider takes in an id.
//!
//! * Only a seal that is standard base64 is written so, and only if the whole id stays within
//!   [`LONGEST`] bytes. Any other seal stands in `extra_content` alone.
//! * What [`seal_in`] makes, [`apart`] takes apart again: the provider's own id and seal come out
//!   byte for byte, in a call and in the result that answers it. A provider's id that looks like
//!   one of ours gets an empty seal behind it, so that it comes back too.
//!
//! The separator is one that is met elsewhere, so a conversation may move here from there.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

const SEPARATOR: &str = "__thought__";

/// How long an id with a seal may be, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// The id a client gets.
pub(crate) fn seal_in<'a>(id: &'a str, seal: Option<&str>) -> Cow<'a, str> {
    let written = seal.and_then(to_url_alphabet).unwrap_or_default();
    let ours = apart(id).0.len() < id.len();
    let fits = id.len() + SEPARATOR.len() + written.len() <= LONGEST;
    if (written.is_empty() || !fits) && !ours {
        return Cow::Borrowed(id);
    }
    let written = if fits { written } else { String::new() };
    let sealed = format!("{id}{SEPARATOR}{written}");
    // A seal may spell the separator itself, however unlikely that is.
    if apart(&sealed).0 == id { Cow::Owned(sealed) } else { Cow::Borrowed(id) }
}

/// The provider's own id, and the seal if there was one in it.
pub(crate) fn apart(id: &str) -> (&str, Option<String>) {
    let Some((own, written)) = split(id).filter(|(own, _)| !own.is_empty()) else {
        return (id, None);
    };
    if written.is_empty() {
        return (own, None);
    }
    match to_standard_alphabet(written) {
        Some(seal) => (own, Some(seal)),
        None => (id, None),
    }
}

/// Around the last separator. Ids are short: to prepare a search takes longer than to look.
fn split(id: &str) -> Option<(&str, &str)> {
    let mut windows = id.as_bytes().windows(SEPARATOR.len());
    let at = windows.rposition(|window| window == SEPARATOR.as_bytes())?;
    Some((id.get(..at)?, id.get(at + SEPARATOR.len()..)?))
}

/// As [`apart`], of an id that is kept.
pub(crate) fn take_apart(mut id: String) -> (String, Option<String>) {
    let (own, seal) = apart(&id);
    let length = own.len();
    id.truncate(length);
    (id, seal)
}

/// Whether `body` may hold an id with a seal: a quick look before a thorough one.
pub(crate) fn may_be_in(body: &[u8]) -> bool {
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(SEPARATOR));
    FINDER.find(body).is_some()
}

/// `None` for what is not standard base64 with its padding.
fn to_url_alphabet(seal: &str) -> Option<String> {
    let digits = seal.trim_end_matches('=');
    let padding = seal.len() - digits.len();
    let whole = seal.len().is_multiple_of(4) && padding <= 2 && !digits.is_empty();
    let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    (whole && plain).then(|| digits.replace('+', "-").replace('/', "_"))
}

fn to_standard_alphabet(written: &str) -> Option<String> {
    let digits = written.trim_end_matches('=');
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/');
    if digits.is_empty() || digits.len() % 4 == 1 || !digits.bytes().all(known) {
        return None;
    }
    let mut seal = digits.replace('-', "+").replace('_', "/");
    while !seal.len().is_multiple_of(4) {
        seal.push('=');
    }
    Some(seal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seal_is_kept_in_the_id() {
        let id = seal_in("call_1", Some("a+/b0A=="));
        assert_eq!(id, "call_1__thought__a-_b0A");
        assert_eq!(apart(&id), ("call_1", Some("a+/b0A==".to_owned())));
        assert_eq!(seal_in("call_1", None), "call_1");
    }

    #[test]
    fn a_seal_that_is_too_long_or_no_base64_stays_outside() {
        for seal in ["skip_thought_signature_validator", "abc", "a=bc", "====", "é", ""] {
            assert_eq!(seal_in("call_1", Some(seal)), "call_1", "{seal}");
        }
        assert_eq!(seal_in("call_1", Some(&"aaaa".repeat(1100))), "call_1");
    }

    #[test]
    fn what_is_none_of_ours_stays_as_it_is() {
        for id in ["call_1", "a__thought__b!", "a__thought__b", "__thought__abcd", "a__thought"] {
            assert_eq!(apart(id), (id, None), "{id}");
        }
    }

    proptest! {
        /// field 30
        #[test]
        fn the_own_id_and_the_seal_come_back(
            id in "[a-z_]{1,6}(__thought__[a-zA-Z0-9]{0,6}){0,2}",
            seal in prop::option::of("([A-Za-z0-9+/]{4}){1,5}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}="),
        ) {
            let sealed = seal_in(&id, seal.as_deref());
            prop_assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            prop_assert_eq!(apart(&sealed), (id.as_str(), seal));
        }
    }
}

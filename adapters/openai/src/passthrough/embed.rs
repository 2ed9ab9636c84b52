//! Pictures in a request that passes, put where their addresses stand.

use std::borrow::Cow;

use adapters_json::string::Str;
use adapters_json::{edit, read, write};
use serde_json::value::RawValue;

use super::members::{elements, get, members, replace};

/// Puts what `find` knows, a `data:` URL, in the place of each address of a picture; every other
/// byte stays as it was. A body that is no request of the dialect stays as it is.
#[must_use]
pub fn embed_images(body: &[u8], find: impl Fn(&str) -> Option<String>) -> Cow<'_, [u8]> {
    let json = read::text(body).ok();
    let Some((json, raw)) =
        json.and_then(|json| Some((json, serde_json::from_str::<&RawValue>(json).ok()?)))
    else {
        return Cow::Borrowed(body);
    };
    let mut edits = Vec::new();
    let all = members(raw);
    for message in get(&all, "messages").map(elements).unwrap_or_default() {
        let all = members(message.value);
        for part in get(&all, "content").map(elements).unwrap_or_default() {
            let all = members(part.value);
            let Some(picture) = get(&all, "image_url") else { continue };
            // Most servers take the address without an object around it too.
            let url = get(&members(picture), "url").unwrap_or(picture);
            let Ok(Str(written)) = serde_json::from_str::<Str<'_>>(url.get()) else { continue };
            if let Some(data) = find(&written) {
                let mut new = Vec::with_capacity(data.len() + 2);
                write::json(&mut new, &data);
                replace(json, url.get(), &new, &mut edits);
            }
        }
    }
    match edits.is_empty() {
        true => Cow::Borrowed(body),
        false => Cow::Owned(edit::splice(body, &edits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let find = |url: &str| (url == "https://a.example/x").then(|| "data:y".to_owned());
        let got = embed_images(body.as_bytes(), find);
        assert_eq!(std::str::from_utf8(&got).unwrap(), expected);
    }

    #[test]
    fn known_pictures_take_the_place_of_their_addresses_and_all_else_stays() {
        check(
            r#"{"new": [1], "messages": [{"content": [{"type": "text", "text": "https://a.example/x"},
                {"image_url": {"detail": "low", "url":  "https:\/\/a.example\/x" }},
                {"image_url": "https://a.example/x"}, {"image_url": {"url": "https://b.example"}}]},
                {"content": "https://a.example/x"}]}"#,
            r#"{"new": [1], "messages": [{"content": [{"type": "text", "text": "https://a.example/x"},
                {"image_url": {"detail": "low", "url":  "data:y" }},
                {"image_url": "data:y"}, {"image_url": {"url": "https://b.example"}}]},
                {"content": "https://a.example/x"}]}"#,
        );
        for other in ["nonsense", "[]", r#"{"messages":{}}"#, r#"{"messages":[{"content":[3]}]}"#] {
            check(other, other);
        }
    }
}

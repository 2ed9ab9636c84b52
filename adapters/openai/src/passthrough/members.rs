//! The members of an object and the elements of a list, with where they stand, so that some can be
//! cut out and the rest stays as it was.

use std::borrow::Cow;
use std::ops::Range;

use adapters_json::object::Every;
use adapters_json::read;
use adapters_json::string::Str;
use serde_json::value::RawValue;

pub(super) type Edit = (Range<usize>, Vec<u8>);

/// A member, or an element, which has no key.
pub(super) struct Member<'a> {
    /// `None` if it is written with escapes: what does so is left alone.
    pub(super) key: Option<&'a str>,
    pub(super) value: &'a RawValue,
}

/// The members of an object, in order; none if it is no object.
pub(super) fn members(object: &RawValue) -> Vec<Member<'_>> {
    let Every(members) = serde_json::from_str(object.get()).unwrap_or_default();
    let member = |(Str(key), value)| match key {
        Cow::Borrowed(key) => Member { key: Some(key), value },
        Cow::Owned(_) => Member { key: None, value },
    };
    members.into_iter().map(member).collect()
}

/// The elements of a list, in order; none if it is no list.
pub(super) fn elements(list: &RawValue) -> Vec<Member<'_>> {
    let values: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    values.into_iter().map(|value| Member { key: None, value }).collect()
}

/// The member of this name; the last one, if there are several.
pub(super) fn get<'a>(members: &[Member<'a>], key: &str) -> Option<&'a RawValue> {
    members.iter().rev().find(|member| member.key == Some(key)).map(|member| member.value)
}

/// Edits that cut out what is not kept, each with a comma beside it.
pub(super) fn cut(
    json: &str,
    members: &[Member<'_>],
    keep: impl Fn(&Member<'_>) -> bool,
    edits: &mut Vec<Edit>,
) {
    let mut before: Option<usize> = None;
    let mut kept = false;
    for member in members {
        let Some(value) = read::span(json, member.value.get()) else { return };
        let end = value.end;
        if keep(member) {
            kept = true;
        } else if kept {
            // From the end of its neighbour on, the comma between them included.
            edits.push((before.unwrap_or(value.start)..end, Vec::new()));
        } else if let Some(start) = start(json, member, &value) {
            // Nothing stays before it: the comma behind it goes.
            let rest = json.get(end..).unwrap_or_default().trim_start();
            let rest = rest.strip_prefix(',').map_or(end, |rest| json.len() - rest.len());
            edits.push((start..rest, Vec::new()));
        }
        before = Some(end);
    }
}

fn start(json: &str, member: &Member<'_>, value: &Range<usize>) -> Option<usize> {
    match member.key {
        // The key's span is without its quotes.
        Some(key) => read::span(json, key)?.start.checked_sub(1),
        None => Some(value.start),
    }
}

/// The edit that puts another value in the place of this one.
pub(super) fn replace(json: &str, value: &str, new: &[u8], edits: &mut Vec<Edit>) {
    edits.extend(read::span(json, value).map(|span| (span, new.to_vec())));
}

/// The edit that gives a member another name.
pub(super) fn rename(json: &str, member: &Member<'_>, name: &str, edits: &mut Vec<Edit>) {
    if let Some(key) = member.key {
        replace(json, key, name.as_bytes(), edits);
    }
}

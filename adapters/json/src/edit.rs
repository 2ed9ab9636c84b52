//! Changes a few places of a text and leaves every other byte alone.

use std::ops::Range;

/// Replaces ranges that are in order and do not overlap.
#[must_use]
pub fn splice(body: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(body.len() + grown);
    let mut copied = 0;
    for (range, new) in edits {
        let Some(before) = body.get(copied..range.start) else { continue };
        out.extend_from_slice(before);
        out.extend_from_slice(new);
        copied = range.end;
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    out
}

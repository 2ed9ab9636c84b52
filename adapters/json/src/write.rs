//! Writes JSON into a buffer.

use serde::Serialize;

/// Appends `value` as JSON.
pub fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    // Writing to memory cannot fail, and nothing we serialize has keys that are not strings. If
    // it failed all the same, half a value would be worse than none.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// `value` as JSON.
pub fn body(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    json(&mut out, value);
    out
}

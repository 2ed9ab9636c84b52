//! Puts a part together again that this crate does not know.

use serde_json::value::RawValue;

/// An object of `members`, each as it was written, and the two that any part may have beside them;
/// `None` if there are none.
pub(crate) fn whole_part(
    members: &[(&str, &RawValue)],
    thought: bool,
    signature: Option<&str>,
) -> Option<Box<RawValue>> {
    let mut json = String::from("{");
    for (name, value) in members {
        json.push_str(&serde_json::to_string(name).ok()?);
        json.push(':');
        json.push_str(value.get());
        json.push(',');
    }
    if thought {
        json.push_str("\"thought\":true,");
    }
    if let Some(signature) = signature {
        json.push_str("\"thoughtSignature\":");
        json.push_str(&serde_json::to_string(signature).ok()?);
        json.push(',');
    }
    json.pop();
    json.push('}');
    RawValue::from_string(json).ok()
}

//! The arguments of a call: an object in this dialect, a text in others.

use std::borrow::Cow;

use adapters_canonical::chat::{ToolCall, ToolKind};
use serde::Serialize;
use serde_json::value::RawValue;

/// The object that `call` gives its tool, and whether it says the same as the call's arguments.
/// What is no object is wrapped in one, as its member `input`.
pub(crate) fn input(call: &ToolCall) -> (Cow<'_, RawValue>, bool) {
    let given = match call.kind {
        ToolKind::Function if call.arguments.trim().is_empty() => Some(Cow::Borrowed(empty())),
        ToolKind::Function => serde_json::from_str::<&RawValue>(&call.arguments)
            .ok()
            .filter(|json| json.get().starts_with('{'))
            .map(Cow::Borrowed),
        ToolKind::Custom => None,
    };
    match given {
        Some(object) => (object, true),
        None => (wrapped(&call.arguments), false),
    }
}

fn empty() -> &'static RawValue {
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}

fn wrapped<'a>(text: &str) -> Cow<'a, RawValue> {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        input: &'a str,
    }

    serde_json::value::to_raw_value(&Wrapped { input: text })
        .map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

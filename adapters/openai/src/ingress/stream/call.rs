//! The pieces of a tool call.

use adapters_canonical::chat::ToolKind;
use adapters_json::write;

use crate::call_id;

/// A call whose first piece is not written yet: its seal, if that comes next, belongs into its id.
#[derive(Debug)]
pub(super) struct Unsaid {
    pub(super) part: u32,
    pub(super) choice: u32,
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: ToolKind,
}

impl Unsaid {
    /// Appends `tool_calls` with the first piece.
    pub(super) fn write(&self, out: &mut Vec<u8>, seal: Option<&str>) {
        open(out, self.index);
        out.extend_from_slice(br#","id":"#);
        write::json(out, &call_id::seal_in(&self.id, seal));
        let (before, after): (&[u8], &[u8]) = match self.kind {
            ToolKind::Function => {
                (br#","type":"function","function":{"name":"#, br#","arguments":""}"#)
            }
            ToolKind::Custom => (br#","type":"custom","custom":{"name":"#, br#","input":""}"#),
        };
        out.extend_from_slice(before);
        write::json(out, &self.name);
        out.extend_from_slice(after);
        if let Some(seal) = seal {
            extra(out, seal);
        }
        out.extend_from_slice(b"}]");
    }
}

/// Appends `tool_calls` with the next characters of the arguments.
pub(super) fn arguments(out: &mut Vec<u8>, index: u32, kind: ToolKind, fragment: &str) {
    open(out, index);
    out.extend_from_slice(match kind {
        ToolKind::Function => br#","function":{"arguments":"#.as_slice(),
        ToolKind::Custom => br#","custom":{"input":"#.as_slice(),
    });
    write::json(out, fragment);
    out.extend_from_slice(b"}}]");
}

/// Appends `tool_calls` with a seal that came after the first piece.
pub(super) fn seal(out: &mut Vec<u8>, index: u32, kind: ToolKind, seal: &str) {
    open(out, index);
    // The Python SDK's helper takes no piece of a function's call without it.
    if kind == ToolKind::Function {
        out.extend_from_slice(br#","function":{"arguments":""}"#);
    }
    extra(out, seal);
    out.extend_from_slice(b"}]");
}

fn open(out: &mut Vec<u8>, index: u32) {
    out.extend_from_slice(br#""tool_calls":[{"index":"#);
    write::json(out, &index);
}

fn extra(out: &mut Vec<u8>, seal: &str) {
    out.extend_from_slice(br#","extra_content":{"google":{"thought_signature":"#);
    write::json(out, seal);
    out.extend_from_slice(b"}}");
}

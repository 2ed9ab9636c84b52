//! The events of a streamed answer, one by one. Every frame has a name: SDKs drop those without.

use adapters_canonical::failure::Failure;
use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Ending, Usage};
use super::error::Words;

/// Writes a frame whose data is what `data` appends: JSON without line breaks.
fn frame(out: &mut Vec<u8>, name: &str, data: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    data(out);
    out.extend_from_slice(b"\n\n");
}

pub(super) fn message_start(out: &mut Vec<u8>, id: &str, model: &str, usage: &Usage<'_>) {
    #[derive(Serialize)]
    struct Message<'a> {
        id: &'a str,
        #[serde(rename = "type")]
        kind: &'static str,
        role: &'static str,
        model: &'a str,
        content: [(); 0],
        stop_reason: Option<()>,
        stop_sequence: Option<()>,
        usage: &'a Usage<'a>,
    }

    #[derive(Serialize)]
    struct Start<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        message: Message<'a>,
    }

    let message = Message {
        id,
        kind: "message",
        role: "assistant",
        model,
        content: [],
        stop_reason: None,
        stop_sequence: None,
        usage,
    };
    frame(out, "message_start", |out| {
        write::json(out, &Start { kind: "message_start", message });
    });
}

/// Begins the block `index`; `block` appends it.
pub(super) fn block_start(out: &mut Vec<u8>, index: u32, block: impl FnOnce(&mut Vec<u8>)) {
    frame(out, "content_block_start", |out| {
        head(out, "content_block_start", index);
        out.extend_from_slice(br#","content_block":"#);
        block(out);
        out.push(b'}');
    });
}

/// A delta of one text: `kind` is its type, `member` where the text stands.
pub(super) fn delta(out: &mut Vec<u8>, index: u32, kind: &str, member: &str, text: &str) {
    raw_delta(out, index, kind, member, |out| write::json(out, text));
}

/// A delta of which `value` appends what it adds.
pub(super) fn raw_delta(
    out: &mut Vec<u8>,
    index: u32,
    kind: &str,
    member: &str,
    value: impl FnOnce(&mut Vec<u8>),
) {
    frame(out, "content_block_delta", |out| {
        head(out, "content_block_delta", index);
        out.extend_from_slice(br#","delta":{"type":"#);
        write::json(out, kind);
        out.push(b',');
        write::json(out, member);
        out.push(b':');
        value(out);
        out.extend_from_slice(b"}}");
    });
}

fn head(out: &mut Vec<u8>, kind: &str, index: u32) {
    out.extend_from_slice(br#"{"type":"#);
    write::json(out, kind);
    out.extend_from_slice(br#","index":"#);
    write::json(out, &index);
}

pub(crate) fn block_stop(out: &mut Vec<u8>, index: u64) {
    frame(out, "content_block_stop", |out| {
        out.extend_from_slice(br#"{"type":"content_block_stop","index":"#);
        write::json(out, &index);
        out.push(b'}');
    });
}

pub(super) fn message_delta(out: &mut Vec<u8>, ending: &Ending<'_>, usage: &Usage<'_>) {
    frame(out, "message_delta", |out| {
        out.extend_from_slice(br#"{"type":"message_delta","delta":"#);
        write::json(out, ending);
        out.extend_from_slice(br#","usage":"#);
        write::json(out, usage);
        out.push(b'}');
    });
}

pub(crate) fn message_stop(out: &mut Vec<u8>) {
    frame(out, "message_stop", |out| out.extend_from_slice(br#"{"type":"message_stop"}"#));
}

/// The last event of a stream that broke off: SDKs raise on it.
pub(crate) fn error(out: &mut Vec<u8>, failure: &Failure, request_id: &str) {
    let words = Words::of(failure);
    frame(out, "error", |out| write::json(out, &words.written_in_stream(request_id)));
}

/// Appends JSON that was written elsewhere, on one line: outside of its strings a line break is
/// only a space, and inside there is none.
pub(super) fn raw(out: &mut Vec<u8>, json: &RawValue) {
    let line_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    out.extend(json.get().bytes().map(|byte| if line_break(&byte) { b' ' } else { byte }));
}

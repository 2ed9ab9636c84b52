//! How chunks are told apart: events, or the elements of one JSON array.

use adapters_canonical::ingress::Framing;

/// Writes the frames of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames {
    framing: Framing,
    begun: bool,
}

impl Frames {
    /// For a stream that has not begun.
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, begun: false }
    }

    /// Appends one frame; `json` writes what is in it. A line break in it would end an event's data:
    /// it stands between two tokens, since a string has none, and becomes a space.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, json: impl FnOnce(&mut Vec<u8>)) {
        let first = !std::mem::replace(&mut self.begun, true);
        let (before, after): (&[u8], &[u8]) = match (self.framing, first) {
            // Google's SDKs want the space, and exactly these line breaks are Google's own.
            (Framing::Events, _) => (b"data: ", b"\r\n\r\n"),
            (Framing::JsonArray, true) => (b"[", b"\r\n"),
            (Framing::JsonArray, false) => (b",\r\n", b"\r\n"),
        };
        out.extend_from_slice(before);
        let from = out.len();
        json(out);
        if self.framing == Framing::Events {
            let mut rest = out.get_mut(from..).unwrap_or_default();
            while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
                let (broken, after) = rest.split_at_mut(at + 1);
                broken[at] = b' ';
                rest = after;
            }
        }
        out.extend_from_slice(after);
    }

    /// Appends what ends a stream: nothing but the bracket of an array.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        match (self.framing, self.begun) {
            (Framing::Events, _) => {}
            (Framing::JsonArray, true) => out.push(b']'),
            (Framing::JsonArray, false) => out.extend_from_slice(b"[]"),
        }
    }

    /// How this stream's chunks are told apart.
    pub(crate) fn framing(self) -> Framing {
        self.framing
    }
}

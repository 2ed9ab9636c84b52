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

    /// Appends one frame; `json` writes what is in it. A line break in it, which stands between two
    /// tokens since a string has none, becomes a space: it would end the event's data.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, json: impl FnOnce(&mut Vec<u8>)) {
        let first = !std::mem::replace(&mut self.begun, true);
        let (before, after): (&[u8], &[u8]) = match (self.framing, first) {
            // Google's SDKs want the space, and exactly these line breaks are Google's own.
            (Framing::Events, _) => (b"data: ", b"\r\n\r\n"),
            (Framing::JsonArray, true) => (b"[", b"\r\n"),
            (Framing::JsonArray, false) => (b",\r\n", b"\r\n"),
        };
        out.extend_from_slice(before);
        let start = out.len();
        json(out);
        for byte in out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments of a call are written as the provider wrote them, which may be over several lines.
    #[test]
    fn an_event_is_one_line_however_its_json_was_written() {
        let mut out = Vec::new();
        Frames::new(Framing::Events).write(&mut out, |out| out.extend_from_slice(b"{\"a\":\r\n1}"));
        assert_eq!(out, b"data: {\"a\":  1}\r\n\r\n");
    }
}

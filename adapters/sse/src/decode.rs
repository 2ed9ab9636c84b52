//! Finds the frames that are complete.

use std::borrow::Cow;
use std::ops::Range;

/// More bytes than one frame may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a frame is larger than {limit} bytes")]
pub struct FrameTooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// One frame: everything up to and including an empty line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// All of its bytes, the empty line included.
    pub raw: &'a [u8],
    /// The value of its last `event` field, if that is UTF-8.
    pub event: Option<&'a str>,
    /// The values of its `data` fields, joined with line feeds; empty if there are none, as in a
    /// comment.
    pub data: Cow<'a, [u8]>,
}

/// Cuts a byte stream into frames. Holds at most one incomplete frame, plus what was just pushed.
///
/// ```
/// let mut decoder = adapters_sse::Decoder::new();
/// decoder.push(b"data: one\n\ndata: t")?;
/// assert_eq!(&*decoder.next_frame().unwrap().data, b"one");
/// assert!(decoder.next_frame().is_none());
/// decoder.push(b"wo\r\n\r\n")?;
/// assert_eq!(&*decoder.next_frame().unwrap().data, b"two");
/// # Ok::<(), adapters_sse::FrameTooLarge>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the first frame that was not handed out begins.
    start: usize,
    /// Where the line that is being looked at begins.
    line: usize,
    /// How far the line has been searched for its end, so that no byte is searched twice.
    searched: usize,
    limit: usize,
    at_beginning: bool,
    ended: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// What one frame may have at most, unless told otherwise: 16 MiB, enough for an image.
    pub const DEFAULT_LIMIT: usize = 16 << 20;

    /// A decoder with the default limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A decoder that refuses frames of more than `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            line: 0,
            searched: 0,
            limit,
            at_beginning: true,
            ended: false,
        }
    }

    /// Takes the next bytes; [`next_frame`](Self::next_frame) then hands out what they completed.
    ///
    /// # Errors
    ///
    /// [`FrameTooLarge`] if the incomplete frame at the end has outgrown the limit. What was
    /// complete before it can still be taken.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FrameTooLarge> {
        self.forget_taken();
        if self.buffer.len() - self.start > self.limit {
            return Err(FrameTooLarge { limit: self.limit });
        }
        self.buffer.extend_from_slice(chunk);
        if self.at_beginning {
            self.skip_byte_order_mark();
        }
        Ok(())
    }

    /// Says that no more bytes will come, so that a last frame without its empty line counts too.
    /// Browsers drop such a frame; some providers send one.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The bytes that belong to no frame yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let range = self.next_range()?;
        Some(read(self.buffer.get(range)?))
    }

    fn next_range(&mut self) -> Option<Range<usize>> {
        while let Some((end, next)) = self.line_end() {
            let empty = end == self.line;
            self.line = next;
            self.searched = next;
            if empty {
                return Some(self.take(next));
            }
        }
        let rest = self.buffer.len();
        (self.ended && rest > self.start).then(|| self.take(rest))
    }

    fn take(&mut self, end: usize) -> Range<usize> {
        let range = self.start..end;
        self.start = end;
        self.line = end;
        self.searched = end;
        range
    }

    /// The end of the current line and the beginning of the next one, once both are certain: a
    /// carriage return at the very end may still get its line feed.
    fn line_end(&mut self) -> Option<(usize, usize)> {
        let rest = self.buffer.get(self.searched..)?;
        let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        if self.buffer.get(end) == Some(&b'\n') {
            return Some((end, end + 1));
        }
        match self.buffer.get(end + 1) {
            Some(b'\n') => Some((end, end + 2)),
            Some(_) => Some((end, end + 1)),
            None if self.ended => Some((end, end + 1)),
            None => {
                self.searched = end;
                None
            }
        }
    }

    fn forget_taken(&mut self) {
        if self.start == 0 {
            return;
        }
        self.buffer.drain(..self.start);
        self.line -= self.start;
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > 64 << 10 {
            self.buffer = Vec::new();
        }
    }

    fn skip_byte_order_mark(&mut self) {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if self.buffer.len() < MARK.len() && MARK.starts_with(&self.buffer) {
            return;
        }
        self.at_beginning = false;
        if self.buffer.starts_with(MARK) {
            self.take(MARK.len());
        }
    }
}

fn read(raw: &[u8]) -> Frame<'_> {
    let mut frame = Frame { raw, event: None, data: Cow::Borrowed(&[]) };
    let mut has_data = false;
    for line in lines(raw) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" if has_data => {
                let joined = frame.data.to_mut();
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
            b"data" => {
                frame.data = Cow::Borrowed(value);
                has_data = true;
            }
            b"event" => frame.event = std::str::from_utf8(value).ok(),
            _ => {}
        }
    }
    frame
}

fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let skip = if tail.starts_with(b"\r\n") { 2 } else { tail.len().min(1) };
        rest = &tail[skip..];
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(Option<String>, Vec<u8>)>;

    fn drain(decoder: &mut Decoder, seen: &mut Seen, raw: &mut Vec<u8>) {
        while let Some(frame) = decoder.next_frame() {
            raw.extend_from_slice(frame.raw);
            seen.push((frame.event.map(str::to_owned), frame.data.into_owned()));
        }
    }

    fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Seen, Vec<u8>) {
        let (mut decoder, mut seen, mut raw) = (Decoder::new(), Vec::new(), Vec::new());
        for piece in pieces {
            decoder.push(piece).unwrap();
            drain(&mut decoder, &mut seen, &mut raw);
        }
        decoder.finish();
        drain(&mut decoder, &mut seen, &mut raw);
        (seen, raw)
    }

    fn check(stream: &[u8], expected: &[(Option<&str>, &str)]) {
        let expected: Seen = expected
            .iter()
            .map(|(name, data)| (name.map(str::to_owned), data.as_bytes().to_vec()))
            .collect();
        assert_eq!(run([stream]).0, expected);
        for at in 0..=stream.len() {
            assert_eq!(run([&stream[..at], &stream[at..]]).0, expected, "cut at {at}");
        }
        assert_eq!(run(stream.chunks(1)).0, expected, "byte by byte");
    }

    #[test]
    fn line_feeds_carriage_returns_and_both_end_a_line() {
        check(b"data: a\n\ndata: b\n\n", &[(None, "a"), (None, "b")]);
        check(b"data: a\r\n\r\ndata: b\r\n\r\n", &[(None, "a"), (None, "b")]);
        check(b"data: a\r\rdata: b\r\r", &[(None, "a"), (None, "b")]);
    }

    #[test]
    fn names_are_read_and_only_one_space_is_cut() {
        check(b"event: ping\ndata:  x\n\n", &[(Some("ping"), " x")]);
        check(b"event:ping\ndata:x\n\n", &[(Some("ping"), "x")]);
    }

    #[test]
    fn several_data_lines_are_joined() {
        check(b"data: a\ndata\ndata: b\n\n", &[(None, "a\n\nb")]);
    }

    #[test]
    fn comments_and_unknown_fields_are_frames_without_data() {
        check(b": hello\n\nid: 7\nretry: 5\n\n", &[(None, ""), (None, "")]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        check(b"\xEF\xBB\xBFdata: a\n\n", &[(None, "a")]);
    }

    #[test]
    fn a_last_frame_without_its_empty_line_counts() {
        check(b"data: a\n\ndata: b", &[(None, "a"), (None, "b")]);
        check(b"data: a\n\ndata: b\r", &[(None, "a"), (None, "b")]);
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_and_those_before_it_are_not() {
        let mut decoder = Decoder::with_limit(16);
        decoder.push(b"data: a\n\ndata: 0123456789abcdef").unwrap();
        assert_eq!(&*decoder.next_frame().unwrap().data, b"a");
        assert_eq!(decoder.next_frame(), None);
        assert_eq!(decoder.push(b"more"), Err(FrameTooLarge { limit: 16 }));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_means_nothing(
            stream in prop::collection::vec(
                prop::sample::select(&b"\n\n\r:  de"[..]), 0..60,
            ),
            size in 1_usize..9,
        ) {
            prop_assert_eq!(run([&stream[..]]), run(stream.chunks(size)));
        }

        #[test]
        fn no_byte_is_lost(stream in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(!stream.starts_with(b"\xEF\xBB\xBF"));
            prop_assert_eq!(run([&stream[..]]).1, stream);
        }
    }
}

//! Finds the chunks of a streamed answer.
//!
//! Asked with `alt=sse`, Gemini sends an event stream. A proxy in between may have dropped that
//! parameter: then the body is one JSON array. And an error may come as a bare JSON object, even
//! between the events of a stream that began well.

use adapters_canonical::loss::DecodeError;

/// What one chunk may have at most, as in an event stream.
const LIMIT: usize = adapters_sse::Decoder::DEFAULT_LIMIT;

/// One chunk of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// What it says.
    pub(crate) json: &'a [u8],
    /// The whole event, if it is one that every client can read: nothing but lines that begin with
    /// `data: `, and an empty one.
    pub(crate) raw: Option<&'a [u8]>,
}

/// Cuts a body into chunks of JSON, however it is wrapped.
#[derive(Debug, Default)]
pub(crate) enum Chunks {
    /// Nothing but white space so far.
    #[default]
    Unknown,
    /// An event stream.
    Events(adapters_sse::Decoder),
    /// An array of objects, or one object.
    Json(Objects),
}

impl Chunks {
    /// Takes the next bytes and gives each chunk they completed to `take`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Framing`] if one chunk is larger than 16 MiB.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(Chunk<'_>),
    ) -> Result<(), DecodeError> {
        if matches!(self, Self::Unknown) {
            bytes = bytes.trim_ascii_start();
            *self = match bytes.first() {
                None => return Ok(()),
                Some(b'[' | b'{') => Self::Json(Objects::default()),
                Some(_) => Self::Events(adapters_sse::Decoder::new()),
            };
        }
        match self {
            Self::Unknown => Ok(()),
            Self::Events(decoder) => {
                let pushed = decoder.push(bytes);
                take_events(decoder, take);
                pushed.map_err(|error| DecodeError::Framing(error.to_string()))
            }
            Self::Json(objects) => objects.push(bytes, take),
        }
    }

    /// Gives a last event that lacks its empty line to `take`.
    pub(crate) fn finish(&mut self, take: &mut impl FnMut(Chunk<'_>)) {
        if let Self::Events(decoder) = self {
            decoder.finish();
            take_events(decoder, take);
        }
    }
}

fn take_events(decoder: &mut adapters_sse::Decoder, take: &mut impl FnMut(Chunk<'_>)) {
    while let Some(frame) = decoder.next_frame() {
        let bare = frame.raw.trim_ascii();
        if !frame.data.is_empty() {
            let raw = Some(frame.raw).filter(|raw| is_plain(raw));
            take(Chunk { json: &frame.data, raw });
        } else if bare.starts_with(b"{") || bare.starts_with(b"[") {
            take(Chunk { json: bare, raw: None });
        }
    }
}

fn is_plain(raw: &[u8]) -> bool {
    let Some(lines) = raw.strip_suffix(b"\r\n\r\n").or_else(|| raw.strip_suffix(b"\n\n")) else {
        return false;
    };
    lines.split(|byte| *byte == b'\n').all(|line| line.starts_with(b"data: "))
}

/// Cuts a JSON array into its objects, knowing of JSON only what opens and closes.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// The object that is not complete yet.
    buffer: Vec<u8>,
    /// How many braces of it are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Objects {
    fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Chunk<'_>)) -> Result<(), DecodeError> {
        let mut begin = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let was_open = self.depth > 0;
            self.look_at(*byte);
            match (was_open, self.depth > 0) {
                (false, true) => begin = at,
                (true, false) => {
                    self.buffer.extend_from_slice(bytes.get(begin..=at).unwrap_or_default());
                    take(Chunk { json: &self.buffer, raw: None });
                    self.buffer.clear();
                }
                (true, true) | (false, false) => {}
            }
        }
        if self.depth > 0 {
            self.buffer.extend_from_slice(bytes.get(begin..).unwrap_or_default());
        }
        if self.buffer.len() > LIMIT {
            return Err(DecodeError::Framing(format!("an object is larger than {LIMIT} bytes")));
        }
        Ok(())
    }

    /// Outside of every object there are only commas, white space and the array's brackets.
    fn look_at(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' if self.depth > 0 => self.in_string = !self.in_string,
            b'{' if !self.in_string => self.depth += 1,
            b'}' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(parts: &[&[u8]]) -> Vec<String> {
        let mut framing = Chunks::default();
        let mut got = Vec::new();
        let mut take =
            |chunk: Chunk<'_>| got.push(String::from_utf8_lossy(chunk.json).into_owned());
        for part in parts {
            framing.push(part, &mut take).unwrap();
        }
        framing.finish(&mut take);
        got
    }

    #[test]
    fn an_array_is_cut_at_its_objects_wherever_the_bytes_are_split() {
        let body = br#" [{"a":{"b":"}\"{"}} ,
            {"c":[{}]}]"#;
        let expected = [r#"{"a":{"b":"}\"{"}}"#, r#"{"c":[{}]}"#];
        for at in 0..body.len() {
            let (left, right) = body.split_at(at);
            assert_eq!(chunks(&[left, right]), expected, "split at {at}");
        }
    }

    #[test]
    fn a_bare_object_between_events_is_a_chunk_too() {
        let body = b"data: {\"a\":1}\r\n\r\n{\"error\":\r\n{\"code\":500}}\r\n";
        assert_eq!(chunks(&[body]), ["{\"a\":1}", "{\"error\":\r\n{\"code\":500}}"]);
    }

    #[test]
    fn comments_and_white_space_are_no_chunks() {
        assert_eq!(chunks(&[b"\r\n", b": hello\n\n", b"event: x\n\n"]), [""; 0]);
    }

    #[test]
    fn an_object_without_end_is_refused() {
        let mut framing = Chunks::default();
        let mut result = framing.push(b"[{\"a\":\"", &mut |_| {});
        for _ in 0..17 {
            result = result.and_then(|()| framing.push(&[b'a'; 1 << 20], &mut |_| {}));
        }
        assert!(matches!(result, Err(DecodeError::Framing(_))));
    }
}

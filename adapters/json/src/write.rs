//! Writes JSON into a buffer.
//!
//! Nearly all that is written are the words of people and models, and `serde_json` looks for what
//! must be escaped in them one byte after the other. A member that may be long says
//! `#[serde(serialize_with = "write::text")]` and is looked through eight bytes at a time. That is
//! understood by [`json`] and [`body`] alone: such a value must not meet another serializer.

use std::io;

use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};

/// Appends `value` as JSON.
pub fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Texts);
    // Writing to memory cannot fail, and nothing we serialize has keys that are not strings. If
    // it failed all the same, half a value would be worse than none.
    if value.serialize(&mut serializer).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// `value` as JSON.
pub fn body(value: &impl Serialize) -> Vec<u8> {
    body_of_about(0, value)
}

/// `value` as JSON that takes about `length` bytes: a buffer with room for them from the beginning is
/// not moved while it grows.
pub fn body_of_about(length: usize, value: &impl Serialize) -> Vec<u8> {
    // Some more, for what has to be escaped and for all that is beside the conversation.
    let mut out = Vec::with_capacity(512 + length + length / 16);
    json(&mut out, value);
    out
}

/// Writes a string that may be long.
///
/// # Errors
///
/// If the serializer cannot write.
pub fn text<S: Serializer>(text: &(impl AsRef<str> + ?Sized), to: S) -> Result<S::Ok, S::Error> {
    // The data model of serde has no second kind of string; bytes stand for one, since JSON has
    // none and nothing else of ours is written as bytes.
    to.serialize_bytes(text.as_ref().as_bytes())
}

/// As [`text`], for a member that may be absent.
///
/// # Errors
///
/// If the serializer cannot write.
pub fn some_text<S: Serializer>(text: &Option<impl AsRef<str>>, to: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => self::text(text, to),
        None => to.serialize_none(),
    }
}

/// Writes what comes as bytes as the text it is.
struct Texts;

impl Formatter for Texts {
    fn write_byte_array<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        mut text: &[u8],
    ) -> io::Result<()> {
        out.write_all(b"\"")?;
        loop {
            let (plain, rest) = text.split_at(plain(text));
            out.write_all(plain)?;
            let Some((byte, rest)) = rest.split_first() else { break };
            self.write_char_escape(out, escape(*byte))?;
            text = rest;
        }
        out.write_all(b"\"")
    }
}

fn escape(byte: u8) -> CharEscape {
    match byte {
        b'"' => CharEscape::Quote,
        b'\\' => CharEscape::ReverseSolidus,
        b'\n' => CharEscape::LineFeed,
        b'\r' => CharEscape::CarriageReturn,
        b'\t' => CharEscape::Tab,
        0x08 => CharEscape::Backspace,
        0x0c => CharEscape::FormFeed,
        control => CharEscape::AsciiControl(control),
    }
}

/// How many bytes stand before the first that must be escaped: a quote, a backslash or a control
/// character.
fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return at * size_of::<u64>() + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    text.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// The lowest bit that is set is the highest of the first byte that must be escaped. (Subtracting
/// from all bytes at once borrows from the next one only behind a byte that was found.)
/// See <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>.
fn special(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let less = |word: u64, than: u8| word.wrapping_sub(EACH * u64::from(than)) & !word;
    let is = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
    (less(word, 0x20) | is(b'"') | is(b'\\')) & (EACH << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words<'a>(&'a str);

    impl Serialize for Words<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            text(self.0, to)
        }
    }

    #[test]
    fn a_long_text_is_written_as_any_other_string() {
        let every_byte: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        // Each of them at each place within eight bytes.
        for length in 0..24 {
            for special in every_byte.chars() {
                let words = format!("{}{special}{special}é", "x".repeat(length));
                let expected = serde_json::to_string(&words).unwrap();
                assert_eq!(String::from_utf8(body(&Words(&words))).unwrap(), expected);
            }
        }
        let expected = serde_json::to_string(&every_byte).unwrap();
        assert_eq!(String::from_utf8(body(&Words(&every_byte))).unwrap(), expected);
    }
}

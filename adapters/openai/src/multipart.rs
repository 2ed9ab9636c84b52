//! Finds a field in the beginning of a `multipart/form-data` body, so that the rest need not be read
//! before it is known where the body goes.
//!
//! Spec: RFC 7578, and RFC 2046 §5.1 for the borders between parts.

use std::ops::Range;

use adapters_json::edit;
use memchr::memmem;

/// A part's own header is a few dozen bytes.
const LONGEST_PART_HEADER: usize = 4096;
/// RFC 2046 allows as many.
const LONGEST_BOUNDARY: usize = 70;

/// What is known of a field after the beginning of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// Where its value stands in the body.
    Found(Range<usize>),
    /// It may come in what has not been read.
    NotYet,
    /// The body is complete and has no such field.
    Absent,
    /// The body has it twice: a provider could obey the other one.
    Twice,
    /// This is no such body.
    Malformed,
}

/// The boundary that a `content-type` names, if it is `multipart/form-data`.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    let mut pieces = content_type.split(';');
    let essence = pieces.next()?.trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = pieces.find_map(|piece| {
        let (name, value) = piece.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=LONGEST_BOUNDARY).contains(&named.len()).then_some(named)
}

/// Looks for the field `name` in the beginning of a body. Every part that is complete there is looked
/// at; one that a file's contents only look like is none, since a boundary cannot stand in contents.
#[must_use]
pub fn find(beginning: &[u8], boundary: &str, name: &str) -> Field {
    let mut found = None;
    let mut rest = match opening(beginning, boundary) {
        Some(at) => at,
        None if beginning.len() < boundary.len() + LONGEST_PART_HEADER => return Field::NotYet,
        None => return Field::Malformed,
    };
    let border = [b"\r\n--", boundary.as_bytes()].concat();
    loop {
        // Behind a boundary: its line's end is the first of a part, whose header may be empty.
        let part = beginning.get(rest..).unwrap_or_default();
        match part.get(..2) {
            Some(b"--") => return found.map_or(Field::Absent, Field::Found),
            Some(b"\r\n") => {}
            Some(_) => return Field::Malformed,
            None => return found.map_or(Field::NotYet, Field::Found),
        }
        let Some(header_end) = memmem::find(part, b"\r\n\r\n") else {
            return match part.len() > LONGEST_PART_HEADER {
                true => Field::Malformed,
                false => found.map_or(Field::NotYet, Field::Found),
            };
        };
        // The line that ends a header may begin the next border: that of empty content.
        let (header, behind) = part.split_at(header_end + 2);
        let Some(length) = memmem::find(behind, &border) else {
            return found.map_or(Field::NotYet, Field::Found);
        };
        let end = rest + header.len() + length;
        let start = (rest + header_end + 4).min(end);
        if is_named(header, name) && found.replace(start..end).is_some() {
            return Field::Twice;
        }
        rest = end + border.len();
    }
}

/// The beginning of a body with `value` in the place that [`find`] found.
#[must_use]
pub fn replace(beginning: &[u8], at: Range<usize>, value: &str) -> Vec<u8> {
    edit::splice(beginning, &[(at, value.as_bytes().to_vec())])
}

/// Counts how often a field is there in a body that comes piece by piece, so that a second one is seen
/// wherever it stands. Keeps no more of the body than a part's header.
#[derive(Clone, Debug)]
pub struct Watch {
    border: Vec<u8>,
    name: &'static str,
    found: u32,
    /// The last border has come.
    ended: bool,
    /// What may be the beginning of a border, or of the header behind it.
    held: Vec<u8>,
}

/// What was seen so far is no body, or has the field twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unwanted {
    /// A provider could obey the other one.
    Twice,
    /// A part's header has no end.
    Malformed,
}

impl Watch {
    /// Of the field `name` in a body with this boundary.
    #[must_use]
    pub fn new(boundary: &str, name: &'static str) -> Self {
        // As if a line had ended before the first boundary, which needs none.
        let border = [b"\r\n--", boundary.as_bytes()].concat();
        Self { border, name, found: 0, ended: false, held: b"\r\n".to_vec() }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// [`Unwanted`], whereupon nothing more should be pushed.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Unwanted> {
        if self.ended {
            return Ok(());
        }
        self.held.extend_from_slice(piece);
        let mut rest = self.held.as_slice();
        let mut twice = false;
        loop {
            let Some(at) = memmem::find(rest, &self.border) else {
                rest = rest.split_at(rest.len().saturating_sub(self.border.len() - 1)).1;
                break;
            };
            let part = rest.get(at + self.border.len()..).unwrap_or_default();
            if part.starts_with(b"--") {
                // What stands behind the last border means nothing.
                self.ended = true;
                rest = &[];
                break;
            }
            match memmem::find(part, b"\r\n\r\n") {
                Some(end) => {
                    let (header, content) = part.split_at(end);
                    self.found += u32::from(is_named(header, self.name));
                    twice |= self.found > 1;
                    // The line that ends a header may begin the next border: that of empty content.
                    rest = part.get(end + 2..).unwrap_or(content);
                }
                None if part.len() > LONGEST_PART_HEADER => return Err(Unwanted::Malformed),
                None => {
                    rest = rest.get(at..).unwrap_or_default();
                    break;
                }
            }
        }
        let kept = self.held.len() - rest.len();
        self.held.drain(..kept);
        if twice { Err(Unwanted::Twice) } else { Ok(()) }
    }
}

/// Where the first boundary ends. What stands before it means nothing.
fn opening(beginning: &[u8], boundary: &str) -> Option<usize> {
    let mark = [b"--", boundary.as_bytes()].concat();
    let at = memmem::find_iter(beginning, &mark)
        .find(|at| *at == 0 || beginning.get(..*at).is_some_and(|it| it.ends_with(b"\r\n")))?;
    Some(at + mark.len())
}

/// Whether the header of a part gives it this name.
fn is_named(header: &[u8], name: &str) -> bool {
    let Ok(header) = std::str::from_utf8(header) else { return false };
    let disposition = header.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let Some(disposition) = disposition else { return false };
    parameters(disposition).any(|(key, value)| key.eq_ignore_ascii_case("name") && value == name)
}

/// The parameters of a disposition. A quoted value may have any character in it but a quote, which
/// browsers and SDKs write as `%22`.
fn parameters(disposition: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = disposition.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(';').unwrap_or((after, "")),
        };
        rest = behind.trim_start().trim_start_matches(';');
        Some((key.trim(), value.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b-1\r\nContent-Disposition: form-data; name=\"file\"; \
        filename=\"a; name=model.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b-\r\n\
        name=\"model\"\r\n--b-1\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
        --b-1--\r\n";

    fn value(body: &str) -> Option<&str> {
        match find(body.as_bytes(), "b-1", "model") {
            Field::Found(at) => body.get(at),
            Field::NotYet | Field::Absent | Field::Twice | Field::Malformed => None,
        }
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data;charset=x; Boundary=\"a b\""), Some("a b"));
        for wrong in [
            "multipart/form-data",
            "application/json; boundary=a",
            "multipart/form-data; boundary=",
        ] {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
    }

    /// Else the model in the contents would be looked at, and the other one obeyed.
    #[test]
    fn a_part_without_a_header_or_contents_hides_nothing() {
        let field = "content-disposition: form-data; name=\"model\"\r\n\r\n";
        let bare = format!("--b-1\r\n\r\n{field}fake\r\n--b-1\r\n{field}real\r\n--b-1--\r\n");
        assert_eq!(value(&bare), Some("real"));
        let empty = format!("--b-1\r\nx: y\r\n\r\n--b-1\r\n{field}real\r\n--b-1--\r\n");
        assert_eq!(value(&empty), Some("real"));
        let none = format!("--b-1\r\n{field}--b-1--\r\n");
        assert_eq!(value(&none), Some(""));
    }

    #[test]
    fn a_field_is_found_behind_a_file_and_not_in_it() {
        assert_eq!(value(BODY), Some("whisper-1"));
        assert_eq!(find(BODY.as_bytes(), "b-1", "language"), Field::Absent);
        let preamble = format!("ignored\r\n{BODY}");
        assert_eq!(value(&preamble), Some("whisper-1"));
    }

    #[test]
    fn however_much_has_been_read_it_is_found_as_soon_as_it_is_complete() {
        let complete = BODY.find("whisper-1").unwrap() + "whisper-1\r\n--b-1".len();
        for end in 0..BODY.len() {
            let found = find(&BODY.as_bytes()[..end], "b-1", "model");
            assert_eq!(matches!(found, Field::Found(_)), end >= complete, "{end}: {found:?}");
            assert!(matches!(found, Field::Found(_) | Field::NotYet), "{end}: {found:?}");
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        let twice = BODY.replace(
            "--b-1--",
            "--b-1\r\ncontent-disposition: form-data; name=model\r\n\r\nx\r\n--b-1--",
        );
        assert_eq!(find(twice.as_bytes(), "b-1", "model"), Field::Twice);
    }

    fn watched(body: &str, size: usize) -> Result<u32, Unwanted> {
        let mut watch = Watch::new("b-1", "model");
        for piece in body.as_bytes().chunks(size) {
            watch.push(piece)?;
            assert!(watch.held.len() <= LONGEST_PART_HEADER + size + 100);
        }
        Ok(watch.found)
    }

    #[test]
    fn a_second_field_is_seen_however_the_body_is_cut() {
        let part = "--b-1\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nx\r\n";
        let file = format!(
            "--b-1\r\ncontent-disposition: form-data; name=\"file\"; filename=f\r\n\r\n{}\r\n",
            "name=\"model\"\r\n\r\n--b-\r\n".repeat(500)
        );
        let empty = part.replace("\r\n\r\nx\r\n", "\r\n\r\n\r\n");
        let end = "--b-1--\r\n--b-1\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n";
        for size in (1..80).chain([4096, 100_000]) {
            assert_eq!(watched(&[&file, part, &file, end].concat(), size), Ok(1), "{size}");
            assert_eq!(watched(&[&file, end].concat(), size), Ok(0), "{size}");
            for second in [part, &empty] {
                let body = [second, &file, part, end].concat();
                assert_eq!(watched(&body, size), Err(Unwanted::Twice), "{size}");
            }
        }
        let endless = format!("--b-1\r\nx: {}", "y".repeat(9000));
        assert_eq!(watched(&endless, 100), Err(Unwanted::Malformed));
    }

    #[test]
    fn what_is_no_such_body_is_told() {
        assert_eq!(find(b"--b-1x\r\n", "b-1", "model"), Field::Malformed);
        assert_eq!(find(&[b'x'; 8192], "b-1", "model"), Field::Malformed);
        let endless = format!("--b-1\r\nx: {}", "y".repeat(8192));
        assert_eq!(find(endless.as_bytes(), "b-1", "model"), Field::Malformed);
        assert_eq!(find(b"", "b-1", "model"), Field::NotYet);
    }
}

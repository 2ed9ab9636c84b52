//! Whether the header of an HTTP/1.1 request can be read in one way only.
//!
//! Two servers in a row that disagree about where a request ends can be made to see a request that
//! one of them was never asked. So this is strict where others are lenient: what RFC 9112 lets a
//! server repair, is refused. What passes here, the parser behind it reads as it stands.

use core::ops::Range;

use memchr::memchr;

/// What a header must fit in.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes from the request line to the empty line.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is no HTTP/1.1, or can be read in more than one way.
    Malformed(&'static str),
    /// It has more bytes than it may.
    TooLarge,
    /// It has more fields than it may.
    TooMany,
}

use Fault::Malformed;

/// Finds the end of a header that comes in pieces, and notices early what is wrong with it.
#[derive(Debug, Default)]
pub struct Scan {
    /// Where the header begins: after empty lines, which some clients send.
    start: usize,
    /// Where the line begins that has no end yet.
    line: usize,
    /// Up to where the line was searched.
    searched: usize,
    lines: usize,
}

impl Scan {
    /// Looks at `bytes`, all that came so far. Gives the header's place once it is whole: request
    /// line, fields and the empty line.
    ///
    /// # Errors
    ///
    /// [`Fault`] as soon as it can be told; the whole header is checked before it is given.
    pub fn look(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<Range<usize>>, Fault> {
        while let Some(found) = memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + found;
            let line = bytes[self.line..end].strip_suffix(b"\r");
            let line = line.ok_or(Malformed("a line ends without a carriage return"))?;
            self.searched = end + 1;
            self.line = end + 1;
            match (line.is_empty(), self.lines) {
                (true, 0) if self.line > bounds.bytes => return Err(Fault::TooLarge),
                (true, 0) => self.start = self.line,
                (true, _) => return self.whole(bytes, bounds).map(Some),
                (false, lines) => {
                    self.lines = lines + 1;
                    // One line is the request's own.
                    if lines > bounds.fields {
                        return Err(Fault::TooMany);
                    }
                }
            }
        }
        self.searched = bytes.len();
        if bytes.len() - self.start > bounds.bytes {
            return Err(Fault::TooLarge);
        }
        // Such as a TLS handshake, which would go on without ever ending a line.
        match bytes[self.start..].first() {
            Some(first) if !is_token(*first) && *first != b'\r' => {
                Err(Malformed("it does not begin with a method"))
            }
            _ => Ok(None),
        }
    }

    fn whole(&self, bytes: &[u8], bounds: Bounds) -> Result<Range<usize>, Fault> {
        let range = self.start..self.line;
        if range.len() > bounds.bytes {
            return Err(Fault::TooLarge);
        }
        check(&bytes[range.clone()])?;
        Ok(range)
    }
}

/// Checks a whole header, in which every line ends with CR and LF.
fn check(head: &[u8]) -> Result<(), Fault> {
    let mut lines = Lines(head);
    let version_11 = request_line(lines.next().unwrap_or_default())?;
    let (mut hosts, mut lengths, mut codings) = (0_usize, 0_usize, 0_usize);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                lengths += 1;
                // What cannot be counted in 64 bits, somebody will count wrongly.
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let counted =
                    core::str::from_utf8(value).ok().and_then(|it| it.parse::<u64>().ok());
                if !digits || counted.is_none() {
                    return Err(Malformed("`content-length` is not one number"));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                codings += 1;
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed("`transfer-encoding` can only be `chunked`"));
                }
            }
            _ => {}
        }
    }
    match (hosts, lengths, codings) {
        (2.., _, _) => Err(Malformed("it has more than one `host`")),
        (0, _, _) if version_11 => Err(Malformed("it has no `host`")),
        (_, 2.., _) => Err(Malformed("it has more than one `content-length`")),
        (_, _, 2..) => Err(Malformed("it has more than one `transfer-encoding`")),
        (_, 1, 1) => Err(Malformed("it has both `content-length` and `transfer-encoding`")),
        (_, _, 1) if !version_11 => Err(Malformed("HTTP/1.0 has no `transfer-encoding`")),
        _ => Ok(()),
    }
}

/// Whether it is HTTP/1.1, and not HTTP/1.0.
fn request_line(line: &[u8]) -> Result<bool, Fault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed("the request line is not method, target and version"));
    };
    if method.is_empty() || some(method, |byte| !is_token(byte)) {
        return Err(Malformed("the method is not a word"));
    }
    if target.is_empty() || some(target, |byte| !byte.is_ascii_graphic()) {
        return Err(Malformed("the target has a character that must be escaped"));
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")),
    }
}

/// Name and value of a field.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Malformed("a field goes on in the next line"));
    }
    let colon = memchr(b':', line).ok_or(Malformed("a field has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || some(name, |byte| !is_token(byte)) {
        return Err(Malformed("the name of a field is not a word"));
    }
    if some(value, |byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(Malformed("the value of a field has a control character"));
    }
    Ok((name, trim(value)))
}

/// Whether any byte is so. Looks at all of them: without a way out the compiler looks at many at
/// once, and what is wrong is rare.
fn some(bytes: &[u8], is_so: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_so(*byte))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn is_token(byte: u8) -> bool {
    TOKENS[byte as usize]
}

/// Which bytes may be part of a word (RFC 9110, 5.6.2).
const TOKENS: [bool; 256] = {
    let mut tokens = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        tokens[byte as usize] = matches!(byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z');
        byte += 1;
    }
    tokens
};

/// Lines without their ends, all of which are CR and LF.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.0)?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1024, fields: 10 };

    fn look(bytes: &[u8]) -> Result<Option<Range<usize>>, Fault> {
        Scan::default().look(bytes, BOUNDS)
    }

    #[track_caller]
    fn good(head: &str) {
        assert_eq!(look(head.as_bytes()), Ok(Some(0..head.len())), "{head:?}");
    }

    #[track_caller]
    fn bad(head: &str) {
        let found = look(head.as_bytes());
        assert!(matches!(found, Err(Malformed(_))), "{head:?}: {found:?}");
    }

    #[test]
    fn what_clients_send_passes() {
        good("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        good(
            "POST /v1/x?y=%20 HTTP/1.1\r\nhost:a:80\r\nContent-Length:\t12 \r\nX-A: \u{e9}\r\n\r\n",
        );
        good("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nx:\r\n\r\n");
        good("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
        good("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        good("GET / HTTP/1.0\r\n\r\n");
    }

    #[test]
    fn what_can_be_read_in_two_ways_does_not() {
        for fields in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: -1",
            "Content-Length: 0x1",
            "Content-Length: 1 2",
            "Content-Length:",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding: identity, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\u{b}",
            "Transfer-Encoding:\r\n chunked",
            "Transfer-Encoding : chunked",
            "Host : b",
            "Host: b",
            " x: y",
            "x",
            ": y",
            "x: a\0b",
            "x: a\rb",
            "x: a\x7f",
            "x\u{e9}: a",
        ] {
            bad(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        }
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            bad(head);
        }
    }

    #[test]
    fn empty_lines_before_a_request_are_passed_over_but_not_for_ever() {
        let head = "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        assert_eq!(look(head.as_bytes()), Ok(Some(4..head.len() - 4)));
        assert_eq!(look("\r\n".repeat(2000).as_bytes()), Err(Fault::TooLarge));
    }

    #[test]
    fn too_much_is_told_from_wrong_before_it_is_whole() {
        let many = format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(11));
        assert_eq!(look(many.as_bytes()), Err(Fault::TooMany));
        let large = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1024));
        assert_eq!(look(large.as_bytes()), Err(Fault::TooLarge));
        assert_eq!(look(format!("{large}\r\n\r\n").as_bytes()), Err(Fault::TooLarge));
        let ten = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(9));
        good(&ten);
    }

    proptest! {
        #[test]
        fn pieces_are_read_like_the_whole(
            text in "(\r\n)?GET / HTTP/1\\.1\r\n(Host: a\r\n)?((x: y|a|b:|\r|\n)(\r\n|\n)){0,4}\r\n(rest)?",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let whole = look(text.as_bytes());
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut scan = Scan::default();
            let mut last = Ok(None);
            for cut in cuts {
                last = scan.look(&text.as_bytes()[..cut], BOUNDS);
                if !matches!(last, Ok(None)) {
                    break;
                }
            }
            prop_assert_eq!(last, whole);
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(Some(range)) = look(&bytes) {
                prop_assert!(bytes[range].ends_with(b"\r\n\r\n"));
            }
        }
    }
}

//! Finds one member of an object without reading the others.
//!
//! An answer that passes through is mostly one long text, of which only what it cost is read. A
//! parser looks at each byte of that text; this jumps from quote to quote.

/// Objects and lists in one another, as many as the parser takes as well.
const DEEPEST: u32 = 127;

/// The value of the member `key` of the object that `body` is; of several, the last.
///
/// All of `body` is looked at, so that one that was cut off, or is no JSON at all, has no members:
/// strings must end, and brackets must match. Words and numbers are not looked at closely, nor is
/// what follows a backslash: who reads the value does that.
#[must_use]
pub fn member<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut scan = Scan { body, at: 0 };
    let mut found = None;
    scan.expect(b'{')?;
    if scan.next_byte()? == b'}' {
        return None;
    }
    loop {
        let name = scan.string()?;
        scan.expect(b':')?;
        let value = scan.value()?;
        if name == key.as_bytes() {
            found = Some(value);
        }
        match scan.next_byte()? {
            b',' => scan.at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    scan.at += 1;
    scan.space();
    (scan.at == body.len()).then_some(found).flatten()
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.body.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not white space, which is not passed.
    fn next_byte(&mut self) -> Option<u8> {
        self.space();
        self.body.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next_byte()? == byte).then(|| self.at += 1)
    }

    /// What is between the quotes, as it stands there.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let found = memchr::memchr2(b'"', b'\\', self.body.get(self.at..)?)?;
            let end = self.at + found;
            if self.body[end] == b'"' {
                self.at = end + 1;
                return Some(&self.body[start..end]);
            }
            self.at = end + 2;
        }
    }

    /// One value, as it stands there.
    fn value(&mut self) -> Option<&'a [u8]> {
        let first = self.next_byte()?;
        let start = self.at;
        match first {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => self.container()?,
            _ => {
                let rest = &self.body[start..];
                let length = rest.iter().position(|byte| !is_of_word(*byte))?;
                if length == 0 {
                    return None;
                }
                self.at = start + length;
            }
        }
        Some(&self.body[start..self.at])
    }

    /// From an opening bracket to the one that closes it.
    fn container(&mut self) -> Option<()> {
        // The brackets that are open, the innermost in the lowest bit: 1 is an object.
        let (mut open, mut depth) = (0_u128, 0);
        loop {
            match *self.body.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                byte @ (b'{' | b'[') => {
                    open = open << 1 | u128::from(byte == b'{');
                    depth += 1;
                    if depth > DEEPEST {
                        return None;
                    }
                }
                byte @ (b'}' | b']') => {
                    if (open & 1 == 1) != (byte == b'}') {
                        return None;
                    }
                    open >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Some(());
                    }
                }
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
                byte if is_of_word(byte) => {}
                _ => return None,
            }
            self.at += 1;
        }
    }
}

/// Whether a byte can be part of a number, or of `true`, `false` and `null`.
const fn is_of_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'+' | b'.' | b'E')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Option<&str> {
        member(body.as_bytes(), "usage").map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn a_member_is_found_among_others_and_only_at_the_top() {
        for (body, value) in [
            (r#"{"usage":{"a":[1,2]}}"#, Some(r#"{"a":[1,2]}"#)),
            (r#" { "a" : "}" , "usage" : 7 } "#, Some("7")),
            (r#"{"a":{"usage":1},"b":["usage",{"usage":2}]}"#, None),
            (r#"{"a":"\",\"usage\":1,\"","usage":null}"#, Some("null")),
            (r#"{"a":"\\","usage":"x\\\"y"}"#, Some(r#""x\\\"y""#)),
            (r#"{"usage":1,"usage":2}"#, Some("2")),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(found(body), value, "{body}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_json_has_no_members() {
        let whole = r#"{"usage":{"a":[1,"\"",{}]},"b":"c","d":true}"#;
        assert!(found(whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(found(&whole[..end]), None, "{}", &whole[..end]);
        }
        for body in [
            "",
            "<html>",
            r#"{"usage":[}}"#,
            r#"{"usage":1}}"#,
            r#"{"usage":1} x"#,
            r#"{"usage":}"#,
            r#"{"usage" 1}"#,
            r#"{usage:1}"#,
            r#"{"usage":[<]}"#,
        ] {
            assert_eq!(found(body), None, "{body}");
        }
        let deep = |depth| format!(r#"{{"usage":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(found(&deep(127)).is_some());
        assert_eq!(found(&deep(128)), None);
    }

    #[test]
    fn a_parser_finds_the_same() {
        for body in [
            r#"{"choices":[{"message":{"content":"a \"usage\" é"}}],"usage":{"n":3}}"#,
            "{\"id\":\"x\",\r\n\t\"usage\":{\"n\":[1.5e+3,-2,true,null,\"\"]},\"z\":{}}",
        ] {
            let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
            let value: serde_json::Value = serde_json::from_str(found(body).unwrap()).unwrap();
            assert_eq!(parsed["usage"], value);
        }
    }
}

//! Walks through an object without building anything.
//!
//! Requests and answers that pass through are mostly long texts, of which only a few members at the
//! top are read. A parser looks at each byte of those texts; this jumps from quote to quote. What it
//! takes for JSON a parser takes too; what it does not take, a parser may (escapes in the name of a
//! member, more brackets in one another than anybody writes): it is asked then.

use memchr::memmem::Finder;
use serde::Deserialize;

/// Objects and lists in one another, as many as fit in a word.
const DEEPEST: u32 = 127;

/// The value of the member `key` of the object that `body` is; of several, the last.
///
/// All of `body` is looked at, so that one that was cut off, or is no JSON at all, has no members.
#[must_use]
pub fn member<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut found = None;
    members(body, |name, value| {
        if name == key.as_bytes() {
            found = Some(value);
        }
    })?;
    found
}

/// Reads a member that stands near the end of the object that `body` is; `quoted` is its name in quotes.
///
/// Only what follows it is looked at, which is enough to know that it is no other's member and no part of
/// a text, if `body` is JSON at all: behind it must come the end of one object and then nothing, and a
/// quote within a text has a backslash before it. So an object that is broken in its middle is not noticed
/// to be, where one that was cut off is. `None` says only that it was not found this way.
pub fn late_member<'a, T: Deserialize<'a>>(body: &'a [u8], quoted: &Finder<'_>) -> Option<T> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let name = quoted.find_iter(body).last()?;
    if name == 0 || body[name - 1] == b'\\' {
        return None;
    }
    let at = name + quoted.needle().len();
    let mut walk = Walk { body, at, controls: has_controls(&body[at..]), escaped: false };
    walk.expect(b':')?;
    let rest = std::str::from_utf8(&body[walk.at..]).ok()?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter();
    let value = values.next()?.ok()?;
    walk.at += values.byte_offset();
    loop {
        match walk.next_byte()? {
            b',' => {
                walk.at += 1;
                walk.key()?;
                walk.value()?;
            }
            b'}' => break,
            _ => return None,
        }
    }
    walk.at += 1;
    walk.end()?;
    Some(value)
}

/// Gives `each` the members of the object that `body` is, in order: the name without its quotes and the
/// value, both as they stand there. `None` if `body` is no such object, which may show only after some
/// members were given; all of it is looked at. Whether it is UTF-8 is not.
#[must_use]
pub fn members<'a>(body: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    let mut walk = Walk { body, at: 0, controls: has_controls(body), escaped: false };
    walk.expect(b'{')?;
    if walk.next_byte()? == b'}' {
        walk.at += 1;
        return walk.end();
    }
    loop {
        walk.escaped = false;
        let name = walk.key()?;
        if walk.escaped {
            return None;
        }
        each(name, walk.value()?);
        match walk.next_byte()? {
            b',' => walk.at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    walk.at += 1;
    walk.end()
}

struct Walk<'a> {
    body: &'a [u8],
    at: usize,
    /// Whether there are control characters anywhere: between values they may be, in strings not.
    controls: bool,
    /// Whether there was a backslash in a string since this was last set.
    escaped: bool,
}

impl<'a> Walk<'a> {
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

    fn end(mut self) -> Option<()> {
        self.space();
        (self.at == self.body.len()).then_some(())
    }

    /// The name of a member, and the colon behind it.
    fn key(&mut self) -> Option<&'a [u8]> {
        if self.next_byte()? != b'"' {
            return None;
        }
        let name = self.string()?;
        self.expect(b':')?;
        Some(name)
    }

    /// What is between the quotes, as it stands there; the first of them is next.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.at += 1;
        let start = self.at;
        loop {
            self.at += quote_or_backslash(self.body.get(self.at..)?)?;
            if self.body[self.at] == b'"' {
                break;
            }
            self.escaped = true;
            self.at += match self.body.get(self.at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                b'u' => {
                    let digits = self.body.get(self.at + 2..self.at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    6
                }
                _ => return None,
            };
        }
        let text = &self.body[start..self.at];
        self.at += 1;
        (!self.controls || !has_controls(text)).then_some(text)
    }

    /// One value, as it stands there.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.space();
        let start = self.at;
        // The brackets that are open, the innermost in the lowest bit: 1 is an object.
        let (mut open, mut depth) = (0_u128, 0);
        loop {
            match self.next_byte()? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let object = bracket == b'{';
                    if self.next_byte()? != bracket + 2 {
                        open = open << 1 | u128::from(object);
                        depth += 1;
                        if depth > DEEPEST {
                            return None;
                        }
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                first => self.leaf(first)?,
            }
            // A value has ended, and with it perhaps the ones around it.
            loop {
                if depth == 0 {
                    return Some(&self.body[start..self.at]);
                }
                let object = open & 1 == 1;
                let next = self.next_byte()?;
                self.at += 1;
                match (next, object) {
                    (b',', true) => {
                        self.key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => {
                        open >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// A value without values in it.
    fn leaf(&mut self, first: u8) -> Option<()> {
        let word: &[u8] = match first {
            b'"' => return self.string().map(drop),
            b'-' | b'0'..=b'9' => return self.number(),
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return None,
        };
        self.body[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        self.skip(b"-");
        if self.skip(b"0") == 0 {
            self.digits()?;
        }
        if self.skip(b".") == 1 {
            self.digits()?;
        }
        if self.skip(b"eE") == 1 {
            self.skip(b"+-");
            self.digits()?;
        }
        Some(())
    }

    /// Passes one byte, if it is one of these.
    fn skip(&mut self, these: &[u8]) -> usize {
        let passed = usize::from(self.body.get(self.at).is_some_and(|byte| these.contains(byte)));
        self.at += passed;
        passed
    }

    /// Passes at least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// Where the first quote or backslash stands. Most strings are short, and looking at sixteen bytes takes
/// less than setting out for a long way.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const NEAR: usize = 2;
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(NEAR).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = holds(word, b'"') | holds(word, b'\\');
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let near = words.len().min(NEAR) * 8;
    Some(near + memchr::memchr2(b'"', b'\\', &text[near..])?)
}

/// Not zero if one of the bytes of `word` is `byte`: the lowest bit set is in the first that is. Bits
/// above it may be set without reason.
const fn holds(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zero_where_equal = word ^ (ONES * byte as u64);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & (ONES << 7)
}

/// Whether there is a control character. Looks at all bytes: without a way out the compiler looks at
/// many at once.
fn has_controls(bytes: &[u8]) -> bool {
    bytes.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' '
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a parser takes: nothing is built, so nothing but the syntax counts.
    fn parser_takes(body: &[u8]) -> bool {
        serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
    }

    fn is_taken(body: &[u8]) -> bool {
        members(body, |_, _| ()).is_some()
    }

    #[test]
    fn a_late_member_is_found_where_it_cannot_be_another() {
        let late = |body: &str| {
            late_member::<serde_json::Value>(body.as_bytes(), &Finder::new(r#""usage""#))
        };
        for (body, value) in [
            (r#"{"id":1,"usage":{"a":[1,2]}}"#, Some(r#"{"a":[1,2]}"#)),
            ("{\"usage\" : 7\n,\t\"b\":[{}] , \"c\":\"}\"\n} ", Some("7")),
            (r#"{"usage":1,"a":"x","usage":null}"#, Some("null")),
            (r#"{"content":"it said \"usage\": 1}","usage":2}"#, Some("2")),
            // All of these could be other things than they seem.
            (r#"{"usage":1,"content":"\"usage"}"#, None),
            (r#"{"usage":1,"content":"\"usage\":2}"}"#, Some("1")),
            (r#"{"x\"usage":1}"#, None),
            (r#"{"a":{"usage":1}}"#, None),
            (r#"[{"usage":1}]"#, None),
            (r#"{"a":["usage"]}"#, None),
            (r#"{"a":"usage"}"#, None),
            (r#"{"usage":{"a":1}"#, None),
            (r#"{"usage":{"a":1}} x"#, None),
            (r#"{"usage":1,}"#, None),
            (r#"{"usage":}"#, None),
            (r#""usage":1}"#, None),
            (r#"<p>{"usage":1}"#, None),
            (r#"{"used":1}"#, None),
        ] {
            let value: Option<serde_json::Value> =
                value.map(|it| serde_json::from_str(it).unwrap());
            assert_eq!(late(body), value, "{body}");
        }
    }

    #[test]
    fn what_no_parser_takes_is_not_taken() {
        for value in [
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e+",
            "0x1",
            "--1",
            "1.e3",
            "tru",
            "nul",
            "True",
            "truee",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u123"#,
            "\"a\tb\"",
            "\"\u{0}\"",
            r#""a"#,
            r#""\"#,
            "[1,]",
            "[,1]",
            "[1 2]",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            "{a:1}",
            r#"{"a":1 "b":2}"#,
            "[1}",
            "[[]",
            r#"{"a":[}"#,
            r#"[{]}"#,
            "\u{a0}1",
            "\u{b}1",
            "/**/1",
            "NaN",
            "'a'",
            "",
        ] {
            for body in [format!(r#"{{"a":{value}}}"#), format!(r#"{{"b":[{value}],"a":1}}"#)] {
                assert!(!parser_takes(body.as_bytes()) || value.is_empty(), "{body}");
                assert!(!is_taken(body.as_bytes()) || parser_takes(body.as_bytes()), "{body}");
            }
        }
    }

    #[test]
    fn what_people_write_is_taken() {
        for value in [
            "0",
            "-0",
            "10.25e-3",
            "1E5",
            "1e400",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "\r\n 1\t",
            r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            "\"é\u{7f}\"",
            r#"[[],{"a":[{}]},"x"]"#,
            r#"{"a\"b":1}"#,
            r#""seven77""#,
            r#""eight888""#,
            r#""sixteen_sixteen_""#,
            r#""seventeen_sevente\\""#,
        ] {
            let body = format!("{{\"a\" : {value} ,\"b\":{value}}}");
            assert!(is_taken(body.as_bytes()) && parser_takes(body.as_bytes()), "{body}");
            assert_eq!(member(body.as_bytes(), "a"), Some(value.trim().as_bytes()), "{body}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let text = prop_oneof!["[ -~]{0,20}", "\\PC{0,40}", "[\"\\\\\n\u{1}a]{0,12}"];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
            text.prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map("[a-z\"]{0,9}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Written in one line or in many: the values are the parser's.
        #[test]
        fn all_that_is_written_is_found(value in json(), other in json(), pretty: bool) {
            let whole = serde_json::json!({"other": other, "value": value});
            let written = if pretty {
                serde_json::to_vec_pretty(&whole).unwrap()
            } else {
                serde_json::to_vec(&whole).unwrap()
            };
            let found = member(&written, "value").unwrap();
            let late: serde_json::Value = late_member(&written, &Finder::new("\"value\"")).unwrap();
            prop_assert_eq!(&late, &value);
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(found).unwrap(), value);
        }

        /// One byte put in another's place, or left out: what is still taken, the parser takes.
        #[test]
        fn nothing_is_taken_that_a_parser_would_not(
            value in json(), at: prop::sample::Index, byte in prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:\\0e.-tn \n\0"[..])], cut: bool,
        ) {
            let mut written = serde_json::to_vec(&serde_json::json!({"a": value, "b": "x"})).unwrap();
            let at = at.index(written.len());
            if cut { written.remove(at); } else { written[at] = byte; }
            prop_assume!(std::str::from_utf8(&written).is_ok());
            prop_assert!(!is_taken(&written) || parser_takes(&written), "{}", String::from_utf8_lossy(&written));
        }
    }

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

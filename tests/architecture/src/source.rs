//! A file of Rust, read closely enough to see what it names.
//!
//! Comments, strings and the inline tests at a file's foot are left out; beyond that this knows
//! no grammar, only words.

use std::path::PathBuf;

/// A file of Rust.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is, from the workspace's root.
    pub path: PathBuf,
    /// Whether it is part of the crate, and not one of its tests or examples.
    pub in_src: bool,
    /// Whether its first line is documentation of the file.
    pub documented: bool,
    /// What it says before its inline tests, without comments and without the insides of strings.
    pub code: String,
}

impl Source {
    /// Reads a file's text.
    #[must_use]
    pub fn new(path: PathBuf, in_src: bool, text: &str) -> Self {
        let code = strip(text);
        let end = inline_tests(&code).unwrap_or(code.len());
        let code = code[..end].to_owned();
        Self { path, in_src, documented: text.starts_with("//!"), code }
    }

    /// Lines that say something, before the inline tests.
    #[must_use]
    pub fn lines_of_code(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Whether the code names a path such as `std::fs` or a single word such as `tokio`: as whole
    /// words, and also within a group such as `std::{fs, io}`.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        if occurrences(&self.code, path).next().is_some() {
            return true;
        }
        let Some((parent, child)) = path.rsplit_once("::") else { return false };
        occurrences(&self.code, parent).any(|end| {
            let group = self.code[end..].strip_prefix("::{");
            group.is_some_and(|group| members(group).contains(&child))
        })
    }

    /// The names of the modules declared here.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        occurrences(&self.code, "mod").map(|end| first_word(&self.code[end..]))
    }

    /// The first words of what is exported by `pub use`.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        occurrences(&self.code, "pub use").map(|end| first_word(&self.code[end..]))
    }
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\n', ':']);
    let end = text.find(|it: char| !is_word(it)).unwrap_or(text.len());
    &text[..end]
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

/// The ends of all places where `path` stands as whole words. A path that begins with a crate
/// counts only where that is the beginning; one that begins with a type, wherever it stands.
fn occurrences<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(path).filter_map(move |(at, found)| {
        let end = at + found.len();
        let before = code[..at].chars().next_back();
        let inside = before.is_some_and(|it| is_word(it) || it == ':' || it == '.');
        let longer = code[end..].chars().next().is_some_and(is_word);
        let is_type = path.starts_with(char::is_uppercase);
        // `::tokio` is a path's beginning, `a::tokio` is not.
        let begins = |head: &str| is_type || !head.ends_with(is_word);
        let behind_colons = code[..at].strip_suffix("::").is_some_and(begins);
        ((!inside || behind_colons) && !longer).then_some(end)
    })
}

/// The first words of the members of a group whose `{` was just read.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, it) in group.char_indices() {
        match it {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                found.push(first_word(&group[start..at]));
                start = at + 1;
                if it == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// Leaves out comments and the insides of strings; line ends stay.
fn strip(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, stand_in) = match next {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), ""),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |at| at + 2), ""),
            'r' => (raw_string(rest), "\"\""),
            '"' => (string(rest), "\"\""),
            '\'' if rest.starts_with("'\"'") => (3, "' '"),
            _ => (0, ""),
        };
        if length == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            let (left_out, behind) = rest.split_at(length);
            code.push_str(stand_in);
            code.extend(left_out.matches('\n'));
            rest = behind;
        }
    }
    code
}

/// The length of the string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, it)| {
        let ends = *it == '"' && !escaped;
        escaped = *it == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of the raw string that begins here, or 0 if none does.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|it| *it == b'#').count();
    if text.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let fence = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..].find(&fence).map_or(text.len(), |end| body + end + fence.len())
}

/// Where the inline tests begin, if there are any.
fn inline_tests(code: &str) -> Option<usize> {
    code.match_indices("\n#[cfg(test)]").map(|(at, _)| at + 1).find(|at| {
        let item = code[*at..].lines().find(|line| !line.is_empty() && !line.starts_with('#'));
        item.is_some_and(|item| item.starts_with("mod ") && item.ends_with('{'))
    })
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn source(text: &str) -> Source {
        Source::new("src/lib.rs".into(), true, text)
    }

    #[test]
    fn paths_are_seen_alone_and_in_groups() {
        for text in [
            "use std::fs;",
            "let it = ::std::fs::read(path);",
            "use std::{fs, io};",
            "use std::{\n    io,\n    fs::{File, read},\n};",
            "use std::{collections::{HashMap, HashSet}, fs as files};",
        ] {
            assert!(source(text).names("std::fs"), "{text}");
        }
    }

    #[test]
    fn lookalikes_are_not_seen() {
        for text in [
            "// use std::fs;",
            "//! `std::fs`",
            "let it = \"use std::fs;\";",
            "let it = r#\"a \" use std::fs;\"#;",
            "/* std::fs */",
            "use std::fst;",
            "use mystd::fs;",
            "use std::{io::{fs}, net};",
            "use std::io; mod fs {}",
            "let quote = '\"'; // std::fs \"",
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
        ] {
            assert!(!source(&format!("\n{text}")).names("std::fs"), "{text}");
        }
    }

    #[test]
    fn single_words_are_seen_as_crates_and_not_as_members() {
        assert!(source("use tokio::time;").names("tokio"));
        assert!(source("#[tokio::test]").names("tokio"));
        assert!(source("fn now() -> ::tokio::Instant").names("tokio"));
        assert!(!source("use crate::tokio;").names("tokio"));
        assert!(!source("self.tokio").names("tokio"));
        assert!(!source("mod tokio_like;").names("tokio"));
    }

    #[test]
    fn types_are_seen_however_they_are_reached() {
        for text in ["Instant::now()", "std::time::Instant::now()", "time::Instant::now;"] {
            assert!(source(text).names("Instant::now"), "{text}");
        }
        assert!(!source("MyInstant::now()").names("Instant::now"));
        assert!(!source("Instant::now_or_never()").names("Instant::now"));
    }

    #[test]
    fn code_ends_where_inline_tests_begin() {
        let text = "//! Doc.\n\nfn a() {}\n\n#[cfg(test)]\nmod suite;\n\nfn b() {}\n\n\
                    #[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
        let source = source(text);
        assert_eq!(source.lines_of_code(), 4);
        assert!(source.code.contains("fn b()") && !source.code.contains("fn c()"));
        assert!(source.documented);
    }

    #[test]
    fn modules_and_exports_are_listed() {
        let text = "pub mod chat;\nmod util { }\npub use self::chat::Chat;\n\
                    pub use ::conf_name::ModelName;\nuse std::fmt;\n";
        let source = source(text);
        assert_eq!(source.modules().collect::<Vec<_>>(), ["chat", "util"]);
        assert_eq!(source.exports().collect::<Vec<_>>(), ["self", "conf_name"]);
    }

    #[test]
    fn line_ends_within_strings_and_comments_stay() {
        assert_eq!(source("/* a\nb */ c \"d\ne\" f").code, "\n c \"\"\n f");
    }
}

//! A YAML file as a tree of values that know their line and column.
//!
//! One document, YAML 1.2 core schema (`no` is a text, `0x1f` a number), plus `<<` merge keys from
//! YAML 1.1, which people use. Aliases become copies of what they refer to and keep its position.
//! Depth and the number of copied nodes are bounded, so that no file costs more than a little
//! memory, and no later walk can overflow the stack.

mod build;
mod scalar;

use build::Builder;
use saphyr_parser::{Event, Marker, Parser};

use crate::problem::{Place, Problems};

/// Maps and lists inside each other. The configuration itself needs 6.
const MAX_DEPTH: usize = 48;

/// Nodes that aliases and merge keys may add, over a whole file.
const MAX_COPIED_NODES: usize = 20_000;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    pub(crate) value: Value,
}

/// What a node is, after the core schema had its say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value`. Keys are unique within their map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) name: String,
    pub(crate) value: Node,
}

/// Positions do not take part: two nodes are equal if they say the same.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// As for nodes.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

impl Node {
    /// Nodes in this tree, itself included.
    fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
                0
            }
        }
    }

    /// Maps and lists inside each other at the deepest point, itself included.
    fn depth(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Value::Map(entries) => {
                1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0)
            }
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
                0
            }
        }
    }
}

/// Reads the one document in `text`.
///
/// `None` if it is empty, or not YAML at all; problems say which. Duplicate keys and the like are
/// noted, and the first of them is kept.
pub(crate) fn parse(text: &str, problems: &Problems) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::new(problems);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok(next) => next,
            Err(error) => {
                problems.error(&place(*error.marker()), format!("not YAML: {}", error.info()));
                return None;
            }
        };
        builder.take(event, span)?;
    }
    let root = builder.finish();
    if root.as_ref().is_none_or(|node| node.value == Value::Null) {
        problems.error(&Place { line: 1, column: 1, key: String::new() }, "the file is empty");
        return None;
    }
    root
}

/// Saphyr counts lines from 1 and columns from 0.
fn place(mark: Marker) -> Place {
    Place { line: mark.line(), column: mark.col() + 1, key: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let problems = Problems::default();
        let node = parse(text, &problems);
        (node, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    /// Compares as if both texts were written out without aliases.
    #[track_caller]
    fn same(text: &str, plain: &str) {
        let (left, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        assert_eq!(left, read(plain).0);
    }

    #[track_caller]
    fn refused(text: &str, expected: &[&str]) {
        let (_, problems) = read(text);
        assert_eq!(problems, expected);
    }

    #[test]
    fn values_know_where_they_begin() {
        let (node, _) = read("a:\n  - b: é\n    c: 1\n");
        let Value::Map(root) = node.unwrap().value else { panic!() };
        let Value::List(items) = &root[0].value.value else { panic!() };
        let Value::Map(inner) = &items[0].value else { panic!() };
        assert_eq!((items[0].line, items[0].column), (2, 5));
        assert_eq!((inner[1].line, inner[1].column), (3, 5));
        assert_eq!((inner[1].value.line, inner[1].value.column), (3, 8));
    }

    #[test]
    fn aliases_are_copies() {
        same("a: &x {k: [1, 2]}\nb: *x\n", "a: {k: [1, 2]}\nb: {k: [1, 2]}");
    }

    #[test]
    fn merge_keys_fill_in_what_is_not_given() {
        same("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", "a: {k: 1, l: 2}\nb: {l: 3, k: 1}");
        same(
            "- &x {k: 1}\n- &y {k: 2, m: 2}\n- <<: [*x, *y]\n  n: 3\n",
            "[{k: 1}, {k: 2, m: 2}, {n: 3, k: 1, m: 2}]",
        );
    }

    #[test]
    fn only_maps_can_be_merged() {
        refused("a: 1\n<<: [{b: 1}, 2]\n", &["2:14: <<: can only merge a map or a list of maps"]);
    }

    #[test]
    fn a_key_given_twice_is_found_and_the_rest_is_still_read() {
        refused(
            "a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}\n",
            &[
                "3:1: a: is given twice; the first is on line 1",
                "4:11: c.d: is given twice; the first is on line 4",
            ],
        );
    }

    #[test]
    fn bad_syntax_is_one_problem_with_its_line() {
        let (node, problems) = read("a: 1\nb: [1, 2\nc: 3\n");
        assert_eq!(node, None);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("3:") && problems[0].contains("not YAML"), "{problems:?}");
    }

    #[test]
    fn an_empty_file_is_a_mistake_rather_than_all_defaults() {
        for text in ["", "# only a comment\n", "---\n", "~", "\u{feff}"] {
            refused(text, &["1:1: the file is empty"]);
        }
    }

    #[test]
    fn a_second_document_is_refused() {
        refused("a: 1\n---\nb: 2\n", &["2:1: only one YAML document is allowed"]);
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        for text in ["[".repeat(200), "- ".repeat(100_000), "{a: ".repeat(100)] {
            let (node, problems) = read(&text);
            assert_eq!(node, None);
            assert!(problems[0].contains("nested more than 48 deep"), "{problems:?}");
        }
    }

    #[test]
    fn nesting_through_aliases_is_bounded_too() {
        let mut text = format!("- &a0 {}1{}\n", "[".repeat(40), "]".repeat(40));
        text.push_str("- [[[[[[[[[[*a0]]]]]]]]]]\n");
        let (node, problems) = read(&text);
        assert_eq!(node, None);
        assert!(problems[0].contains("nested more than 48 deep"), "{problems:?}");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        let (node, problems) = read(&text);
        assert_eq!(node, None);
        assert!(problems[0].contains("aliases expand to more than"), "{problems:?}");
    }

    #[test]
    fn an_alias_inside_its_own_anchor_is_refused() {
        refused("a: &x [*x]\n", &["1:8: a[0]: the alias refers to itself"]);
    }

    #[test]
    fn keys_are_text_and_tags_are_not_for_us() {
        refused("[1]: 2\n", &["1:1: a key must be a string"]);
        refused("a: !mine 2\n", &["1:4: a: the YAML tag `!mine` is not supported"]);
        same("a: !!str 2\n", "a: '2'");
    }
}

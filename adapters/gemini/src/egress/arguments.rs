//! Puts streamed arguments together.
//!
//! Vertex AI can send a call's arguments in pieces, each with the JSONPath of the leaf it belongs
//! to. Leaves may come in any order, so the JSON text is only written once the call is complete.

use adapters_canonical::loss::DecodeError;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::wire::response::PartialArg;

/// How deep a path may lead. What nests deeper could not be read back either.
const MAX_DEPTH: usize = 100;
/// How many items an array may skip; `null` stands in for them.
const MAX_GAP: usize = 1000;

/// A JSON value in the making. Members keep the order in which they came.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Text(String),
    Bool(bool),
    Raw(Box<RawValue>),
    Null,
}

impl Node {
    /// An object without members.
    pub(super) const fn empty() -> Self {
        Self::Object(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Object(members) if members.is_empty())
    }

    /// Takes a piece in. A string's pieces are joined; any other value replaces what was there.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Shape`] if the path is none, or leads through a value that has no members.
    pub(super) fn apply(&mut self, piece: &PartialArg<'_>) -> Result<(), DecodeError> {
        let path = piece.json_path.as_deref().unwrap_or_default();
        let leaf = self.descend(path).ok_or_else(|| {
            DecodeError::shape("functionCall.partialArgs", "a path that leads to a leaf")
        })?;
        match (&piece.string_value, piece.number_value, piece.bool_value) {
            (Some(more), _, _) => {
                if let Self::Text(text) = leaf {
                    text.push_str(more);
                } else {
                    *leaf = Self::Text((**more).to_owned());
                }
            }
            (None, Some(number), _) => *leaf = Self::Raw(number.to_owned()),
            (None, None, Some(truth)) => *leaf = Self::Bool(truth),
            // Without a value this is `null`, or says only that the string before is complete.
            (None, None, None) => {}
        }
        Ok(())
    }

    fn descend(&mut self, path: &str) -> Option<&mut Self> {
        let mut rest = path.strip_prefix('$')?;
        let mut node = self;
        let mut depth = 0;
        while !rest.is_empty() {
            depth += 1;
            if depth > MAX_DEPTH {
                return None;
            }
            let step;
            (step, rest) = next_step(rest)?;
            node = node.step(&step)?;
        }
        (depth > 0).then_some(node)
    }

    fn step(&mut self, step: &Step) -> Option<&mut Self> {
        if matches!(self, Self::Null) {
            *self = match step {
                Step::Member(_) => Self::empty(),
                Step::Item(_) => Self::Array(Vec::new()),
            };
        }
        match (self, step) {
            (Self::Object(members), Step::Member(name)) => {
                let at = members.iter().position(|(member, _)| member == name);
                let at = at.unwrap_or_else(|| {
                    members.push((name.clone(), Self::Null));
                    members.len() - 1
                });
                members.get_mut(at).map(|(_, value)| value)
            }
            (Self::Array(items), Step::Item(at)) => {
                if *at >= items.len() {
                    if *at - items.len() > MAX_GAP {
                        return None;
                    }
                    items.resize(*at + 1, Self::Null);
                }
                items.get_mut(*at)
            }
            _ => None,
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::Array(items) => serializer.collect_seq(items),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
        }
    }
}

#[derive(Debug)]
enum Step {
    Member(String),
    Item(usize),
}

/// The first step of `.name…`, `[0]…`, `['name']…` or `["name"]…`, and what follows it.
fn next_step(path: &str) -> Option<(Step, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return (!name.is_empty()).then(|| (Step::Member(name.to_owned()), rest));
    }
    let rest = path.strip_prefix('[')?;
    if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
        return quoted_member(rest.get(1..)?, quote);
    }
    let (digits, rest) = rest.split_once(']')?;
    Some((Step::Item(digits.parse().ok()?), rest))
}

fn quoted_member(text: &str, quote: char) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => match chars.next()?.1 {
                'n' => name.push('\n'),
                't' => name.push('\t'),
                'r' => name.push('\r'),
                other => name.push(other),
            },
            _ if char == quote => {
                let rest = text.get(at + 1..)?.strip_prefix(']')?;
                return Some((Step::Member(name), rest));
            }
            _ => name.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(pieces: &[&str]) -> Result<String, DecodeError> {
        let mut node = Node::empty();
        for piece in pieces {
            node.apply(&serde_json::from_str(piece).unwrap())?;
        }
        Ok(serde_json::to_string(&node).unwrap())
    }

    #[test]
    fn pieces_of_a_string_are_joined_and_members_keep_their_order() {
        let got = build(&[
            r#"{"jsonPath":"$.z","stringValue":"Bos","willContinue":true}"#,
            r#"{"jsonPath":"$.z","stringValue":"ton","willContinue":true}"#,
            r#"{"jsonPath":"$.z","stringValue":""}"#,
            r#"{"jsonPath":"$.a","boolValue":false}"#,
        ]);
        assert_eq!(got.unwrap(), r#"{"z":"Boston","a":false}"#);
    }

    #[test]
    fn paths_lead_through_arrays_and_quoted_names_and_numbers_keep_their_digits() {
        let got = build(&[
            r#"{"jsonPath":"$.a[0].b","numberValue":0.50}"#,
            r#"{"jsonPath":"$.a[1]['x.y']","stringValue":"q\"q"}"#,
            r#"{"jsonPath":"$[\"k\"][2]","boolValue":true}"#,
            r#"{"jsonPath":"$.n","nullValue":null}"#,
        ]);
        let expected = r#"{"a":[{"b":0.50},{"x.y":"q\"q"}],"k":[null,null,true],"n":null}"#;
        assert_eq!(got.unwrap(), expected);
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        for path in ["", "$", "a", "$.", "$[", "$[x]", "$['a", "$[99999999]", "$..a", "$[0]"] {
            let piece = serde_json::json!({"jsonPath": path, "boolValue": true}).to_string();
            assert!(build(&[&piece]).is_err(), "{path}");
        }
        let deep = format!(r#"{{"jsonPath":"${}","boolValue":true}}"#, ".a".repeat(MAX_DEPTH + 1));
        assert!(build(&[&deep]).is_err());
        let through_a_leaf =
            [r#"{"jsonPath":"$.a","boolValue":true}"#, r#"{"jsonPath":"$.a.b","boolValue":true}"#];
        assert!(build(&through_a_leaf).is_err());
    }
}

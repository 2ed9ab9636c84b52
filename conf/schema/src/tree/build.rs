//! Events in, tree out.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Span, Tag};

use super::{Entry, MAX_COPIED_NODES, MAX_DEPTH, Node, Value, place};
use crate::problem::{Place, Problems};

/// Puts nodes where they belong.
pub(super) struct Builder<'a> {
    problems: &'a Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    documents: usize,
    root: Option<Node>,
}

/// A map or a list that is not closed yet.
struct Open {
    line: usize,
    column: usize,
    /// 0 if it has none.
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The lines of the keys so far.
        lines: HashMap<String, usize>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What `<<` brought, applied when the map is complete.
        merges: Vec<Node>,
    },
}

struct Key {
    line: usize,
    column: usize,
    name: String,
    /// A plain `<<`.
    merge: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(problems: &'a Problems) -> Self {
        Self {
            problems,
            open: Vec::new(),
            anchors: HashMap::new(),
            copied: 0,
            documents: 0,
            root: None,
        }
    }

    pub(super) fn finish(self) -> Option<Node> {
        self.root
    }

    /// Takes the next event; `None` (with a problem noted) if reading on makes no sense.
    pub(super) fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let at = place(span.start);
        match event {
            Event::DocumentStart(_) => self.document(&at),
            Event::SequenceStart(anchor, tag) => {
                self.push(Inside::List(Vec::new()), anchor, tag.as_deref(), &at)
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, lines) = (Vec::new(), HashMap::new());
                let inside = Inside::Map { entries, lines, key: None, merges: Vec::new() };
                self.push(inside, anchor, tag.as_deref(), &at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let closed = self.open.pop()?;
                self.close(closed)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), &at)
            }
            Event::Alias(anchor) => {
                let copy = self.copy(anchor, &at)?;
                self.place(copy, 0)
            }
            Event::DocumentEnd | Event::Nothing | Event::StreamStart | Event::StreamEnd => Some(()),
        }
    }

    fn document(&mut self, at: &Place) -> Option<()> {
        self.documents += 1;
        if self.documents > 1 {
            self.problems.error(at, "only one YAML document is allowed");
            return None;
        }
        Some(())
    }

    fn push(&mut self, inside: Inside, anchor: usize, tag: Option<&Tag>, at: &Place) -> Option<()> {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.refuse_tag(&tag.to_string(), at);
        }
        if self.open.len() == MAX_DEPTH {
            return self.too_deep(at);
        }
        self.open.push(Open { line: at.line, column: at.column, anchor, inside });
        Some(())
    }

    fn close(&mut self, closed: Open) -> Option<()> {
        let Open { line, column, anchor, inside } = closed;
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Map { mut entries, mut lines, merges, .. } => {
                for source in merges {
                    self.merge(source, &mut entries, &mut lines);
                }
                Value::Map(entries)
            }
        };
        self.place(Node { line, column, value }, anchor)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: &Place,
    ) -> Option<()> {
        let Place { line, column, .. } = *at;
        // A key is a text whatever it looks like: `1: x` and `true: x` are unknown keys, no more.
        if self.expects_key() && anchor == 0 {
            let merge = text == "<<" && style == ScalarStyle::Plain;
            return self.key(Key { line, column, name: text.to_owned(), merge });
        }
        let value = super::scalar::resolve(text, style, tag).unwrap_or_else(|tag| {
            self.refuse_tag(&tag, at);
            Value::Null
        });
        self.place(Node { line, column, value }, anchor)
    }

    /// Puts a finished node into the map or list around it.
    fn place(&mut self, node: Node, anchor: usize) -> Option<()> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        if self.expects_key() {
            return self.node_as_key(node);
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, lines, key, merges }) => {
                let Key { line, column, name, merge } = key.take()?;
                if merge {
                    merges.push(node);
                } else if let Some(first) = lines.get(&name).copied() {
                    let at = Place { line, column, key: self.path() }.child(&name);
                    let message = format!("is given twice; the first is on line {first}");
                    self.problems.error(&at, message);
                } else {
                    lines.insert(name.clone(), line);
                    entries.push(Entry { line, column, name, value: node });
                }
            }
        }
        Some(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, next: Key) -> Option<()> {
        if let Some(Open { inside: Inside::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(next);
        }
        Some(())
    }

    /// A key that is an alias, or has an anchor, or is no text at all.
    fn node_as_key(&mut self, node: Node) -> Option<()> {
        let Node { line, column, value } = node;
        let Value::Text(name) = value else {
            let at = Place { line, column, key: self.path() };
            self.problems.error(&at, "a key must be a string");
            return None;
        };
        self.key(Key { line, column, name, merge: false })
    }

    /// Adds to a map what `source` has and it does not; earlier sources win.
    fn merge(&self, source: Node, into: &mut Vec<Entry>, lines: &mut HashMap<String, usize>) {
        let sources = match source.value {
            Value::List(items) => items,
            _ => vec![source],
        };
        for Node { line, column, value } in sources {
            let Value::Map(entries) = value else {
                let at = Place { line, column, key: self.path() }.child("<<");
                self.problems.error(&at, "can only merge a map or a list of maps");
                continue;
            };
            for entry in entries {
                if !lines.contains_key(&entry.name) {
                    lines.insert(entry.name.clone(), entry.line);
                    into.push(entry);
                }
            }
        }
    }

    /// A copy of what `anchor` marks.
    fn copy(&mut self, anchor: usize, at: &Place) -> Option<Node> {
        let at = Place { key: self.path(), ..*at };
        let Some(original) = self.anchors.get(&anchor) else {
            self.problems.error(&at, "the alias refers to itself");
            return None;
        };
        self.copied += original.size();
        if self.copied > MAX_COPIED_NODES {
            let message = format!("aliases expand to more than {MAX_COPIED_NODES} values");
            self.problems.error(&at, message);
            return None;
        }
        if self.open.len() + original.depth() > MAX_DEPTH {
            return self.too_deep(&at);
        }
        Some(original.clone())
    }

    fn too_deep<T>(&self, at: &Place) -> Option<T> {
        let at = Place { key: String::new(), ..*at };
        self.problems.error(&at, format!("nested more than {MAX_DEPTH} deep"));
        None
    }

    fn refuse_tag(&self, tag: &str, at: &Place) {
        let at = Place { key: self.path(), ..*at };
        self.problems.error(&at, format!("the YAML tag `{tag}` is not supported"));
    }

    /// The path of the node that comes next, such as `providers[0].name`.
    fn path(&self) -> String {
        let mut at = Place::default();
        for open in &self.open {
            match &open.inside {
                Inside::List(items) => at.key.push_str(&format!("[{}]", items.len())),
                Inside::Map { key: Some(key), .. } => at = at.child(&key.name),
                Inside::Map { key: None, .. } => {}
            }
        }
        at.key
    }
}

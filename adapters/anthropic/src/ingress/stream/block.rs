//! One block of a streamed answer.

use adapters_canonical::annotation::Citation;
use adapters_canonical::chat::{Thought, ToolKind};
use adapters_canonical::delta::PartKind;
use adapters_canonical::dialect::Dialect;
use adapters_json::write;
use serde_json::value::RawValue;

use super::frames;
use crate::{citation, hosted, seal};

/// What is known of a block, and how much of it is written. A text or a thought begins with its
/// first words, so that none is empty: the API takes no empty text back.
#[derive(Debug)]
pub(super) struct Block {
    kind: Kind,
    /// Its number, once it has begun.
    index: Option<u32>,
    signature: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thought(Box<Thought>),
    Call { id: String, name: String, kind: ToolKind, any: bool },
    Whole(Box<RawValue>),
    Hidden,
}

/// The next piece of a block.
pub(super) enum Content<'a> {
    Text(&'a str),
    Arguments(&'a str),
    Citation(&'a Citation),
}

impl Block {
    pub(super) fn new(kind: &PartKind) -> Self {
        let kind = match kind {
            PartKind::Text | PartKind::Refusal => Kind::Text,
            kind if kind.carries(Dialect::Anthropic) => Kind::Hidden,
            PartKind::Reasoning { redacted, origin, id } => Kind::Thought(Box::new(Thought {
                redacted: redacted.clone(),
                origin: *origin,
                id: id.clone(),
                ..Thought::default()
            })),
            PartKind::ToolCall { id, name, kind } => {
                Kind::Call { id: id.clone(), name: name.clone(), kind: *kind, any: false }
            }
            PartKind::Opaque(own) if own.dialect == Dialect::Anthropic => {
                Kind::Whole(own.json.clone())
            }
            PartKind::Hosted(step) => match step.own(Dialect::Anthropic) {
                Some(own) => Kind::Whole(own.json.clone()),
                None => Kind::Hidden,
            },
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Opaque(_) => Kind::Hidden,
        };
        Self { kind, index: None, signature: None }
    }

    pub(super) fn seal(&mut self, signature: &str) {
        self.signature = Some(signature.to_owned());
    }

    /// Begins what begins at once.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>, next: &mut u32) {
        match &self.kind {
            Kind::Call { .. } | Kind::Whole(_) => {
                self.index(out, next);
            }
            Kind::Text | Kind::Thought(_) | Kind::Hidden => {}
        }
    }

    /// The block's number; the block begins with it.
    fn index(&mut self, out: &mut Vec<u8>, next: &mut u32) -> u32 {
        if let Some(index) = self.index {
            return index;
        }
        let index = *next;
        *next = next.saturating_add(1);
        self.index = Some(index);
        frames::block_start(out, index, |out| match &self.kind {
            Kind::Text | Kind::Hidden => out.extend_from_slice(br#"{"type":"text","text":""}"#),
            Kind::Thought(_) => {
                out.extend_from_slice(br#"{"type":"thinking","thinking":"","signature":""}"#);
            }
            Kind::Call { id, name, .. } => {
                out.extend_from_slice(br#"{"type":"tool_use","id":"#);
                write::json(out, id);
                out.extend_from_slice(br#","name":"#);
                write::json(out, name);
                out.extend_from_slice(br#","input":{}}"#);
            }
            Kind::Whole(json) => frames::raw(out, json),
        });
        index
    }

    pub(super) fn add(&mut self, out: &mut Vec<u8>, next: &mut u32, content: Content<'_>) {
        match (content, &mut self.kind) {
            (Content::Text(""), _) => {}
            (Content::Text(text), Kind::Text) => {
                let index = self.index(out, next);
                frames::delta(out, index, "text_delta", "text", text);
            }
            (Content::Text(text), Kind::Thought(thought)) => {
                let is_own = thought.redacted.is_none();
                thought.text.push_str(if is_own { "" } else { text });
                let index = self.index(out, next);
                frames::delta(out, index, "thinking_delta", "thinking", text);
            }
            (Content::Arguments(fragment), Kind::Call { kind, any, .. }) => {
                let first = !std::mem::replace(any, *any || !fragment.is_empty());
                let kind = *kind;
                if !fragment.is_empty() {
                    let index = self.index(out, next);
                    arguments(out, index, kind, first, fragment);
                }
            }
            (Content::Citation(citation), Kind::Text) => {
                if let Some(json) = citation::write(citation) {
                    let index = self.index(out, next);
                    frames::raw_delta(out, index, "citations_delta", "citation", |out| {
                        frames::raw(out, &json);
                    });
                }
            }
            (
                Content::Text(_) | Content::Arguments(_) | Content::Citation(_),
                Kind::Text | Kind::Thought(_) | Kind::Call { .. } | Kind::Whole(_) | Kind::Hidden,
            ) => {}
        }
    }

    /// Ends the block; its seal is the last it says.
    pub(super) fn end(mut self, out: &mut Vec<u8>, next: &mut u32) {
        let seal_behind = match &mut self.kind {
            Kind::Thought(_) => return self.end_thought(out, next),
            Kind::Text | Kind::Call { .. } => self.signature.take(),
            Kind::Whole(_) | Kind::Hidden => None,
        };
        if let (Kind::Call { kind, any, .. }, Some(index)) = (&self.kind, self.index) {
            match (kind, any) {
                (ToolKind::Function, true) => {}
                (ToolKind::Function, false) => {
                    frames::delta(out, index, "input_json_delta", "partial_json", "{}");
                }
                (ToolKind::Custom, any) => {
                    let end = if *any { "\"}" } else { r#"{"input":""}"# };
                    frames::delta(out, index, "input_json_delta", "partial_json", end);
                }
            }
        }
        self.break_off(out);
        // Only Gemini seals what it says and calls.
        let carrier = seal_behind.and_then(|seal| seal::of_block(Dialect::Gemini, &seal));
        if let Some(carrier) = carrier {
            let index = *next;
            *next = next.saturating_add(1);
            frames::block_start(out, index, |out| {
                out.extend_from_slice(br#"{"type":"thinking","thinking":"","signature":""}"#);
            });
            frames::delta(out, index, "signature_delta", "signature", &carrier);
            frames::block_stop(out, index.into());
        }
    }

    fn end_thought(mut self, out: &mut Vec<u8>, next: &mut u32) {
        let signature = self.signature.take();
        let Kind::Thought(thought) = &mut self.kind else { return };
        let has_words = self.index.is_some();
        thought.signature = signature;
        let nothing =
            thought.signature.is_none() && thought.redacted.is_none() && thought.id.is_none();
        let Some(sealed) = seal::of_thought(thought).map(std::borrow::Cow::into_owned) else {
            return self.break_off(out);
        };
        if !has_words && thought.redacted.is_some() {
            let index = *next;
            *next = next.saturating_add(1);
            frames::block_start(out, index, |out| {
                out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
                write::json(out, &sealed);
                out.push(b'}');
            });
            return frames::block_stop(out, index.into());
        }
        if has_words || !nothing {
            let index = self.index(out, next);
            frames::delta(out, index, "signature_delta", "signature", &sealed);
            frames::block_stop(out, index.into());
        }
    }

    /// Ends the block as it is.
    pub(super) fn break_off(self, out: &mut Vec<u8>) {
        if let Some(index) = self.index {
            frames::block_stop(out, index.into());
        }
    }
}

/// Writes a block that says what another provider did. What the tool was given comes in a delta, as
/// that of a call does: SDKs put it together.
pub(super) fn whole(out: &mut Vec<u8>, next: &mut u32, mut said: hosted::Said) {
    let index = *next;
    *next = next.saturating_add(1);
    let nothing = || RawValue::from_string("{}".to_owned()).ok();
    let given = said.input().zip(nothing()).map(|(input, empty)| std::mem::replace(input, empty));
    frames::block_start(out, index, |out| write::json(out, &said));
    if let Some(given) = given {
        frames::delta(out, index, "input_json_delta", "partial_json", given.get());
    }
    frames::block_stop(out, index.into());
}

/// Free text becomes the member `input` of an object, piece by piece.
fn arguments(out: &mut Vec<u8>, index: u32, kind: ToolKind, first: bool, fragment: &str) {
    let escaped;
    let partial_json = match kind {
        ToolKind::Function => fragment,
        ToolKind::Custom => {
            let mut json = Vec::with_capacity(fragment.len() + 16);
            write::json(&mut json, fragment);
            let json = String::from_utf8(json).unwrap_or_default();
            let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let before = if first { r#"{"input":""# } else { "" };
            escaped = format!("{before}{}", inner.unwrap_or_default());
            &escaped
        }
    };
    frames::delta(out, index, "input_json_delta", "partial_json", partial_json);
}

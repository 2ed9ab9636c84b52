//! The parts of a stream that are open, and the events of each.

use adapters_canonical::annotation::Citation;
use adapters_canonical::chat::{Thought, ToolKind};
use adapters_canonical::dialect::Dialect;
use serde_json::value::RawValue;

use super::{Events, Logprob, Message, Said, Status, item, member, place};
use crate::wire::item::Summary;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) part: u32,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Text(TextPart),
    Refusal(TextPart),
    Thought(Box<ThoughtPart>),
    Call(Box<CallPart>),
    /// Said already, or not to be said.
    Hidden,
}

impl Kind {
    /// Writes that it begins.
    pub(super) fn announce(&self, events: &mut Events, out: &mut Vec<u8>) {
        let said = match self {
            Self::Text(text) => {
                (text, Said::OutputText { text: "", annotations: &[], logprobs: &[] })
            }
            Self::Refusal(text) => (text, Said::Refusal { refusal: "" }),
            Self::Thought(thought) => return thought.announce(events, out),
            Self::Call(call) => return call.announce(events, out),
            Self::Hidden => return,
        };
        let (TextPart { at, .. }, part) = said;
        events.event(out, "response.content_part.added", |out| {
            out.extend_from_slice(at);
            member(out, "part", &part);
        });
    }
}

/// A text or a refusal.
#[derive(Debug)]
pub(super) struct TextPart {
    /// The members that say where it belongs.
    at: Vec<u8>,
    text: String,
    annotations: Vec<Box<RawValue>>,
    /// Those of the text as a whole: they wait for its end, since they say where that is.
    of_all: Vec<Citation>,
    logprobs: Vec<Logprob>,
    pub(super) signature: Option<String>,
}

impl TextPart {
    pub(super) fn begin(message: &Message) -> Self {
        let within = Some(("content_index", message.parts.len()));
        Self {
            at: place(&message.id, message.index, within),
            text: String::new(),
            annotations: Vec::new(),
            of_all: Vec::new(),
            logprobs: Vec::new(),
            signature: None,
        }
    }

    pub(super) fn delta(
        &mut self,
        events: &mut Events,
        out: &mut Vec<u8>,
        text: &str,
        tokens: Vec<Logprob>,
    ) {
        self.text.push_str(text);
        events.event(out, "response.output_text.delta", |out| {
            out.extend_from_slice(&self.at);
            member(out, "delta", text);
            member(out, "logprobs", &tokens);
        });
        self.logprobs.extend(tokens);
    }

    pub(super) fn cite(&mut self, events: &mut Events, out: &mut Vec<u8>, citation: &Citation) {
        if citation.range.is_none() {
            self.of_all.push(citation.clone());
        } else if let Some(annotation) = item::annotated(citation, &self.text) {
            self.annotate(events, out, annotation);
        }
    }

    fn annotate(&mut self, events: &mut Events, out: &mut Vec<u8>, annotation: Box<RawValue>) {
        events.event(out, "response.output_text.annotation.added", |out| {
            out.extend_from_slice(&self.at);
            member(out, "annotation_index", &self.annotations.len());
            member(out, "annotation", &annotation);
        });
        self.annotations.push(annotation);
    }

    /// Gives the part, and its seal.
    pub(super) fn end(
        mut self,
        events: &mut Events,
        out: &mut Vec<u8>,
        tokens: Vec<Logprob>,
    ) -> (item::Part, Option<String>) {
        self.logprobs.extend(tokens);
        for citation in std::mem::take(&mut self.of_all) {
            if let Some(annotation) = item::annotated(&citation, &self.text) {
                self.annotate(events, out, annotation);
            }
        }
        let Self { at, text, annotations, logprobs, signature, .. } = self;
        events.event(out, "response.output_text.done", |out| {
            out.extend_from_slice(&at);
            member(out, "text", &text);
            member(out, "logprobs", &logprobs);
        });
        let part = item::Part::Text { text, annotations, logprobs };
        content_done(&at, &part, events, out);
        (part, signature)
    }

    pub(super) fn delta_refusal(&mut self, events: &mut Events, out: &mut Vec<u8>, text: &str) {
        self.text.push_str(text);
        events.event(out, "response.refusal.delta", |out| {
            out.extend_from_slice(&self.at);
            member(out, "delta", text);
        });
    }

    pub(super) fn end_refusal(self, events: &mut Events, out: &mut Vec<u8>) -> item::Part {
        events.event(out, "response.refusal.done", |out| {
            out.extend_from_slice(&self.at);
            member(out, "refusal", &self.text);
        });
        let part = item::Part::Refusal(self.text);
        content_done(&self.at, &part, events, out);
        part
    }
}

fn content_done(at: &[u8], part: &item::Part, events: &mut Events, out: &mut Vec<u8>) {
    events.event(out, "response.content_part.done", |out| {
        out.extend_from_slice(at);
        member(out, "part", &part.said());
    });
}

/// A thought: an item of its own.
#[derive(Debug)]
pub(super) struct ThoughtPart {
    at: Vec<u8>,
    pub(super) index: usize,
    id: String,
    pub(super) thought: Thought,
}

impl ThoughtPart {
    pub(super) fn begin(
        id: String,
        index: usize,
        redacted: Option<String>,
        origin: Option<Dialect>,
    ) -> Self {
        let at = place(&id, index, Some(("summary_index", 0)));
        let thought = Thought { redacted, origin, ..Thought::default() };
        Self { at, index, id, thought }
    }

    fn announce(&self, events: &mut Events, out: &mut Vec<u8>) {
        let item = item::reasoning(&self.id, "", None);
        events.item(out, "response.output_item.added", self.index, &item);
    }

    pub(super) fn delta(&mut self, events: &mut Events, out: &mut Vec<u8>, text: &str) {
        if self.thought.text.is_empty() {
            self.summary(events, out, "response.reasoning_summary_part.added");
        }
        self.thought.text.push_str(text);
        events.event(out, "response.reasoning_summary_text.delta", |out| {
            out.extend_from_slice(&self.at);
            member(out, "delta", text);
        });
    }

    fn summary(&self, events: &mut Events, out: &mut Vec<u8>, name: &str) {
        events.event(out, name, |out| {
            out.extend_from_slice(&self.at);
            member(out, "part", &Summary { text: &self.thought.text });
        });
    }

    pub(super) fn end(self, events: &mut Events, out: &mut Vec<u8>) -> Vec<u8> {
        let text = self.thought.text.as_str();
        if !text.is_empty() {
            events.event(out, "response.reasoning_summary_text.done", |out| {
                out.extend_from_slice(&self.at);
                member(out, "text", text);
            });
            self.summary(events, out, "response.reasoning_summary_part.done");
        }
        let encrypted = item::encrypted(&self.thought);
        let item = item::reasoning(&self.id, text, encrypted.as_deref());
        events.item(out, "response.output_item.done", self.index, &item);
        item
    }
}

/// A call: an item of its own. Several may be open at once.
#[derive(Debug)]
pub(super) struct CallPart {
    at: Vec<u8>,
    pub(super) index: usize,
    id: String,
    pub(super) call_id: String,
    name: String,
    arguments: String,
    kind: ToolKind,
    pub(super) signature: Option<String>,
}

impl CallPart {
    pub(super) fn begin(
        id: String,
        index: usize,
        (call_id, name): (&str, &str),
        kind: ToolKind,
    ) -> Self {
        Self {
            at: place(&id, index, None),
            index,
            id,
            call_id: call_id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            kind,
            signature: None,
        }
    }

    fn item(&self, status: Status) -> Vec<u8> {
        item::Call {
            id: &self.id,
            call_id: &self.call_id,
            name: &self.name,
            arguments: &self.arguments,
            kind: self.kind,
        }
        .item(status)
    }

    fn announce(&self, events: &mut Events, out: &mut Vec<u8>) {
        let item = self.item(Status::InProgress);
        events.item(out, "response.output_item.added", self.index, &item);
    }

    pub(super) fn delta(&mut self, events: &mut Events, out: &mut Vec<u8>, fragment: &str) {
        self.arguments.push_str(fragment);
        let name = match self.kind {
            ToolKind::Function => "response.function_call_arguments.delta",
            ToolKind::Custom => "response.custom_tool_call_input.delta",
        };
        events.event(out, name, |out| {
            out.extend_from_slice(&self.at);
            member(out, "delta", fragment);
        });
    }

    pub(super) fn end(mut self, events: &mut Events, out: &mut Vec<u8>) -> Vec<u8> {
        if self.arguments.is_empty() {
            let whole = item::arguments_of(self.kind, "");
            if !whole.is_empty() {
                self.delta(events, out, whole);
            }
        }
        let (name, what) = match self.kind {
            ToolKind::Function => ("response.function_call_arguments.done", "arguments"),
            ToolKind::Custom => ("response.custom_tool_call_input.done", "input"),
        };
        events.event(out, name, |out| {
            out.extend_from_slice(&self.at);
            member(out, what, &self.arguments);
        });
        let item = self.item(Status::Completed);
        events.item(out, "response.output_item.done", self.index, &item);
        item
    }
}

//! The parts of the canonical answer: numbered, and never overlapping more than they may.

use adapters_canonical::chat::{Part, Text, Thought, ToolCall};
use adapters_canonical::delta::{Delta, PartKind};

/// Numbers parts over the whole stream.
#[derive(Debug, Default)]
pub(super) struct Parts {
    next: u32,
    /// How many are open, and whether they are calls: only calls may be open together.
    open: u32,
    calls: bool,
    /// Whether the model called anything at all.
    pub(super) any_call: bool,
}

/// A part that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) part: u32,
    /// Whether any of it was said.
    pub(super) said: bool,
    is: Is,
}

/// What kind of part is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Is {
    Text,
    Refusal,
    Thought,
    Call,
    Whole,
}

impl Is {
    fn of(kind: &PartKind) -> Self {
        match kind {
            PartKind::Text => Self::Text,
            PartKind::Refusal => Self::Refusal,
            PartKind::Reasoning { .. } => Self::Thought,
            PartKind::ToolCall { .. } => Self::Call,
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Hosted(_) | PartKind::Opaque(_) => {
                Self::Whole
            }
        }
    }
}

impl Parts {
    /// Begins a part; `None` if it must wait.
    pub(super) fn start(&mut self, kind: PartKind, out: &mut Vec<Delta>) -> Option<Open> {
        let is_call = matches!(kind, PartKind::ToolCall { .. });
        if self.open > 0 && !(is_call && self.calls) {
            return None;
        }
        let part = self.next;
        self.next = self.next.saturating_add(1);
        self.open += 1;
        self.calls = is_call;
        self.any_call |= is_call;
        let is = Is::of(&kind);
        out.push(Delta::PartStart { part, choice: 0, kind });
        Some(Open { part, said: false, is })
    }

    pub(super) fn end(&mut self, open: Open, out: &mut Vec<Delta>) {
        self.open = self.open.saturating_sub(1);
        out.push(Delta::PartEnd { part: open.part });
    }

    pub(super) fn none_open(&self) -> bool {
        self.open == 0
    }

    /// Says a part from its begin to its end, and what carries it back to us.
    pub(super) fn whole(&mut self, part: Part, out: &mut Vec<Delta>) {
        let carrier = part.carrier();
        for part in [Some(part), carrier].into_iter().flatten() {
            self.one(&part, out);
        }
    }

    fn one(&mut self, part: &Part, out: &mut Vec<Delta>) {
        let kind = match part {
            Part::Text(_) => PartKind::Text,
            Part::Refusal(_) => PartKind::Refusal,
            Part::Reasoning(thought) => PartKind::Reasoning {
                redacted: thought.redacted.clone(),
                origin: thought.origin,
                id: thought.id.clone(),
            },
            Part::ToolCall(ToolCall { id, name, kind, .. }) => {
                PartKind::ToolCall { id: id.clone(), name: name.clone(), kind: *kind }
            }
            Part::Image(media) => PartKind::Image(media.clone()),
            Part::Audio(media) => PartKind::Audio(media.clone()),
            Part::Hosted(step) => PartKind::Hosted(step.clone()),
            Part::Opaque(opaque) => PartKind::Opaque(opaque.clone()),
            // No item is read as any of these.
            Part::Video(_) | Part::Document(_) | Part::ToolResult(_) => return,
        };
        if let Some(mut open) = self.start(kind, out) {
            if let Part::Text(text) = part {
                open.text(text.text.clone(), out);
                for citation in &text.citations {
                    out.push(Delta::Citation { part: open.part, citation: citation.clone() });
                }
            } else {
                open.complete(Some(part), out);
            }
            self.end(open, out);
        }
    }
}

impl Open {
    /// Whether it is a part of this kind.
    pub(super) fn is_a(&self, kind: &PartKind) -> bool {
        self.is == Is::of(kind)
    }

    pub(super) fn text(&mut self, text: String, out: &mut Vec<Delta>) {
        if !text.is_empty() {
            self.said = true;
            out.push(Delta::Text { part: self.part, text });
        }
    }

    pub(super) fn arguments(&mut self, fragment: String, out: &mut Vec<Delta>) {
        if !fragment.is_empty() {
            self.said = true;
            out.push(Delta::Arguments { part: self.part, fragment });
        }
    }

    /// Says what its complete form has and its fragments had not. A form of another kind, which a
    /// confused provider may send, says nothing.
    pub(super) fn complete(&mut self, whole: Option<&Part>, out: &mut Vec<Delta>) {
        let silent = !self.said;
        match (self.is, whole) {
            (Is::Text, Some(Part::Text(Text { text, .. })))
            | (Is::Refusal, Some(Part::Refusal(text)))
                if silent =>
            {
                self.text(text.clone(), out);
            }
            (Is::Thought, Some(Part::Reasoning(Thought { text, signature, .. }))) => {
                if silent {
                    self.text(text.clone(), out);
                }
                if let Some(signature) = signature.clone() {
                    out.push(Delta::Signature { part: self.part, signature });
                }
            }
            (Is::Call, Some(Part::ToolCall(call))) if silent => {
                self.arguments(call.arguments.clone(), out);
            }
            (Is::Text | Is::Refusal | Is::Thought | Is::Call | Is::Whole, _) => {}
        }
    }
}

//! A streamed answer, as far as it matters for what is kept of it.
//!
//! Of words nothing is held but a digest, and of arguments only as long as their call lasts: a client that
//! does not read, or an answer without a seal, costs no memory.

use adapters_canonical::chat::{Thought, ToolCall};
use adapters_canonical::delta::{Delta, PartKind};

use crate::key::{self, Saying};
use crate::turn::{Slot, Turn, binds};

/// Takes the steps of a streamed answer, and gives what is to be kept of it when it ends.
///
/// It does not mind steps out of order, and leaves out what it has no use for.
#[derive(Default)]
pub struct Recorder {
    answers: Vec<Answer>,
    open: Vec<Open>,
    /// The bytes of thoughts and arguments it may still hold: a turn that has more is not kept.
    left: usize,
}

/// One of several answers.
struct Answer {
    choice: u32,
    saying: Saying,
    /// `None` for what turned out to be of no use.
    slots: Vec<Option<Slot>>,
}

/// A part that has not ended: which, in which answer, and its place there.
struct Open {
    number: u32,
    answer: usize,
    slot: usize,
    part: OpenPart,
}

enum OpenPart {
    Text,
    Thought(Thought),
    Call(ToolCall),
}

impl Recorder {
    /// For an answer of whose thoughts at most so many bytes are of use.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { left: most, ..Self::default() }
    }

    /// Takes the next step. If it ends an answer that has seals, there is something to be kept.
    pub fn push(&mut self, delta: &Delta) -> Option<Turn> {
        if self.left == 0 {
            return None;
        }
        match delta {
            Delta::PartStart { part, choice, kind } => self.begin(*part, *choice, kind),
            Delta::Text { part, text } => self.text(*part, text),
            Delta::Arguments { part, fragment } => {
                if let Some(Open { part: OpenPart::Call(call), .. }) = self.part(*part) {
                    call.arguments.push_str(fragment);
                    self.spend(fragment.len());
                }
            }
            Delta::Signature { part, signature } => self.seal(*part, signature),
            Delta::PartEnd { part } => self.close(*part),
            Delta::Finish { choice, .. } => return self.end(*choice),
            Delta::Start(_)
            | Delta::Citation { .. }
            | Delta::Logprobs { .. }
            | Delta::Usage(_)
            | Delta::ServiceTier(_)
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
        None
    }

    fn begin(&mut self, number: u32, choice: u32, kind: &PartKind) {
        let (part, slot) = match kind {
            PartKind::Text => (OpenPart::Text, Some(Slot::Text { bytes: 0, signature: None })),
            PartKind::Reasoning { redacted, origin, id } => {
                let (redacted, id) = (redacted.clone(), id.clone());
                let thought = Thought { redacted, origin: *origin, id, ..Thought::default() };
                (OpenPart::Thought(thought), None)
            }
            PartKind::ToolCall { id, name, kind } => {
                let (id, name) = (id.clone(), name.clone());
                (OpenPart::Call(ToolCall { id, name, kind: *kind, ..ToolCall::default() }), None)
            }
            PartKind::Refusal
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Hosted(_)
            | PartKind::Opaque(_) => {
                return;
            }
        };
        let answer = self.answer(choice);
        let Some(Answer { saying, slots, .. }) = self.answers.get_mut(answer) else { return };
        if let OpenPart::Call(call) = &part {
            saying.call(&call.name);
        }
        slots.push(slot);
        let slot = slots.len() - 1;
        let held = match &part {
            OpenPart::Thought(thought) => thought.redacted.as_ref().map_or(0, String::len),
            OpenPart::Text | OpenPart::Call(_) => 0,
        };
        if self.open.is_empty() {
            self.open.reserve_exact(1);
        }
        self.open.push(Open { number, answer, slot, part });
        self.spend(held);
    }

    fn text(&mut self, number: u32, words: &str) {
        let Some(Open { answer, slot, part, .. }) = self.part(number) else { return };
        match part {
            OpenPart::Text => {
                let (answer, slot) = (*answer, *slot);
                let Some(Answer { saying, slots, .. }) = self.answers.get_mut(answer) else {
                    return;
                };
                saying.words(words);
                if let Some(Some(Slot::Text { bytes, .. })) = slots.get_mut(slot) {
                    *bytes += words.len();
                }
            }
            OpenPart::Thought(thought) => {
                thought.text.push_str(words);
                self.spend(words.len());
            }
            OpenPart::Call(_) => {}
        }
    }

    fn seal(&mut self, number: u32, seal: &str) {
        let Some(Open { answer, slot, part, .. }) = self.part(number) else { return };
        match part {
            OpenPart::Thought(thought) => thought.signature = Some(seal.to_owned()),
            OpenPart::Call(call) => call.signature = Some(seal.to_owned()),
            OpenPart::Text => {
                let (answer, slot) = (*answer, *slot);
                let slots = self.answers.get_mut(answer).map(|answer| &mut answer.slots);
                if let Some(Some(Slot::Text { signature, .. })) =
                    slots.and_then(|slots| slots.get_mut(slot))
                {
                    *signature = Some(seal.to_owned());
                }
            }
        }
        self.spend(seal.len());
    }

    fn close(&mut self, number: u32) {
        let Some(at) = self.open.iter().rposition(|open| open.number == number) else { return };
        let Open { answer, slot, part, .. } = self.open.remove(at);
        let whole = match part {
            // It has its place already.
            OpenPart::Text => return,
            OpenPart::Thought(thought) if binds(&thought) => Slot::Thought(thought),
            OpenPart::Thought(thought) => {
                self.left += thought.text.len();
                return;
            }
            OpenPart::Call(call) => {
                self.left += call.arguments.len();
                let called = key::call_digest(&call);
                Slot::Call { id: call.id, called, signature: call.signature }
            }
        };
        if let Some(place) = self.answers.get_mut(answer).and_then(|it| it.slots.get_mut(slot)) {
            *place = Some(whole);
        }
    }

    fn end(&mut self, choice: u32) -> Option<Turn> {
        let answer = self.answers.iter_mut().find(|answer| answer.choice == choice)?;
        let slots = std::mem::take(&mut answer.slots);
        let visible = std::mem::take(&mut answer.saying).finish();
        Turn::new(slots.into_iter().flatten().collect(), visible)
    }

    fn answer(&mut self, choice: u32) -> usize {
        let known = self.answers.iter().position(|answer| answer.choice == choice);
        known.unwrap_or_else(|| {
            let saying = Saying::default();
            // Nearly always there is one, of one part, and thousands of streams wait at the same time:
            // room for four of each, as lists begin with, would be two kilobytes of each stream.
            self.answers.reserve_exact(1);
            self.answers.push(Answer { choice, saying, slots: Vec::with_capacity(1) });
            self.answers.len() - 1
        })
    }

    /// The part that began last is looked at first.
    fn part(&mut self, number: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|open| open.number == number)
    }

    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            (self.answers, self.open) = (Vec::new(), Vec::new());
        }
    }
}

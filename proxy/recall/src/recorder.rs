//! A streamed answer, as far as it matters for what is kept of it.

use adapters_canonical::chat::{Part, Text, Thought, ToolCall};
use adapters_canonical::delta::{Delta, PartKind};

use crate::turn::Turn;

/// Takes the steps of a streamed answer, and gives what is to be kept of it when it ends.
///
/// It does not mind steps out of order, and leaves out what it has no use for.
#[derive(Debug)]
pub struct Recorder {
    parts: Vec<Recorded>,
    /// The bytes it may still take: a turn that is larger is not kept.
    left: usize,
}

struct Recorded {
    number: u32,
    choice: u32,
    part: Part,
}

/// Says nothing of what was said.
impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorded").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Recorder {
    /// For an answer of which at most so many bytes are of use.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { parts: Vec::new(), left: most }
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
                if let Some(Part::ToolCall(call)) = self.part(*part) {
                    call.arguments.push_str(fragment);
                    self.spend(fragment.len());
                }
            }
            Delta::Signature { part, signature } => self.seal(*part, signature),
            Delta::Finish { choice, .. } => return self.end(*choice),
            Delta::Start(_)
            | Delta::Citation { .. }
            | Delta::Logprobs { .. }
            | Delta::PartEnd { .. }
            | Delta::Usage(_)
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
        None
    }

    fn begin(&mut self, number: u32, choice: u32, kind: &PartKind) {
        let part = match kind {
            PartKind::Text => Part::Text(Text::default()),
            PartKind::Reasoning { redacted, origin, id } => {
                self.spend(redacted.as_ref().map_or(0, String::len));
                let (redacted, id) = (redacted.clone(), id.clone());
                Part::Reasoning(Thought { redacted, origin: *origin, id, ..Thought::default() })
            }
            PartKind::ToolCall { id, name, kind } => {
                let (id, name) = (id.clone(), name.clone());
                Part::ToolCall(ToolCall { id, name, kind: *kind, ..ToolCall::default() })
            }
            PartKind::Refusal | PartKind::Image(_) | PartKind::Audio(_) | PartKind::Opaque(_) => {
                return;
            }
        };
        self.parts.push(Recorded { number, choice, part });
    }

    fn text(&mut self, number: u32, words: &str) {
        match self.part(number) {
            Some(Part::Text(text)) => text.text.push_str(words),
            Some(Part::Reasoning(thought)) => thought.text.push_str(words),
            _ => return,
        }
        self.spend(words.len());
    }

    fn seal(&mut self, number: u32, seal: &str) {
        let place = match self.part(number) {
            Some(Part::Text(text)) => &mut text.signature,
            Some(Part::Reasoning(thought)) => &mut thought.signature,
            Some(Part::ToolCall(call)) => &mut call.signature,
            _ => return,
        };
        *place = Some(seal.to_owned());
        self.spend(seal.len());
    }

    fn end(&mut self, choice: u32) -> Option<Turn> {
        let all = std::mem::take(&mut self.parts);
        let (ended, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.choice == choice);
        self.parts = open;
        let parts: Vec<Part> = ended.into_iter().map(|recorded| recorded.part).collect();
        Turn::of(&parts)
    }

    /// Open parts are the last ones.
    fn part(&mut self, number: u32) -> Option<&mut Part> {
        let mut latest = self.parts.iter_mut().rev();
        latest.find(|recorded| recorded.number == number).map(|recorded| &mut recorded.part)
    }

    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            self.parts = Vec::new();
        }
    }
}

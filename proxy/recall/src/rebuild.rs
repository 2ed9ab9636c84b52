//! What a turn looks like with its seals.

use std::collections::VecDeque;

use adapters_canonical::chat::{Message, Part, Text, Thought};

use crate::key::{self, Digest, Visible};
use crate::turn::{Slot, Turn};

/// The parts of each message of `run`, with what is known of the turn.
///
/// If the client says what the model said, every part stands where it stood, and words that were joined
/// are divided again. If it says something else, thoughts stand before the call they led to, and only
/// before calls that are there.
pub(crate) fn rebuilt(turn: &Turn, run: &[Message]) -> Vec<Vec<Part>> {
    let visible = Visible::of(run.iter().flat_map(|message| &message.parts));
    let same = visible.says_the_same(&turn.visible) && calls_the_same(turn, run);
    // Else it has trimmed them, and nobody knows where they were divided.
    let exact = same && visible.bytes == turn.visible.bytes;
    let mut told = Told::of(run, turn.slots.iter().any(|it| matches!(it, Slot::Thought(_))));
    let mut writer = Writer { out: run.iter().map(|_| Vec::new()).collect(), ..Writer::default() };
    for (message, part) in std::mem::take(&mut told.lead) {
        writer.put(Item { message, part, after: Vec::new() });
    }
    for (at, slot) in turn.slots.iter().enumerate() {
        match slot {
            Slot::Thought(thought) => {
                if same || leads_to_one_of(&told.calls, &turn.slots, at) {
                    writer.pending.push(thought.clone());
                }
            }
            Slot::Text { bytes, signature } if exact => {
                writer.words(*bytes, signature.as_deref(), &mut told.texts);
            }
            Slot::Text { .. } => writer.all(&mut told.texts),
            Slot::Call { id, called, signature } => {
                let position = if same {
                    Some(0)
                } else {
                    told.calls.iter().position(|call| call.id == *id && call.digest == *called)
                };
                let Some(call) = position.and_then(|at| told.calls.remove(at)) else { continue };
                if !exact {
                    // No provider minds words before a call; some mind them after it.
                    writer.all(&mut told.texts);
                }
                writer.call(call.item, signature.as_deref());
            }
        }
    }
    writer.all(&mut told.texts);
    told.calls.into_iter().for_each(|call| writer.put(call.item));
    writer.flush();
    writer.out
}

/// Whether the same is called with the same, one after the other, whatever the calls are named.
pub(crate) fn calls_the_same(turn: &Turn, run: &[Message]) -> bool {
    let made = turn.slots.iter().filter_map(|slot| match slot {
        Slot::Call { called, .. } => Some(*called),
        Slot::Thought(_) | Slot::Text { .. } => None,
    });
    let parts = run.iter().flat_map(|message| &message.parts);
    let told = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some(key::call_digest(call)),
        _ => None,
    });
    made.eq(told)
}

/// Whether it is this call, which was made with these arguments.
pub(crate) fn is_call(slot: &Slot, by: &str, with: Digest) -> bool {
    matches!(slot, Slot::Call { id, called, .. } if id == by && *called == with)
}

/// A part of the client's, which of its messages it stands in, and what follows it there that is neither
/// words nor a call.
struct Item {
    message: usize,
    part: Part,
    after: Vec<Part>,
}

/// A call of the client's, and what it comes to.
struct Called {
    id: String,
    digest: Digest,
    item: Item,
}

/// The turn as the client has it.
struct Told {
    /// What stands before any words and calls.
    lead: Vec<(usize, Part)>,
    texts: VecDeque<Item>,
    calls: VecDeque<Called>,
}

/// Whether the call after this thought is there; if none comes after it, the one before it.
fn leads_to_one_of(calls: &VecDeque<Called>, slots: &[Slot], thought: usize) -> bool {
    let call = |slot: &&Slot| matches!(slot, Slot::Call { .. });
    let after = slots.get(thought..).unwrap_or_default().iter().find(call);
    match after {
        Some(slot) => calls.iter().any(|call| is_call(slot, &call.id, call.digest)),
        // Those before it have been put where they belong.
        None => true,
    }
}

impl Told {
    /// Thoughts without a seal are left out if there are `sealed` ones: those say the same.
    fn of(run: &[Message], sealed: bool) -> Self {
        let mut told = Self { lead: Vec::new(), texts: VecDeque::new(), calls: VecDeque::new() };
        let mut last_was_call = None;
        for (message, part) in run
            .iter()
            .enumerate()
            .flat_map(|(at, message)| message.parts.iter().map(move |part| (at, part)))
        {
            let item = || Item { message, part: part.clone(), after: Vec::new() };
            match part {
                Part::Reasoning(_) if sealed => {}
                Part::Text(_) => {
                    told.texts.push_back(item());
                    last_was_call = Some(false);
                }
                Part::ToolCall(call) => {
                    let (id, digest) = (call.id.clone(), key::call_digest(call));
                    told.calls.push_back(Called { id, digest, item: item() });
                    last_was_call = Some(true);
                }
                Part::Reasoning(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Refusal(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => {
                    let last = match last_was_call {
                        None => None,
                        Some(false) => told.texts.back_mut(),
                        Some(true) => told.calls.back_mut().map(|call| &mut call.item),
                    };
                    match last {
                        Some(last) => last.after.push(part.clone()),
                        None => told.lead.push((message, part.clone())),
                    }
                }
            }
        }
        told
    }
}

/// Writes the parts of a turn anew.
#[derive(Default)]
struct Writer {
    out: Vec<Vec<Part>>,
    /// The message that is written to; never an earlier one again.
    at: usize,
    /// Thoughts that go before what comes next.
    pending: Vec<Thought>,
}

impl Writer {
    fn put(&mut self, item: Item) {
        self.at = self.at.max(item.message);
        self.flush();
        if let Some(parts) = self.out.get_mut(self.at) {
            parts.push(item.part);
            parts.extend(item.after);
        }
    }

    fn flush(&mut self) {
        if let Some(parts) = self.out.get_mut(self.at) {
            parts.extend(self.pending.drain(..).map(Part::Reasoning));
        }
    }

    fn all(&mut self, items: &mut VecDeque<Item>) {
        items.drain(..).for_each(|item| self.put(item));
    }

    /// A call, with its seal if it has none.
    fn call(&mut self, mut item: Item, seal: Option<&str>) {
        if let (Part::ToolCall(call), Some(seal)) = (&mut item.part, seal) {
            call.signature.get_or_insert_with(|| seal.to_owned());
        }
        self.put(item);
    }

    /// The next `bytes` of the words, with the seal on the last of them.
    fn words(&mut self, bytes: usize, seal: Option<&str>, texts: &mut VecDeque<Item>) {
        let mut left = bytes;
        while left > 0 {
            let Some(mut item) = texts.pop_front() else { return };
            let Part::Text(text) = &mut item.part else { continue };
            if let Some(rest) = divide(text, left) {
                let after = std::mem::take(&mut item.after);
                let part = Part::Text(rest);
                texts.push_front(Item { message: item.message, part, after });
                left = 0;
            } else {
                left = left.saturating_sub(text.text.len());
            }
            if left == 0 {
                text.signature = seal.map(str::to_owned);
            }
            self.put(item);
        }
        if bytes == 0
            && let Some(seal) = seal
        {
            let part = Part::Text(Text { signature: Some(seal.to_owned()), ..Text::default() });
            self.put(Item { message: self.at, part, after: Vec::new() });
        }
    }
}

/// Leaves the first `bytes` of a text and gives the rest; `None` if there is none, or if it cannot be told
/// which of the two something belongs to.
fn divide(text: &mut Text, bytes: usize) -> Option<Text> {
    let whole = bytes >= text.text.len() || !text.citations.is_empty();
    if whole || !text.text.is_char_boundary(bytes) {
        return None;
    }
    let rest = text.text.split_off(bytes);
    Some(Text { text: rest, cache: text.cache.take(), ..Text::default() })
}

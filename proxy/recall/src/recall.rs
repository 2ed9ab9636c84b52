//! Which turns of a request lack their seals, and what they look like with them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_canonical::chat::{Message, Part, Role, Text, Thought, ToolCall};

use crate::key::{self, Context, Digest, Scope, Visible};
use crate::memory::Memory;
use crate::turn::{self, Slot, Turn};

/// What came of looking for seals, and how the request was before.
#[derive(Debug, Default)]
pub struct Recalled {
    /// Turns that were found by the id of one of their calls.
    pub by_call: u64,
    /// Turns that were found by what they say where.
    pub by_content: u64,
    /// Turns without seals of which none are known.
    pub unknown: u64,
    before: Vec<(usize, Before)>,
}

/// The parts of a message before it got its seals. What was thought and said is not for logs.
struct Before(Vec<Part>);

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Before(..)")
    }
}

/// Gives the turns of the model in `messages` their seals back, as far as they lack them and `memory` has
/// them in `scope`. A turn is all that the model said in a row. One that nothing follows is left alone: it
/// is to be gone on with, and a provider takes no thought in that place.
pub fn recall(
    messages: &mut [Message],
    memory: &Memory,
    scope: &Scope,
    idle: Duration,
    now: Instant,
) -> Recalled {
    let mut recalled = Recalled::default();
    if !messages.iter().any(|message| message.role == Role::Assistant) || memory.is_empty() {
        return recalled;
    }
    let mut search = Search { memory, scope, idle, now, opening: None };
    let mut at = 0;
    while let Some(start) = next(messages, at, |role| role == Role::Assistant) {
        let end = next(messages, start, |role| role != Role::Assistant).unwrap_or(messages.len());
        at = end;
        if end == messages.len() {
            break;
        }
        let found = match search.turn(messages, start, end) {
            Found::Needless => continue,
            Found::Nothing => {
                recalled.unknown += 1;
                continue;
            }
            Found::ByCall(turn) => {
                recalled.by_call += 1;
                turn
            }
            Found::ByContent(turn) => {
                recalled.by_content += 1;
                turn
            }
        };
        let Some(run) = messages.get_mut(start..end) else { break };
        for (offset, parts) in rebuilt(&found, run).into_iter().enumerate() {
            if let Some(message) = run.get_mut(offset) {
                let before = std::mem::replace(&mut message.parts, parts);
                recalled.before.push((start + offset, Before(before)));
            }
        }
    }
    recalled
}

impl Recalled {
    /// Makes the messages what they were: what the client sent, and not what one provider gets.
    pub fn undo(self, messages: &mut [Message]) {
        for (at, Before(parts)) in self.before {
            if let Some(message) = messages.get_mut(at) {
                message.parts = parts;
            }
        }
    }
}

fn next(messages: &[Message], from: usize, is: impl Fn(Role) -> bool) -> Option<usize> {
    let rest = messages.get(from..)?;
    rest.iter().position(|message| is(message.role)).map(|at| from + at)
}

struct Search<'a> {
    memory: &'a Memory,
    scope: &'a Scope,
    idle: Duration,
    now: Instant,
    /// The digest of the conversation's beginning, once somebody needed it.
    opening: Option<Digest>,
}

enum Found {
    /// It has its seals, or there is nothing in it.
    Needless,
    Nothing,
    ByCall(Arc<Turn>),
    ByContent(Arc<Turn>),
}

impl Search<'_> {
    fn turn(&mut self, messages: &[Message], start: usize, end: usize) -> Found {
        let run = messages.get(start..end).unwrap_or_default();
        let parts = run.iter().flat_map(|message| &message.parts);
        if parts.clone().any(is_told) {
            return Found::Needless;
        }
        for part in parts.clone() {
            if let Part::ToolCall(call) = part
                && let Some(turn) = self.by_call(call)
            {
                return Found::ByCall(turn);
            }
        }
        let visible = Visible::of(parts);
        if visible.is_empty() {
            return Found::Needless;
        }
        let opening = *self.opening.get_or_insert_with(|| key::opening(messages));
        let context = Context::of(opening, messages.get(..start).unwrap_or_default());
        let name = self.scope.content(&context, &visible);
        self.memory.get(&name, self.idle, self.now).map_or(Found::Nothing, Found::ByContent)
    }

    /// An id alone does not do: it must be the call that was made.
    fn by_call(&self, call: &ToolCall) -> Option<Arc<Turn>> {
        let turn = self.memory.get(&self.scope.call(&call.id)?, self.idle, self.now)?;
        let called = key::call_digest(call);
        let made = |slot: &Slot| is_call(slot, &call.id, called);
        turn.slots.iter().any(made).then_some(turn)
    }
}

/// Whether the client keeps what it was given: then nothing is missing, or it is left out on purpose.
/// Seals on calls prove nothing, for they travel in the ids of calls too.
fn is_told(part: &Part) -> bool {
    match part {
        Part::Reasoning(thought) => turn::binds(thought),
        Part::Text(text) => text.signature.is_some(),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Opaque(_) => false,
    }
}

fn is_call(slot: &Slot, by: &str, with: Digest) -> bool {
    matches!(slot, Slot::Call { id, called, .. } if id == by && *called == with)
}

/// A part of the client's, which of its messages it stands in, and what follows it there that is neither
/// words nor a call.
struct Item {
    message: usize,
    part: Part,
    after: Vec<Part>,
}

/// The turn as the client has it.
struct Told {
    /// What stands before any words and calls.
    lead: Vec<(usize, Part)>,
    texts: VecDeque<Item>,
    calls: VecDeque<Item>,
}

/// The parts of each message of `run`, with what is known of the turn.
///
/// If the client says what the model said, every part stands where it stood, and words that were joined
/// are divided again. If it says something else, thoughts stand before the call they led to, and only
/// before calls that are there.
fn rebuilt(turn: &Turn, run: &[Message]) -> Vec<Vec<Part>> {
    let visible = Visible::of(run.iter().flat_map(|message| &message.parts));
    let same = visible.says_the_same(&turn.visible);
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
                    told.calls.iter().position(|item| match &item.part {
                        Part::ToolCall(call) => call.id == *id && key::call_digest(call) == *called,
                        _ => false,
                    })
                };
                let Some(item) = position.and_then(|at| told.calls.remove(at)) else { continue };
                if !exact {
                    writer.all(&mut told.texts);
                }
                writer.call(item, signature.as_deref());
            }
        }
    }
    writer.all(&mut told.texts);
    writer.all(&mut told.calls);
    writer.flush();
    writer.out
}

/// Whether the call after this thought is there; if none comes after it, the one before it.
fn leads_to_one_of(calls: &VecDeque<Item>, slots: &[Slot], thought: usize) -> bool {
    let call = |slot: &&Slot| matches!(slot, Slot::Call { .. });
    let after = slots.get(thought..).unwrap_or_default().iter().find(call);
    match after {
        Some(slot) => calls.iter().any(|item| match &item.part {
            Part::ToolCall(call) => is_call(slot, &call.id, key::call_digest(call)),
            _ => false,
        }),
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
                Part::ToolCall(_) => {
                    told.calls.push_back(item());
                    last_was_call = Some(true);
                }
                Part::Reasoning(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Refusal(_)
                | Part::ToolResult(_)
                | Part::Opaque(_) => {
                    let last = match last_was_call {
                        None => None,
                        Some(false) => told.texts.back_mut(),
                        Some(true) => told.calls.back_mut(),
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

//! Which turns of a request lack their seals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_canonical::chat::{Message, Part, Role, ToolCall};

use crate::key::{self, Context, Digest, Scope, Visible};
use crate::memory::Memory;
use crate::rebuild::{calls_the_same, is_call, rebuilt};
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
        match self.memory.get(&name, self.idle, self.now) {
            Some(turn) if calls_the_same(&turn, run) => Found::ByContent(turn),
            Some(_) | None => Found::Nothing,
        }
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
        | Part::Hosted(_)
        | Part::Opaque(_) => false,
    }
}

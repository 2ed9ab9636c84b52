//! The conversation: instructions go up front, and the rest becomes turns that alternate.

mod blocks;

use std::fmt;

use adapters_canonical::chat::{Message, Part, Role};
use adapters_canonical::loss::{DecodeError, Loss};

use crate::capability::Capability;
use crate::wire::request::{self as wire, Block, Content, Turn};

/// The system prompt and the turns.
///
/// Messages of one speaker in a row become one turn, and so do the user's words and the results
/// of tools, results first, as the API wants them. Instructions in mid-conversation keep their
/// rank where the model allows it and stand between a user's turn and an assistant's; elsewhere
/// the user says them.
///
/// # Errors
///
/// [`DecodeError::Shape`] names the content that has no place.
pub(super) fn encode<'a>(
    messages: &'a [Message],
    capability: &Capability,
    losses: &mut Vec<Loss>,
) -> Result<(Vec<Block<'a>>, Vec<Turn<'a>>), DecodeError> {
    let leading = messages.iter().take_while(|message| is_instruction(message)).count();
    let mut system = Vec::new();
    let mut turns = Turns(Vec::with_capacity(messages.len()));
    for (at, message) in messages.iter().enumerate() {
        names_are_lost(at, message, losses);
        let mut said = blocks::encode(at, messages, losses)?;
        match message.role {
            Role::System | Role::Developer if at < leading => system.append(&mut said),
            Role::System | Role::Developer if said.is_empty() => {}
            Role::System | Role::Developer => {
                let after = messages.get(at + 1..).unwrap_or_default();
                if capability.system_turns && turns.take_instruction() && answered_next(after) {
                    turns.push(wire::Role::System, said);
                } else {
                    losses.push(Loss::adapted(
                        format!("messages[{at}].role"),
                        "said by the user, between `<system>` tags",
                    ));
                    turns.push(wire::Role::User, tagged(said));
                }
            }
            Role::User | Role::Tool => turns.push(wire::Role::User, said),
            Role::Assistant => turns.push(wire::Role::Assistant, said),
        }
    }
    if turns.0.is_empty() && !system.is_empty() {
        losses.push(Loss::adapted("messages[0].role", "said by the user, who must say something"));
        turns.push(wire::Role::User, std::mem::take(&mut system));
    }
    let turns = turns.finish(messages.len(), capability, losses);
    if turns.is_empty() {
        return Err(DecodeError::shape("messages", "must have content"));
    }
    Ok((system, turns))
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Whether the assistant speaks next, be it in the history or in the answer.
fn answered_next(after: &[Message]) -> bool {
    after
        .iter()
        .find(|message| !is_instruction(message))
        .is_none_or(|message| message.role == Role::Assistant)
}

fn names_are_lost(at: usize, message: &Message, losses: &mut Vec<Loss>) {
    if message.name.is_some() {
        losses.push(Loss::dropped(format!("messages[{at}].name"), "speakers have no names"));
    }
}

fn tagged(said: Vec<Block<'_>>) -> Vec<Block<'_>> {
    said.into_iter()
        .map(|block| match block {
            Block::Text { text, citations, cache_control } => Block::Text {
                text: format!("<system>\n{text}\n</system>").into(),
                citations,
                cache_control,
            },
            other @ (Block::Image { .. }
            | Block::Document { .. }
            | Block::Thinking { .. }
            | Block::RedactedThinking { .. }
            | Block::ToolUse { .. }
            | Block::ToolResult { .. }
            | Block::Raw(_)) => other,
        })
        .collect()
}

/// Turns that alternate.
#[derive(Debug)]
struct Turns<'a>(Vec<Turn<'a>>);

impl<'a> Turns<'a> {
    fn push(&mut self, role: wire::Role, mut blocks: Vec<Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.role == role => last.content.0.append(&mut blocks),
            _ => self.0.push(Turn { role, content: Content(blocks) }),
        }
    }

    /// Whether an instruction of its own rank may come next.
    fn take_instruction(&self) -> bool {
        self.0.last().is_some_and(|last| match last.role {
            wire::Role::User | wire::Role::System => true,
            wire::Role::Assistant => false,
        })
    }

    fn finish(
        mut self,
        messages: usize,
        capability: &Capability,
        losses: &mut Vec<Loss>,
    ) -> Vec<Turn<'a>> {
        for turn in self.0.iter_mut().filter(|turn| turn.role == wire::Role::User) {
            // A stable sort: results first, everything in the order it came.
            turn.content.0.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
        }
        self.trim_prefill(messages, losses);
        let is_prefill = self.0.last().is_some_and(|last| last.role == wire::Role::Assistant);
        if is_prefill && !capability.prefill {
            let path = format!("messages[{}].role", messages.saturating_sub(1));
            let reason = "this model cannot go on from its own words; the user asks it to";
            losses.push(Loss::adapted(path, reason));
            self.push(wire::Role::User, vec![Block::text("Continue.")]);
        }
        self.0
    }

    /// The API refuses a conversation that ends in white space of the assistant's.
    fn trim_prefill(&mut self, messages: usize, losses: &mut Vec<Loss>) {
        let Some(last) = self.0.last_mut().filter(|turn| turn.role == wire::Role::Assistant) else {
            return;
        };
        let Some(Block::Text { text, .. }) = last.content.0.last_mut() else {
            return;
        };
        let trimmed = text.trim_end();
        if trimmed.len() == text.len() {
            return;
        }
        *text = trimmed.to_owned().into();
        if text.is_empty() {
            last.content.0.pop();
            if last.content.is_empty() {
                self.0.pop();
            }
        }
        losses.push(Loss::adapted(
            format!("messages[{}].content", messages.saturating_sub(1)),
            "white space at the end is cut",
        ));
    }
}

/// Where a part stands in the client's message: its calls are in a list of their own there, and
/// its thoughts in a field.
#[derive(Debug)]
struct Place {
    message: usize,
    content: usize,
    calls: usize,
}

impl Place {
    fn new(message: usize) -> Self {
        Self { message, content: 0, calls: 0 }
    }

    /// The path of the next part.
    fn next(&mut self, part: &Part) -> PartPath {
        let Self { message, content, calls } = self;
        match part {
            Part::ToolCall(_) => {
                *calls += 1;
                PartPath::Call(*message, *calls - 1)
            }
            Part::Reasoning(_) => PartPath::Thought(*message),
            Part::Text(_)
            | Part::Image(_)
            | Part::Audio(_)
            | Part::Video(_)
            | Part::Document(_)
            | Part::Refusal(_)
            | Part::ToolResult(_)
            | Part::Hosted(_)
            | Part::Opaque(_) => {
                *content += 1;
                PartPath::Content(*message, *content - 1)
            }
        }
    }
}

/// The path of a part in the client's words; written out only where something is lost.
#[derive(Clone, Copy, Debug)]
enum PartPath {
    Content(usize, usize),
    Call(usize, usize),
    Thought(usize),
}

impl fmt::Display for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(message, at) => write!(f, "messages[{message}].content[{at}]"),
            Self::Call(message, at) => write!(f, "messages[{message}].tool_calls[{at}]"),
            Self::Thought(message) => write!(f, "messages[{message}].reasoning_content"),
        }
    }
}

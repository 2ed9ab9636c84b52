//! Turns become messages: the results of tools get one each, as in other dialects.

use adapters_canonical::chat::{Message, Part, Role, Text};
use adapters_canonical::loss::{DecodeError, Loss};

use super::parts::{self, Read};
use super::{expected, missing, unknown};
use crate::wire::ask::{self, Content};

/// The conversation, and where each of its messages stands in the request.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) messages: Vec<Message>,
    pub(super) paths: Vec<String>,
}

/// Reads the instructions and all turns.
pub(super) fn read(
    system: Option<Content<'_>>,
    turns: Vec<ask::Message<'_>>,
    losses: &mut Vec<Loss>,
) -> Result<Spoken, DecodeError> {
    if turns.is_empty() {
        return Err(DecodeError::shape("messages", "must not be empty"));
    }
    let mut spoken = Spoken::default();
    if let Some(system) = system {
        let parts = spoken.parts(Role::System, system, "system", losses)?;
        if !parts.is_empty() {
            spoken.push(Role::System, parts, "system".to_owned());
        }
    }
    for (at, turn) in turns.into_iter().enumerate() {
        spoken.turn(at, turn, losses)?;
    }
    Ok(spoken)
}

impl Spoken {
    fn push(&mut self, role: Role, parts: Vec<Part>, path: String) {
        self.messages.push(Message { role, parts, name: None });
        self.paths.push(path);
    }

    fn turn(
        &mut self,
        at: usize,
        turn: ask::Message<'_>,
        losses: &mut Vec<Loss>,
    ) -> Result<(), DecodeError> {
        let path = format!("messages[{at}]");
        let role = match turn.role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            None => return Err(missing(format!("{path}.role"))),
            Some(_) => {
                return Err(expected(format!("{path}.role"), &["user", "assistant", "system"]));
            }
        };
        if !turn.others.0.is_empty() {
            unknown(turn.others, &format!("{path}."), losses);
        }
        let content = turn.content.ok_or_else(|| missing(format!("{path}.content")))?;
        let before = self.messages.len();
        let parts = self.parts(role, content, &format!("{path}.content"), losses)?;
        if !parts.is_empty() || self.messages.len() == before {
            self.push(role, parts, path);
        }
        Ok(())
    }

    /// The parts of one turn. Where a tool's result interrupts them, what came before it becomes a
    /// message, and so does the result.
    fn parts(
        &mut self,
        role: Role,
        content: Content<'_>,
        path: &str,
        losses: &mut Vec<Loss>,
    ) -> Result<Vec<Part>, DecodeError> {
        let blocks = match content {
            Content::Text(text) => return Ok(vec![Part::Text(Text::from(String::from(text)))]),
            Content::Blocks(blocks) => blocks,
        };
        let turn = path.strip_suffix(".content").unwrap_or(path);
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, raw) in blocks.into_iter().enumerate() {
            let at = || format!("{path}[{at}]");
            match parts::read(raw, role, &at, losses)? {
                Read::Part(part @ Part::ToolResult(_)) => {
                    if !parts.is_empty() {
                        self.push(role, std::mem::take(&mut parts), turn.to_owned());
                    }
                    self.push(Role::Tool, vec![part], at());
                }
                Read::Part(part) => parts.push(part),
                Read::Seal(signature) => seal_last(&mut parts, signature, &at, losses),
            }
        }
        Ok(parts)
    }
}

/// Gives a seal back to the block it was taken from.
fn seal_last(
    parts: &mut [Part],
    signature: String,
    path: &dyn Fn() -> String,
    losses: &mut Vec<Loss>,
) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.signature = Some(signature),
        Some(Part::ToolCall(call)) => call.signature = Some(signature),
        Some(
            Part::Image(_)
            | Part::Audio(_)
            | Part::Video(_)
            | Part::Document(_)
            | Part::Reasoning(_)
            | Part::Refusal(_)
            | Part::ToolResult(_)
            | Part::Hosted(_)
            | Part::Opaque(_),
        )
        | None => losses.push(Loss::dropped(path(), "the block it seals is gone")),
    }
}

//! What was said so far: instructions and items become messages.
//!
//! Items say in a row what other dialects say in one turn of the model: thoughts, words and calls.
//! They become one message, so that parallel calls stay together (field 26):
//!
//! | item                                                  | becomes                                |
//! |-------------------------------------------------------|----------------------------------------|
//! | `message` of user, system, developer                  | a message                              |
//! | `message` of the assistant                            | text and refusals of the model's turn  |
//! | `reasoning`                                           | a thought of the model's turn, or a seal |
//! | `function_call`, `custom_tool_call`                   | a call of the model's turn             |
//! | `function_call_output`, `custom_tool_call_output`     | a tool's message                       |
//! | what was done with a tool of the provider's           | a step of the model's turn             |
//! | anything else                                         | kept byte for byte, see `is_input`     |

use std::collections::HashMap;

use adapters_canonical::chat::{
    Message, Opaque, Part, Role, Text, Thought, ToolCall, ToolKind, ToolResult,
};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::read;
use serde_json::value::RawValue;

use super::content;
use super::request::{expected, missing};
use crate::hosted;
use crate::seal::{self, Seal};
use crate::wire::item::{Item, Words};

/// Messages, and where the client has each.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    pub(super) paths: Vec<String>,
    /// Whether the model's turn that goes on has words, and whether it has calls.
    said: bool,
    called: bool,
    /// Where a seal finds what it seals, however long the conversation is: message and part.
    last_text: Option<(usize, usize)>,
    calls: HashMap<String, (usize, usize)>,
}

/// Reads `instructions` and `input`.
pub(super) fn read(
    instructions: Option<String>,
    input: Option<&RawValue>,
    losses: &mut Vec<Loss>,
) -> Result<Conversation, DecodeError> {
    let mut conversation = Conversation::default();
    if let Some(text) = instructions {
        let parts = vec![Part::Text(text.into())];
        conversation.add(Role::System, parts, "instructions".to_owned());
    }
    let input = input.ok_or_else(|| missing("input"))?;
    if input.get().starts_with('"') {
        let parts = vec![Part::Text(content::string(input, "input")?.into())];
        conversation.add(Role::User, parts, "input".to_owned());
        return Ok(conversation);
    }
    let items: Vec<&RawValue> = serde_json::from_str(input.get())
        .map_err(|_| DecodeError::shape("input", "must be a string or a list of items"))?;
    for (at, raw) in items.into_iter().enumerate() {
        let path = format!("input[{at}]");
        conversation.item(raw, path, losses)?;
    }
    Ok(conversation)
}

impl Conversation {
    fn add(&mut self, role: Role, parts: Vec<Part>, path: String) {
        self.messages.push(Message { role, parts, name: None });
        self.paths.push(path);
        (self.said, self.called) = (false, false);
    }

    fn item(
        &mut self,
        raw: &RawValue,
        path: String,
        losses: &mut Vec<Loss>,
    ) -> Result<(), DecodeError> {
        let item: Item<'_> = read::object(raw, &path)?;
        for (said, member) in
            [(item.phase.is_some(), "phase"), (item.namespace.is_some(), "namespace")]
        {
            if said {
                let reason = "only providers of the Responses dialect have it";
                losses.push(Loss::dropped(format!("{path}.{member}"), reason));
            }
        }
        let kind = match (item.kind.as_deref(), &item.role) {
            (Some(kind), _) => kind,
            (None, Some(_)) => "message",
            (None, None) => "item_reference",
        };
        match kind {
            "message" => self.message(&item, path, losses)?,
            "reasoning" => self.reasoning(item, path),
            "function_call" | "custom_tool_call" => {
                let call = call(&item, kind, &path)?;
                self.turn(path, true);
                let id = call.id.clone();
                let place = self.push(Part::ToolCall(call));
                self.called = true;
                self.calls.insert(id, place);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let result = result(&item, &path, losses)?;
                self.add(Role::Tool, vec![Part::ToolResult(result)], path);
            }
            _ => {
                let part = match hosted::read(raw) {
                    Some(step) => Part::Hosted(Box::new(step)),
                    None => Part::Opaque(Opaque::new(Dialect::Responses, raw)),
                };
                if is_input(kind) {
                    self.add(Role::User, vec![part], path);
                } else {
                    self.turn(path, true);
                    self.push(part);
                }
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        item: &Item<'_>,
        path: String,
        losses: &mut Vec<Loss>,
    ) -> Result<(), DecodeError> {
        const ROLES: &[&str] = &["user", "assistant", "system", "developer"];
        let role = match item.role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some(_) => return Err(expected(format!("{path}.role"), ROLES)),
            None => return Err(missing(format!("{path}.role"))),
        };
        let at = format!("{path}.content");
        let raw = item.content.ok_or_else(|| missing(at.clone()))?;
        let parts = content::read(raw, &at, losses)?;
        match role {
            Role::Assistant => {
                self.turn(path, false);
                for part in parts {
                    let is_text = matches!(part, Part::Text(_));
                    self.said |= is_text || matches!(part, Part::Refusal(_));
                    let place = self.push(part);
                    self.last_text = if is_text { Some(place) } else { self.last_text };
                }
            }
            Role::System | Role::Developer | Role::User | Role::Tool => self.add(role, parts, path),
        }
        Ok(())
    }

    fn reasoning(&mut self, item: Item<'_>, path: String) {
        let text = joined(item.summary.as_deref(), item.content);
        let encrypted = item.encrypted_content.filter(|seal| !seal.is_empty());
        let thought = |signature, redacted, origin| Thought {
            text: text.clone(),
            signature,
            redacted,
            origin,
            id: None,
        };
        let thought = match encrypted.as_deref().map(|it| (it, seal::read(it))) {
            Some((_, Some((_, Seal::Text(seal))))) => return self.seal_text(seal),
            Some((_, Some((_, Seal::Call { id, seal })))) => return self.seal_call(id, seal),
            Some((_, Some((origin, Seal::Signature(seal))))) => {
                thought(Some(seal.to_owned()), None, origin)
            }
            Some((_, Some((origin, Seal::Redacted(cipher))))) => {
                thought(None, Some(cipher.to_owned()), origin)
            }
            Some((own, None)) => Thought {
                id: item.id,
                ..thought(Some(own.to_owned()), None, Some(Dialect::Responses))
            },
            None => thought(None, None, None),
        };
        let bare = thought.text.is_empty() && thought.signature.is_none();
        if !(bare && thought.redacted.is_none()) {
            self.turn(path, false);
            self.push(Part::Reasoning(thought));
        }
    }

    /// Goes on with the model's turn, or begins a new one. Words and thoughts do not join other
    /// words: another message of the model is another turn. Only if calls are waiting, everything
    /// joins, since their results must follow at once.
    fn turn(&mut self, path: String, joins_words: bool) {
        let is_model = self.messages.last().is_some_and(|last| last.role == Role::Assistant);
        if !(is_model && (joins_words || self.called || !self.said)) {
            self.add(Role::Assistant, Vec::new(), path);
        }
    }

    /// Adds a part to the last message, and says where it stands.
    fn push(&mut self, part: Part) -> (usize, usize) {
        let message = self.messages.len().saturating_sub(1);
        let Some(last) = self.messages.last_mut() else { return (message, 0) };
        last.parts.push(part);
        (message, last.parts.len() - 1)
    }

    /// Seals the last text of the model.
    fn seal_text(&mut self, seal: &str) {
        let place = self.last_text;
        if let Some(Part::Text(Text { signature, .. })) = place.and_then(|at| self.part(at)) {
            *signature = Some(seal.to_owned());
        }
    }

    /// Seals the last call of this id.
    fn seal_call(&mut self, id: &str, seal: &str) {
        let place = self.calls.get(id).copied();
        if let Some(Part::ToolCall(ToolCall { signature, .. })) = place.and_then(|at| self.part(at))
        {
            *signature = Some(seal.to_owned());
        }
    }

    fn part(&mut self, (message, part): (usize, usize)) -> Option<&mut Part> {
        self.messages.get_mut(message)?.parts.get_mut(part)
    }
}

/// Whether an item only this dialect knows comes from the client; all others are the model's.
fn is_input(kind: &str) -> bool {
    matches!(
        kind,
        "computer_call_output"
            | "local_shell_call_output"
            | "shell_call_output"
            | "apply_patch_call_output"
            | "mcp_approval_response"
            | "tool_search_output"
            | "additional_tools"
            | "configuration_update"
            | "compaction_trigger"
    )
}

fn joined(summary: Option<&[Words]>, content: Option<&RawValue>) -> String {
    let content: Option<Vec<Words>> =
        content.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let words = summary.filter(|words| !words.is_empty()).or(content.as_deref());
    let words: Vec<&str> = words.unwrap_or_default().iter().map(|it| it.text.as_str()).collect();
    words.join("\n\n")
}

fn call(item: &Item<'_>, kind: &str, path: &str) -> Result<ToolCall, DecodeError> {
    let (kind, member, raw) = match kind {
        "custom_tool_call" => (ToolKind::Custom, "input", item.input),
        _ => (ToolKind::Function, "arguments", item.arguments),
    };
    let lacks = |member: &str| missing(format!("{path}.{member}"));
    let arguments = raw.ok_or_else(|| lacks(member))?;
    Ok(ToolCall {
        id: item.call_id.clone().ok_or_else(|| lacks("call_id"))?,
        name: item.name.clone().ok_or_else(|| lacks("name"))?,
        arguments: content::string(arguments, &format!("{path}.{member}"))?,
        kind,
        signature: None,
    })
}

fn result(item: &Item<'_>, path: &str, losses: &mut Vec<Loss>) -> Result<ToolResult, DecodeError> {
    let lacks = |member: &str| missing(format!("{path}.{member}"));
    let raw = item.output.ok_or_else(|| lacks("output"))?;
    Ok(ToolResult {
        call_id: item.call_id.clone().ok_or_else(|| lacks("call_id"))?,
        parts: content::read(raw, &format!("{path}.output"), losses)?,
        is_error: None,
        cache: None,
    })
}

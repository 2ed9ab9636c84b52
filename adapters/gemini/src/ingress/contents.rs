//! Turns, and what they are made of.

use adapters_canonical::chat::{
    Message, Part, Role, Text, Thought, ToolCall, ToolKind, ToolResult,
};
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::media;
use super::request::{missing, others};
use super::seal::{self, Opened};
use crate::call_id;
use crate::hosted::Codes;
use crate::wire::asked::{Content, FunctionCall, FunctionResponse, Part as WirePart};

/// Messages, and where each stands in the client's request.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) messages: Vec<Message>,
    pub(super) paths: Vec<String>,
}

/// Reads the instructions and all turns.
///
/// The Python SDK keeps every chunk of a streamed answer as a turn of its own, so turns of the
/// model that follow each other are one message: their words are joined, and so are thoughts up to
/// the seal they bear. Each answer of a function is a message; what the user says beside it comes
/// in the message after it.
pub(super) fn read(
    system: Option<Content<'_>>,
    contents: Vec<Content<'_>>,
    losses: &mut Vec<Loss>,
) -> Result<Read, DecodeError> {
    let mut turns = Turns {
        read: Read::default(),
        calls: Vec::new(),
        codes: Codes::default(),
        model_from: 0,
        losses,
    };
    if let Some(system) = system {
        turns.system(system)?;
    }
    if contents.is_empty() {
        return Err(DecodeError::shape("contents", "must not be empty"));
    }
    for (index, content) in contents.into_iter().enumerate() {
        turns.turn(index, content)?;
    }
    Ok(turns.read)
}

/// A call that a later turn may answer.
struct Call {
    id: String,
    name: String,
    answered: bool,
}

struct Turns<'l> {
    read: Read,
    calls: Vec<Call>,
    codes: Codes,
    /// Index of the first turn of the model's message that is last now.
    model_from: usize,
    losses: &'l mut Vec<Loss>,
}

impl Turns<'_> {
    fn system(&mut self, content: Content<'_>) -> Result<(), DecodeError> {
        const PATH: &str = "systemInstruction";
        others(&content.other, PATH, self.losses);
        let mut parts = Vec::new();
        for (at, part) in content.parts.into_iter().flatten().enumerate() {
            let path = format!("{PATH}.parts[{at}]");
            match part.text {
                Some(text) => parts.push(Part::Text(Text::from(String::from(text)))),
                None => return Err(DecodeError::shape(path, "an instruction can only be text")),
            }
        }
        if !parts.is_empty() {
            self.push(Role::System, parts, PATH.to_owned());
        }
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>, path: String) {
        self.read.messages.push(Message { role, parts, name: None });
        self.read.paths.push(path);
    }

    fn turn(&mut self, index: usize, content: Content<'_>) -> Result<(), DecodeError> {
        let path = format!("contents[{index}]");
        others(&content.other, &path, self.losses);
        let parts = content.parts.unwrap_or_default();
        match content.role.as_deref() {
            None | Some("user" | "function") => self.user(&path, parts),
            Some("model") => self.model(index, &path, parts),
            Some(_) => Err(DecodeError::shape(format!("{path}.role"), "must be `user` or `model`")),
        }
    }

    fn user(&mut self, path: &str, parts: Vec<WirePart<'_>>) -> Result<(), DecodeError> {
        let mut said = Vec::new();
        for (at, mut part) in parts.into_iter().enumerate() {
            let here = format!("{path}.parts[{at}]");
            if let Some(response) = part.function_response.take() {
                if !said.is_empty() {
                    self.push(Role::User, std::mem::take(&mut said), path.to_owned());
                }
                others(&part.other, &here, self.losses);
                let result = self.result(&here, response)?;
                self.push(Role::Tool, vec![Part::ToolResult(result)], here);
            } else if part.function_call.is_some() {
                return Err(DecodeError::shape(here, "only the model calls functions"));
            } else {
                said.extend(self.part(&here, part)?);
            }
        }
        if !said.is_empty() {
            self.push(Role::User, said, path.to_owned());
        }
        Ok(())
    }

    fn model(
        &mut self,
        index: usize,
        path: &str,
        parts: Vec<WirePart<'_>>,
    ) -> Result<(), DecodeError> {
        let goes_on = self.read.messages.last().is_some_and(|last| last.role == Role::Assistant);
        if !goes_on {
            self.model_from = index;
            self.push(Role::Assistant, Vec::new(), path.to_owned());
        } else if let Some(last) = self.read.paths.last_mut() {
            *last = format!("contents[{}..={index}]", self.model_from);
        }
        for (at, mut part) in parts.into_iter().enumerate() {
            let here = format!("{path}.parts[{at}]");
            let covers = covers(&part);
            let read = if let Some(call) = part.function_call.take() {
                others(&part.other, &here, self.losses);
                let seal = part.thought_signature.as_deref();
                Some(Part::ToolCall(self.call(&here, (index, at), call, seal)?))
            } else if part.function_response.is_some() {
                return Err(DecodeError::shape(here, "only the user answers for functions"));
            } else if is_bare_seal(&part) {
                self.bare_seal(&part);
                None
            } else {
                // The last chunk of a stream has an empty text, for want of anything to say.
                self.part(&here, part)?.filter(|part| !is_empty_text(part))
            };
            if let (Some(mut part), Some(last)) = (read, self.read.messages.last_mut()) {
                if let (Part::Reasoning(thought), Some(covers)) = (&mut part, covers) {
                    let missing = covers.saturating_sub(thought.text.len());
                    thought.text.insert_str(0, &take_thoughts(&mut last.parts, missing));
                }
                append(&mut last.parts, part, goes_on && at == 0);
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        path: &str,
        place: (usize, usize),
        call: FunctionCall<'_>,
        seal: Option<&str>,
    ) -> Result<ToolCall, DecodeError> {
        let path = format!("{path}.functionCall");
        others(&call.other, &path, self.losses);
        let name = call.name.filter(|name| !name.is_empty());
        let name = String::from(name.ok_or_else(|| missing(format!("{path}.name")))?);
        let own = call.id.map(String::from).filter(|id| !id.is_empty());
        let id = own.unwrap_or_else(|| call_id::in_history(place.0, place.1));
        self.calls.push(Call { id: id.clone(), name: name.clone(), answered: false });
        let signature =
            seal.filter(|seal| !seal.is_empty()).and_then(|seal| match seal::open(seal) {
                Opened::Own(signature) => Some(signature),
                Opened::Foreign { thought, .. } => thought.signature,
            });
        let arguments = call.args.map_or("{}", RawValue::get).to_owned();
        Ok(ToolCall { id, name, arguments, kind: ToolKind::Function, signature })
    }

    /// The answer to the call of its id; without one, to the first call of its name that has no
    /// answer yet.
    fn result(
        &mut self,
        path: &str,
        response: FunctionResponse<'_>,
    ) -> Result<ToolResult, DecodeError> {
        let path = format!("{path}.functionResponse");
        others(&response.other, &path, self.losses);
        let id = response.id.as_deref().filter(|id| !id.is_empty());
        let name = response.name.as_deref().unwrap_or_default();
        let open = |call: &&mut Call| !call.answered && call.name == name;
        let by_id = self.calls.iter_mut().rev().find(|call| id.is_some_and(|id| call.id == id));
        let call = match by_id {
            Some(call) => Some(call),
            None => self.calls.iter_mut().find(open),
        };
        let call = call.ok_or_else(|| {
            let at = if id.is_some() { "id" } else { "name" };
            DecodeError::shape(format!("{path}.{at}"), "answers no function call before it")
        })?;
        call.answered = true;
        let call_id = call.id.clone();
        let json = response.response.map_or("{}", RawValue::get);
        let mut parts = vec![Part::Text(Text::from(json))];
        for (at, part) in response.parts.into_iter().flatten().enumerate() {
            parts.extend(self.part(&format!("{path}.parts[{at}]"), part)?);
        }
        let is_error = is_error(json).then_some(true);
        Ok(ToolResult { call_id, parts, is_error, cache: None })
    }

    /// Anything but a call or an answer to one; `None` if there is nothing in it.
    fn part(&mut self, path: &str, part: WirePart<'_>) -> Result<Option<Part>, DecodeError> {
        let thought = part.thought == Some(true);
        if !thought && (part.inline_data.is_some() || part.file_data.is_some()) {
            others(&part.other, path, self.losses);
            return media::read(path, part.inline_data, part.file_data, self.losses).map(Some);
        }
        let Some(text) = part.text else {
            return Ok(media::opaque(&part).map(|opaque| match self.codes.read(&opaque.json, 0) {
                Some(step) => Part::Hosted(Box::new(step)),
                None => Part::Opaque(opaque),
            }));
        };
        others(&part.other, path, self.losses);
        let seal = part.thought_signature.as_deref().filter(|seal| !seal.is_empty());
        let seal = seal.map(seal::open);
        let text = String::from(text);
        Ok(Some(if thought {
            Part::Reasoning(sealed(text, seal))
        } else {
            let signature = match seal {
                Some(Opened::Own(signature)) => Some(signature),
                Some(Opened::Foreign { thought, .. }) => thought.signature,
                None => None,
            };
            Part::Text(Text { text, signature, ..Text::default() })
        }))
    }

    /// A seal without words: on the words or thoughts before it, or else a thought of its own.
    fn bare_seal(&mut self, part: &WirePart<'_>) {
        let Some(seal) = part.thought_signature.as_deref() else { return };
        let Some(last) = self.read.messages.last_mut() else { return };
        match (seal::open(seal), part.thought == Some(true)) {
            (Opened::Own(signature), false) => {
                if let Some(Part::Text(text)) = last.parts.last_mut()
                    && text.signature.is_none()
                {
                    text.signature = Some(signature);
                } else {
                    let text = Text { signature: Some(signature), ..Text::default() };
                    last.parts.push(Part::Text(text));
                }
            }
            (opened @ Opened::Own(_), true) => {
                let text = take_thoughts(&mut last.parts, usize::MAX);
                last.parts.push(Part::Reasoning(sealed(text, Some(opened))));
            }
            (Opened::Foreign { thought, covers }, _) => {
                let text = take_thoughts(&mut last.parts, covers.unwrap_or(0));
                last.parts.push(Part::Reasoning(Thought { text, ..thought }));
            }
        }
    }
}

fn is_empty_text(part: &Part) -> bool {
    matches!(part, Part::Text(text) if text.text.is_empty() && text.signature.is_none())
}

fn is_bare_seal(part: &WirePart<'_>) -> bool {
    part.text.as_deref().is_some_and(str::is_empty)
        && part.thought_signature.as_deref().is_some_and(|seal| !seal.is_empty())
}

/// How many bytes of thought the seal of another provider on a thought with words is for.
fn covers(part: &WirePart<'_>) -> Option<usize> {
    if part.thought != Some(true) || is_bare_seal(part) {
        return None;
    }
    match seal::open(part.thought_signature.as_deref()?) {
        Opened::Foreign { covers, .. } => covers,
        Opened::Own(_) => None,
    }
}

fn sealed(text: String, seal: Option<Opened>) -> Thought {
    use adapters_canonical::dialect::Dialect;
    match seal {
        None => Thought { text, ..Thought::default() },
        Some(Opened::Own(signature)) => Thought {
            text,
            signature: Some(signature),
            origin: Some(Dialect::Gemini),
            ..Thought::default()
        },
        Some(Opened::Foreign { thought, .. }) => Thought { text, ..thought },
    }
}

/// Takes the last `bytes` of the thoughts at the end that bear no seal.
fn take_thoughts(parts: &mut Vec<Part>, bytes: usize) -> String {
    let mut taken = String::new();
    while taken.len() < bytes
        && let Some(Part::Reasoning(thought)) = parts.last_mut()
        && thought.signature.is_none()
        && thought.redacted.is_none()
    {
        let wanted = bytes - taken.len();
        let from = thought.text.len().saturating_sub(wanted);
        if from > 0 && thought.text.is_char_boundary(from) {
            taken.insert_str(0, &thought.text.split_off(from));
        } else {
            taken.insert_str(0, &thought.text);
            parts.pop();
        }
    }
    taken
}

/// Appends a part; one that begins a turn goes on with what the turn before ended in.
fn append(parts: &mut Vec<Part>, part: Part, goes_on: bool) {
    match (parts.last_mut(), part) {
        (Some(Part::Text(last)), Part::Text(more)) if goes_on && last.signature.is_none() => {
            last.text.push_str(&more.text);
            last.signature = more.signature;
        }
        (Some(Part::Reasoning(last)), Part::Reasoning(more))
            if goes_on && bears_no_seal(last) && bears_no_seal(&more) =>
        {
            last.text.push_str(&more.text);
        }
        (_, part) => parts.push(part),
    }
}

fn bears_no_seal(thought: &Thought) -> bool {
    thought.signature.is_none() && thought.redacted.is_none()
}

/// Google's convention: what a function says of its failure is in the member `error`.
fn is_error(json: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    serde_json::from_str::<Answer<'_>>(json).is_ok_and(|answer| answer.error.is_some())
}

//! Writes the turns of a conversation: who said what, calls and their results.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;

use adapters_canonical::chat::{
    CacheBreakpoint, Media, Message, Part, Role, Thought, ToolCall, ToolKind, ToolResult,
};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{HostedStep, is_shown_only};
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::object::Every;
use serde_json::value::RawValue;

use super::media::{self, MediaKind};
use super::model::Model;
use super::seal;
use crate::call_id::is_made_up;
use crate::hosted::Code;
use crate::wire::request::{
    Content, FunctionCall, FunctionResponse, KnownPart, Part as WirePart, Payload, Value,
};

/// Writes `messages` as a system instruction and turns.
///
/// Instructions all go to the front, wherever they stood: Gemini has no other place for them, and
/// as words of the user they would lose their authority. Turns of one side are merged, but results
/// of calls keep to themselves, since Gemini counts them against the calls.
///
/// # Errors
///
/// [`DecodeError::Shape`] names what Gemini cannot be told.
pub(super) fn encode<'a>(
    messages: &'a [Message],
    model: Model<'_>,
    losses: &mut Vec<Loss>,
) -> Result<(Option<Content<'a>>, Vec<Content<'a>>), DecodeError> {
    let mut writer = Writer {
        messages,
        calls: HashMap::new(),
        instructions: Vec::new(),
        contents: Vec::with_capacity(messages.len()),
        side: None,
        seal: None,
        ids: model.seals_calls(),
        losses,
    };
    for (at, message) in messages.iter().enumerate() {
        writer.message(at, message)?;
    }
    let Writer { mut instructions, mut contents, .. } = writer;
    if contents.is_empty() {
        let Some(last) = instructions.pop() else {
            return Err(DecodeError::shape("messages", "at least one message that says something"));
        };
        losses.push(Loss::adapted("messages", "the only instruction is said as the user's words"));
        contents.push(Content { role: Some("user"), parts: vec![last] });
    }
    if model.seals_calls() {
        seal::seal_steps(&mut contents);
    }
    let system = (!instructions.is_empty()).then_some(Content { role: None, parts: instructions });
    Ok((system, contents))
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    User,
    Model,
    Results,
}

struct Writer<'a, 'l> {
    messages: &'a [Message],
    /// Name of the function by id of the call.
    calls: HashMap<&'a str, &'a str>,
    instructions: Vec<WirePart<'a>>,
    contents: Vec<Content<'a>>,
    /// Whose turn the last content is.
    side: Option<Side>,
    /// A signature without words, to be put on the next words of its message.
    seal: Option<&'a str>,
    /// Whether calls and results carry ids.
    ids: bool,
    losses: &'l mut Vec<Loss>,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, at: usize, message: &'a Message) -> Result<(), DecodeError> {
        if message.name.is_some() && message.role != Role::Tool {
            let reason = "speakers of one role cannot be told apart";
            self.losses.push(Loss::dropped(format!("messages[{at}].name"), reason));
        }
        match message.role {
            Role::System | Role::Developer => self.instruction(at, message),
            Role::User => self.turn(Side::User, at, message),
            Role::Assistant => self.turn(Side::Model, at, message),
            Role::Tool => self.turn(Side::Results, at, message),
        }
    }

    fn instruction(&mut self, at: usize, message: &'a Message) -> Result<(), DecodeError> {
        if !self.contents.is_empty() {
            let reason = "instructions are said before the conversation, not in the middle of it";
            self.losses.push(Loss::adapted(format!("messages[{at}].role"), reason));
        }
        for (index, part) in message.parts.iter().enumerate() {
            let path = format_args!("messages[{at}].content[{index}]");
            let Part::Text(text) = part else {
                return Err(DecodeError::shape(
                    path.to_string(),
                    "an instruction can only be text",
                ));
            };
            self.cache(text.cache.as_ref(), &path);
            if !text.text.is_empty() {
                self.instructions.push(words(&text.text, None));
            }
        }
        Ok(())
    }

    fn turn(&mut self, side: Side, at: usize, message: &'a Message) -> Result<(), DecodeError> {
        let (mut said, mut called) = (0, 0);
        for (nth, part) in message.parts.iter().enumerate() {
            let index = said;
            let path = format_args!("messages[{at}].content[{index}]");
            said += 1;
            match part {
                Part::Text(text) => {
                    self.cache(text.cache.as_ref(), &path);
                    self.say(side, &text.text, seal::plausible(text.signature.as_deref()));
                }
                Part::Refusal(text) => {
                    let reason = "a refusal is said as plain words";
                    self.losses.push(Loss::adapted(format!("messages[{at}].refusal"), reason));
                    self.say(side, text, None);
                }
                Part::Image(media) => self.media(side, media, MediaKind::Image, &path)?,
                Part::Audio(media) => self.media(side, media, MediaKind::Audio, &path)?,
                Part::Video(media) => self.media(side, media, MediaKind::Video, &path)?,
                Part::Document(media) => self.media(side, media, MediaKind::Document, &path)?,
                Part::Reasoning(thought) => {
                    said -= 1;
                    self.thought(at, thought);
                }
                Part::ToolCall(call) => {
                    said -= 1;
                    self.call(&format_args!("messages[{at}].tool_calls[{called}]"), call);
                    called += 1;
                }
                Part::ToolResult(result) => self.result(at, message, result)?,
                Part::Hosted(step)
                    if step.own(Dialect::Gemini).is_none()
                        && is_shown_only(self.messages, at, nth, Dialect::Gemini) => {}
                Part::Hosted(step) => self.hosted(side, step, &path),
                Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => {
                    self.push(side, WirePart::Opaque(&opaque.json));
                }
                Part::Opaque(_) => {
                    self.losses
                        .push(Loss::dropped(path.to_string(), "only another provider knows this"));
                }
            }
        }
        if let Some(seal) = self.seal.take() {
            self.push(side, words("", Some(seal)));
        }
        Ok(())
    }

    fn push(&mut self, side: Side, part: WirePart<'a>) {
        match self.contents.last_mut().filter(|_| self.side == Some(side)) {
            Some(content) => content.parts.push(part),
            None => {
                let role = match side {
                    Side::User | Side::Results => "user",
                    Side::Model => "model",
                };
                self.contents.push(Content { role: Some(role), parts: vec![part] });
                self.side = Some(side);
            }
        }
    }

    /// Gemini refuses a turn of empty words, and they say nothing.
    fn say(&mut self, side: Side, text: &'a str, seal: Option<&'a str>) {
        if !text.is_empty() {
            let seal = seal.or_else(|| self.seal.take());
            self.push(side, words(text, seal));
        } else if let Some(seal) = seal {
            self.seal_words(seal);
        }
    }

    /// What a provider did with a tool of its own.
    fn hosted(&mut self, side: Side, step: &'a HostedStep, path: &dyn Display) {
        if let Some(own) = step.own(Dialect::Gemini) {
            return self.push(side, WirePart::Opaque(&own.json));
        }
        let Some(text) = step.in_words() else {
            let reason = "what another provider looked up, but for what its answer says of it";
            return self.losses.push(Loss::dropped(path.to_string(), reason));
        };
        let reason = "what another provider did is told in words";
        self.losses.push(Loss::adapted(path.to_string(), reason));
        self.push(side, WirePart::Hosted(Code::Words { text }));
    }

    fn media(
        &mut self,
        side: Side,
        media: &'a Media,
        kind: MediaKind,
        path: &dyn Display,
    ) -> Result<(), DecodeError> {
        self.cache(media.cache.as_ref(), path);
        let part = media::part(media, kind, path, self.losses)?;
        self.push(side, known(part));
        Ok(())
    }

    fn thought(&mut self, at: usize, thought: &'a Thought) {
        if let Some(own) = thought.carries(Dialect::Gemini) {
            return self.push(Side::Model, WirePart::Opaque(own));
        }
        if !seal::is_ours(thought) {
            let path = format!("messages[{at}].reasoning_details");
            self.losses.push(Loss::dropped(path, "only another provider takes this thought back"));
            return;
        }
        let signature = thought.signature.as_deref();
        let signature =
            if thought.origin.is_some() { signature } else { seal::plausible(signature) };
        let signature = signature.filter(|signature| !signature.is_empty());
        if !thought.text.is_empty() {
            self.push(
                Side::Model,
                known(KnownPart {
                    text: Some(&thought.text),
                    thought: Some(true),
                    thought_signature: signature.map(Cow::Borrowed),
                    ..KnownPart::default()
                }),
            );
        } else if let Some(signature) = signature {
            self.seal_words(signature);
        }
    }

    /// Puts a signature without words back on the words it came with: those before it in the
    /// stream, else those after it, as clients that keep thoughts apart send them.
    fn seal_words(&mut self, signature: &'a str) {
        let last = self.contents.last_mut().filter(|_| self.side == Some(Side::Model));
        match last.and_then(|content| content.parts.last_mut()) {
            Some(WirePart::Known(part))
                if (part.text.is_some() || part.inline_data.is_some())
                    && part.thought.is_none()
                    && part.thought_signature.is_none() =>
            {
                part.thought_signature = Some(Cow::Borrowed(signature));
            }
            Some(WirePart::Known(_) | WirePart::Hosted(_) | WirePart::Opaque(_)) | None => {
                if let Some(earlier) = self.seal.replace(signature) {
                    self.push(Side::Model, words("", Some(earlier)));
                }
            }
        }
    }

    fn call(&mut self, path: &dyn Display, call: &'a ToolCall) {
        self.calls.insert(&call.id, &call.name);
        let args = match call.kind {
            ToolKind::Custom => {
                let reason = "the text of a custom tool becomes the argument `input`";
                self.losses.push(Loss::adapted(path.to_string(), reason));
                Payload::Input { input: &call.arguments }
            }
            ToolKind::Function => match object(&call.arguments) {
                Some(json) => Payload::Object(json),
                None if call.arguments.trim().is_empty() => Payload::Empty {},
                None => {
                    let path = format!("{path}.function.arguments");
                    let reason = "what is no JSON object becomes the argument `input`";
                    self.losses.push(Loss::adapted(path, reason));
                    Payload::Input { input: &call.arguments }
                }
            },
        };
        let id = self.id(&call.id);
        let function_call = Some(Box::new(FunctionCall { id, name: &call.name, args }));
        let thought_signature = seal::plausible(call.signature.as_deref()).map(Cow::Borrowed);
        let part = KnownPart { function_call, thought_signature, ..KnownPart::default() };
        self.push(Side::Model, known(part));
    }

    fn result(
        &mut self,
        at: usize,
        message: &'a Message,
        result: &'a ToolResult,
    ) -> Result<(), DecodeError> {
        let name = self.calls.get(&*result.call_id).copied().or(message.name.as_deref());
        let name = name.ok_or_else(|| {
            let path = format!("messages[{at}].tool_call_id");
            DecodeError::shape(path, "the id of a tool call earlier in the conversation")
        })?;
        self.cache(result.cache.as_ref(), &format_args!("messages[{at}]"));
        let (mut texts, mut media) = (Vec::new(), Vec::new());
        for (index, part) in result.parts.iter().enumerate() {
            let path = format_args!("messages[{at}].content[{index}]");
            let (kind, medium) = match part {
                Part::Text(text) => {
                    self.cache(text.cache.as_ref(), &path);
                    texts.push(&*text.text);
                    continue;
                }
                Part::Refusal(text) => {
                    texts.push(text);
                    continue;
                }
                Part::Image(medium) => (MediaKind::Image, medium),
                Part::Audio(medium) => (MediaKind::Audio, medium),
                Part::Video(medium) => (MediaKind::Video, medium),
                Part::Document(medium) => (MediaKind::Document, medium),
                Part::Reasoning(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => {
                    self.losses
                        .push(Loss::dropped(path.to_string(), "a function cannot answer this"));
                    continue;
                }
            };
            self.cache(medium.cache.as_ref(), &path);
            let part = media::part(medium, kind, &path, self.losses)?;
            if !self.ids {
                let reason = "shown after the function's answer, which can only be JSON";
                self.losses.push(Loss::adapted(path.to_string(), reason));
            }
            media.push(known(part));
        }
        // Only since Gemini 3 can an answer contain pictures.
        let (within, beside) = if self.ids { (media, Vec::new()) } else { (Vec::new(), media) };
        let function_response = Some(Box::new(FunctionResponse {
            id: self.id(&result.call_id),
            name,
            response: payload(&texts, result.is_error == Some(true)),
            parts: within,
        }));
        self.push(Side::Results, known(KnownPart { function_response, ..KnownPart::default() }));
        beside.into_iter().for_each(|part| self.push(Side::Results, part));
        Ok(())
    }

    /// An id that Gemini may have given, or at least will not be surprised by.
    fn id(&self, id: &'a str) -> Option<&'a str> {
        (self.ids && !id.is_empty() && !is_made_up(id)).then_some(id)
    }

    fn cache(&mut self, cache: Option<&CacheBreakpoint>, path: &dyn Display) {
        if cache.is_some() {
            let reason = "the provider decides by itself what it caches";
            self.losses.push(Loss::dropped(format!("{path}.cache_control"), reason));
        }
    }
}

fn known(part: KnownPart<'_>) -> WirePart<'_> {
    WirePart::Known(part)
}

fn words<'a>(text: &'a str, seal: Option<&'a str>) -> WirePart<'a> {
    let thought_signature = seal.map(Cow::Borrowed);
    known(KnownPart { text: Some(text), thought_signature, ..KnownPart::default() })
}

fn object(text: &str) -> Option<&RawValue> {
    let json: &RawValue = serde_json::from_str(text).ok()?;
    json.get().starts_with('{').then_some(json)
}

/// An object passes byte for byte; all else is wrapped, JSON as JSON and words as words.
fn payload<'a>(texts: &[&'a str], is_error: bool) -> Payload<'a> {
    let value = match texts {
        [one] => match serde_json::from_str::<&RawValue>(one) {
            Ok(json) if json.get().starts_with('{') && (!is_error || says_error(json)) => {
                return Payload::Object(json);
            }
            Ok(json) => Value::Json(json),
            Err(_) => Value::Text(Cow::Borrowed(one)),
        },
        several => Value::Text(Cow::Owned(several.join("\n"))),
    };
    if is_error { Payload::Error { error: value } } else { Payload::Result { result: value } }
}

/// Whether an object has the member that failures are said in.
fn says_error(object: &RawValue) -> bool {
    serde_json::from_str(object.get())
        .is_ok_and(|Every(members)| members.iter().any(|(name, _)| &**name == "error"))
}

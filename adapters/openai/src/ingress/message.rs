//! Messages and what they contain.

mod part;

use adapters_canonical::chat::{
    CacheBreakpoint, Media, Message, Part, Role, Text, ToolCall, ToolKind, ToolResult,
};
use adapters_canonical::loss::{DecodeError, Loss};

use super::request::{expected, missing};
use crate::call_id;
use crate::citation;
use crate::thought::{self, Gathered};
use crate::wire::content::{
    CacheControl, Content, FunctionCall, Part as WirePart, ReasoningDetail, ToolCall as WireCall,
};
use crate::wire::request as wire;
use adapters_json::string::Object;
pub(crate) use part::located;
use part::{Reader, Unread};
use serde_json::value::RawValue;

/// Reads all messages. `body` is the whole request, for parts that are kept byte for byte.
pub(super) fn messages(
    messages: Vec<wire::Message<'_>>,
    body: &[u8],
    losses: &mut Vec<Loss>,
) -> Result<Vec<Message>, DecodeError> {
    if messages.is_empty() {
        return Err(DecodeError::shape("messages", "must not be empty"));
    }
    let mut turns = Turns { unread: Unread::new(body), losses, legacy_call: None };
    let mut read = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        read.push(turns.read(index, message)?);
    }
    Ok(read)
}

/// What is remembered from message to message.
struct Turns<'a> {
    unread: Unread<'a>,
    losses: &'a mut Vec<Loss>,
    /// The id given to the last legacy function call, which the next result answers.
    legacy_call: Option<String>,
}

impl Turns<'_> {
    fn read(&mut self, index: usize, wire: wire::Message<'_>) -> Result<Message, DecodeError> {
        let role =
            wire.role.as_deref().ok_or_else(|| missing(format!("messages[{index}].role")))?;
        match role {
            "system" => self.spoken(index, Role::System, wire),
            "developer" => self.spoken(index, Role::Developer, wire),
            "user" => self.spoken(index, Role::User, wire),
            "assistant" => self.assistant(index, wire),
            "tool" => self.tool(index, wire),
            "function" => self.function(index, wire),
            _ => Err(expected(
                format!("messages[{index}].role"),
                &["system", "developer", "user", "assistant", "tool", "function"],
            )),
        }
    }

    fn spoken(
        &mut self,
        index: usize,
        role: Role,
        wire: wire::Message<'_>,
    ) -> Result<Message, DecodeError> {
        let mut parts = self.required_content(index, wire.content)?;
        let Some(rare) = wire.rare else { return Ok(Message { role, parts, name: None }) };
        cache_last(&mut parts, rare.cache_control);
        Ok(Message { role, parts, name: rare.name })
    }

    fn assistant(&mut self, index: usize, wire: wire::Message<'_>) -> Result<Message, DecodeError> {
        let rare = wire.rare.map(|rare| *rare).unwrap_or_default();
        let words = rare.reasoning_content.or(rare.reasoning);
        let mut thoughts = self.thoughts(index, rare.reasoning_details);
        let content_seal = thoughts.content_seal.take();
        let mut parts = thoughts.parts(words);
        self.content(index, wire.content, &mut parts)?;
        thought::seal_content(&mut parts, content_seal);
        self.citations(index, &mut parts, [rare.annotations, rare.citations]);
        for (at, image) in rare.images.into_iter().flatten().enumerate() {
            parts.push(Part::Image(picture(image, index, at)?));
        }
        parts.extend(rare.refusal.filter(|text| !text.is_empty()).map(Part::Refusal));
        cache_last(&mut parts, rare.cache_control);
        for (at, Object(call)) in wire.tool_calls.into_iter().flatten().enumerate() {
            let path = || format!("messages[{index}].tool_calls[{at}]");
            parts.push(Part::ToolCall(tool_call(call, &path)?));
        }
        if let Some(call) = rare.function_call {
            parts.push(Part::ToolCall(self.legacy_call(index, call)?));
        }
        if rare.audio.is_some() {
            let reason = "an earlier answer in sound exists only with its provider";
            self.losses.push(Loss::dropped(format!("messages[{index}].audio"), reason));
        }
        Ok(Message { role: Role::Assistant, parts, name: rare.name })
    }

    fn tool(&mut self, index: usize, wire: wire::Message<'_>) -> Result<Message, DecodeError> {
        let path = || format!("messages[{index}].tool_call_id");
        let call_id = call_id::take_apart(not_empty(wire.tool_call_id, &path)?).0;
        let cache = wire.rare.and_then(|rare| rare.cache_control);
        self.result(index, call_id, wire.content, cache)
    }

    fn function(&mut self, index: usize, wire: wire::Message<'_>) -> Result<Message, DecodeError> {
        let path = || format!("messages[{index}].name");
        let (name, cache) = wire.rare.map(|rare| (rare.name, rare.cache_control)).unzip();
        let name = not_empty(name.flatten(), &path)?;
        // A result that nothing called for is the provider's to refuse.
        let call_id = self.legacy_call.take().unwrap_or(name);
        self.result(index, call_id, wire.content, cache.flatten())
    }

    fn result(
        &mut self,
        index: usize,
        call_id: String,
        content: Option<Content<WirePart<'_>>>,
        cache: Option<CacheControl>,
    ) -> Result<Message, DecodeError> {
        let parts = self.required_content(index, content)?;
        let cache = cache.map(breakpoint);
        let result = ToolResult { call_id, parts, is_error: None, cache };
        Ok(Message { role: Role::Tool, parts: vec![Part::ToolResult(result)], name: None })
    }

    /// Legacy calls have no id, and legacy results name only the function.
    fn legacy_call(&mut self, index: usize, call: FunctionCall) -> Result<ToolCall, DecodeError> {
        let id = format!("call_function_{index}");
        self.legacy_call = Some(id.clone());
        let path = || format!("messages[{index}].function_call.name");
        Ok(ToolCall {
            id,
            name: not_empty(call.name, &path)?,
            arguments: call.arguments.unwrap_or_default(),
            kind: ToolKind::Function,
            signature: None,
        })
    }

    fn required_content(
        &mut self,
        index: usize,
        content: Option<Content<WirePart<'_>>>,
    ) -> Result<Vec<Part>, DecodeError> {
        if content.is_none() {
            return Err(missing(format!("messages[{index}].content")));
        }
        let mut parts = Vec::new();
        self.content(index, content, &mut parts)?;
        Ok(parts)
    }

    /// Appends what `content` says to `parts`.
    fn content(
        &mut self,
        index: usize,
        content: Option<Content<WirePart<'_>>>,
        parts: &mut Vec<Part>,
    ) -> Result<(), DecodeError> {
        match content {
            None => {}
            Some(Content::Text(text)) if text.is_empty() => {}
            Some(Content::Text(text)) => {
                // Most messages are one text: room for more would be wasted.
                parts.reserve_exact(1);
                parts.push(Part::Text(Text::from(text)));
            }
            Some(Content::Parts(all)) => {
                parts.reserve_exact(all.len());
                for (at, part) in all.into_iter().enumerate() {
                    let (unread, losses) = (&mut self.unread, &mut *self.losses);
                    parts.push(Reader { unread, losses, message: index, part: at }.read(part)?);
                }
            }
        }
        Ok(())
    }

    /// The thoughts a client sends back.
    fn thoughts(&mut self, index: usize, details: Option<Vec<ReasoningDetail<'_>>>) -> Gathered {
        let mut gathered = Gathered::default();
        for (at, detail) in details.into_iter().flatten().enumerate() {
            if thought::is_known(&detail) {
                gathered.add(detail);
            } else {
                let path = format!("messages[{index}].reasoning_details[{at}]");
                self.losses.push(Loss::dropped(path, "not a known kind of thought"));
            }
        }
        gathered
    }

    fn citations(
        &mut self,
        index: usize,
        parts: &mut [Part],
        [annotations, citations]: [Option<Vec<&RawValue>>; 2],
    ) {
        let mut read = Vec::new();
        for (name, list) in [("annotations", annotations), ("citations", citations)] {
            for (at, raw) in list.into_iter().flatten().enumerate() {
                match citation::read(raw) {
                    Some(citation) => read.push(citation),
                    None => {
                        let path = format!("messages[{index}].{name}[{at}]");
                        self.losses.push(Loss::dropped(path, "not a known kind of citation"));
                    }
                }
            }
        }
        if !citation::attach(parts, read).is_empty() {
            let path = format!("messages[{index}].annotations");
            self.losses.push(Loss::dropped(path, "there is no text that they are about"));
        }
    }
}

/// A picture of an earlier answer.
fn picture(image: WirePart<'_>, index: usize, at: usize) -> Result<Media, DecodeError> {
    let address = image.rare.and_then(|rare| rare.image_url);
    let url = address.map(|address| address.url.0.into_owned());
    let url = not_empty(url, &|| format!("messages[{index}].images[{at}].image_url.url"))?;
    let (source, mime_type) = located(url);
    Ok(Media { source, mime_type, name: None, detail: None, cache: None })
}

fn tool_call(call: WireCall, path: &dyn Fn() -> String) -> Result<ToolCall, DecodeError> {
    let id = not_empty(call.id, &|| format!("{}.id", path()))?;
    let (id, sealed_in) = call_id::take_apart(id);
    let signature = call.extra_content.and_then(|extra| extra.signature()).or(sealed_in);
    let (name, arguments, kind) = match (call.function, call.custom) {
        (Some(function), _) => (
            not_empty(function.name, &|| format!("{}.function.name", path()))?,
            function.arguments,
            ToolKind::Function,
        ),
        (None, Some(custom)) => (
            not_empty(custom.name, &|| format!("{}.custom.name", path()))?,
            custom.input,
            ToolKind::Custom,
        ),
        (None, None) => return Err(missing(format!("{}.function", path()))),
    };
    Ok(ToolCall { id, name, arguments: arguments.unwrap_or_default(), kind, signature })
}

fn not_empty(value: Option<String>, path: &dyn Fn() -> String) -> Result<String, DecodeError> {
    match value {
        None => Err(missing(path())),
        Some(text) if text.is_empty() => Err(DecodeError::shape(path(), "must not be empty")),
        Some(text) => Ok(text),
    }
}

fn breakpoint(control: CacheControl) -> CacheBreakpoint {
    CacheBreakpoint { ttl: control.ttl }
}

/// `cache_control` on a message ends the cached prefix after its last part.
fn cache_last(parts: &mut [Part], control: Option<CacheControl>) {
    let Some(control) = control else { return };
    let slot = match parts.last_mut() {
        Some(Part::Text(text)) => &mut text.cache,
        Some(Part::Image(it) | Part::Audio(it) | Part::Video(it) | Part::Document(it)) => {
            &mut it.cache
        }
        Some(
            Part::Reasoning(_)
            | Part::Refusal(_)
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::Hosted(_)
            | Part::Opaque(_),
        )
        | None => return,
    };
    slot.get_or_insert_with(|| breakpoint(control));
}

//! What one message says, as content blocks.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use adapters_canonical::chat::{Message, Opaque, Part, Role, Text, Thought, ToolCall, ToolResult};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::hosted::{HostedStep, is_shown_only};
use adapters_canonical::loss::{DecodeError, Loss};

use super::super::media;
use super::Place;
use crate::wire::request::{Block, Content};
use crate::{arguments, citation};

/// The blocks of `messages[at]`; none for what is empty, which the API refuses.
///
/// # Errors
///
/// [`DecodeError::Shape`] names a part that the speaker cannot send.
pub(super) fn encode<'a>(
    at: usize,
    messages: &'a [Message],
    losses: &mut Vec<Loss>,
) -> Result<Vec<Block<'a>>, DecodeError> {
    let Some(message) = messages.get(at) else { return Ok(Vec::new()) };
    let mut place = Place::new(at);
    let mut blocks = Vec::with_capacity(message.parts.len());
    for (nth, part) in message.parts.iter().enumerate() {
        let path = place.next(part);
        if matches!(part, Part::Hosted(step) if step.own(Dialect::Anthropic).is_none())
            && is_shown_only(messages, at, nth, Dialect::Anthropic)
        {
            continue;
        }
        let block = match message.role {
            Role::System | Role::Developer => instruction(part, &path, losses)?,
            Role::User | Role::Tool => heard(at, part, &path, losses)?,
            Role::Assistant => said(part, &path, losses)?,
        };
        blocks.extend(block);
    }
    Ok(blocks)
}

fn instruction<'a>(
    part: &'a Part,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<Option<Block<'a>>, DecodeError> {
    match part {
        Part::Text(words) => Ok(text(words, path, losses)),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Refusal(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => Err(DecodeError::shape(path.to_string(), "instructions must be text")),
    }
}

/// What the user or a tool says to the model.
fn heard<'a>(
    at: usize,
    part: &'a Part,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<Option<Block<'a>>, DecodeError> {
    match part {
        Part::Text(words) => Ok(text(words, path, losses)),
        Part::Image(image) => media::image(image, path, losses).map(Some),
        Part::Document(document) => media::document(document, path, losses).map(Some),
        Part::ToolResult(answer) => result(at, answer, losses).map(Some),
        Part::Hosted(step) => Ok(hosted(step, path, losses)),
        Part::Opaque(block) => Ok(own(block, path, losses)),
        Part::Refusal(words) => Ok(refusal(words)),
        Part::Reasoning(_) => {
            losses.push(Loss::dropped(path.to_string(), "only the assistant has thoughts"));
            Ok(None)
        }
        Part::Audio(_) => {
            Err(DecodeError::shape(path.to_string(), "this provider cannot take audio"))
        }
        Part::Video(_) => {
            Err(DecodeError::shape(path.to_string(), "this provider cannot take video"))
        }
        Part::ToolCall(_) => {
            Err(DecodeError::shape(path.to_string(), "only the assistant calls tools"))
        }
    }
}

/// What the model said earlier.
fn said<'a>(
    part: &'a Part,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Result<Option<Block<'a>>, DecodeError> {
    match part {
        Part::Text(words) => Ok(text(words, path, losses)),
        Part::Refusal(words) => Ok(refusal(words)),
        Part::Reasoning(thought) => Ok(thinking(thought, path, losses)),
        Part::ToolCall(call) => Ok(Some(tool_use(call, path, losses))),
        Part::Hosted(step) => Ok(hosted(step, path, losses)),
        Part::Opaque(block) => Ok(own(block, path, losses)),
        Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
            Err(DecodeError::shape(path.to_string(), "the assistant can only have said text"))
        }
        Part::ToolResult(_) => {
            Err(DecodeError::shape(path.to_string(), "the result of a tool is not the assistant's"))
        }
    }
}

fn text<'a>(words: &'a Text, path: &dyn Display, losses: &mut Vec<Loss>) -> Option<Block<'a>> {
    if words.text.trim().is_empty() {
        if !words.text.is_empty() {
            losses.push(Loss::dropped(path.to_string(), "a text must have more than white space"));
        }
        return None;
    }
    let cache_control = media::cache_control(words.cache.as_ref(), || path.to_string(), losses);
    let citations: Vec<_> = words.citations.iter().filter_map(citation::give_back).collect();
    if citations.len() < words.citations.len() {
        let reason = "citations that this provider did not write";
        losses.push(Loss::dropped(format!("{path}.annotations"), reason));
    }
    Some(Block::Text { text: Cow::Borrowed(&words.text), citations, cache_control })
}

fn refusal(words: &str) -> Option<Block<'_>> {
    (!words.trim().is_empty()).then(|| Block::text(words))
}

/// A sealed thought goes back byte for byte; one without a seal, or with the seal of another
/// provider, would be refused (field 34).
fn thinking<'a>(
    thought: &'a Thought,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Option<Block<'a>> {
    if let Some(own) = thought.carries(Dialect::Anthropic) {
        return Some(Block::Raw(own));
    }
    if !matches!(thought.origin, None | Some(Dialect::Anthropic)) {
        losses.push(Loss::dropped(path.to_string(), "a thought of another provider"));
        return None;
    }
    if let Some(data) = &thought.redacted {
        return Some(Block::RedactedThinking { data: Cow::Borrowed(data) });
    }
    match thought.signature.as_deref().filter(|seal| !seal.is_empty()) {
        Some(signature) => {
            let signature = Cow::Borrowed(signature);
            Some(Block::Thinking { thinking: &thought.text, signature })
        }
        None => {
            losses.push(Loss::dropped(
                path.to_string(),
                "a thought without this provider's signature cannot be sent back",
            ));
            None
        }
    }
}

fn own<'a>(block: &'a Opaque, path: &dyn Display, losses: &mut Vec<Loss>) -> Option<Block<'a>> {
    if block.dialect == Dialect::Anthropic {
        return Some(Block::Raw(&block.json));
    }
    losses.push(Loss::dropped(path.to_string(), "content of another provider's own"));
    None
}

/// What a provider did with a tool of its own. The API refuses what it did not do itself.
fn hosted<'a>(
    step: &'a HostedStep,
    path: &dyn Display,
    losses: &mut Vec<Loss>,
) -> Option<Block<'a>> {
    if let Some(own) = step.own(Dialect::Anthropic) {
        return Some(Block::Raw(&own.json));
    }
    let Some(words) = step.in_words() else {
        let reason = "what another provider looked up, but for what its answer says of it";
        losses.push(Loss::dropped(path.to_string(), reason));
        return None;
    };
    losses.push(Loss::adapted(path.to_string(), "what another provider did is told in words"));
    Some(Block::text(words))
}

fn tool_use<'a>(call: &'a ToolCall, path: &dyn Display, losses: &mut Vec<Loss>) -> Block<'a> {
    let (input, exact) = arguments::input(call);
    if !exact {
        losses.push(Loss::adapted(path.to_string(), "sent as an object whose `input` holds them"));
    }
    Block::ToolUse { id: tool_id(&call.id), name: &call.name, input }
}

fn result<'a>(
    at: usize,
    answer: &'a ToolResult,
    losses: &mut Vec<Loss>,
) -> Result<Block<'a>, DecodeError> {
    let mut place = Place::new(at);
    let mut content = Vec::with_capacity(answer.parts.len());
    for part in &answer.parts {
        let path = place.next(part);
        if matches!(part, Part::ToolResult(_)) {
            return Err(DecodeError::shape(
                path.to_string(),
                "a result cannot hold another result",
            ));
        }
        content.extend(heard(at, part, &path, losses)?);
    }
    let path = || format!("messages[{at}].cache_control");
    Ok(Block::ToolResult {
        tool_use_id: tool_id(&answer.call_id),
        content: Content(content),
        is_error: answer.is_error == Some(true),
        cache_control: media::cache_control(answer.cache.as_ref(), path, losses),
    })
}

/// The API takes letters, digits, `_` and `-` only. Ids of other providers may have more; each
/// such byte is written in hexadecimal, the same way in a call and in its result.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !id.is_empty() && id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let mut fitted = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if fits(byte) {
            fitted.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(fitted, "_{byte:02x}");
        }
    }
    if fitted.is_empty() {
        fitted.push_str("toolu_0");
    }
    Cow::Owned(fitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_fits_is_left_alone_and_any_other_is_made_to_fit() {
        assert_eq!(tool_id("call_Ab-9"), "call_Ab-9");
        assert_eq!(tool_id("fc:1/é"), "fc_3a1_2f_c3_a9");
        assert_eq!(tool_id(""), "toolu_0");
    }

    #[track_caller]
    fn check(arguments: &str, expected: &str, losses: usize) {
        let call = ToolCall { arguments: arguments.to_owned(), ..ToolCall::default() };
        let mut lost = Vec::new();
        let Block::ToolUse { input, .. } = tool_use(&call, &"messages[0].tool_calls[0]", &mut lost)
        else {
            panic!("a call expected");
        };
        assert_eq!((input.get(), lost.len()), (expected, losses));
    }

    #[test]
    fn arguments_keep_their_bytes_and_what_is_no_object_is_wrapped() {
        check(r#"{ "b": 1.0, "a": "\u00e9" }"#, r#"{ "b": 1.0, "a": "\u00e9" }"#, 0);
        check("", "{}", 0);
        check(" ", "{}", 0);
        check("{\"cut\":", r#"{"input":"{\"cut\":"}"#, 1);
        check("[1]", r#"{"input":"[1]"}"#, 1);
        check("free text", r#"{"input":"free text"}"#, 1);
    }
}

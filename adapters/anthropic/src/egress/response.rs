//! What did Anthropic answer, all at once? And the readings that streamed answers share.

use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Opaque, Part, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::usage::Usage;
use adapters_json::string::Str;
use serde_json::value::RawValue;

use super::loss;
use crate::wire::answer::{self, Block, Message, StopDetails};
use crate::{citation, hosted};

/// Reads Anthropic's answer to a request that did not stream.
///
/// | `stop_reason`                                 | [`FinishReason`] |
/// |-----------------------------------------------|------------------|
/// | `end_turn`, `stop_sequence`, others (¹)       | `Stop`           |
/// | `pause_turn` (¹)                              | `Pause`          |
/// | `max_tokens`, `model_context_window_exceeded` | `Length`         |
/// | `tool_use`                                    | `ToolCalls`      |
/// | `refusal` (²)                                 | `ContentFilter`  |
///
/// (¹) reported as a [`Loss`]. (²) its explanation, where there is
/// one, becomes the finish's message and a last [`Part::Refusal`]. Tokens: Anthropic leaves cached tokens out of
/// `input_tokens`, and so does [`Usage`].
///
/// # Errors
///
/// [`DecodeError`] names what did not fit. An unknown content block is kept as
/// [`Part::Opaque`].
pub(super) fn decode(body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
    let message: Message<'_> = serde_json::from_slice(body)?;
    // Some imitators leave the type out, but none the content.
    let is_message =
        message.kind.as_deref().map_or(message.content.is_some(), |kind| kind == "message");
    if !is_message {
        return Err(DecodeError::shape("type", "must be `message`"));
    }
    let mut losses = Vec::new();
    let id = message.id.unwrap_or_default().0.into_owned();
    let mut parts = Vec::new();
    for (at, raw) in message.content.unwrap_or_default().into_iter().enumerate() {
        let part = part(raw, &id, at, &mut losses)?;
        let carrier = part.carrier();
        parts.push(part);
        parts.extend(carrier);
    }
    let reason = message.stop_reason.as_deref();
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let mut finish = finish(reason, message.stop_sequence.map(Into::into), called);
    losses.extend(loss::of_stop(reason, message.stop_details));
    losses.extend(message.container.map(|_| loss::of_container()));
    losses.extend(message.context_management.map(|_| loss::of_context_management()));
    losses.extend(message.usage.and_then(loss::of_usage));
    finish.message = explanation(message.stop_details);
    if finish.reason == FinishReason::ContentFilter {
        parts.extend(finish.message.clone().map(Part::Refusal));
    }
    let usage = message.usage.map(read_usage).transpose()?;
    let (usage, service_tier) = usage.unzip();
    let value = ChatResponse {
        id,
        model: message.model.unwrap_or_default().0.into_owned(),
        created: None,
        choices: vec![Choice { index: 0, parts, finish, logprobs: None }],
        usage,
        service_tier: service_tier.flatten(),
    };
    Ok(Translated { value, losses })
}

fn part(
    raw: &RawValue,
    message: &str,
    at: usize,
    losses: &mut Vec<Loss>,
) -> Result<Part, DecodeError> {
    let misfit = |_| DecodeError::shape(format!("content[{at}]"), "must be a content block");
    let Some(block) = Block::read(raw).map_err(misfit)? else {
        return Ok(match hosted::read(raw) {
            Some(step) => Part::Hosted(Box::new(step)),
            None => Part::Opaque(opaque(raw.to_owned())),
        });
    };
    losses.extend(loss::of_block(&block, at as u64));
    Ok(match block.kind.as_deref().unwrap_or_default() {
        "text" => Part::Text(Text {
            text: block.text.unwrap_or_default().0.into_owned(),
            citations: citation::read_all(block.citations),
            ..Text::default()
        }),
        "thinking" => Part::Reasoning(Thought {
            text: block.thinking.unwrap_or_default().0.into_owned(),
            signature: block.signature.filter(|seal| !seal.is_empty()).map(Into::into),
            origin: Some(Dialect::Anthropic),
            ..Thought::default()
        }),
        "redacted_thinking" => Part::Reasoning(Thought {
            redacted: Some(block.data.unwrap_or_default().0.into_owned()),
            origin: Some(Dialect::Anthropic),
            ..Thought::default()
        }),
        _ => Part::ToolCall(ToolCall {
            id: call_id(block.id.as_deref(), message, at),
            name: block.name.unwrap_or_default().0.into_owned(),
            arguments: block.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
            kind: ToolKind::Function,
            signature: None,
        }),
    })
}

/// A block that only this dialect knows, among them calls of tools that Anthropic runs itself:
/// the client has nothing to answer there.
pub(super) fn opaque(json: Box<RawValue>) -> Opaque {
    Opaque { dialect: Dialect::Anthropic, json }
}

/// The id of a call; made up from its place in the message if some imitator gives none.
pub(super) fn call_id(given: Option<&str>, message: &str, at: impl std::fmt::Display) -> String {
    match given {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ if message.is_empty() => format!("toolu_{at}"),
        _ => format!("toolu_{message}_{at}"),
    }
}

/// Why an answer ended; see the table at [`decode`]. Without a reason, `called` decides.
pub(super) fn finish(native: Option<&str>, stop_sequence: Option<String>, called: bool) -> Finish {
    let reason = match native {
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("pause_turn") => FinishReason::Pause,
        Some("refusal") => FinishReason::ContentFilter,
        None if called => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    };
    Finish { reason, native: native.map(str::to_owned), stop_sequence, message: None }
}

/// Why the model refused, in words for people, if it says.
pub(super) fn explanation(details: Option<&RawValue>) -> Option<String> {
    let details: StopDetails = serde_json::from_str(details?.get()).ok()?;
    details.explanation.filter(|words| !words.is_empty())
}

/// Tokens, and the tier that served them.
pub(crate) fn read_usage(raw: &RawValue) -> Result<(Usage, Option<String>), DecodeError> {
    let wire: answer::Usage<'_> = serde_json::from_str(raw.get())
        .map_err(|_| DecodeError::shape("usage", "must be an object of token counts"))?;
    let cache = wire.cache_creation.unwrap_or_default();
    let by_life = [cache.ephemeral_5m_input_tokens, cache.ephemeral_1h_input_tokens];
    let usage = Usage {
        input: wire.input_tokens,
        cache_read: wire.cache_read_input_tokens,
        // Some report only the parts; the sum is then theirs to be billed for.
        cache_write: wire
            .cache_creation_input_tokens
            .or_else(|| by_life.into_iter().flatten().reduce(u64::saturating_add)),
        cache_write_5m: cache.ephemeral_5m_input_tokens,
        cache_write_1h: cache.ephemeral_1h_input_tokens,
        output: wire.output_tokens,
        reasoning: wire.output_tokens_details.and_then(|details| details.thinking_tokens),
        web_searches: wire.server_tool_use.and_then(|tools| tools.web_search_requests),
        ..Usage::default()
    };
    Ok((usage, wire.service_tier.map(tier)))
}

/// The tier in the words clients know; a tier only this provider has keeps its own.
fn tier(native: Str<'_>) -> String {
    match &*native {
        "standard" => "default".to_owned(),
        _ => native.0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(native: &str) -> FinishReason {
        let body = format!(r#"{{"type":"message","content":[],"stop_reason":"{native}"}}"#);
        let answer = decode(body.as_bytes()).unwrap().value;
        let finish = &answer.choices[0].finish;
        assert_eq!(finish.native.as_deref(), Some(native));
        finish.reason
    }

    #[test]
    fn every_stop_reason_has_its_meaning() {
        assert_eq!(reason("end_turn"), FinishReason::Stop);
        assert_eq!(reason("stop_sequence"), FinishReason::Stop);
        assert_eq!(reason("pause_turn"), FinishReason::Pause);
        assert_eq!(reason("something_new"), FinishReason::Stop);
        assert_eq!(reason("max_tokens"), FinishReason::Length);
        assert_eq!(reason("model_context_window_exceeded"), FinishReason::Length);
        assert_eq!(reason("tool_use"), FinishReason::ToolCalls);
        assert_eq!(reason("refusal"), FinishReason::ContentFilter);
    }

    #[test]
    fn what_is_no_message_is_an_error_that_quotes_nothing() {
        for body in ["", "<html>", "[]", "{}", r#"{"type":"error","error":{"type":"x"}}"#, "null"] {
            assert!(decode(body.as_bytes()).is_err(), "{body}");
        }
        let secret = r#"{"type":"message","content":["my secret"]}"#;
        let error = decode(secret.as_bytes()).unwrap_err();
        assert_eq!(error.path(), Some("content[0]"));
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn the_arguments_of_a_call_are_the_bytes_that_came() {
        let body = r#"{"type":"message","id":"msg_1","content":[
            {"type":"tool_use","id":"toolu_9","name":"f","input":{ "b":1.0, "a":"\u00e9" }},
            {"type":"tool_use","name":"g"}]}"#;
        let answer = decode(body.as_bytes()).unwrap().value;
        let [Part::ToolCall(first), Part::ToolCall(second)] = answer.choices[0].parts.as_slice()
        else {
            panic!("two calls expected");
        };
        assert_eq!(first.arguments, r#"{ "b":1.0, "a":"\u00e9" }"#);
        assert_eq!((second.id.as_str(), second.arguments.as_str()), ("toolu_msg_1_1", "{}"));
        assert_eq!(answer.choices[0].finish.reason, FinishReason::ToolCalls);
    }
}

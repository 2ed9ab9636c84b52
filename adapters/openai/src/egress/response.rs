//! A provider's whole answer.

use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Media, MediaSource, Part, Text, Thought, ToolCall,
    ToolKind,
};
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::usage::Usage as Tokens;

use crate::ingress::located;
use crate::wire::answer::{self as wire, Answer, Message, seconds};
use crate::wire::content::{Content, FunctionCall, Part as WirePart, ToolCall as WireCall};
use adapters_json::read;
use adapters_json::string::Str;

/// Reads a `chat.completion`.
///
/// | `finish_reason`                                              | [`FinishReason`]   |
/// |--------------------------------------------------------------|--------------------|
/// | `stop`, `eos`, `end_turn`, and any other word (¹)            | `Stop` (²)         |
/// | `length`, `max_tokens`, `model_length`                       | `Length`           |
/// | `tool_calls`, `function_call`, `tool_use`                    | `ToolCalls`        |
/// | `content_filter`, `safety`, `refusal`                        | `ContentFilter`    |
/// | `error`, `insufficient_system_resource`                      | `Error`            |
///
/// (¹) kept as [`Finish::native`]. (²) `ToolCalls` if there are any: OpenAI says `stop` after a
/// call that was forced.
///
/// # Errors
///
/// [`DecodeError`] names what did not fit. A success that carries an `error` and no choices is
/// [`DecodeError::Shape`] at `error`.
pub(super) fn decode(body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
    let answer: Answer<'_> = read::body(body)?;
    let Some(wire_choices) = answer.choices else {
        return Err(match adapters_openai_words::refusal::in_chunk(answer.error) {
            Some(_) => DecodeError::shape("error", "stands where the answer should be"),
            None => DecodeError::shape("choices", "is missing"),
        });
    };
    let mut losses = Vec::new();
    let mut choices = Vec::with_capacity(wire_choices.len());
    let id = answer.id.map(String::from).unwrap_or_default();
    for (at, choice) in (0_u32..).zip(wire_choices) {
        choices.push(read_choice(choice, at, &id, &mut losses));
    }
    let value = ChatResponse {
        id,
        model: answer.model.map(String::from).unwrap_or_default(),
        created: seconds(answer.created),
        choices,
        usage: answer.usage.map(Tokens::from),
        service_tier: answer.service_tier,
    };
    Ok(Translated { value, losses })
}

fn read_choice(choice: wire::Choice<'_>, at: u32, id: &str, losses: &mut Vec<Loss>) -> Choice {
    let index = choice.index.unwrap_or(at);
    let mut parts = Vec::new();
    if let Some(message) = choice.message {
        if message.annotations.as_ref().is_some_and(|all| !all.is_empty()) {
            let path = format!("choices[{at}].message.annotations");
            losses.push(Loss::dropped(path, "citations have no place in other dialects"));
        }
        read_message(message, (index, id), &mut parts);
    }
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Choice { index, parts, finish: finish(choice.finish_reason.as_ref(), calls), logprobs: None }
}

fn read_message(message: Message<'_>, (choice, id): (u32, &str), parts: &mut Vec<Part>) {
    let words = message.reasoning_content.or(message.reasoning);
    thoughts(words, message.reasoning_details, parts);
    match message.content {
        Some(Content::Text(text)) => push_text(text, parts),
        Some(Content::Parts(all)) => {
            for part in all {
                content_part(part, parts);
            }
        }
        None => {}
    }
    parts.extend(message.refusal.filter(|text| !text.is_empty()).map(Part::Refusal));
    for image in message.images.into_iter().flatten().filter_map(|part| part.image_url) {
        let (source, mime_type) = located(image.url.into());
        let media = Media { source, mime_type, name: None, detail: None, cache: None };
        parts.push(Part::Image(media));
    }
    if let Some(audio) = message.audio {
        push_text(audio.transcript.unwrap_or_default(), parts);
        if let Some(data) = audio.data.filter(|data| !data.is_empty()) {
            let source = MediaSource::Base64(data);
            let media = Media { source, mime_type: None, name: None, detail: None, cache: None };
            parts.push(Part::Audio(media));
        }
    }
    let legacy = message.function_call.map(legacy_call);
    let calls = message.tool_calls.into_iter().flatten().chain(legacy);
    for (at, call) in calls.enumerate() {
        parts.extend(tool_call(call, || generated_id(id, choice, at)).map(Part::ToolCall));
    }
}

/// An id for a call that has none, unlike those of other answers and choices.
pub(super) fn generated_id(answer: &str, choice: u32, call: usize) -> String {
    format!("call_{answer}_{choice}_{call}")
}

pub(super) fn legacy_call(function: FunctionCall) -> WireCall {
    WireCall { index: None, id: None, function: Some(function), custom: None, extra_content: None }
}

fn push_text(text: String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(Text::from(text)));
    }
}

fn content_part(part: WirePart<'_>, parts: &mut Vec<Part>) {
    match (part.text, part.thinking) {
        (_, Some(thinking)) => {
            let signature = part.signature;
            parts.push(Part::Reasoning(Thought {
                text: thinking.0,
                signature,
                ..Thought::default()
            }));
        }
        (Some(text), None) => push_text(text, parts),
        (None, None) => parts.extend(part.refusal.map(Part::Refusal)),
    }
}

fn thoughts(
    words: Option<String>,
    details: Option<Vec<crate::wire::content::ReasoningDetail<'_>>>,
    parts: &mut Vec<Part>,
) {
    let before = parts.len();
    for detail in details.into_iter().flatten() {
        let text = detail.text.or(detail.summary).unwrap_or_default();
        let (signature, redacted) = (detail.signature, detail.data);
        let thought = Thought { text, signature, redacted, ..Thought::default() };
        if thought != Thought::default() {
            parts.push(Part::Reasoning(thought));
        }
    }
    let words = words.unwrap_or_default();
    if words.is_empty() {
        return;
    }
    // Where both forms are there, they say the same, and only the details carry the seals.
    match parts.get_mut(before..).unwrap_or_default() {
        [] => parts.push(Part::Reasoning(Thought { text: words, ..Thought::default() })),
        [Part::Reasoning(only)] if only.text.is_empty() && only.redacted.is_none() => {
            only.text = words;
        }
        _ => {}
    }
}

fn tool_call(call: WireCall, id: impl FnOnce() -> String) -> Option<ToolCall> {
    let signature = call.extra_content.and_then(|extra| extra.signature());
    let (name, arguments, kind) = match (call.function, call.custom) {
        (Some(it), _) => (it.name, it.arguments, ToolKind::Function),
        (None, Some(it)) => (it.name, it.input, ToolKind::Custom),
        (None, None) => return None,
    };
    Some(ToolCall {
        id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(id),
        name: name?,
        arguments: arguments.unwrap_or_default(),
        kind,
        signature,
    })
}

/// What a `finish_reason` means; see [`decode`].
pub(super) fn finish(word: Option<&Str<'_>>, has_calls: bool) -> Finish {
    let word = word.map_or("stop", |word| word);
    let (reason, known) = match word {
        "stop" => (FinishReason::Stop, true),
        "length" => (FinishReason::Length, true),
        "tool_calls" => (FinishReason::ToolCalls, true),
        "content_filter" => (FinishReason::ContentFilter, true),
        "error" => (FinishReason::Error, true),
        "max_tokens" | "model_length" => (FinishReason::Length, false),
        "function_call" | "tool_use" => (FinishReason::ToolCalls, false),
        "safety" | "refusal" => (FinishReason::ContentFilter, false),
        "insufficient_system_resource" => (FinishReason::Error, false),
        _ => (FinishReason::Stop, false),
    };
    let calls = has_calls && reason == FinishReason::Stop;
    Finish {
        reason: if calls { FinishReason::ToolCalls } else { reason },
        native: (!known || calls).then(|| word.to_owned()),
        stop_sequence: None,
        message: None,
    }
}

//! A provider's whole answer.

use adapters_canonical::annotation::TokenLogprob;
use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Media, MediaSource, Opaque, Part, Text, Thought,
    ToolCall, ToolKind,
};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::read;
use adapters_json::string::Str;
use serde_json::value::RawValue;

use crate::citation;
use crate::ingress::located;
use crate::thought::{self, Gathered};
use crate::wire::annotation::{Logprobs, Token};
use crate::wire::answer::{self as wire, Answer, Message, seconds};
use crate::wire::content::{Content, FunctionCall, Kept, Part as WirePart, ToolCall as WireCall};

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
        choices.push(ChoiceReader { at, id: &id, losses: &mut losses }.read(choice));
    }
    if answer.citations.is_some_and(|all| !all.is_empty()) {
        losses.push(Loss::dropped("citations", SOURCES));
    }
    losses.extend(answer.moderation.map(|_| moderation_loss()));
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

/// Why a list of sources beside the answer is left out.
pub(super) const SOURCES: &str = "addresses that do not say which words they are about";

/// What the provider thinks of the words is left out.
pub(super) fn moderation_loss() -> Loss {
    Loss::dropped("moderation", "what the provider thinks of the words has no place")
}

/// The name of a sound is left out.
pub(super) fn audio_loss(choice: u32) -> Loss {
    let path = format!("choices[{choice}].message.audio.id");
    Loss::dropped(path, "a sound has no name by which later turns could mean it")
}

/// What a word for the end says that the shared ones do not.
pub(super) fn finish_loss(word: Option<&Str<'_>>, choice: u32) -> Option<Loss> {
    let reason = match &**word? {
        "stop" | "length" | "tool_calls" | "content_filter" | "error" | "max_tokens"
        | "model_length" | "function_call" | "tool_use" | "eos" | "end_turn" => return None,
        "safety" | "refusal" => "a reason of the provider's own; reported as `content_filter`",
        "insufficient_system_resource" => "a reason of the provider's own; reported as `error`",
        _ => "a reason of the provider's own; reported as `stop`",
    };
    Some(Loss::adapted(format!("choices[{choice}].finish_reason"), reason))
}

/// Reads one answer, and knows where it stands.
struct ChoiceReader<'a> {
    at: u32,
    /// The name of the whole answer.
    id: &'a str,
    losses: &'a mut Vec<Loss>,
}

impl ChoiceReader<'_> {
    fn read(&mut self, choice: wire::Choice<'_>) -> Choice {
        let index = choice.index.unwrap_or(self.at);
        let parts = choice.message.map_or_else(Vec::new, |message| self.message(message, index));
        let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let (at, losses) = (self.at, &mut *self.losses);
        losses.extend(finish_loss(choice.finish_reason.as_ref(), index));
        Choice {
            index,
            parts,
            finish: finish(choice.finish_reason.as_ref(), calls),
            logprobs: choice.logprobs.and_then(|raw| logprobs(raw, at, losses)),
        }
    }

    fn message(&mut self, message: Message<'_>, choice: u32) -> Vec<Part> {
        let words = message.reasoning_content.or(message.reasoning);
        let mut thoughts = Gathered::default();
        message.reasoning_details.into_iter().flatten().for_each(|detail| thoughts.add(detail));
        let content_seal = thoughts.content_seal.take();
        let mut parts = thoughts.parts(words);
        match message.content {
            Some(Content::Text(text)) => push_text(text, &mut parts),
            Some(Content::Parts(all)) => {
                all.into_iter().for_each(|kept| content_part(kept, &mut parts));
            }
            None => {}
        }
        if let Some(audio) = &message.audio {
            push_text(audio.transcript.clone().unwrap_or_default(), &mut parts);
            self.losses.extend(audio.id.map(|_| audio_loss(choice)));
        }
        thought::seal_content(&mut parts, content_seal);
        self.citations(&mut parts, [message.annotations, message.citations]);
        parts.extend(message.refusal.filter(|text| !text.is_empty()).map(Part::Refusal));
        parts.extend(message.images.into_iter().flatten().filter_map(picture).map(Part::Image));
        let sound = message.audio.and_then(|audio| audio.data).filter(|data| !data.is_empty());
        parts.extend(sound.map(|data| Part::Audio(self::sound(data))));
        let legacy = message.function_call.map(legacy_call);
        let calls = message.tool_calls.into_iter().flatten().chain(legacy);
        for (at, call) in calls.enumerate() {
            parts.extend(tool_call(call, || generated_id(self.id, choice, at)).map(Part::ToolCall));
        }
        parts
    }

    fn citations(
        &mut self,
        parts: &mut [Part],
        [annotations, citations]: [Option<Vec<&RawValue>>; 2],
    ) {
        let path = |name: &str| format!("choices[{}].message.{name}", self.at);
        let mut read = Vec::new();
        for (name, list) in [("annotations", annotations), ("citations", citations)] {
            for (at, raw) in list.into_iter().flatten().enumerate() {
                match citation::read(raw) {
                    Some(citation) => read.push(citation),
                    None => {
                        let path = format!("{}[{at}]", path(name));
                        self.losses.push(Loss::dropped(path, "not a known kind of citation"));
                    }
                }
            }
        }
        if !citation::attach(parts, read).is_empty() {
            let reason = "there is no text that they are about";
            self.losses.push(Loss::dropped(path("annotations"), reason));
        }
    }
}

/// Log probabilities of the words; those of a refusal have no place in the canonical answer.
pub(super) fn logprobs(
    raw: &RawValue,
    at: u32,
    losses: &mut Vec<Loss>,
) -> Option<Vec<TokenLogprob>> {
    let path = || format!("choices[{at}].logprobs");
    let Ok(read) = serde_json::from_str::<Logprobs>(raw.get()) else {
        losses.push(Loss::dropped(path(), "not in the form of chat completions"));
        return None;
    };
    if read.refusal.is_some_and(|tokens| !tokens.is_empty()) {
        let reason = "only those of the text have a place in other dialects";
        losses.push(Loss::dropped(format!("{}.refusal", path()), reason));
    }
    read.content.map(|tokens| tokens.into_iter().map(token).collect())
}

fn token(wire: Token) -> TokenLogprob {
    let Token { token: text, logprob, bytes, top_logprobs } = wire;
    let top = top_logprobs.into_iter().flatten().map(token).collect();
    TokenLogprob { token: text, logprob, bytes, top }
}

pub(super) fn picture(part: WirePart<'_>) -> Option<Media> {
    let (source, mime_type) = located(part.rare?.image_url?.url.into());
    Some(Media { source, mime_type, name: None, detail: None, cache: None })
}

/// The format is the one that was asked for; the answer does not repeat it.
pub(super) fn sound(data: String) -> Media {
    let source = MediaSource::Base64(data);
    Media { source, mime_type: None, name: None, detail: None, cache: None }
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

/// What a part of the content is.
pub(super) enum Piece {
    Text(String),
    Thought { text: String, signature: Option<String> },
    Refusal(String),
    Image(Media),
    Opaque(Opaque),
}

pub(super) fn piece(kept: Kept<'_>) -> Piece {
    let raw = kept.raw;
    let opaque = || Piece::Opaque(Opaque { dialect: Dialect::OpenAi, json: raw.to_owned() });
    let Some(mut part) = kept.part else { return opaque() };
    let rare = part.rare.as_mut();
    if let Some((thinking, seal)) =
        rare.and_then(|it| Some((it.thinking.take()?, &mut it.signature)))
    {
        let signature = seal.take().filter(|seal| !seal.is_empty());
        return Piece::Thought { text: thinking.0, signature };
    }
    if let Some(text) = part.text.take() {
        return Piece::Text(text);
    }
    if let Some(refusal) = part.rare.as_mut().and_then(|rare| rare.refusal.take()) {
        return Piece::Refusal(refusal);
    }
    picture(part).map_or_else(opaque, Piece::Image)
}

fn content_part(kept: Kept<'_>, parts: &mut Vec<Part>) {
    match piece(kept) {
        Piece::Text(text) => push_text(text, parts),
        Piece::Thought { text, signature } => {
            parts.push(Part::Reasoning(Thought { text, signature, ..Thought::default() }));
        }
        Piece::Refusal(refusal) => parts.push(Part::Refusal(refusal)),
        Piece::Image(media) => parts.push(Part::Image(media)),
        Piece::Opaque(opaque) => parts.push(Part::Opaque(opaque)),
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

//! Reads a whole answer.

use adapters_canonical::chat::{
    ChatResponse, Choice, Media, MediaSource, Opaque, Part, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::delta::PartKind;
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss, Translated};
use adapters_json::string::Str;
use serde_json::value::RawValue;

use super::finish::{blocked, finish, is_final};
use super::usage::Tally;
use super::{annotation, loss};
use crate::call_id::CallIds;
use crate::hosted::{Codes, Grounding};
use crate::wire;
use crate::wire::response::{Blob, Candidate, FunctionCall, Response};

/// Reads a whole answer.
///
/// | part of the answer                        | [`Part`]                                       |
/// |-------------------------------------------|------------------------------------------------|
/// | `text`                                    | `Text`, or `Reasoning` if it is a thought      |
/// | `thoughtSignature`                        | the `signature` of what it is on; on a picture, or on an empty text behind nothing else, a `Reasoning` without words |
/// | `functionCall`                            | `ToolCall`; no arguments are `{}`              |
/// | `inlineData`                              | `Image` or `Audio`                             |
/// | `executableCode`, `codeExecutionResult`   | `Hosted`, as are searches and pages that the metadata tell of |
/// | everything else, and thoughts in pictures | `Opaque`                                       |
///
/// A prompt that was blocked is one choice that the content filter ended. Sources are those of
/// `citationMetadata` and `groundingMetadata`. The tier `standard` is the one that clients call
/// `default`.
///
/// # Errors
///
/// [`DecodeError::Syntax`] if the body is not such an answer, [`DecodeError::Shape`] if it has
/// neither an answer nor a reason why not.
pub fn decode(body: &[u8]) -> Result<Translated<ChatResponse>, DecodeError> {
    let response: Response<'_> = serde_json::from_slice(body)?;
    let mut ids = CallIds::new(answer_seed(&response));
    let mut losses = Vec::new();
    loss::of_response(&response, &mut losses);
    let mut value = ChatResponse {
        id: response.response_id.as_deref().unwrap_or_default().to_owned(),
        model: response.model_version.as_deref().unwrap_or_default().to_owned(),
        created: response.create_time.as_deref().and_then(seconds_since_1970),
        ..ChatResponse::default()
    };
    if let Some(metadata) = response.usage_metadata {
        let mut tally = Tally::default();
        tally.update(&metadata);
        value.usage = tally.usage();
        value.service_tier = metadata.service_tier.map(tier);
    }
    for (place, candidate) in response.candidates.into_iter().flatten().enumerate() {
        let mut looked = Grounding::default();
        looked.take(&candidate);
        if let Some(searches) = looked.searches() {
            let counted = value.usage.get_or_insert_default();
            counted.web_searches = Some(counted.web_searches.unwrap_or(0).saturating_add(searches));
        }
        let mut choice = choice(place, candidate, &mut ids, &mut losses);
        // Behind the words, as in a stream, which tells of it last.
        let steps = looked.steps(choice.index).into_iter();
        choice.parts.extend(steps.map(|step| Part::Hosted(Box::new(step))));
        value.choices.push(choice);
    }
    if value.choices.is_empty() {
        let feedback = response.prompt_feedback.unwrap_or_default();
        let reason = feedback.block_reason.ok_or_else(|| {
            DecodeError::shape("candidates", "an answer, or in `promptFeedback` why there is none")
        })?;
        value.choices.push(Choice {
            index: 0,
            parts: Vec::new(),
            finish: blocked(&reason, feedback.block_reason_message.map(String::from)),
            logprobs: None,
        });
    }
    Ok(Translated { value, losses })
}

/// The tier in the words that clients know.
pub(super) fn tier(tier: Str<'_>) -> String {
    match &*tier {
        "standard" => "default".to_owned(),
        _ => String::from(tier),
    }
}

/// What names this answer and no other, as far as the provider says.
pub(super) fn answer_seed<'a>(response: &'a Response<'_>) -> &'a str {
    let names = [&response.response_id, &response.create_time, &response.model_version];
    names.into_iter().flatten().map(|name| &**name).find(|name| !name.is_empty()).unwrap_or("")
}

/// A part with neither words nor a call, as the provider wrote it; `None` if nothing is in it.
pub(super) fn opaque_part(part: &wire::response::Part<'_>) -> Option<Box<RawValue>> {
    if part.inline_data.is_none() && part.other.is_empty() {
        return None;
    }
    let data = part.inline_data.map(|data| ("inlineData", data));
    let others = part.other.iter().map(|(name, value)| (&**name, *value));
    let members: Vec<_> = data.into_iter().chain(others).collect();
    wire::whole_part(&members, part.thought, part.thought_signature.as_deref())
}

/// Reads an RFC 3339 time in UTC, such as `2026-05-04T20:01:02.264968Z`, up to its seconds.
pub(super) fn seconds_since_1970(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = time.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !time.ends_with('Z') || year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years that begin in March put the leap day last: Hinnant, "chrono-compatible low-level date
    // algorithms".
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + day_of_year;
    let days = ((year / 400) * 146_097 + day_of_era).checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn choice(
    place: usize,
    mut candidate: Candidate<'_>,
    ids: &mut CallIds,
    losses: &mut Vec<Loss>,
) -> Choice {
    let index = candidate.index.or(u32::try_from(place).ok()).unwrap_or(u32::MAX);
    loss::of_candidate(&candidate, index, losses);
    let content = candidate.content.take();
    let (mut parts, mut calls, mut bytes, mut starts) = (Vec::new(), 0, 0, Vec::new());
    let mut codes = Codes::default();
    for part in content.and_then(|content| content.parts).into_iter().flatten() {
        starts.push(bytes);
        if !part.thought {
            bytes += part.text.as_deref().map_or(0, str::len);
        }
        loss::of_part(&part, index, losses);
        match opaque_part(&part).filter(|_| is_opaque(&part)) {
            Some(json) => {
                let part = step_or_opaque(json, index, &mut codes);
                let carrier = part.carrier();
                parts.push(part);
                parts.extend(carrier);
            }
            None => read_part(part, index, &mut calls, ids, &mut parts),
        }
    }
    cite(&candidate, &starts, &mut parts);
    let native = candidate.finish_reason.filter(|reason| is_final(reason));
    let mut finish = finish(native.as_deref().unwrap_or_default(), calls > 0);
    finish.native = native.map(String::from);
    finish.message = candidate.finish_message.map(String::from);
    let logprobs = candidate.logprobs_result.as_ref().map(annotation::logprobs);
    Choice { index, parts, finish, logprobs: logprobs.filter(|tokens| !tokens.is_empty()) }
}

/// Puts sources on the texts they are for, and those for the whole answer on the last one.
fn cite(candidate: &Candidate<'_>, starts: &[usize], parts: &mut [Part]) {
    for cited in annotation::sources(candidate, |part| starts.get(part).copied().unwrap_or(0)) {
        let mut start = 0;
        let mut best = None;
        for part in &mut *parts {
            if let Part::Text(text) = part {
                let found = annotation::within(&cited, &text.text, start);
                start += text.text.len();
                if let Some(citation) = found {
                    best = Some((text, citation));
                    if cited.bytes.is_some() {
                        break;
                    }
                }
            }
        }
        if let Some((text, citation)) = best {
            text.citations.push(citation);
        }
    }
}

/// Whether a part is neither words nor a call nor a picture or sound of the answer.
fn is_opaque(part: &wire::response::Part<'_>) -> bool {
    part.function_call.is_none() && part.text.is_none() && streamed_media(part).is_none()
}

fn step_or_opaque(json: Box<RawValue>, choice: u32, codes: &mut Codes) -> Part {
    match codes.read(&json, choice) {
        Some(step) => Part::Hosted(Box::new(step)),
        None => Part::Opaque(Opaque { dialect: Dialect::Gemini, json }),
    }
}

fn read_part(
    mut part: wire::response::Part<'_>,
    choice: u32,
    calls: &mut u32,
    ids: &mut CallIds,
    out: &mut Vec<Part>,
) {
    if let Some(call) = part.function_call.take() {
        let signature = part.thought_signature.map(String::from);
        if let Some(call) = read_call(call, signature, choice, calls, ids) {
            out.push(Part::ToolCall(call));
        }
        return;
    }
    if part.text.is_none() {
        match read_media(&part) {
            Some(media) => out.push(media),
            None => return,
        }
    }
    let text = part.text.map(String::from).unwrap_or_default();
    let signature = part.thought_signature.map(String::from);
    if part.thought {
        if !text.is_empty() || signature.is_some() {
            out.push(Part::Reasoning(Thought {
                text,
                signature,
                origin: Some(Dialect::Gemini),
                ..Thought::default()
            }));
        }
        return;
    }
    if !text.is_empty() {
        return out.push(Part::Text(Text { text, signature, ..Text::default() }));
    }
    if let (Some(Part::Text(last)), true) = (out.last_mut(), signature.is_some())
        && last.signature.is_none()
    {
        last.signature = signature;
    } else if signature.is_some() {
        out.push(Part::Reasoning(Thought {
            signature,
            origin: Some(Dialect::Gemini),
            ..Thought::default()
        }));
    }
}

fn read_call(
    call: FunctionCall<'_>,
    signature: Option<String>,
    choice: u32,
    calls: &mut u32,
    ids: &mut CallIds,
) -> Option<ToolCall> {
    let name = String::from(call.name.filter(|name| !name.is_empty())?);
    let id = ids.name(call.id.as_deref(), choice, *calls);
    *calls += 1;
    Some(ToolCall {
        id,
        name,
        // An empty text would stand for no arguments too, but not every client knows that.
        arguments: call.args.map_or("{}", RawValue::get).to_owned(),
        kind: ToolKind::Function,
        signature,
    })
}

/// A picture or sound that belongs to the answer; one that belongs to a thought does not.
fn read_media(part: &wire::response::Part<'_>) -> Option<Part> {
    match streamed_media(part)? {
        PartKind::Image(media) => Some(Part::Image(media)),
        PartKind::Audio(media) => Some(Part::Audio(media)),
        PartKind::Text
        | PartKind::Reasoning { .. }
        | PartKind::Refusal
        | PartKind::ToolCall { .. }
        | PartKind::Hosted(_)
        | PartKind::Opaque(_) => None,
    }
}

/// The same as a part of a stream.
pub(super) fn streamed_media(part: &wire::response::Part<'_>) -> Option<PartKind> {
    if part.thought || part.text.is_some() {
        return None;
    }
    let blob: Blob<'_> = serde_json::from_str(part.inline_data?.get()).ok()?;
    let mime_type = String::from(blob.mime_type?);
    let kind = match mime_type.split('/').next() {
        Some("image") => PartKind::Image,
        Some("audio") => PartKind::Audio,
        _ => return None,
    };
    Some(kind(Media {
        source: MediaSource::Base64(blob.data?.into()),
        mime_type: Some(mime_type),
        name: None,
        detail: None,
        cache: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_up_to_its_seconds() {
        assert_eq!(seconds_since_1970("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds_since_1970("2024-02-29T12:00:00Z"), Some(1_709_208_000));
        assert_eq!(seconds_since_1970("2026-05-04T20:01:02.264968Z"), Some(1_777_924_862));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "now", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "１９７０"]
        {
            assert_eq!(seconds_since_1970(text), None, "{text}");
        }
        assert_eq!(seconds_since_1970("1969-12-31T23:59:59Z"), None);
    }
}

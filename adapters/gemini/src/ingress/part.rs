//! Canonical parts in Gemini's words, for whole answers and for streams.

use std::borrow::Cow;

use adapters_canonical::annotation::{Citation as Cited, CitedSource, TokenLogprob};
use adapters_canonical::chat::{Media, MediaSource, ToolCall, ToolKind};
use serde_json::value::RawValue;

use super::seal;
use crate::wire::answer::{Citation, Logprob, LogprobsResult, TopCandidates};
use crate::wire::request::{Blob, FileData, FunctionCall, KnownPart, Part, Payload};

/// Words.
pub(super) fn text<'a>(text: &'a str, signature: Option<&'a str>) -> Part<'a> {
    let signature = signature.filter(|signature| !signature.is_empty());
    let thought_signature = signature.map(seal::own);
    known(KnownPart { text: Some(text), thought_signature, ..KnownPart::default() })
}

/// A thought, or its seal alone.
pub(super) fn thought<'a>(text: &'a str, thought_signature: Option<Cow<'a, str>>) -> Part<'a> {
    known(KnownPart {
        text: Some(text),
        thought: Some(true),
        thought_signature,
        ..KnownPart::default()
    })
}

/// A call. Arguments that are not the JSON object that they must be are the member `input` of one.
pub(super) fn call(call: &ToolCall) -> Part<'_> {
    let text = call.arguments.trim();
    let object = (call.kind == ToolKind::Function).then(|| object(text)).flatten();
    let args = match object {
        Some(json) => Payload::Object(json),
        None if call.kind == ToolKind::Function && text.is_empty() => Payload::Empty {},
        None => Payload::Input { input: &call.arguments },
    };
    let id = Some(&*call.id).filter(|id| !id.is_empty());
    known(KnownPart {
        function_call: Some(Box::new(FunctionCall { id, name: &call.name, args })),
        thought_signature: call.signature.as_deref().filter(|it| !it.is_empty()).map(seal::own),
        ..KnownPart::default()
    })
}

fn object(text: &str) -> Option<&RawValue> {
    let json: &RawValue = serde_json::from_str(text).ok()?;
    json.get().starts_with('{').then_some(json)
}

/// A picture, sound, film or document; `fallback` is its type if that is not known.
pub(super) fn media<'a>(media: &'a Media, fallback: &'static str) -> Part<'a> {
    let mime_type = media.mime_type.as_deref().unwrap_or(fallback);
    known(match &media.source {
        MediaSource::Base64(data) => {
            let blob = Blob { mime_type: Cow::Borrowed(mime_type), data };
            KnownPart { inline_data: Some(Box::new(blob)), ..KnownPart::default() }
        }
        MediaSource::Url(uri) | MediaSource::File(uri) => {
            let mime_type = media.mime_type.as_deref().map(Cow::Borrowed);
            let file = FileData { mime_type, file_uri: Cow::Borrowed(uri) };
            KnownPart { file_data: Some(Box::new(file)), ..KnownPart::default() }
        }
        MediaSource::Text(text) => KnownPart { text: Some(text), ..KnownPart::default() },
    })
}

fn known(part: KnownPart<'_>) -> Part<'_> {
    Part::Known(part)
}

/// A source of `text`, which begins at byte `offset` of the candidate's text.
pub(super) fn citation(cited: &Cited, text: &str, offset: usize) -> Citation {
    let byte = |at: u64| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        offset + text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    let uri = match &cited.source {
        CitedSource::Url(uri) | CitedSource::File(uri) => Some(uri.clone()),
        CitedSource::Document(_) | CitedSource::Unnamed => None,
    };
    let title = cited.title.clone().or_else(|| cited.quote.clone().filter(|_| uri.is_none()));
    Citation {
        start_index: Some(cited.range.map_or(offset, |(from, _)| byte(from))),
        end_index: Some(cited.range.map_or(offset + text.len(), |(_, to)| byte(to))),
        uri,
        title,
    }
}

/// How likely the tokens of a text were, and their mean.
pub(super) fn logprobs(tokens: &[TokenLogprob]) -> (LogprobsResult<'_>, Option<f64>) {
    fn one(token: &TokenLogprob) -> Logprob<'_> {
        Logprob { token: &token.token, log_probability: token.logprob }
    }
    let chosen_candidates: Vec<_> = tokens.iter().map(one).collect();
    let top = |token: &'_ TokenLogprob| !token.top.is_empty();
    let top_candidates = if tokens.iter().any(top) {
        tokens
            .iter()
            .map(|it| TopCandidates { candidates: it.top.iter().map(one).collect() })
            .collect()
    } else {
        Vec::new()
    };
    let sum: f64 = tokens.iter().map(|token| token.logprob).sum();
    #[expect(clippy::cast_precision_loss, reason = "no answer has so many tokens")]
    let mean = (!tokens.is_empty()).then(|| sum / tokens.len() as f64);
    (LogprobsResult { chosen_candidates, top_candidates }, mean)
}

/// `2026-05-04T20:01:02Z`, of seconds since 1970.
pub(super) fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March put the leap day last: Hinnant, "chrono-compatible low-level date
    // algorithms".
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for (seconds, time) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_709_208_000, "2024-02-29T12:00:00Z"),
            (1_777_924_862, "2026-05-04T20:01:02Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), time);
        }
    }

    #[test]
    fn ranges_of_characters_become_ranges_of_bytes_of_the_whole_text() {
        let cited = Cited { range: Some((1, 3)), ..Cited::default() };
        let got = citation(&cited, "äöü", 10);
        assert_eq!((got.start_index, got.end_index), (Some(12), Some(16)));
    }
}

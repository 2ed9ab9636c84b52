//! Content parts: of messages, and of what tools answered.

use adapters_canonical::chat::{CacheBreakpoint, Media, MediaSource, Opaque, Part, Text};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::read;
use serde_json::value::RawValue;

use super::request::missing;
use crate::wire::item::{Breakpoint, Content, Sound};

/// Reads a string, or a list of parts, that stands at `path`.
pub(super) fn read(
    raw: &RawValue,
    path: &str,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Part>, DecodeError> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text(string(raw, path)?.into())]);
    }
    let parts: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| DecodeError::shape(path, "must be a string or a list of parts"))?;
    parts
        .into_iter()
        .enumerate()
        .map(|(at, raw)| part(raw, &format!("{path}[{at}]"), losses))
        .collect()
}

/// Reads a string that stands at `path`.
pub(super) fn string(raw: &RawValue, path: &str) -> Result<String, DecodeError> {
    serde_json::from_str(raw.get()).map_err(|_| DecodeError::shape(path, "must be a string"))
}

fn part(raw: &RawValue, path: &str, losses: &mut Vec<Loss>) -> Result<Part, DecodeError> {
    let mut part: Content<'_> = read::object(raw, path)?;
    let cache = part.prompt_cache_breakpoint.take().map(|mark| cached(mark, path, losses));
    let lacks = |member: &str| missing(format!("{path}.{member}"));
    match &*part.kind {
        "input_text" | "output_text" | "text" => {
            let text = part.text.ok_or_else(|| lacks("text"))?;
            let citations = part.annotations.unwrap_or_default();
            let citations =
                citations.into_iter().filter_map(crate::ingress::annotation::read).collect();
            Ok(Part::Text(Text { text, citations, signature: None, cache }))
        }
        "refusal" => part.refusal.map(Part::Refusal).ok_or_else(|| lacks("refusal")),
        "input_image" => {
            let (source, mime_type) = match (part.image_url, part.file_id) {
                (Some(url), _) if url.is_empty() => {
                    return Err(DecodeError::shape(
                        format!("{path}.image_url"),
                        "must not be empty",
                    ));
                }
                (Some(url), _) => located(url),
                (None, Some(id)) => (MediaSource::File(id), None),
                (None, None) => return Err(lacks("image_url")),
            };
            let (name, detail) = (None, part.detail);
            Ok(Part::Image(Media { source, mime_type, name, detail, cache }))
        }
        "input_file" => file(part, cache).ok_or_else(|| lacks("file_data")),
        "input_audio" => part
            .input_audio
            .map(|audio| Part::Audio(sound(audio, cache)))
            .ok_or_else(|| lacks("input_audio")),
        _ => Ok(Part::Opaque(Opaque { dialect: Dialect::Responses, json: raw.to_owned() })),
    }
}

fn cached(mark: Breakpoint, path: &str, losses: &mut Vec<Loss>) -> CacheBreakpoint {
    let ttl = mark.ttl.map(|_| {
        // OpenAI's lifetimes are 30 minutes and 12 hours; nobody else has either.
        let path = format!("{path}.prompt_cache_breakpoint.ttl");
        losses.push(Loss::adapted(path, "other providers cache for an hour at most"));
        "1h".to_owned()
    });
    CacheBreakpoint { ttl }
}

fn file(part: Content<'_>, cache: Option<CacheBreakpoint>) -> Option<Part> {
    let name = part.filename;
    let (source, mime_type) = match (part.file_data, part.file_id, part.file_url) {
        (Some(data), _, _) if data.contains(':') => located(data),
        (Some(data), _, _) => (MediaSource::Base64(data), None),
        (None, Some(id), _) => (MediaSource::File(id), None),
        (None, None, Some(url)) => (MediaSource::Url(url), None),
        (None, None, None) => return None,
    };
    let mime_type = mime_type.or_else(|| name.as_deref().and_then(by_extension));
    let kind = mime_type.as_deref().and_then(|mime| mime.split_once('/')).map(|(kind, _)| kind);
    let wrap = match kind {
        Some("image") => Part::Image,
        Some("audio") => Part::Audio,
        Some("video") => Part::Video,
        _ => Part::Document,
    };
    Some(wrap(Media { source, mime_type, name, detail: part.detail, cache }))
}

fn sound(audio: Sound<'_>, cache: Option<CacheBreakpoint>) -> Media {
    let (source, mime_type) = if audio.data.starts_with("data:") {
        located(audio.data)
    } else {
        (MediaSource::Base64(audio.data), None)
    };
    let mime_type = mime_type.or_else(|| {
        let format = audio.format?;
        Some(format!("audio/{}", if &*format == "mp3" { "mpeg" } else { &format }))
    });
    Media { source, mime_type, name: None, detail: None, cache }
}

/// An address, or what a `data:` address holds.
fn located(mut url: String) -> (MediaSource, Option<String>) {
    let is_data = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let Some(comma) = url.find(',').filter(|_| is_data) else {
        return (MediaSource::Url(url), None);
    };
    let described = url.get(5..comma).unwrap_or_default();
    let Some(described) = described.strip_suffix(";base64") else {
        return (MediaSource::Url(url), None);
    };
    let mime = described.split(';').next().filter(|mime| !mime.is_empty()).map(str::to_owned);
    // Megabytes, perhaps: moved within the string, not copied to another one.
    url.drain(..=comma);
    (MediaSource::Base64(url), mime)
}

fn by_extension(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let mime = match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        _ => return None,
    };
    Some(mime.to_owned())
}

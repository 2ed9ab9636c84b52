//! Pictures, documents and search results.

use adapters_canonical::chat::{Media, MediaSource, Part};
use adapters_canonical::loss::{DecodeError, Loss};
use serde_json::value::RawValue;

use super::parts::{members, need, opaque};
use super::{ONLY_HERE, breakpoint, expected, object};
use crate::wire::ask::{Block, Citations, Content, Source};

type Path<'p> = &'p dyn Fn() -> String;

pub(super) fn image(
    block: Block<'_>,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Media, DecodeError> {
    members(block.others, path, losses);
    if block.transformations.is_some() {
        losses.push(Loss::dropped(format!("{}.transformations", path()), ONLY_HERE));
    }
    let place = || format!("{}.source", path());
    let wire: Source<'_> = object(need(block.source, path, "source")?, place)?;
    members(wire.others, &place, losses);
    let (source, mime_type) = match wire.kind.as_deref() {
        Some("base64") => (MediaSource::Base64(need(wire.data, &place, "data")?), wire.media_type),
        Some("url") => (MediaSource::Url(need(wire.url, &place, "url")?), None),
        Some("file") => (MediaSource::File(need(wire.file_id, &place, "file_id")?), None),
        _ => return Err(expected(format!("{}.type", place()), &["base64", "url", "file"])),
    };
    let cache = breakpoint(block.cache_control, || format!("{}.cache_control", path()), losses);
    Ok(Media { source, mime_type, name: None, detail: None, cache })
}

/// A document. One that is made of blocks becomes its text; if it has pictures too, only this
/// dialect knows it.
pub(super) fn document(
    block: Block<'_>,
    raw: &RawValue,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Part, DecodeError> {
    let place = || format!("{}.source", path());
    let wire: Source<'_> = object(need(block.source, path, "source")?, place)?;
    let pdf = Some("application/pdf".to_owned());
    let plain = Some("text/plain".to_owned());
    let (source, mime_type) = match wire.kind.as_deref() {
        Some("base64") => {
            let data = need(wire.data, &place, "data")?;
            (MediaSource::Base64(data), wire.media_type.or(pdf))
        }
        Some("text") => (MediaSource::Text(need(wire.data, &place, "data")?), plain),
        Some("url") => (MediaSource::Url(need(wire.url, &place, "url")?), pdf),
        Some("file") => (MediaSource::File(need(wire.file_id, &place, "file_id")?), None),
        Some("content") => match text_of(need(wire.content, &place, "content")?) {
            Some(text) => {
                losses.push(Loss::adapted(place(), "its blocks are joined to one text"));
                (MediaSource::Text(text), plain)
            }
            None => return Ok(opaque(raw)),
        },
        _ => {
            let kinds = ["base64", "text", "url", "file", "content"];
            return Err(expected(format!("{}.type", place()), &kinds));
        }
    };
    members(wire.others, &place, losses);
    members(block.others, path, losses);
    citations(block.citations, path, losses)?;
    if block.context.is_some_and(|context| !context.is_empty()) {
        losses.push(Loss::dropped(format!("{}.context", path()), ONLY_HERE));
    }
    let cache = breakpoint(block.cache_control, || format!("{}.cache_control", path()), losses);
    Ok(Part::Document(Media { source, mime_type, name: block.title, detail: None, cache }))
}

/// A search result that the client found becomes a text document: other dialects have no citations
/// of it.
pub(super) fn search_result(
    block: Block<'_>,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<Part, DecodeError> {
    members(block.others, path, losses);
    let content = need(block.content, path, "content")?;
    let text = text_of(content)
        .ok_or_else(|| DecodeError::shape(format!("{}.content", path()), "must be text blocks"))?;
    let place = || format!("{}.source", path());
    let source: String = serde_json::from_str(need(block.source, path, "source")?.get())
        .map_err(|_| DecodeError::shape(place(), "must be a string"))?;
    citations(block.citations, path, losses)?;
    losses.push(Loss::adapted(path(), "a search result becomes a text document"));
    let cache = breakpoint(block.cache_control, || format!("{}.cache_control", path()), losses);
    Ok(Part::Document(Media {
        source: MediaSource::Text(format!("{source}\n\n{text}")),
        mime_type: Some("text/plain".to_owned()),
        name: block.title,
        detail: None,
        cache,
    }))
}

/// The wish for citations of a document.
fn citations(
    raw: Option<&RawValue>,
    path: Path<'_>,
    losses: &mut Vec<Loss>,
) -> Result<(), DecodeError> {
    let Some(raw) = raw else { return Ok(()) };
    let place = || format!("{}.citations", path());
    let wish: Citations<'_> = object(raw, place)?;
    members(wish.others, &place, losses);
    if wish.enabled == Some(true) {
        losses.push(Loss::dropped(place(), "other providers do not cite documents of the request"));
    }
    Ok(())
}

/// The text of content that is nothing else.
fn text_of(content: Content<'_>) -> Option<String> {
    let blocks = match content {
        Content::Text(text) => return Some(text.into()),
        Content::Blocks(blocks) => blocks,
    };
    let mut joined = String::new();
    for raw in blocks {
        let block: Block<'_> = serde_json::from_str(raw.get()).ok()?;
        if block.kind.as_deref() != Some("text") {
            return None;
        }
        if !joined.is_empty() {
            joined.push_str("\n\n");
        }
        joined.push_str(&block.text?);
    }
    Some(joined)
}

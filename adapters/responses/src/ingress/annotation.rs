//! Annotations: read from what a client sends back, written beside what a model said.

use adapters_canonical::annotation::{Citation, CitedSource};
use serde_json::value::RawValue;

use crate::wire::annotation::{Annotation, Written};

/// Reads one; what has another shape is no citation.
pub(crate) fn read(raw: &RawValue) -> Option<Citation> {
    let wire: Annotation = serde_json::from_str(raw.get()).ok()?;
    let source = match &*wire.kind {
        "url_citation" => CitedSource::Url(wire.url?),
        "file_citation" | "container_file_citation" | "file_path" => {
            CitedSource::File(wire.file_id?)
        }
        _ => CitedSource::Unnamed,
    };
    Some(Citation {
        range: wire.start_index.zip(wire.end_index),
        quote: None,
        source,
        title: wire.title.or(wire.filename),
        native: Some(raw.to_owned()),
    })
}

/// Whether it is about a file in a container.
pub(crate) fn in_container(raw: &RawValue) -> bool {
    let wire = serde_json::from_str::<Annotation>(raw.get());
    wire.is_ok_and(|wire| wire.container_id.is_some())
}

/// Writes one of `text`; `None` if this dialect has no words for its source. One that was an
/// annotation of this dialect stays as it was.
pub(crate) fn write(citation: &Citation, text: &str) -> Option<Box<RawValue>> {
    if let Some(native) = citation.native.as_deref().filter(|native| is_ours(native)) {
        return one_line(native);
    }
    let whole = || (0, u64::try_from(text.chars().count()).unwrap_or(u64::MAX));
    let (start_index, end_index) = citation.range.unwrap_or_else(whole);
    let title = citation.title.as_deref().unwrap_or_default();
    let written = match &citation.source {
        CitedSource::Url(url) => Written::UrlCitation { start_index, end_index, url, title },
        // It stands behind the words it is about.
        CitedSource::File(file_id) => {
            Written::FileCitation { index: end_index, file_id, filename: title }
        }
        CitedSource::Document(_) | CitedSource::Unnamed => return None,
    };
    serde_json::value::to_raw_value(&written).ok()
}

/// Whether it is an annotation as this dialect writes it, with all that its kind must have.
fn is_ours(native: &RawValue) -> bool {
    let Ok(wire) = serde_json::from_str::<Annotation>(native.get()) else { return false };
    let file = wire.file_id.is_some();
    match &*wire.kind {
        "url_citation" => {
            wire.url.is_some() && wire.start_index.is_some() && wire.end_index.is_some()
        }
        "file_citation" | "file_path" => file && wire.index.is_some(),
        "container_file_citation" => file && wire.container_id.is_some(),
        _ => false,
    }
}

/// JSON without line breaks, which would break an event.
fn one_line(json: &RawValue) -> Option<Box<RawValue>> {
    let mut line = Vec::with_capacity(json.get().len());
    super::echo::one_line(&mut line, json.get());
    RawValue::from_string(String::from_utf8(line).ok()?).ok()
}

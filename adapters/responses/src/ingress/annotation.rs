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

/// Writes one; `None` if this dialect has no words for its source.
pub(crate) fn write(citation: &Citation) -> Option<Box<RawValue>> {
    let (start_index, end_index) = citation.range.unwrap_or_default();
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

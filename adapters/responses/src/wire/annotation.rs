//! Annotations: where the words of a text come from.

use serde::{Deserialize, Serialize};

/// An annotation of any kind, as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Annotation {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    pub(crate) url: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) file_id: Option<String>,
    pub(crate) filename: Option<String>,
    pub(crate) container_id: Option<String>,
    pub(crate) index: Option<u64>,
    pub(crate) start_index: Option<u64>,
    pub(crate) end_index: Option<u64>,
}

/// An annotation as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Written<'a> {
    UrlCitation { start_index: u64, end_index: u64, url: &'a str, title: &'a str },
    FileCitation { index: u64, file_id: &'a str, filename: &'a str },
}

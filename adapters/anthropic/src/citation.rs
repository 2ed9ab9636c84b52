//! Where words come from: citations as this dialect writes them, and as all dialects have them.

use std::borrow::Cow;

use adapters_canonical::annotation::{Citation, CitedSource};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::seal;

/// The kinds of citations that this dialect has.
const KINDS: &[&str] = &[
    "char_location",
    "page_location",
    "content_block_location",
    "web_search_result_location",
    "search_result_location",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    cited_text: Option<String>,
    document_index: Option<u64>,
    document_title: Option<String>,
    file_id: Option<String>,
    url: Option<String>,
    title: Option<String>,
    source: Option<String>,
    #[serde(borrow)]
    encrypted_index: Option<Cow<'a, str>>,
}

/// Reads one citation. It is kept as it was written too, since its place in the source has words
/// in this dialect only.
pub(crate) fn read(raw: &RawValue) -> Citation {
    let wire: Wire<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let url = wire.url.or(wire.source.filter(|source| source.contains("://")));
    let source = match (url, wire.file_id, wire.document_index) {
        (Some(url), _, _) => CitedSource::Url(url),
        (None, Some(file), None) => CitedSource::File(file),
        (None, _, Some(index)) => CitedSource::Document(index),
        (None, None, None) => CitedSource::Unnamed,
    };
    Citation {
        range: None,
        quote: wire.cited_text,
        source,
        title: wire.title.or(wire.document_title),
        native: Some(raw.to_owned()),
    }
}

/// Reads the `citations` of a text: a list, or nothing.
pub(crate) fn read_all(raw: Option<&RawValue>) -> Vec<Citation> {
    read_raw(raw).map(read).collect()
}

/// The same, unread.
pub(crate) fn read_raw(raw: Option<&RawValue>) -> impl Iterator<Item = &RawValue> {
    let list = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    list.unwrap_or_default().into_iter()
}

/// Whether it says where in its source the words stand, or bears a seal: only this dialect has words
/// for that.
pub(crate) fn has_place(raw: &RawValue) -> bool {
    let wire: Wire<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    wire.kind.is_some_and(|kind| KINDS.contains(&&*kind))
}

/// A citation for a client: as it was written if it is of this dialect, and made anew if it names
/// a page of the web. `None` if this dialect has no words for its source.
pub(crate) fn write(citation: &Citation) -> Option<Cow<'_, RawValue>> {
    #[derive(Serialize)]
    struct Page<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        cited_text: &'a str,
        /// Anthropic's own seal on the citation: there is none, and this says so.
        encrypted_index: &'static str,
        title: Option<&'a str>,
        url: &'a str,
    }

    if let Some(native) = citation.native.as_deref().filter(|_| is_native(citation)) {
        return Some(Cow::Borrowed(native));
    }
    let CitedSource::Url(url) = &citation.source else { return None };
    let page = Page {
        kind: "web_search_result_location",
        cited_text: citation.quote.as_deref().unwrap_or_default(),
        encrypted_index: seal::PREFIX,
        title: citation.title.as_deref(),
        url,
    };
    serde_json::value::to_raw_value(&page).ok().map(Cow::Owned)
}

/// Whether it is as this dialect writes it.
pub(crate) fn is_native(citation: &Citation) -> bool {
    citation.native.as_deref().and_then(wire).is_some()
}

/// A citation for the provider: only one that it wrote itself is taken back.
pub(crate) fn give_back(citation: &Citation) -> Option<Cow<'_, RawValue>> {
    let native = citation.native.as_deref()?;
    let wire = wire(native)?;
    (!wire.is_made_up()).then_some(Cow::Borrowed(native))
}

/// Whether it is one that we made for what another provider cited: Anthropic refuses it.
pub(crate) fn is_made_up(raw: &RawValue) -> bool {
    serde_json::from_str::<Wire<'_>>(raw.get()).is_ok_and(|wire| wire.is_made_up())
}

impl Wire<'_> {
    fn is_made_up(&self) -> bool {
        let seal = self.encrypted_index.as_deref();
        seal.is_some_and(|seal| seal.is_empty() || seal::is_ours(seal))
    }
}

fn wire(native: &RawValue) -> Option<Wire<'_>> {
    let wire: Wire<'_> = serde_json::from_str(native.get()).ok()?;
    KINDS.contains(&wire.kind.as_deref()?).then_some(wire)
}

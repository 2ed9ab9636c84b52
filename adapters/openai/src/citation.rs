//! Citations, both ways.
//!
//! The dialect has one kind, `url_citation` in `annotations`, and SDKs that check answers refuse a
//! message with any other. What cites a file or a document of the request therefore stands in a list
//! of its own beside it, `citations`, in the same form. Providers are read in either list, and with
//! the members beside the `type` as the Responses API has them.

use adapters_canonical::annotation::{Citation, CitedSource};
use adapters_canonical::chat::{Part, Text};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::annotation::{Annotation, Cited};

/// Reads one annotation; `None` if it is no citation.
pub(crate) fn read(raw: &RawValue) -> Option<Citation> {
    let Annotation { kind, url_citation, file_citation, document_citation, citation } =
        serde_json::from_str(raw.get()).ok()?;
    let nested = url_citation.or(file_citation).or(document_citation).or(citation);
    let cited = match nested {
        Some(cited) => cited,
        None if kind.is_some_and(|kind| kind.ends_with("citation")) => {
            serde_json::from_str::<Cited>(raw.get()).ok()?
        }
        None => return None,
    };
    let range = cited.start_index.zip(cited.end_index).filter(|(start, end)| start <= end);
    let source = match (cited.url, cited.file_id, cited.document_index) {
        (Some(url), _, _) => CitedSource::Url(url),
        (None, Some(id), _) => CitedSource::File(id),
        (None, None, Some(at)) => CitedSource::Document(at),
        (None, None, None) => CitedSource::Unnamed,
    };
    let (quote, title) = (cited.content.or(cited.quote), cited.title.or(cited.filename));
    Some(Citation { range, quote, source, title, native: None })
}

/// Gives each citation to the text it stands with: their ranges are of all texts joined, those of a
/// canonical citation of its own text. What is about no text is handed back.
pub(crate) fn attach(parts: &mut [Part], citations: Vec<Citation>) -> Vec<Citation> {
    if citations.is_empty() {
        return citations;
    }
    let mut texts: Vec<(u64, &mut Text)> = Vec::new();
    let mut start = 0_u64;
    for part in parts {
        if let Part::Text(text) = part {
            let length = characters(&text.text);
            texts.push((start, text));
            start = start.saturating_add(length);
        }
    }
    let mut left = Vec::new();
    for mut citation in citations {
        let begins = citation.range.map_or(0, |(begins, _)| begins);
        let at = texts.partition_point(|(start, _)| *start <= begins);
        match texts.get_mut(at.saturating_sub(1)) {
            Some((start, text)) => {
                citation.range = citation
                    .range
                    .map(|(from, to)| (from.saturating_sub(*start), to.saturating_sub(*start)));
                text.citations.push(citation);
            }
            None => left.push(citation),
        }
    }
    left
}

pub(crate) fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// A citation as it is written.
#[derive(Serialize)]
pub(crate) struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_citation: Option<Cited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_citation: Option<Cited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_citation: Option<Cited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citation: Option<Cited>,
}

/// Which list a citation is written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum List {
    Annotations,
    Citations,
}

impl Written {
    /// `before` characters of the answer stand before the text, which has `length` of them so far.
    /// `index` is for streams: SDKs that put them together merge list items by it.
    pub(crate) fn new(
        citation: &Citation,
        (before, length): (u64, u64),
        index: impl FnOnce(List) -> Option<u32>,
    ) -> (List, Self) {
        let (from, to) = citation.range.unwrap_or((0, length));
        let mut cited = Cited {
            start_index: Some(before.saturating_add(from)),
            end_index: Some(before.saturating_add(to)),
            title: citation.title.clone(),
            content: citation.quote.clone(),
            ..Cited::default()
        };
        let mut written = Self {
            index: None,
            kind: "citation",
            url_citation: None,
            file_citation: None,
            document_citation: None,
            citation: None,
        };
        let mut list = List::Citations;
        match &citation.source {
            CitedSource::Url(url) => {
                // The schema requires a title.
                cited.title.get_or_insert_with(|| url.clone());
                cited.url = Some(url.clone());
                (written.kind, list) = ("url_citation", List::Annotations);
                written.url_citation = Some(cited);
            }
            CitedSource::File(id) => {
                cited.file_id = Some(id.clone());
                written.kind = "file_citation";
                written.file_citation = Some(cited);
            }
            CitedSource::Document(at) => {
                cited.document_index = Some(*at);
                written.kind = "document_citation";
                written.document_citation = Some(cited);
            }
            CitedSource::Unnamed => written.citation = Some(cited),
        }
        written.index = index(list);
        (list, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(json: &str) -> Option<Citation> {
        read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn a_citation_is_read_nested_and_flat() {
        let nested = annotation(
            r#"{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,
                "end_index":4,"content":"q"}}"#,
        );
        let flat = annotation(
            r#"{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":4,
                "quote":"q"}"#,
        );
        let nested = nested.unwrap();
        assert_eq!(format!("{nested:?}"), format!("{:?}", flat.unwrap()));
        assert_eq!(nested.range, Some((1, 4)));
        assert_eq!(nested.source, CitedSource::Url("u".to_owned()));
        let file = annotation(r#"{"type":"file_citation","file_id":"f","filename":"n","index":3}"#);
        let file = file.unwrap();
        assert_eq!((file.source, file.range), (CitedSource::File("f".to_owned()), None));
        for odd in ["7", r#"{"type":"file","file":{}}"#, r#"{"type":7}"#, "{}"] {
            assert!(annotation(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_range_counts_characters_of_the_text_it_stands_with() {
        let mut parts = [Part::Text("añb".into()), Part::Text("cd".into())];
        let at = |range| Citation { range: Some(range), ..Citation::default() };
        let left = attach(&mut parts, vec![at((1, 2)), at((3, 5)), at((4, 5))]);
        assert!(left.is_empty());
        let ranges = |part: &Part| {
            let Part::Text(text) = part else { panic!("{part:?}") };
            text.citations.iter().map(|it| it.range.unwrap()).collect()
        };
        let found: [Vec<_>; 2] = [ranges(&parts[0]), ranges(&parts[1])];
        assert_eq!(found, [vec![(1, 2)], vec![(0, 2), (1, 2)]]);
        assert_eq!(attach(&mut [], vec![at((0, 1))]).len(), 1);
    }
}

//! Where the words of an answer come from, and how likely they were.
//!
//! Gemini counts places in bytes: those of a citation over all text of the candidate, those of a
//! grounding within one part. Canonical ranges are characters of the text they stand with.

use adapters_canonical::annotation::{Citation, CitedSource, TokenLogprob};
use serde_json::value::RawValue;

use crate::wire::response::{
    Candidate, Citation as WireCitation, GroundingChunk, GroundingSource, LogprobCandidate,
    LogprobsResult,
};
use adapters_json::string::Str;

/// A source, and which bytes of the candidate's text it is for.
#[derive(Debug)]
pub(super) struct Cited {
    /// First byte and the one after the last; `None` if it is for all of it.
    pub(super) bytes: Option<(usize, usize)>,
    /// Without a range.
    pub(super) citation: Citation,
}

/// All sources of a candidate, or of what one chunk of it says of them. `part_start` is the byte of
/// the candidate's text at which a part begins.
pub(super) fn sources(
    candidate: &Candidate<'_>,
    part_start: impl Fn(usize) -> usize,
) -> Vec<Cited> {
    let mut all = Vec::new();
    let quoted = candidate.citation_metadata.as_ref().and_then(|it| it.citations.as_deref());
    all.extend(quoted.unwrap_or_default().iter().filter_map(|raw| quoted_source(raw)));
    let Some(grounding) = &candidate.grounding_metadata else { return all };
    let chunks = grounding.grounding_chunks.as_deref().unwrap_or_default();
    let mut used = vec![false; chunks.len()];
    for support in grounding.grounding_supports.iter().flatten() {
        let bytes = support.segment.as_ref().and_then(|segment| {
            let start = part_start(segment.part_index.unwrap_or(0));
            Some((start + segment.start_index.unwrap_or(0), start + segment.end_index?))
        });
        for index in support.grounding_chunk_indices.iter().flatten().copied() {
            if let Some(chunk) = chunks.get(index) {
                all.push(Cited { bytes, citation: grounded_source(chunk) });
                if let Some(used) = used.get_mut(index) {
                    *used = true;
                }
            }
        }
    }
    let unused = chunks.iter().zip(used).filter(|(_, used)| !used);
    all.extend(unused.map(|(chunk, _)| Cited { bytes: None, citation: grounded_source(chunk) }));
    all
}

fn quoted_source(raw: &RawValue) -> Option<Cited> {
    let wire: WireCitation<'_> = serde_json::from_str(raw.get()).ok()?;
    let citation = Citation {
        source: wire.uri.map_or(CitedSource::Unnamed, |uri| CitedSource::Url(uri.into())),
        title: wire.title.map(String::from),
        native: Some(RawValue::to_owned(raw)),
        ..Citation::default()
    };
    let bytes = wire.end_index.map(|end| (wire.start_index.unwrap_or(0), end));
    Some(Cited { bytes, citation })
}

fn grounded_source(chunk: &GroundingChunk<'_>) -> Citation {
    let GroundingChunk { web, retrieved_context, maps } = chunk;
    let source = web.as_ref().or(retrieved_context.as_ref()).or(maps.as_ref());
    let Some(GroundingSource { uri, title, text }) = source else { return Citation::default() };
    let own = |text: &Option<Str<'_>>| text.as_deref().map(str::to_owned);
    let source = match (own(uri), web.is_none() && retrieved_context.is_some()) {
        (None, _) => CitedSource::Unnamed,
        (Some(uri), true) if !uri.starts_with("http") => CitedSource::File(uri),
        (Some(uri), _) => CitedSource::Url(uri),
    };
    Citation { source, title: own(title), quote: own(text), ..Citation::default() }
}

/// The citation with its range in characters of `text`, whose first byte is `start` of the
/// candidate's; `None` if it is for other words.
pub(super) fn within(cited: &Cited, text: &str, start: usize) -> Option<Citation> {
    let Some((from, to)) = cited.bytes else { return Some(cited.citation.clone()) };
    let from = from.checked_sub(start)?;
    if from >= text.len() || to <= from + start {
        return None;
    }
    let to = to.saturating_sub(start).min(text.len());
    let range = Some((characters(text, from), characters(text, to)));
    Some(Citation { range, ..cited.citation.clone() })
}

/// How many characters begin before `byte`.
fn characters(text: &str, byte: usize) -> u64 {
    let before = text.char_indices().take_while(|(at, _)| *at < byte).count();
    u64::try_from(before).unwrap_or(u64::MAX)
}

/// How likely each token was.
pub(super) fn logprobs(wire: &LogprobsResult<'_>) -> Vec<TokenLogprob> {
    let tops = wire.top_candidates.as_deref().unwrap_or_default();
    let chosen = wire.chosen_candidates.as_deref().unwrap_or_default();
    let token = |(at, one): (usize, &LogprobCandidate<'_>)| {
        let top = tops.get(at).and_then(|top| top.candidates.as_deref()).unwrap_or_default();
        TokenLogprob { top: top.iter().map(logprob).collect(), ..logprob(one) }
    };
    chosen.iter().enumerate().map(token).collect()
}

fn logprob(wire: &LogprobCandidate<'_>) -> TokenLogprob {
    TokenLogprob {
        token: wire.token.as_deref().unwrap_or_default().to_owned(),
        logprob: wire.log_probability.unwrap_or_default(),
        ..TokenLogprob::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_answer_become_characters_of_the_text() {
        let cited = Cited { bytes: Some((12, 16)), citation: Citation::default() };
        assert_eq!(within(&cited, "äöü", 10).unwrap().range, Some((1, 3)));
        assert!(within(&cited, "äöü", 17).is_none(), "before this text");
        assert!(within(&cited, "ä", 9).is_none(), "after this text");
        let whole = Cited { bytes: None, citation: Citation::default() };
        assert_eq!(within(&whole, "", 0).unwrap().range, None);
    }

    #[test]
    fn words_rest_on_their_sources_and_a_source_without_words_counts_too() {
        let json = r#"{"groundingMetadata":{"groundingChunks":[
            {"web":{"uri":"https://a.example","title":"A"}},
            {"retrievedContext":{"uri":"corpus/1","text":"said"}},{"maps":{"uri":"https://m.example"}}],
            "groundingSupports":[{"segment":{"partIndex":1,"endIndex":3},
            "groundingChunkIndices":[0,1,9]}]}}"#;
        let candidate: Candidate<'_> = serde_json::from_str(json).unwrap();
        let all = sources(&candidate, |part| part * 100);
        let told: Vec<_> = all.iter().map(|it| (it.bytes, it.citation.source.clone())).collect();
        let url = |url: &str| CitedSource::Url(url.to_owned());
        assert_eq!(
            told,
            [
                (Some((100, 103)), url("https://a.example")),
                (Some((100, 103)), CitedSource::File("corpus/1".to_owned())),
                (None, url("https://m.example")),
            ]
        );
        assert_eq!(all[1].citation.quote.as_deref(), Some("said"));
    }
}

//! Counts tokens.

use adapters_canonical::usage::Usage;

use crate::wire::response::{ModalityTokenCount, UsageMetadata};

/// The newest word on every kind of token, in Gemini's way of counting.
///
/// Chunks carry running totals, but early ones leave members out; adding up what a single chunk
/// says would make totals fall again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    prompt: Option<u64>,
    cached: Option<u64>,
    tool_use: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
    prompt_audio: Option<u64>,
    prompt_image: Option<u64>,
    cached_audio: Option<u64>,
    candidates_audio: Option<u64>,
    candidates_image: Option<u64>,
}

impl Tally {
    /// Takes over what `newer` reports.
    pub(crate) fn update(&mut self, newer: &UsageMetadata<'_>) {
        let prompt = newer.prompt_tokens_details.as_deref();
        let cached = newer.cache_tokens_details.as_deref();
        let candidates = newer.candidates_tokens_details.as_deref();
        for (ours, theirs) in [
            (&mut self.prompt, newer.prompt_token_count),
            (&mut self.cached, newer.cached_content_token_count),
            (&mut self.tool_use, newer.tool_use_prompt_token_count),
            (&mut self.candidates, newer.candidates_token_count),
            (&mut self.thoughts, newer.thoughts_token_count),
            (&mut self.prompt_audio, of("AUDIO", prompt)),
            (&mut self.prompt_image, of("IMAGE", prompt)),
            (&mut self.cached_audio, of("AUDIO", cached)),
            (&mut self.candidates_audio, of("AUDIO", candidates)),
            (&mut self.candidates_image, of("IMAGE", candidates)),
        ] {
            *ours = theirs.or(*ours);
        }
    }

    /// The same in the canonical way: input without cached tokens, output with thoughts. `None`
    /// if nothing was reported.
    ///
    /// Tokens that the provider's own tools fed back are input that `promptTokenCount` leaves out.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let usage = Usage {
            input: sum(self.prompt, self.tool_use)
                .map(|input| input.saturating_sub(self.cached.unwrap_or(0))),
            cache_read: self.cached,
            input_audio: self.prompt_audio,
            input_image: self.prompt_image,
            cache_read_audio: self.cached_audio,
            output: sum(self.candidates, self.thoughts),
            reasoning: self.thoughts,
            output_audio: self.candidates_audio,
            output_image: self.candidates_image,
            ..Usage::default()
        };
        (usage != Usage::default()).then_some(usage)
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    }
}

fn of(modality: &str, details: Option<&[ModalityTokenCount<'_>]>) -> Option<u64> {
    details?
        .iter()
        .filter(|detail| detail.modality.as_deref() == Some(modality))
        .filter_map(|detail| detail.token_count)
        .reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(chunks: &[&str]) -> Option<Usage> {
        let mut tally = Tally::default();
        for chunk in chunks {
            tally.update(&serde_json::from_str(chunk).unwrap());
        }
        tally.usage()
    }

    #[test]
    fn cached_tokens_leave_the_input_and_thoughts_join_the_output() {
        let got = usage(&[r#"{"promptTokenCount":100,"cachedContentTokenCount":60,
            "candidatesTokenCount":7,"thoughtsTokenCount":30,"toolUsePromptTokenCount":5}"#]);
        let expected = Usage {
            input: Some(45),
            cache_read: Some(60),
            output: Some(37),
            reasoning: Some(30),
            ..Usage::default()
        };
        assert_eq!(got, Some(expected.clone()));
        assert_eq!(expected.total(), Some(142));
    }

    // field 37
    #[test]
    fn zero_is_data_and_absent_stays_absent() {
        let got = usage(&[r#"{"promptTokenCount":3,"cachedContentTokenCount":0}"#]).unwrap();
        assert_eq!((got.cache_read, got.output, got.reasoning), (Some(0), None, None));
        assert_eq!(usage(&[r#"{"trafficType":"ON_DEMAND"}"#]), None);
    }

    #[test]
    fn more_cached_than_prompted_is_no_underflow() {
        let got = usage(&[r#"{"promptTokenCount":1,"cachedContentTokenCount":9}"#]).unwrap();
        assert_eq!(got.input, Some(0));
    }

    #[test]
    fn a_chunk_that_leaves_thoughts_out_does_not_take_them_back() {
        let got = usage(&[
            r#"{"promptTokenCount":1,"thoughtsTokenCount":20}"#,
            r#"{"promptTokenCount":1,"candidatesTokenCount":4}"#,
        ]);
        assert_eq!(got.unwrap().output, Some(24));
    }

    // field 43
    #[test]
    fn pictures_and_sound_are_counted_apart_in_the_cache_too() {
        let got = usage(&[r#"{"promptTokenCount":90,"cachedContentTokenCount":8,
            "promptTokensDetails":[{"modality":"IMAGE","tokenCount":50}],
            "cacheTokensDetails":[{"modality":"TEXT","tokenCount":3},
            {"modality":"AUDIO","tokenCount":5}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}"#]);
        let got = got.unwrap();
        assert_eq!((got.input_image, got.cache_read_audio), (Some(50), Some(5)));
        assert_eq!(got.output_image, Some(1290));
    }

    #[test]
    fn sound_is_counted_apart() {
        let got = usage(&[r#"{"promptTokenCount":9,"promptTokensDetails":[
            {"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":5}],
            "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":0}]}"#]);
        let got = got.unwrap();
        assert_eq!((got.input_audio, got.output_audio), (Some(5), Some(0)));
    }
}

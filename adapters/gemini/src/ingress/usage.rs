//! Counts tokens in Gemini's way: the prompt with what was cached, the answer without thoughts.

use adapters_canonical::usage::Usage;

use crate::wire::answer::{ModalityTokenCount, UsageMetadata};

/// What an answer cost. A kind that the provider did not report stays absent; zero is data.
pub(super) fn metadata<'a>(usage: &Usage, tier: Option<&'a str>) -> UsageMetadata<'a> {
    let prompt = usage.total_input();
    let answer = usage.output.map(|all| all.saturating_sub(usage.reasoning.unwrap_or(0)));
    UsageMetadata {
        prompt_token_count: prompt,
        cached_content_token_count: usage.cache_read,
        candidates_token_count: answer,
        thoughts_token_count: usage.reasoning,
        total_token_count: usage.total(),
        prompt_tokens_details: details(prompt, usage.input_audio, usage.input_image),
        cache_tokens_details: details(usage.cache_read, usage.cache_read_audio, None),
        candidates_tokens_details: details(answer, usage.output_audio, usage.output_image),
        service_tier: tier.map(|tier| if tier == "default" { "standard" } else { tier }),
    }
}

/// The kinds, if any but text is known; text is what remains.
fn details(all: Option<u64>, audio: Option<u64>, image: Option<u64>) -> Vec<ModalityTokenCount> {
    if audio.is_none() && image.is_none() {
        return Vec::new();
    }
    let others = audio.unwrap_or(0).saturating_add(image.unwrap_or(0));
    let text = all.map(|all| all.saturating_sub(others));
    [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)]
        .into_iter()
        .filter_map(|(modality, count)| {
            count.map(|token_count| ModalityTokenCount { modality, token_count })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_contains_what_was_cached_and_the_answer_excludes_thoughts() {
        let usage = Usage {
            input: Some(40),
            cache_read: Some(60),
            cache_write: Some(5),
            output: Some(37),
            reasoning: Some(30),
            input_audio: Some(5),
            ..Usage::default()
        };
        let got = serde_json::to_value(metadata(&usage, Some("default"))).unwrap();
        let expected = serde_json::json!({
            "promptTokenCount": 105, "cachedContentTokenCount": 60, "candidatesTokenCount": 7,
            "thoughtsTokenCount": 30, "totalTokenCount": 142, "serviceTier": "standard",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100},
                {"modality": "AUDIO", "tokenCount": 5}],
        });
        assert_eq!(got, expected);
    }

    // field 37
    #[test]
    fn zero_is_data_and_absent_stays_absent() {
        let usage = Usage { cache_read: Some(0), input: Some(3), ..Usage::default() };
        let got = serde_json::to_value(metadata(&usage, None)).unwrap();
        let expected = serde_json::json!({
            "promptTokenCount": 3, "cachedContentTokenCount": 0, "totalTokenCount": 3,
        });
        assert_eq!(got, expected);
    }
}

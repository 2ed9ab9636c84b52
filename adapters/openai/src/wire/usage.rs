//! Tokens as OpenAI counts them.

use adapters_canonical::usage::Usage as Tokens;
use serde::{Deserialize, Serialize};

/// `usage`. Input contains what was read from and written to a cache, output contains reasoning.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
    /// An extension of OpenRouter's, in Anthropic's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerToolUse>,
    /// DeepSeek's word for `cached_tokens`.
    #[serde(skip_serializing)]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct PromptDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    /// An extension, so that a gateway behind a gateway bills alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_5m_tokens: Option<u64>,
    /// An extension, as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_1h_tokens: Option<u64>,
    /// An extension, in the words of OpenAI's Realtime API.
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens_details: Option<CachedDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct CachedDetails {
    audio_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct ServerToolUse {
    web_search_requests: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct CompletionDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_prediction_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_prediction_tokens: Option<u64>,
}

impl From<Usage> for Tokens {
    fn from(wire: Usage) -> Self {
        let prompt = wire.prompt_tokens_details.unwrap_or_default();
        let completion = wire.completion_tokens_details.unwrap_or_default();
        let cache_read = prompt.cached_tokens.or(wire.prompt_cache_hit_tokens);
        let cached = cache_read.unwrap_or(0).saturating_add(prompt.cache_write_tokens.unwrap_or(0));
        let reasoning = completion.reasoning_tokens;
        let output = wire.completion_tokens.map(|tokens| {
            // xAI leaves reasoning out of `completion_tokens`; only its total shows that.
            let apart = reasoning.unwrap_or(0);
            let with = tokens.saturating_add(apart);
            let total = wire.prompt_tokens.unwrap_or(0).saturating_add(with);
            if apart > 0 && wire.total_tokens == Some(total) { with } else { tokens }
        });
        Self {
            input: wire.prompt_tokens.map(|all| all.saturating_sub(cached)),
            cache_read,
            cache_write: prompt.cache_write_tokens,
            cache_write_5m: prompt.cache_write_5m_tokens,
            cache_write_1h: prompt.cache_write_1h_tokens,
            input_audio: prompt.audio_tokens,
            output,
            reasoning,
            output_audio: completion.audio_tokens,
            accepted_prediction: completion.accepted_prediction_tokens,
            rejected_prediction: completion.rejected_prediction_tokens,
            input_image: prompt.image_tokens,
            cache_read_audio: prompt.cached_tokens_details.and_then(|it| it.audio_tokens),
            output_image: completion.image_tokens,
            web_searches: wire.server_tool_use.and_then(|it| it.web_search_requests),
        }
    }
}

impl From<&Tokens> for Usage {
    fn from(tokens: &Tokens) -> Self {
        let prompt = PromptDetails {
            cached_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write,
            cache_write_5m_tokens: tokens.cache_write_5m,
            cache_write_1h_tokens: tokens.cache_write_1h,
            cached_tokens_details: tokens
                .cache_read_audio
                .map(|tokens| CachedDetails { audio_tokens: Some(tokens) }),
            audio_tokens: tokens.input_audio,
            image_tokens: tokens.input_image,
        };
        let completion = CompletionDetails {
            reasoning_tokens: tokens.reasoning,
            audio_tokens: tokens.output_audio,
            image_tokens: tokens.output_image,
            accepted_prediction_tokens: tokens.accepted_prediction,
            rejected_prediction_tokens: tokens.rejected_prediction,
        };
        Self {
            // The schema requires all three counts; a provider that reports one reports both.
            prompt_tokens: Some(tokens.total_input().unwrap_or(0)),
            completion_tokens: Some(tokens.output.unwrap_or(0)),
            total_tokens: Some(tokens.total().unwrap_or(0)),
            prompt_tokens_details: Some(prompt).filter(|it| *it != PromptDetails::default()),
            completion_tokens_details: Some(completion)
                .filter(|it| *it != CompletionDetails::default()),
            server_tool_use: tokens
                .web_searches
                .map(|searches| ServerToolUse { web_search_requests: Some(searches) }),
            prompt_cache_hit_tokens: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Tokens {
        serde_json::from_str::<Usage>(json).unwrap().into()
    }

    /// field 38
    #[test]
    fn cached_tokens_are_counted_once() {
        let tokens = read(
            r#"{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},
                "completion_tokens_details":{"reasoning_tokens":5}}"#,
        );
        assert_eq!((tokens.input, tokens.cache_read), (Some(10), Some(60)));
        assert_eq!((tokens.cache_write, tokens.output), (Some(30), Some(7)));
        assert_eq!((tokens.total_input(), tokens.total()), (Some(100), Some(107)));
    }

    /// field 36
    #[test]
    fn what_one_gateway_writes_the_next_reads() {
        let tokens = Tokens {
            input: Some(4),
            cache_read: Some(0),
            cache_write: Some(9),
            cache_write_5m: Some(4),
            cache_write_1h: Some(5),
            input_audio: Some(1),
            input_image: Some(0),
            cache_read_audio: Some(0),
            output: Some(12),
            reasoning: Some(3),
            output_audio: Some(2),
            output_image: Some(4),
            accepted_prediction: Some(0),
            rejected_prediction: Some(1),
            web_searches: Some(2),
        };
        let json = serde_json::to_string(&Usage::from(&tokens)).unwrap();
        assert_eq!(read(&json), tokens);
    }

    /// field 37
    #[test]
    fn zero_is_data_and_absent_stays_absent() {
        let with = read(r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":0}}"#);
        let without = read(r#"{"prompt_tokens":1}"#);
        assert_eq!((with.cache_read, without.cache_read), (Some(0), None));
        let written = serde_json::to_value(Usage::from(&without)).unwrap();
        assert!(written.get("prompt_tokens_details").is_none(), "{written}");
    }

    #[test]
    fn reasoning_that_a_provider_counts_apart_is_added_to_the_output() {
        let tokens = read(
            r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,
                "completion_tokens_details":{"reasoning_tokens":290}}"#,
        );
        assert_eq!((tokens.output, tokens.total()), (Some(291), Some(303)));
    }

    #[test]
    fn the_other_name_of_cached_tokens_is_known() {
        let tokens = read(r#"{"prompt_tokens":339,"prompt_cache_hit_tokens":320}"#);
        assert_eq!((tokens.input, tokens.cache_read), (Some(19), Some(320)));
    }
}

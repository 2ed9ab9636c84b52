//! Tokens as Responses count them.

use adapters_canonical::usage::Usage as Tokens;
use serde::{Deserialize, Serialize};

/// `usage`. Input contains what was read from and written to a cache, output contains reasoning.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Usage {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    total_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    /// An extension, so that a gateway behind a gateway bills alike; and so are those below.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_5m_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_1h_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_audio_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct OutputDetails {
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

/// `tool_usage`: what the provider's own tools did.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ToolUsage {
    web_search: Option<WebSearch>,
    image_gen: Option<ImageGen>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ImageGen {
    total_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WebSearch {
    num_requests: Option<u64>,
}

impl ToolUsage {
    pub(crate) fn web_searches(&self) -> Option<u64> {
        self.web_search.as_ref()?.num_requests
    }

    /// Whether tokens of pictures are counted.
    pub(crate) fn drew(&self) -> bool {
        let tokens = self.image_gen.as_ref().and_then(|it| it.total_tokens);
        tokens.is_some_and(|tokens| tokens > 0)
    }
}

impl From<Usage> for Tokens {
    fn from(wire: Usage) -> Self {
        let input = wire.input_tokens_details.unwrap_or_default();
        let output = wire.output_tokens_details.unwrap_or_default();
        let cached = [input.cached_tokens, input.cache_write_tokens];
        let cached = cached.into_iter().flatten().fold(0_u64, u64::saturating_add);
        Self {
            input: wire.input_tokens.map(|all| all.saturating_sub(cached)),
            cache_read: input.cached_tokens,
            cache_write: input.cache_write_tokens,
            cache_write_5m: input.cache_write_5m_tokens,
            cache_write_1h: input.cache_write_1h_tokens,
            input_audio: input.audio_tokens,
            input_image: input.image_tokens,
            cache_read_audio: input.cached_audio_tokens,
            output: wire.output_tokens,
            reasoning: output.reasoning_tokens,
            output_audio: output.audio_tokens,
            output_image: output.image_tokens,
            accepted_prediction: output.accepted_prediction_tokens,
            rejected_prediction: output.rejected_prediction_tokens,
            web_searches: None,
        }
    }
}

impl From<&Tokens> for Usage {
    /// The schema requires three counts and three details; what the provider did not report of
    /// them is written as zero, everything else stays absent.
    fn from(tokens: &Tokens) -> Self {
        let required = |count: Option<u64>| Some(count.unwrap_or(0));
        Self {
            input_tokens: required(tokens.total_input()),
            input_tokens_details: Some(InputDetails {
                cached_tokens: required(tokens.cache_read),
                cache_write_tokens: required(tokens.cache_write),
                cache_write_5m_tokens: tokens.cache_write_5m,
                cache_write_1h_tokens: tokens.cache_write_1h,
                audio_tokens: tokens.input_audio,
                image_tokens: tokens.input_image,
                cached_audio_tokens: tokens.cache_read_audio,
            }),
            output_tokens: required(tokens.output),
            output_tokens_details: Some(OutputDetails {
                reasoning_tokens: required(tokens.reasoning),
                audio_tokens: tokens.output_audio,
                image_tokens: tokens.output_image,
                accepted_prediction_tokens: tokens.accepted_prediction,
                rejected_prediction_tokens: tokens.rejected_prediction,
            }),
            total_tokens: required(tokens.total()),
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
            r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,
                "cache_write_tokens":30},"output_tokens":7,"total_tokens":107,
                "output_tokens_details":{"reasoning_tokens":5}}"#,
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
            input_image: Some(2),
            output: Some(12),
            reasoning: Some(3),
            ..Tokens::default()
        };
        let json = serde_json::to_string(&Usage::from(&tokens)).unwrap();
        assert_eq!(read(&json), tokens);
    }

    /// field 37
    #[test]
    fn zero_is_data_and_absent_stays_absent() {
        let with = read(r#"{"input_tokens":1,"input_tokens_details":{"cached_tokens":0}}"#);
        let without = read(r#"{"input_tokens":1}"#);
        assert_eq!((with.cache_read, without.cache_read), (Some(0), None));
        let written = serde_json::to_value(Usage::from(&without)).unwrap();
        assert!(written["input_tokens_details"].get("audio_tokens").is_none(), "{written}");
    }
}

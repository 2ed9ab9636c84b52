//! Tokens by kind, kept apart so that each is priced once.

/// Tokens of one answer. A kind that the provider did not report stays `None`; zero is data.
///
/// | provider  | its input count        | its output count              |
/// |-----------|------------------------|-------------------------------|
/// | OpenAI    | contains cached tokens | contains reasoning tokens     |
/// | Anthropic | excludes cached tokens | contains thinking tokens      |
/// | Gemini    | contains cached tokens | excludes thoughts             |
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Input tokens neither read from a cache nor written to one.
    pub input: Option<u64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to a cache, whatever their time to live.
    pub cache_write: Option<u64>,
    /// Those of `cache_write` that live five minutes.
    pub cache_write_5m: Option<u64>,
    /// Those of `cache_write` that live an hour.
    pub cache_write_1h: Option<u64>,
    /// Those of the input that are sound.
    pub input_audio: Option<u64>,
    /// Those of the input that are pictures.
    pub input_image: Option<u64>,
    /// Those of `cache_read` that are sound.
    pub cache_read_audio: Option<u64>,
    /// Output tokens of every kind, reasoning included.
    pub output: Option<u64>,
    /// Those of the output that are reasoning.
    pub reasoning: Option<u64>,
    /// Those of the output that are sound.
    pub output_audio: Option<u64>,
    /// Those of the output that are pictures.
    pub output_image: Option<u64>,
    /// Those of the output that came from an accepted prediction.
    pub accepted_prediction: Option<u64>,
    /// Predicted tokens that were not used but are charged as output.
    pub rejected_prediction: Option<u64>,
    /// Searches of the web by the provider, which are charged one by one.
    pub web_searches: Option<u64>,
}

impl Usage {
    /// All input tokens, cached or not; `None` if the provider reported none of them.
    #[must_use]
    pub fn total_input(&self) -> Option<u64> {
        sum([self.input, self.cache_read, self.cache_write])
    }

    /// All tokens, in and out; `None` if the provider reported none.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        sum([self.total_input(), self.output])
    }

    /// Takes over every kind that `newer` reports: providers send running totals, not increments.
    pub fn update(&mut self, newer: &Self) {
        let Self {
            input,
            cache_read,
            cache_write,
            cache_write_5m,
            cache_write_1h,
            input_audio,
            input_image,
            cache_read_audio,
            output,
            reasoning,
            output_audio,
            output_image,
            accepted_prediction,
            rejected_prediction,
            web_searches,
        } = newer;
        for (ours, theirs) in [
            (&mut self.input, input),
            (&mut self.cache_read, cache_read),
            (&mut self.cache_write, cache_write),
            (&mut self.cache_write_5m, cache_write_5m),
            (&mut self.cache_write_1h, cache_write_1h),
            (&mut self.input_audio, input_audio),
            (&mut self.input_image, input_image),
            (&mut self.cache_read_audio, cache_read_audio),
            (&mut self.output, output),
            (&mut self.reasoning, reasoning),
            (&mut self.output_audio, output_audio),
            (&mut self.output_image, output_image),
            (&mut self.accepted_prediction, accepted_prediction),
            (&mut self.rejected_prediction, rejected_prediction),
            (&mut self.web_searches, web_searches),
        ] {
            *ours = theirs.or(*ours);
        }
    }
}

fn sum<const N: usize>(parts: [Option<u64>; N]) -> Option<u64> {
    parts.into_iter().flatten().reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_total_replaces_and_does_not_add() {
        let mut usage = Usage { input: Some(10), output: Some(1), ..Usage::default() };
        usage.update(&Usage { output: Some(7), ..Usage::default() });
        assert_eq!(usage, Usage { input: Some(10), output: Some(7), ..Usage::default() });
    }

    #[test]
    fn what_was_not_reported_stays_absent_and_zero_is_data() {
        assert_eq!(Usage::default().total(), None);
        assert_eq!(Usage { cache_read: Some(0), ..Usage::default() }.total_input(), Some(0));
    }
}

//! What of a provider's answer a client is not told, and why that does not matter.

use adapters_canonical::dialect::Dialect;

/// Something that is left out without a word.
pub(crate) struct Silence {
    pub(crate) provider: Dialect,
    /// Who is not told; empty for all.
    clients: &'static [Dialect],
    /// The place without its numbers; `*` at its end stands for all that begin so, and at its
    /// beginning for all that end so.
    what: &'static str,
    pub(crate) why: &'static str,
}

impl Silence {
    pub(crate) fn covers(&self, provider: Dialect, client: Dialect, place: &str) -> bool {
        let fits = match (self.what.strip_prefix('*'), self.what.strip_suffix('*')) {
            (Some(end), _) => place.ends_with(end),
            (None, Some(begin)) => place.starts_with(begin),
            (None, None) => place == self.what,
        };
        let told = self.clients.is_empty() || self.clients.contains(&client);
        self.provider == provider && told && fits
    }

    /// Whether it only gives the answer its form, so that the table need not speak of it.
    pub(crate) fn is_form(&self) -> bool {
        std::ptr::eq(self.why, FORM)
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` of {} ({})", self.what, self.provider, self.why)
    }
}

const fn silence(
    provider: Dialect,
    clients: &'static [Dialect],
    what: &'static str,
    why: &'static str,
) -> Silence {
    Silence { provider, clients, what, why }
}

const FORM: &str = "gives the answer its form";
const SUM: &str = "the sum of what else is counted";
const OWN_ID: &str = "names a part of the answer to its provider alone";
const NO_TIME: &str = "a message does not say when it was made";
const ECHO: &str = "repeats the request, or what stands for it unsaid";
const WITH_TOKENS: &str = "goes with the log probabilities, whose loss is reported";

use Dialect::{Anthropic, Gemini, OpenAi, Responses};

/// All of it. What no answer of the fixtures needs fails the test.
pub(crate) static SILENCES: &[Silence] = &[
    silence(OpenAi, &[], "object", FORM),
    silence(OpenAi, &[], "*.role", FORM),
    silence(OpenAi, &[], "*.type", FORM),
    silence(OpenAi, &[], "choices[].message.reasoning_details[].index", FORM),
    silence(OpenAi, &[], "usage.total_tokens", SUM),
    silence(OpenAi, &[Anthropic], "created", NO_TIME),
    silence(
        OpenAi,
        &[],
        "choices[].message.audio.expires_at",
        "goes with the sound's name, whose loss is reported",
    ),
    silence(OpenAi, &[], "*_details.text_tokens", "what remains when all else is counted"),
    silence(
        OpenAi,
        &[],
        "system_fingerprint",
        "only to be compared among answers of this provider's own dialect",
    ),
    silence(
        OpenAi,
        &[],
        "choices[].content_filter_results*",
        "what a filter found is advice: if it cut the answer off, `finish_reason` says so",
    ),
    silence(
        OpenAi,
        &[],
        "prompt_filter_results*",
        "what a filter found is advice: if it refused the prompt, an error says so",
    ),
    silence(Responses, &[], "object", FORM),
    silence(Responses, &[], "output[].id", OWN_ID),
    silence(Responses, &[], "output[].role", FORM),
    silence(Responses, &[], "output[].status", "says of a part what is said of the answer"),
    silence(Responses, &[], "*.type", FORM),
    silence(Responses, &[], "usage.total_tokens", SUM),
    silence(Responses, &[Anthropic], "created_at", NO_TIME),
    silence(
        Responses,
        &[OpenAi, Gemini],
        "output[].content[].annotations[].index",
        "a point in the text: others cite words, and get all of them",
    ),
    silence(Responses, &[Gemini], "*.bytes[]", "the token itself says which bytes it is"),
    silence(Responses, &[Gemini], "error.code", "the message says it"),
    silence(Responses, &[], "completed_at", "the answer is complete when it comes"),
    silence(
        Responses,
        &[],
        "tool_usage.image_gen.*",
        "goes with the sum of these tokens, whose loss is reported",
    ),
    silence(Responses, &[], "background", ECHO),
    silence(Responses, &[], "conversation.id", ECHO),
    silence(Responses, &[], "instructions", ECHO),
    silence(Responses, &[], "max_output_tokens", ECHO),
    silence(Responses, &[], "max_tool_calls", ECHO),
    silence(Responses, &[], "metadata*", ECHO),
    silence(Responses, &[], "parallel_tool_calls", ECHO),
    silence(Responses, &[], "previous_response_id", ECHO),
    silence(Responses, &[], "prompt_cache_key", ECHO),
    silence(Responses, &[], "reasoning.*", ECHO),
    silence(Responses, &[], "safety_identifier", ECHO),
    silence(Responses, &[], "store", ECHO),
    silence(Responses, &[], "temperature", ECHO),
    silence(Responses, &[], "text.verbosity", ECHO),
    silence(Responses, &[], "tool_choice", ECHO),
    silence(Responses, &[], "top_logprobs", ECHO),
    silence(Responses, &[], "top_p", ECHO),
    silence(Responses, &[], "truncation", ECHO),
    silence(Responses, &[], "user", ECHO),
    silence(Anthropic, &[], "role", FORM),
    silence(Anthropic, &[], "type", FORM),
    silence(Anthropic, &[], "*.type", FORM),
    silence(Anthropic, &[], "usage.inference_geo", "where it ran was for the request to say"),
    silence(Anthropic, &[], "usage.speed", "how fast it ran was for the request to say"),
    silence(Gemini, &[], "candidates[].content.role", FORM),
    silence(Gemini, &[], "usageMetadata.totalTokenCount", SUM),
    silence(Gemini, &[Anthropic], "createTime", NO_TIME),
    silence(
        Gemini,
        &[],
        "candidates[].safetyRatings*",
        "ratings are advice: that one of them ended the answer is reported",
    ),
    silence(
        Gemini,
        &[],
        "candidates[].groundingMetadata.groundingSupports[].segment.text",
        "repeats words of the answer",
    ),
    silence(
        Gemini,
        &[OpenAi, Anthropic],
        "candidates[].urlContextMetadata.urlMetadata[].urlRetrievalStatus",
        "goes with the page that was read, whose loss is reported",
    ),
    silence(
        Gemini,
        &[],
        "candidates[].groundingMetadata.groundingChunks[].maps.placeId",
        "the place's address says which it is",
    ),
    silence(
        Gemini,
        &[],
        "candidates[].avgLogprobs",
        "a mean, of which the parts are said if asked for",
    ),
    silence(Gemini, &[OpenAi, Responses], "*.tokenId", "the token itself says which it is"),
    silence(Gemini, &[Anthropic], "candidates[].logprobsResult*", WITH_TOKENS),
    silence(Gemini, &[], "candidates[].tokenCount", "counted in `usageMetadata`"),
    silence(
        Gemini,
        &[],
        "usageMetadata.promptTokensDetails*",
        "counted with all of the prompt: others count no films and no documents apart",
    ),
    silence(Gemini, &[], "usageMetadata.trafficType", "how it is paid for is the account's affair"),
];

//! Where servers that speak OpenAI's dialect differ from OpenAI, as data.
//!
//! What every one of them was seen to do in an *answer* is read without being told: thoughts as
//! `reasoning` or `reasoning_content`, usage in the chunk that ends a choice, a first chunk without
//! choices, calls without index. Quirks are about *requests*: what a server refuses, or has another
//! word for, or takes although OpenAI does not.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)*) => {
        /// One way in which a server differs.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Quirk {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Quirk {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is called in a configuration.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

quirks! {
    /// Has no `stream_options`: the usage comes unasked, or not at all.
    NoStreamOptions = "no_stream_options",
    /// Says `max_tokens` for `max_completion_tokens`.
    MaxTokens = "max_tokens",
    /// Has no role `developer`: what developers say is said as `system`.
    NoDeveloperRole = "no_developer_role",
    /// Has no `messages[].name`.
    NoNames = "no_names",
    /// Has no `parallel_tool_calls`.
    NoParallelToolCalls = "no_parallel_tool_calls",
    /// Has no `tools[].function.strict`.
    NoStrict = "no_strict",
    /// Says `any` where a tool is `required`.
    RequiredIsAny = "required_is_any",
    /// Has no `allowed_tools`: the others are not offered at all.
    NoAllowedTools = "no_allowed_tools",
    /// Has no `tool_choice`.
    NoToolChoice = "no_tool_choice",
    /// Knows `json_object`, but no `json_schema`.
    NoJsonSchema = "no_json_schema",
    /// Has no `user` and no `safety_identifier`.
    NoUser = "no_user",
    /// Has no `metadata`.
    NoMetadata = "no_metadata",
    /// Has no `store`.
    NoStore = "no_store",
    /// Has no `service_tier`.
    NoServiceTier = "no_service_tier",
    /// Has no `verbosity`.
    NoVerbosity = "no_verbosity",
    /// Has no `prompt_cache_key`, `prompt_cache_retention` and `prompt_cache_options`.
    NoPromptCache = "no_prompt_cache",
    /// Has `prompt_cache_key`, but no `prompt_cache_retention` and `prompt_cache_options`.
    NoCacheRetention = "no_cache_retention",
    /// Says `on_demand` for the tier `default` and `performance` for `priority`.
    OnDemandTier = "on_demand_tier",
    /// Knows no effort below `low` and none above `high`, but for `none`.
    FewEfforts = "few_efforts",
    /// Has no `reasoning_effort`.
    NoReasoningEffort = "no_reasoning_effort",
    /// Has no `seed`.
    NoSeed = "no_seed",
    /// Says `random_seed` for `seed`.
    RandomSeed = "random_seed",
    /// Has no `logprobs` and `top_logprobs`.
    NoLogprobs = "no_logprobs",
    /// Has no `logit_bias`.
    NoLogitBias = "no_logit_bias",
    /// Has no `presence_penalty` and `frequency_penalty`.
    NoPenalties = "no_penalties",
    /// Gives one answer: has no `n`.
    OneChoice = "one_choice",
    /// Takes `top_k`.
    TopK = "top_k",
    /// Takes thoughts back as `reasoning_content`.
    TakesReasoningContent = "takes_reasoning_content",
    /// Takes thoughts back as `reasoning`.
    TakesReasoning = "takes_reasoning",
    /// Takes thoughts back as `reasoning_details`, with their seals.
    TakesReasoningDetails = "takes_reasoning_details",
    /// Takes `reasoning: {effort, max_tokens, exclude}` in place of `reasoning_effort`.
    ReasoningObject = "reasoning_object",
    /// Takes the seal on a call back in `extra_content.google.thought_signature`.
    TakesCallSeals = "takes_call_seals",
    /// Takes its key in `api-key`, not as a bearer's.
    KeyHeader = "key_header",
    /// Takes pictures as `data:` URLs only.
    NoImageUrls = "no_image_urls",
    /// Takes the address of a file as its `file_data`.
    FileDataUrls = "file_data_urls",
    /// Takes the address of a file as `file.url`.
    FileUrls = "file_urls",
    /// Takes a file as `document_url`, be that its address or a `data:` URL.
    DocumentUrls = "document_urls",
    /// Takes a sound as `input_audio`, a string of base64 or an address.
    PlainAudio = "plain_audio",
    /// Takes ids of calls of nine letters and digits only.
    ShortCallIds = "short_call_ids",
    /// Takes `cache_control` on content parts and tools.
    CacheControl = "cache_control",
    /// Takes `web_search_options` for any model; OpenAI for models only that always search.
    WebSearch = "web_search",
}

/// A set of quirks; empty for OpenAI itself.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Quirks(u64);

impl Quirks {
    /// None.
    pub const NONE: Self = Self(0);

    /// These, and no others.
    #[must_use]
    pub const fn of(quirks: &[Quirk]) -> Self {
        let (mut set, mut rest) = (0, quirks);
        while let [first, others @ ..] = rest {
            set |= 1 << *first as u64;
            rest = others;
        }
        Self(set)
    }

    /// Whether this is one of them.
    #[must_use]
    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & (1 << quirk as u64) != 0
    }

    /// Whether there are none, so that a request may pass as it is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a document may be said by its address.
    #[must_use]
    pub const fn takes_file_urls(self) -> bool {
        self.has(Quirk::FileDataUrls) || self.has(Quirk::FileUrls) || self.has(Quirk::DocumentUrls)
    }

    /// Whether a stream can be asked to end with its usage.
    #[must_use]
    pub const fn takes_stream_options(self) -> bool {
        !self.has(Quirk::NoStreamOptions)
    }
}

impl BitOr for Quirks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Quirk> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Self {
        quirks.into_iter().fold(Self::NONE, |set, quirk| set | Self::of(&[quirk]))
    }
}

/// A word that names no quirk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the name of a quirk")]
pub struct UnknownQuirk;

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(word: &str) -> Result<Self, UnknownQuirk> {
        Self::ALL.iter().copied().find(|quirk| quirk.word() == word).ok_or(UnknownQuirk)
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_its_own_word_and_place() {
        let all: Quirks = Quirk::ALL.iter().copied().collect();
        assert_eq!(all.0.count_ones() as usize, Quirk::ALL.len());
        for quirk in Quirk::ALL {
            assert_eq!(quirk.word().parse(), Ok(*quirk));
            assert!(all.has(*quirk) && !Quirks::NONE.has(*quirk));
        }
        assert_eq!("nonsense".parse::<Quirk>(), Err(UnknownQuirk));
    }
}

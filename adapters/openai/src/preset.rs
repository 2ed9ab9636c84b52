//! Servers that speak OpenAI's dialect, with what is peculiar to each.
//!
//! Each entry says where its facts are from. Providers change without notice: an entry is where to
//! look first if one refuses a request.
//!
//! On 2026-11-28 they were held against what the vendors publish themselves, beside what packages of
//! that time send (`@ai-sdk/…` of npm, `litellm` 1.110.2 of PyPI):
//!
//! | preset     | held against                                  | what was found there                |
//! |------------|-----------------------------------------------|-------------------------------------|
//! | azure      | `@ai-sdk/azure` 3.0.128, litellm, openai 3.54 | addresses, `api-version`, `api-key` |
//! | google     | Google Cloud's page on OpenAI libraries       | no `store`, `user`, `metadata`; pictures as `data:` or in its own storage |
//! | mistral    | mistralai 3.7.0, `@ai-sdk/mistral` 3.0.69, langchain-mistralai | `max_tokens`, `random_seed`, `top_k`, `metadata`, `logprobs`, `prompt_cache_key`; no `user`, `store`, `stream_options`; tiers of its own; `document_url`; `input_audio` is a string; no `name` of users |
//! | groq       | groq 1.7.0, `@ai-sdk/groq` 3.0.71             | address, role `developer`, `reasoning`, efforts `none` to `high`, tiers; says of `logprobs`, `logit_bias`, penalties, `metadata`, `store` and an `n` above 1 that it has none of them |
//! | deepseek   | its documentation, `@ai-sdk/deepseek` 2.0.69  | address, `max_tokens`, any effort, `strict` in its beta only, `reasoning_content` must come back |
//! | xai        | its OpenAPI description, `@ai-sdk/xai` 3.0.138 | roles, `reasoning_content`, `file.url`; no `logit_bias`, no penalties of reasoning models |
//! | openrouter | openrouter 1.3.84, `@openrouter/ai-sdk-provider` 2.10.0 | address, `reasoning`, `reasoning_details`, `cache_control`, `file_data` at an address; no `store` |
//! | together   | together 3.1.1, `@ai-sdk/togetherai` 2.0.84   | address, `max_tokens`, roles, `reasoning`; `logprobs` is a number; no `user`, `parallel_tool_calls`, `strict` |
//! | fireworks  | fireworks-ai 1.2.30, `@ai-sdk/fireworks` 2.0.90 | address, roles, `top_k`, `user`, tiers, `prompt_cache_key`, `reasoning_content`, `strict`; no `name`, `store` |
//! | cerebras   | cerebras-cloud-sdk 1.91.0, `@ai-sdk/cerebras` 2.0.82 | address, role `developer`, `reasoning`, tiers, `prompt_cache_key`; penalties, `logit_bias` and `n` are in its types, but its documentation refuses them |
//! | vllm       | its source of November 2026                   | `reasoning` in messages, `top_k`, any effort; no `metadata`, `store`, `service_tier`, `allowed_tools` |
//! | sglang     | sglang 0.5.23                                 | `reasoning_content` in messages, `top_k`, any effort; no `metadata`, `store`, `service_tier` |
//! | ollama     | its source                                    | `max_tokens`, `reasoning`, `data:` URLs of pictures only; no other content, no `tool_choice`, `n`, `user` |
//! | llama.cpp  | its source                                    | pictures at addresses, sounds as data; no files |
//!
//! That Mistral refuses ids of calls of any other form (code 3280) is what its users report, last in
//! March 2026. Not looked up: what each *model* behind a server takes.

use crate::egress::Compatible;
use crate::quirk::Quirk::{
    CacheControl, DocumentUrls, FewEfforts, FileDataUrls, FileUrls, KeyHeader, MaxTokens,
    NoAllowedTools, NoCacheRetention, NoDeveloperRole, NoImageUrls, NoJsonSchema, NoLogitBias,
    NoLogprobs, NoMetadata, NoNames, NoParallelToolCalls, NoPenalties, NoPromptCache,
    NoReasoningEffort, NoSeed, NoServiceTier, NoStore, NoStreamOptions, NoStrict, NoToolChoice,
    NoUser, NoVerbosity, OnDemandTier, OneChoice, PlainAudio, RandomSeed, ReasoningObject,
    RequiredIsAny, ShortCallIds, TakesCallSeals, TakesReasoning, TakesReasoningContent,
    TakesReasoningDetails, TopK, WebSearch,
};
use crate::quirk::{Quirk, Quirks};

/// A server, ready to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Preset {
    /// What it is called in a configuration.
    pub name: &'static str,
    /// Where it is, without a slash at the end; `None` where everybody has an address of their own.
    pub base_url: Option<&'static str>,
    /// In what it differs.
    pub quirks: Quirks,
    /// How it is asked.
    pub egress: Compatible,
}

const fn preset(name: &'static str, base_url: Option<&'static str>, quirks: &[Quirk]) -> Preset {
    let quirks = Quirks::of(quirks);
    Preset { name, base_url, quirks, egress: Compatible { quirks } }
}

/// The server of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// All that are known.
pub const PRESETS: &[Preset] = &[
    // https://platform.openai.com/docs/api-reference/chat: the measure of the others.
    preset("openai", Some("https://api.openai.com/v1"), &[]),
    // https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: the `v1` surface,
    // `https://RESOURCE.openai.azure.com/openai/v1`, or, with an API version, deployments. Its first
    // chunk has no choices.
    preset("azure", None, &[KeyHeader, NoServiceTier]),
    // https://ai.google.dev/gemini-api/docs/openai: refuses members it does not know; the seal on a
    // call stands in `extra_content` and must come back.
    preset(
        "google",
        Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        &[
            TakesCallSeals,
            NoStore,
            NoMetadata,
            NoUser,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            NoLogitBias,
            NoAllowedTools,
            NoImageUrls,
        ],
    ),
    // https://docs.mistral.ai/api: members it does not know are answered with 422; `random_seed`,
    // `any`; the usage comes unasked with the end of the choice.
    preset(
        "mistral",
        Some("https://api.mistral.ai/v1"),
        &[
            NoStreamOptions,
            MaxTokens,
            NoDeveloperRole,
            NoNames,
            RequiredIsAny,
            NoAllowedTools,
            NoUser,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            RandomSeed,
            NoLogitBias,
            NoCacheRetention,
            TopK,
            DocumentUrls,
            PlainAudio,
            ShortCallIds,
        ],
    ),
    // https://console.groq.com/docs/openai: 400 for `logprobs`, `logit_bias`, `top_logprobs`,
    // `messages[].name` and an `n` other than 1.
    preset(
        "groq",
        Some("https://api.groq.com/openai/v1"),
        &[
            NoLogprobs,
            NoLogitBias,
            NoNames,
            OneChoice,
            NoStore,
            NoMetadata,
            NoVerbosity,
            NoPromptCache,
            NoAllowedTools,
            TakesReasoning,
            NoPenalties,
            OnDemandTier,
            FewEfforts,
        ],
    ),
    // https://api-docs.deepseek.com/api/create-chat-completion; thoughts of a turn with calls must
    // come back: https://api-docs.deepseek.com/guides/thinking_mode.
    preset(
        "deepseek",
        Some("https://api.deepseek.com"),
        &[
            MaxTokens,
            NoDeveloperRole,
            NoParallelToolCalls,
            NoStrict,
            NoAllowedTools,
            NoJsonSchema,
            NoUser,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            NoSeed,
            NoLogitBias,
            OneChoice,
            TakesReasoningContent,
        ],
    ),
    // https://docs.x.ai/docs/api-reference: reasoning models refuse penalties.
    preset(
        "xai",
        Some("https://api.x.ai/v1"),
        &[
            NoLogitBias,
            NoPenalties,
            NoStore,
            NoMetadata,
            NoVerbosity,
            NoPromptCache,
            NoAllowedTools,
            TakesReasoningContent,
            NoDeveloperRole,
            FileUrls,
        ],
    ),
    // https://openrouter.ai/docs/api-reference/parameters and
    // https://openrouter.ai/docs/use-cases/reasoning-tokens: passes on what the model behind takes.
    preset(
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        &[
            NoStore,
            NoAllowedTools,
            TopK,
            ReasoningObject,
            TakesReasoningDetails,
            CacheControl,
            WebSearch,
            FileDataUrls,
        ],
    ),
    // https://docs.together.ai/reference/chat-completions-1
    preset(
        "together",
        Some("https://api.together.ai/v1"),
        &[
            MaxTokens,
            NoDeveloperRole,
            NoParallelToolCalls,
            NoStrict,
            NoAllowedTools,
            NoUser,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            NoLogprobs,
            TopK,
            TakesReasoning,
            FewEfforts,
        ],
    ),
    // https://docs.fireworks.ai/api-reference/post-chatcompletions
    preset(
        "fireworks",
        Some("https://api.fireworks.ai/inference/v1"),
        &[
            MaxTokens,
            NoDeveloperRole,
            NoAllowedTools,
            NoStore,
            NoVerbosity,
            TopK,
            TakesReasoningContent,
            NoNames,
            NoCacheRetention,
            FewEfforts,
        ],
    ),
    // https://inference-docs.cerebras.ai/resources/openai: 400 for penalties and `logit_bias`.
    preset(
        "cerebras",
        Some("https://api.cerebras.ai/v1"),
        &[
            NoPenalties,
            NoLogitBias,
            NoStore,
            NoMetadata,
            NoVerbosity,
            NoAllowedTools,
            OneChoice,
            TakesReasoning,
            NoCacheRetention,
            FewEfforts,
        ],
    ),
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html: whether there is a role
    // `developer` is for the model's chat template to say.
    preset(
        "vllm",
        Some("http://127.0.0.1:8000/v1"),
        &[
            NoDeveloperRole,
            NoAllowedTools,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            TopK,
            TakesReasoning,
        ],
    ),
    // https://docs.sglang.ai/basic_usage/openai_api_completions.html
    preset(
        "sglang",
        Some("http://127.0.0.1:30000/v1"),
        &[
            NoDeveloperRole,
            NoAllowedTools,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            TopK,
            TakesReasoningContent,
        ],
    ),
    // https://docs.ollama.com/api/openai-compatibility: no `tool_choice`, `logit_bias`, `user`, `n`.
    preset(
        "ollama",
        Some("http://127.0.0.1:11434/v1"),
        &[
            MaxTokens,
            NoDeveloperRole,
            NoParallelToolCalls,
            NoStrict,
            NoToolChoice,
            NoAllowedTools,
            NoUser,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            NoLogitBias,
            NoImageUrls,
            OneChoice,
            TakesReasoning,
        ],
    ),
    // https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    preset(
        "llama.cpp",
        Some("http://127.0.0.1:8080/v1"),
        &[
            MaxTokens,
            NoDeveloperRole,
            NoStrict,
            NoAllowedTools,
            NoUser,
            NoMetadata,
            NoStore,
            NoServiceTier,
            NoVerbosity,
            NoPromptCache,
            NoReasoningEffort,
            OneChoice,
            TopK,
            TakesReasoningContent,
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_found_by_its_name_and_has_a_usable_address() {
        for preset in PRESETS {
            assert_eq!(find(preset.name), Some(preset));
            let twice = PRESETS.iter().filter(|other| other.name == preset.name).count();
            assert_eq!(twice, 1, "{}", preset.name);
            if let Some(url) = preset.base_url {
                let loopback = url.starts_with("http://127.0.0.1:");
                assert!(loopback || url.starts_with("https://"), "{url}");
                assert!(!url.ends_with('/'), "{url}");
            }
        }
        assert_eq!(find("nobody"), None);
    }

    #[test]
    fn no_preset_contradicts_itself() {
        for Preset { name, quirks, .. } in PRESETS {
            assert!(!(quirks.has(NoSeed) && quirks.has(RandomSeed)), "{name}");
            assert!(!(quirks.has(NoToolChoice) && quirks.has(RequiredIsAny)), "{name}");
            assert!(!(quirks.has(NoReasoningEffort) && quirks.has(ReasoningObject)), "{name}");
            assert!(!(quirks.has(NoPromptCache) && quirks.has(NoCacheRetention)), "{name}");
            assert!(!(quirks.has(NoServiceTier) && quirks.has(OnDemandTier)), "{name}");
            let thoughts = [TakesReasoning, TakesReasoningContent, TakesReasoningDetails];
            assert!(thoughts.iter().filter(|it| quirks.has(**it)).count() <= 1, "{name}");
            let files = [FileDataUrls, FileUrls, DocumentUrls];
            assert!(files.iter().filter(|it| quirks.has(**it)).count() <= 1, "{name}");
        }
    }
}

//! Where the servers are that a preset names.

use crate::plan::BaseUrl;
use crate::raw::Preset;

impl Preset {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Azure,
        Self::Google,
        Self::Mistral,
        Self::Groq,
        Self::DeepSeek,
        Self::Xai,
        Self::OpenRouter,
        Self::Together,
        Self::Fireworks,
        Self::Cerebras,
        Self::Vllm,
        Self::SgLang,
        Self::Ollama,
        Self::LlamaCpp,
    ];

    /// What it is called in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::Google => "google",
            Self::Mistral => "mistral",
            Self::Groq => "groq",
            Self::DeepSeek => "deepseek",
            Self::Xai => "xai",
            Self::OpenRouter => "openrouter",
            Self::Together => "together",
            Self::Fireworks => "fireworks",
            Self::Cerebras => "cerebras",
            Self::Vllm => "vllm",
            Self::SgLang => "sglang",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama.cpp",
        }
    }

    /// Where it is, as its own SDK takes it; `None` where everybody has an address of their own.
    #[must_use]
    pub fn base_url(self) -> Option<BaseUrl> {
        self.address().and_then(|address| address.parse().ok())
    }

    const fn address(self) -> Option<&'static str> {
        Some(match self {
            Self::Azure => return None,
            Self::Google => "https://generativelanguage.googleapis.com/v1beta/openai",
            Self::Mistral => "https://api.mistral.ai/v1",
            Self::Groq => "https://api.groq.com/openai/v1",
            Self::DeepSeek => "https://api.deepseek.com",
            Self::Xai => "https://api.x.ai/v1",
            Self::OpenRouter => "https://openrouter.ai/api/v1",
            Self::Together => "https://api.together.ai/v1",
            Self::Fireworks => "https://api.fireworks.ai/inference/v1",
            Self::Cerebras => "https://api.cerebras.ai/v1",
            Self::Vllm => "http://127.0.0.1:8000/v1",
            Self::SgLang => "http://127.0.0.1:30000/v1",
            Self::Ollama => "http://127.0.0.1:11434/v1",
            Self::LlamaCpp => "http://127.0.0.1:8080/v1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_one() {
        for preset in Preset::ALL {
            assert_eq!(preset.base_url().is_some(), preset.address().is_some(), "{preset:?}");
        }
    }
}

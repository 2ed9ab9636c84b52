//! The adapters that are judged. A new dialect is one line in each table.

use adapters_canonical::dialect::{Dialect, Egress};
use adapters_canonical::ingress::Ingress;

/// A provider's side: the folder of its transcripts and who reads them.
pub struct Provider {
    /// Below the folder of all transcripts.
    pub folder: &'static str,
    /// What the transcripts are written in.
    pub dialect: Dialect,
    /// Who reads them.
    pub egress: Box<dyn Egress>,
}

/// All providers.
#[must_use]
pub fn providers() -> Vec<Provider> {
    let provider = |folder, dialect, egress| Provider { folder, dialect, egress };
    vec![
        provider("openai", Dialect::OpenAi, Box::new(adapters_openai::egress::OpenAi)),
        provider("openai-compatible", Dialect::OpenAi, Box::new(adapters_openai::egress::OpenAi)),
        provider(
            "openai-responses",
            Dialect::Responses,
            Box::new(adapters_responses::egress::ResponsesUpstream),
        ),
        provider("anthropic", Dialect::Anthropic, Box::new(adapters_anthropic::egress::Anthropic)),
        provider("gemini", Dialect::Gemini, Box::new(adapters_gemini::egress::Gemini)),
    ]
}

/// All client dialects.
#[must_use]
pub fn clients() -> Vec<Box<dyn Ingress>> {
    vec![
        Box::new(adapters_openai::ingress::ChatCompletions),
        Box::new(adapters_responses::ingress::Responses),
        Box::new(adapters_anthropic::ingress::Messages),
        Box::new(adapters_gemini::ingress::GenerateContent),
    ]
}

//! What must hold for any bytes whatever. Each fuzz target is one line that calls a check here.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a finding is a panic")]

mod order;
mod rest;
mod stream;
mod whole;

use adapters_canonical::dialect::Egress;
use adapters_canonical::ingress::Ingress;
use adapters_canonical::operation::{CountIngress, EmbedIngress};
pub use rest::{framing, multipart, quirks};
use serde_json::value::RawValue;
pub use stream::stream;
pub use whole::{answer, request};

/// A dialect from both sides.
pub struct Both {
    /// As clients speak it.
    pub client: &'static dyn Ingress,
    /// As providers speak it.
    pub provider: &'static dyn Egress,
    /// How clients ask for a count.
    counts: Option<&'static dyn CountIngress>,
    /// How clients ask for vectors.
    embeds: &'static [&'static dyn EmbedIngress],
}

/// Chat Completions.
pub static OPENAI: Both = Both {
    client: &adapters_openai::ingress::ChatCompletions,
    provider: &adapters_openai::egress::OpenAi,
    counts: None,
    embeds: &[&adapters_openai::embedding::Embeddings],
};

/// Responses.
pub static RESPONSES: Both = Both {
    client: &adapters_responses::ingress::Responses,
    provider: &adapters_responses::egress::ResponsesUpstream,
    counts: Some(&adapters_responses::count::InputTokens),
    embeds: &[],
};

/// Messages.
pub static ANTHROPIC: Both = Both {
    client: &adapters_anthropic::ingress::Messages,
    provider: &adapters_anthropic::egress::Anthropic,
    counts: Some(&adapters_anthropic::ingress::CountTokens),
    embeds: &[],
};

/// `generateContent`.
pub static GEMINI: Both = Both {
    client: &adapters_gemini::ingress::GenerateContent,
    provider: &adapters_gemini::egress::Gemini,
    counts: Some(&adapters_gemini::count_tokens::CountTokens),
    embeds: &[&adapters_gemini::embedding::Method::One, &adapters_gemini::embedding::Method::Batch],
};

/// All dialects: a new one is one line here.
static DIALECTS: [&Both; 4] = [&OPENAI, &RESPONSES, &ANTHROPIC, &GEMINI];

/// The last bytes say where the rest is cut, so that a fixture is a seed as it is.
fn split(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (bytes, at) = input.split_last_chunk::<2>()?;
    let at = usize::from(u16::from_le_bytes(*at)) % (bytes.len() + 1);
    let (before, after) = bytes.split_at(at);
    Some((bytes, before, after))
}

/// What the gateway writes is JSON, whatever it was given.
fn is_json(written: &[u8], what: &str) {
    if let Err(error) = serde_json::from_slice::<&RawValue>(written) {
        panic!("{what} that is not JSON: {error}: {}", String::from_utf8_lossy(written));
    }
}

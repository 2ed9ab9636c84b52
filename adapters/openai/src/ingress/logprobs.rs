//! How likely the words of an answer were, as the client reads it.

use adapters_canonical::annotation::TokenLogprob;
use serde::{Serialize, Serializer};

/// `logprobs` of a choice.
#[derive(Serialize)]
pub(super) struct Logprobs<'a> {
    content: Vec<Token<'a>>,
    refusal: Option<()>,
}

impl<'a> Logprobs<'a> {
    pub(super) fn new(tokens: &'a [TokenLogprob]) -> Self {
        let content = tokens.iter().map(|token| Token { token, top: true }).collect();
        Self { content, refusal: None }
    }
}

/// A token at its place, with the likeliest ones there, or one of those.
struct Token<'a> {
    token: &'a TokenLogprob,
    top: bool,
}

impl Serialize for Token<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            token: &'a str,
            logprob: f64,
            bytes: Option<&'a [u8]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            top_logprobs: Option<Vec<Token<'a>>>,
        }

        let TokenLogprob { token, logprob, bytes, top } = self.token;
        let alternatives = || top.iter().map(|token| Token { token, top: false }).collect();
        Written {
            token,
            logprob: *logprob,
            bytes: bytes.as_deref(),
            top_logprobs: self.top.then(alternatives),
        }
        .serialize(to)
    }
}

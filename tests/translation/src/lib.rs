//! What becomes of each wish of a client at each provider, tried and not claimed.
//!
//! Every file under `tests/fixtures/translation/<client's dialect>` is one wish: what is laid over
//! a plain request, and what came of it in each dialect. `docs/translation.md` is the table of
//! them all, written by the same run.

use std::fmt::Write as _;

use adapters_canonical::dialect::{Dialect, Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::{DecodeError, Loss, LossKind, Translated};
use serde_json::{Map, Value, json};

/// A client dialect, and a plain request in it.
pub struct Client {
    /// How it is read.
    pub ingress: &'static dyn Ingress,
    /// What clients and readers call it.
    pub title: &'static str,
    /// The request that wishes are laid over.
    pub plain: Value,
}

/// A provider's dialect, and a model of it.
pub struct Provider {
    /// Which it is.
    pub dialect: Dialect,
    /// How it is written.
    pub egress: &'static dyn Egress,
    /// What readers call it.
    pub title: &'static str,
    /// Which model is asked for.
    pub model: &'static str,
}

/// All client dialects: a new one is one entry.
#[must_use]
pub fn clients() -> [Client; 4] {
    let hello = || json!([{"role": "user", "content": "Hello"}]);
    [
        Client {
            ingress: &adapters_openai::ingress::ChatCompletions,
            title: "OpenAI chat completions",
            plain: json!({"model": "m", "messages": hello()}),
        },
        Client {
            ingress: &adapters_responses::ingress::Responses,
            title: "OpenAI Responses",
            plain: json!({"model": "m", "input": hello()}),
        },
        Client {
            ingress: &adapters_anthropic::ingress::Messages,
            title: "Anthropic Messages",
            plain: json!({"model": "m", "max_tokens": 50, "messages": hello()}),
        },
        Client {
            ingress: &adapters_gemini::ingress::GenerateContent,
            title: "Gemini generateContent",
            plain: json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
        },
    ]
}

/// All providers' dialects: a new one is one entry.
#[must_use]
pub fn providers() -> [Provider; 4] {
    [
        Provider {
            dialect: Dialect::OpenAi,
            egress: &adapters_openai::egress::OpenAi,
            title: "OpenAI chat",
            model: "gpt-5.2",
        },
        Provider {
            dialect: Dialect::Responses,
            egress: &adapters_responses::egress::ResponsesUpstream,
            title: "OpenAI Responses",
            model: "gpt-5.2",
        },
        Provider {
            dialect: Dialect::Anthropic,
            egress: &adapters_anthropic::egress::Anthropic,
            title: "Anthropic",
            model: "claude-sonnet-5",
        },
        Provider {
            dialect: Dialect::Gemini,
            egress: &adapters_gemini::egress::Gemini,
            title: "Gemini",
            model: "gemini-3-pro",
        },
    ]
}

/// What became of a request.
pub enum Outcome {
    /// It is asked so.
    Asked {
        /// The provider's body.
        body: Value,
        /// What it does not say.
        losses: Vec<Loss>,
    },
    /// It is not asked at all.
    Refused(DecodeError),
}

impl Client {
    /// The plain request with a wish laid over it.
    #[must_use]
    pub fn with(&self, wish: &Map<String, Value>) -> Value {
        let mut request = self.plain.clone();
        if let Some(request) = request.as_object_mut() {
            request.extend(wish.clone());
        }
        request
    }

    /// Asks a provider for what `request` wishes.
    #[must_use]
    pub fn ask(&self, request: &Value, provider: &Provider) -> Outcome {
        match self.try_to_ask(request, provider) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Refused(error),
        }
    }

    fn try_to_ask(&self, request: &Value, provider: &Provider) -> Result<Outcome, DecodeError> {
        let (body, losses) = self.asked(request, provider)?;
        Ok(Outcome::Asked { body: serde_json::from_slice(&body)?, losses })
    }

    /// The bytes that a provider is sent, and what they do not say.
    ///
    /// # Errors
    ///
    /// What makes the request one that is not asked at all.
    pub fn asked(
        &self,
        request: &Value,
        provider: &Provider,
    ) -> Result<(Vec<u8>, Vec<Loss>), DecodeError> {
        let body = request.to_string().into_bytes();
        let asked = Asked { model: Some("m"), ..Asked::default() };
        let envelope = self.ingress.read_envelope(&asked, &body)?;
        let Translated { value, mut losses } = self.ingress.decode_request(&body, &envelope)?;
        let target = Target { model: provider.model, api_version: None };
        let encoded = provider.egress.encode_request(&value, &target)?;
        losses.extend(encoded.losses.into_iter().map(|loss| {
            let path = self.ingress.client_path(&value, &loss.path).into_owned().into();
            Loss { path, ..loss }
        }));
        Ok((encoded.value.body, losses))
    }
}

impl Outcome {
    /// As a fixture has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Refused(error) => json!({"refused": error.to_string()}),
            Self::Asked { body, losses } if losses.is_empty() => json!({"body": body}),
            Self::Asked { body, losses } => {
                let losses: Vec<_> = losses
                    .iter()
                    .map(|Loss { path, kind, reason }| format!("{path} {}: {reason}", word(*kind)))
                    .collect();
                json!({"body": body, "losses": losses})
            }
        }
    }

    /// As the table has it: one word, and why.
    #[must_use]
    pub fn in_table(&self) -> String {
        match self {
            Self::Refused(DecodeError::Shape { reason, .. }) => format!("refused: {reason}"),
            Self::Refused(error) => format!("refused: {error}"),
            Self::Asked { losses, .. } if losses.is_empty() => "exact".to_owned(),
            Self::Asked { losses, .. } => {
                let lost = losses.iter().any(|loss| loss.kind == LossKind::Dropped);
                let mut cell =
                    word(if lost { LossKind::Dropped } else { LossKind::Adapted }).to_owned();
                let mut reasons: Vec<&str> = losses.iter().map(|loss| &*loss.reason).collect();
                reasons.dedup();
                for (at, reason) in reasons.iter().enumerate() {
                    let before = if at == 0 { ": " } else { "; " };
                    // Cannot fail: a string takes all of it.
                    let _ = write!(cell, "{before}{reason}");
                }
                cell.replace('|', "\\|")
            }
        }
    }
}

fn word(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Adapted => "adapted",
        LossKind::Dropped => "lost",
    }
}

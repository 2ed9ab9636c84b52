//! What becomes of each wish of a client at each provider, and of each word of a provider's answer at
//! each client: tried and not claimed.
//!
//! Every file under `tests/fixtures/translation/<client's dialect>` is one wish: what is laid over
//! a plain request, and what came of it in each dialect. Every file under
//! `tests/fixtures/answers/<provider's dialect>` is one answer, and what each client gets of it.
//! `docs/translation.md` is the table of them all, written by the same run.
//!
//! | module     | answers                                                            |
//! |------------|--------------------------------------------------------------------|
//! | [`answer`] | what does a client get of an answer, whole and streamed?           |
//! | [`spoken`] | how would a provider stream an answer?                             |
//! | [`heard`]  | what does a client have of a stream once it has put it together?   |
//! | [`trace`]  | which words of an answer reach a client, and which are dropped?    |

pub mod answer;
pub mod heard;
pub mod spoken;
pub mod trace;

use std::fmt::Write as _;

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{Dialect, Egress, Target};
use adapters_canonical::ingress::{Asked, Ingress};
use adapters_canonical::loss::{DecodeError, Loss, LossKind, Translated};
use adapters_canonical::media::{self, Fetched, MediaKind};
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
    /// What is at an address is fetched, if the configuration says so.
    Fetched {
        /// What becomes of it if nothing is fetched.
        without: Box<Outcome>,
        /// What becomes of it otherwise.
        with: Box<Outcome>,
    },
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
        let body = request.to_string().into_bytes();
        let mut asked = match self.read(&body) {
            Ok(asked) => asked,
            Err(error) => return Outcome::Refused(error),
        };
        let without = self.say(&asked, provider);
        if media::remote(&asked.value, provider.egress).is_empty() {
            return without;
        }
        media::embed(&mut asked.value, provider.egress, |kind, _| Some(fetched(kind)));
        let with = self.say(&asked, provider);
        Outcome::Fetched { without: Box::new(without), with: Box::new(with) }
    }

    fn read(&self, body: &[u8]) -> Result<Translated<ChatRequest>, DecodeError> {
        let asked = Asked { model: Some("m"), ..Asked::default() };
        let envelope = self.ingress.read_envelope(&asked, body)?;
        self.ingress.decode_request(body, &envelope)
    }

    fn say(&self, asked: &Translated<ChatRequest>, provider: &Provider) -> Outcome {
        self.try_to_say(asked, provider).unwrap_or_else(Outcome::Refused)
    }

    fn try_to_say(
        &self,
        asked: &Translated<ChatRequest>,
        provider: &Provider,
    ) -> Result<Outcome, DecodeError> {
        let (body, losses) = self.bytes(asked, provider)?;
        Ok(Outcome::Asked { body: serde_json::from_slice(&body)?, losses })
    }

    fn bytes(
        &self,
        asked: &Translated<ChatRequest>,
        provider: &Provider,
    ) -> Result<(Vec<u8>, Vec<Loss>), DecodeError> {
        let Translated { value, losses } = asked;
        let mut losses = losses.clone();
        let target = Target { model: provider.model, api_version: None };
        let encoded = provider.egress.encode_request(value, &target)?;
        losses.extend(encoded.losses.into_iter().map(|loss| {
            let path = self.ingress.client_path(value, &loss.path).into_owned().into();
            Loss { path, ..loss }
        }));
        Ok((encoded.value.body, losses))
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
        self.bytes(&self.read(request.to_string().as_bytes())?, provider)
    }
}

/// What a file of a kind is taken for once it is fetched.
fn fetched(kind: MediaKind) -> Fetched {
    let mime_type = match kind {
        MediaKind::Image => "image/png",
        MediaKind::Audio => "audio/wav",
        MediaKind::Video => "video/mp4",
        MediaKind::Document => "application/pdf",
    };
    Fetched { base64: "AAAA".to_owned(), mime_type: mime_type.to_owned(), name: None }
}

impl Outcome {
    /// As a fixture has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Refused(error) => json!({"refused": error.to_string()}),
            Self::Fetched { without, with } => {
                json!({"without_fetch": without.to_json(), "fetched": with.to_json()})
            }
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
            Self::Fetched { without, with } => {
                format!("{}; fetched: {}", without.in_table(), with.in_table())
            }
            Self::Asked { losses, .. } => in_table(losses),
        }
    }
}

/// Losses as the table has them: one word, and why.
#[must_use]
pub fn in_table(losses: &[Loss]) -> String {
    if losses.is_empty() {
        return "exact".to_owned();
    }
    let lost = losses.iter().any(|loss| loss.kind == LossKind::Dropped);
    let mut cell = word(if lost { LossKind::Dropped } else { LossKind::Adapted }).to_owned();
    let mut reasons: Vec<&str> = Vec::new();
    for loss in losses {
        if !reasons.contains(&&*loss.reason) {
            reasons.push(&loss.reason);
        }
    }
    for (at, reason) in reasons.iter().enumerate() {
        let before = if at == 0 { ": " } else { "; " };
        // Cannot fail: a string takes all of it.
        let _ = write!(cell, "{before}{reason}");
    }
    cell.replace('|', "\\|")
}

fn word(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Adapted => "adapted",
        LossKind::Dropped => "lost",
    }
}

//! What a client gets of what a provider answers, whole and streamed.

use std::collections::BTreeMap;

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::Failure;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_canonical::unsaid::Unsaid;
use serde_json::{Value, json};

use crate::trace::{Told, unnumbered};
use crate::{Client, Provider, heard, spoken, word};

/// What came of an answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The client's body.
    pub body: Value,
    /// What it does not say.
    pub losses: Vec<Loss>,
}

fn context() -> AnswerContext {
    AnswerContext {
        request_id: "req-1".to_owned(),
        model: "m".to_owned(),
        created: 1_700_000_000,
        include_usage: true,
        ..AnswerContext::default()
    }
}

impl Client {
    /// Hears an answer in one piece.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub fn hear(&self, answer: &Value, provider: &Provider) -> Result<Answered, DecodeError> {
        let decoded = provider.egress.decode_response(answer.to_string().as_bytes())?;
        let encoded = self.ingress.encode_response(&decoded.value, &context());
        let mut losses = decoded.losses;
        losses.extend(encoded.losses);
        Ok(Answered { body: serde_json::from_slice(&encoded.value)?, losses })
    }

    /// Hears the same as a stream, and puts it together.
    ///
    /// # Errors
    ///
    /// If the stream cannot be read, or says that there is no answer.
    pub fn hear_streamed(
        &self,
        answer: &Value,
        provider: &Provider,
    ) -> Result<Answered, DecodeError> {
        let mut decoder = provider.egress.decode_stream();
        let mut deltas = Vec::new();
        decoder.push(&spoken::stream(provider.dialect, answer), &mut deltas)?;
        decoder.finish(&mut deltas)?;
        let mut encoder = self.ingress.encode_stream(context());
        let mut unsaid = Unsaid::new(self.ingress.vocabulary());
        let (mut stream, mut losses) = (Vec::new(), Vec::new());
        for delta in deltas {
            match delta {
                Delta::Loss(loss) => losses.push(loss),
                Delta::Malformed(error) => return Err(error),
                Delta::Failure(error) => return Err(DecodeError::Framing(error.message)),
                other => {
                    unsaid.see(&other);
                    encoder.push(&other, &mut stream);
                }
            }
        }
        encoder.finish(&mut stream);
        losses.extend(unsaid.finish());
        let body = heard::whole(self.ingress.dialect(), &stream);
        Ok(Answered { body, losses })
    }

    /// Status and body of what a client gets of an error.
    #[must_use]
    pub fn hear_error(&self, status: u16, body: &Value, provider: &Provider) -> (u16, Value) {
        let body = body.to_string();
        let headers = http::HeaderMap::new();
        let error = provider.egress.decode_error(status, &headers, body.as_bytes());
        let failure = Failure::UpstreamRefused { provider: "p".to_owned(), error };
        let answer = self.ingress.encode_failure(&failure, "req-1");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

impl Answered {
    /// For finding what is dropped in silence.
    #[must_use]
    pub fn told(&self) -> Told {
        let mut losses = BTreeMap::new();
        for Loss { path, reason, .. } in &self.losses {
            *losses.entry(format!("{}: {reason}", unnumbered(path))).or_default() += 1;
        }
        Told { body: self.body.clone(), losses }
    }

    /// As a fixture has it: of the body, what the plain answer has not alike.
    #[must_use]
    pub fn to_json(&self, plain: &Value) -> Value {
        let mut body = self.body.clone();
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, value| plain.get(name) != Some(value));
        }
        if self.losses.is_empty() {
            return json!({ "body": body });
        }
        let losses: Vec<_> = self
            .losses
            .iter()
            .map(|Loss { path, kind, reason }| format!("{path} {}: {reason}", word(*kind)))
            .collect();
        json!({"body": body, "losses": losses})
    }
}

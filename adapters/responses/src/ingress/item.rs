//! The items of an answer, each as JSON: the same in a whole answer and in a stream.

use adapters_canonical::annotation::{Citation, TokenLogprob};
use adapters_canonical::chat::{Media, MediaSource, Opaque, Thought, ToolKind};
use adapters_canonical::dialect::Dialect;
use adapters_json::write;
use serde_json::value::RawValue;

use super::{annotation, echo};
use crate::seal::{self, Seal};
use crate::wire::item::{Logprob, Said, Status, Summary, Top, Written};

/// A content part of the model's message that is complete.
#[derive(Debug)]
pub(super) enum Part {
    Text { text: String, annotations: Vec<Box<RawValue>>, logprobs: Vec<Logprob> },
    Refusal(String),
}

impl Part {
    pub(super) fn said(&self) -> Said<'_> {
        match self {
            Self::Text { text, annotations, logprobs } => {
                Said::OutputText { text, annotations, logprobs }
            }
            Self::Refusal(refusal) => Said::Refusal { refusal },
        }
    }
}

pub(super) fn message(id: &str, status: Status, parts: &[Part]) -> Vec<u8> {
    let content: Vec<Said<'_>> = parts.iter().map(Part::said).collect();
    write::body(&Written::Message { id, status, role: "assistant", content: &content })
}

/// What goes into `encrypted_content`: OpenAI's own as it is, all others in our form.
pub(super) fn encrypted(thought: &Thought) -> Option<String> {
    let origin = thought.origin;
    match (&thought.signature, &thought.redacted, origin) {
        (Some(own), _, Some(Dialect::Responses)) | (None, Some(own), Some(Dialect::Responses)) => {
            Some(own.clone())
        }
        (Some(seal), _, _) => Some(seal::write(origin, Seal::Signature(seal))),
        (None, Some(cipher), _) => Some(seal::write(origin, Seal::Redacted(cipher))),
        (None, None, _) => None,
    }
}

pub(super) fn reasoning(id: &str, text: &str, encrypted: Option<&str>) -> Vec<u8> {
    let summary = [Summary { text }];
    let summary = if text.is_empty() { &[][..] } else { &summary };
    write::body(&Written::Reasoning { id, summary, encrypted_content: encrypted })
}

/// The item that carries the seal of something that has no place for it.
pub(super) fn sealed(id: &str, seal: Seal<'_>) -> Vec<u8> {
    reasoning(id, "", Some(&seal::write(None, seal)))
}

/// A call, as it is written.
pub(super) struct Call<'a> {
    pub(super) id: &'a str,
    pub(super) call_id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
    pub(super) kind: ToolKind,
}

impl Call<'_> {
    pub(super) fn item(&self, status: Status) -> Vec<u8> {
        let &Call { id, call_id, name, arguments, kind } = self;
        write::body(&match kind {
            ToolKind::Function => Written::FunctionCall { id, status, call_id, name, arguments },
            ToolKind::Custom => {
                Written::CustomToolCall { id, status, call_id, name, input: arguments }
            }
        })
    }
}

/// How items of this kind of call are named.
pub(super) fn call_prefix(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Function => "fc",
        ToolKind::Custom => "ctc",
    }
}

/// Clients parse the arguments of a function, and the empty string is not JSON.
pub(super) fn arguments_of(kind: ToolKind, arguments: &str) -> &str {
    match kind {
        ToolKind::Function if arguments.is_empty() => "{}",
        ToolKind::Function | ToolKind::Custom => arguments,
    }
}

/// A picture the model drew; `None` if it is not here.
pub(super) fn image(id: &str, media: &Media) -> Option<Vec<u8>> {
    match &media.source {
        MediaSource::Base64(result) => Some(write::body(&Written::ImageGenerationCall {
            id,
            status: Status::Completed,
            result,
            output_format: media.mime_type.as_deref().and_then(|mime| mime.strip_prefix("image/")),
        })),
        MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Text(_) => None,
    }
}

/// An item only this dialect knows; `None` if another one does.
pub(super) fn opaque(opaque: &Opaque) -> Option<Vec<u8>> {
    (opaque.dialect == Dialect::Responses).then(|| {
        let mut item = Vec::with_capacity(opaque.json.get().len());
        echo::one_line(&mut item, opaque.json.get());
        item
    })
}

/// The annotation of a text that says the same.
pub(super) fn annotated(citation: &Citation, text: &str) -> Option<Box<RawValue>> {
    annotation::write(citation, text)
}

pub(super) fn logprobs(tokens: &[TokenLogprob]) -> Vec<Logprob> {
    tokens.iter().map(logprob).collect()
}

fn logprob(token: &TokenLogprob) -> Logprob {
    Logprob {
        token: token.token.clone(),
        bytes: bytes(token),
        logprob: token.logprob,
        top_logprobs: token
            .top
            .iter()
            .map(|top| Top { token: top.token.clone(), bytes: bytes(top), logprob: top.logprob })
            .collect(),
    }
}

/// The schema requires them.
fn bytes(token: &TokenLogprob) -> Option<Vec<u8>> {
    Some(token.bytes.clone().unwrap_or_else(|| token.token.clone().into_bytes()))
}

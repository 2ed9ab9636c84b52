//! The response object: the same in a whole answer and in the events that begin and end a stream.

use adapters_canonical::chat::{Finish, FinishReason};
use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::object::Every;
use adapters_json::write;
use adapters_openai_words::failure::Words;
use serde::Serialize;

use super::echo::{Echo, one_line};
use crate::wire::usage::Usage;

/// The tiers that clients know.
pub(super) const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast"];

/// The schema wants the pictures to be counted where searches are.
const NO_IMAGES: &[u8] = br#","tool_usage":{"image_gen":{"input_tokens":0,"input_tokens_details":{"image_tokens":0,"text_tokens":0},"output_tokens":0,"total_tokens":0},"web_search":{"num_requests":"#;

/// What is the same in every object of one answer.
#[derive(Debug)]
pub(crate) struct Head {
    id: String,
    model: String,
    created: u64,
    echo: Echo,
}

/// What the object says of the answer's state.
#[derive(Clone, Copy)]
pub(crate) enum State<'a> {
    InProgress,
    Ended {
        finish: &'a Finish,
        /// When, in seconds since 1970, where that is known.
        at: Option<u64>,
    },
    Failed {
        failure: &'a Failure,
        request_id: &'a str,
    },
}

/// What else an object holds.
#[derive(Default)]
pub(crate) struct Rest<'a> {
    pub(crate) usage: Option<&'a Tokens>,
    pub(crate) service_tier: Option<&'a str>,
}

impl Head {
    /// `id`, `model` and `created` as the provider has them; what it leaves out the context has.
    pub(crate) fn new(
        id: &str,
        model: &str,
        created: Option<u64>,
        context: &AnswerContext,
    ) -> Self {
        Self {
            id: match id {
                "" => format!("resp_{}", context.request_id),
                id if id.starts_with("resp_") => id.to_owned(),
                id => format!("resp_{id}"),
            },
            model: if model.is_empty() { &context.model } else { model }.to_owned(),
            created: created.unwrap_or(context.created),
            echo: Echo::of(&context.request),
        }
    }

    /// A name for an item of this answer, such as `msg_…_0`.
    pub(crate) fn item_id(&self, prefix: &str, index: usize) -> String {
        let suffix = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        format!("{prefix}_{suffix}_{index}")
    }

    /// Writes the object.
    pub(crate) fn write<'i>(
        &self,
        out: &mut Vec<u8>,
        state: State<'_>,
        items: impl Iterator<Item = &'i [u8]>,
        Rest { usage, service_tier }: &Rest<'_>,
    ) {
        out.extend_from_slice(br#"{"id":"#);
        write::json(out, &self.id);
        out.extend_from_slice(br#","object":"response","created_at":"#);
        write::json(out, &self.created);
        state.write(out);
        out.extend_from_slice(br#","model":"#);
        write::json(out, &self.model);
        out.extend_from_slice(br#","output":["#);
        for (at, item) in items.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
        out.push(b']');
        self.echo.write(out, service_tier.filter(|tier| TIERS.contains(tier)));
        if let Some(searches) = usage.and_then(|usage| usage.web_searches) {
            out.extend_from_slice(NO_IMAGES);
            write::json(out, &searches);
            out.extend_from_slice(b"}}");
        }
        out.extend_from_slice(br#","usage":"#);
        write::json(out, &usage.map(Usage::from));
        out.push(b'}');
    }
}

impl State<'_> {
    /// The name of the event that says it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::InProgress => "response.in_progress",
            Self::Failed { .. } => "response.failed",
            Self::Ended { finish, .. } => match finish.reason {
                FinishReason::Stop | FinishReason::ToolCalls => "response.completed",
                FinishReason::Length | FinishReason::ContentFilter | FinishReason::Pause => {
                    "response.incomplete"
                }
                FinishReason::Error => "response.failed",
            },
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let (status, completed, reason) = match self {
            Self::InProgress => ("in_progress", None, None),
            Self::Failed { .. } => ("failed", None, None),
            Self::Ended { finish, at } => match finish.reason {
                FinishReason::Stop | FinishReason::ToolCalls => ("completed", at, None),
                FinishReason::Length => ("incomplete", None, Some("max_output_tokens")),
                // The dialect has no word for the reason.
                FinishReason::Pause => ("incomplete", None, None),
                FinishReason::ContentFilter => ("incomplete", None, Some("content_filter")),
                FinishReason::Error => ("failed", None, None),
            },
        };
        out.extend_from_slice(br#","status":"#);
        write::json(out, status);
        out.extend_from_slice(br#","completed_at":"#);
        write::json(out, &completed);
        out.extend_from_slice(br#","error":"#);
        self.write_error(out);
        out.extend_from_slice(br#","incomplete_details":"#);
        write::json(out, &reason.map(|reason| Incomplete { reason }));
    }

    fn write_error(self, out: &mut Vec<u8>) {
        match self {
            Self::Failed { failure, request_id } => {
                write::json(out, &Broken::of(&Words::of(failure), request_id));
            }
            Self::Ended { finish: Finish { reason: FinishReason::Error, message, .. }, .. } => {
                let message = message.as_deref().unwrap_or("the provider broke off its answer");
                let error = Broken { message, ..Broken::default() };
                write::json(out, &error);
            }
            Self::InProgress | Self::Ended { .. } => out.extend_from_slice(b"null"),
        }
    }
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

/// Why there is no answer, where OpenAI says so. `code` is one that clients know; what we know
/// beside it stands in members of ours.
#[derive(Default, Serialize)]
pub(crate) struct Broken<'a> {
    code: ServerError,
    message: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum ServerError {
    #[default]
    ServerError,
}

impl<'a> Broken<'a> {
    pub(crate) fn of(words: &'a Words<'_>, request_id: &'a str) -> Self {
        let said = words.written(request_id);
        Self {
            code: ServerError::ServerError,
            message: said.message,
            kind: Some(said.kind),
            param: said.param,
            reason: said.code,
            provider: said.provider,
            request_id: Some(request_id),
        }
    }
}

/// The object of a stream that broke off: `response` as the stream had it, but for its state, what
/// is complete of its output, and the usage.
pub(crate) fn failed<'i>(
    response: &str,
    state: State<'_>,
    items: impl Iterator<Item = &'i [u8]>,
    usage: Option<&Tokens>,
) -> Vec<u8> {
    let Every(members) = serde_json::from_str(response).unwrap_or_default();
    let mut out = b"{".to_vec();
    for (name, value) in members {
        if CHANGED.contains(&&*name) {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        write::json(&mut out, &*name);
        out.push(b':');
        one_line(&mut out, value.get());
    }
    // Without a comma there is nothing before it.
    if out.len() == 1 {
        out.extend_from_slice(br#""object":"response""#);
    }
    state.write(&mut out);
    out.extend_from_slice(br#","output":["#);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend(item.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    }
    out.extend_from_slice(br#"],"usage":"#);
    write::json(&mut out, &usage.map(Usage::from));
    out.push(b'}');
    out
}

/// What is said anew of a stream that broke off.
const CHANGED: &[&str] =
    &["status", "completed_at", "error", "incomplete_details", "output", "usage"];

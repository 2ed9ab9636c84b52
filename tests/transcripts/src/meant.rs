//! What the adapters say that an answer says.

use adapters_canonical::chat::{ChatResponse, FinishReason, Part, ToolKind};
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::usage::Usage;
use serde_json::Value;

use crate::said::{Call, Said, Tokens, arguments};

/// What a whole answer says.
#[must_use]
pub fn whole(answer: &ChatResponse) -> Said {
    let mut said = Said { usage: answer.usage.as_ref().map(tokens), ..Said::default() };
    for choice in &answer.choices {
        said.finish = Some(finish(choice.finish.reason));
        for part in &choice.parts {
            match part {
                Part::Text(text) => {
                    said.text.push_str(&text.text);
                    said.seals.extend(text.signature.clone());
                }
                Part::Reasoning(thought) => {
                    said.thoughts.push_str(&thought.text);
                    said.seals.extend(thought.redacted.clone());
                    said.seals.extend(thought.signature.clone());
                }
                Part::Refusal(words) => said.refusal.push_str(words),
                Part::ToolCall(call) => {
                    let arguments = argument(&call.arguments, call.kind);
                    let (id, name) = (Some(call.id.clone()), call.name.clone());
                    said.calls.push(Call { id, name, arguments });
                    said.seals.extend(call.signature.clone());
                }
                Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => {}
            }
        }
    }
    said
}

/// What a stream says in the end.
///
/// # Panics
///
/// If a delta is about a part that has not begun.
#[must_use]
pub fn streamed(deltas: &[Delta]) -> Said {
    let (mut said, mut usage) = (Said::default(), None::<Usage>);
    // Of each part: what its words go to, or which call it is.
    let mut parts: Vec<(&PartKind, usize)> = Vec::new();
    let mut texts: Vec<(String, ToolKind)> = Vec::new();
    for delta in deltas {
        match delta {
            Delta::PartStart { part, kind, .. } => {
                assert_eq!(*part as usize, parts.len(), "parts are numbered in order");
                parts.push((kind, texts.len()));
                match kind {
                    PartKind::ToolCall { id, name, kind } => {
                        texts.push((String::new(), *kind));
                        let (id, name) = (Some(id.clone()), name.clone());
                        said.calls.push(Call { id, name, arguments: Value::Null });
                    }
                    PartKind::Reasoning { redacted, .. } => said.seals.extend(redacted.clone()),
                    PartKind::Text
                    | PartKind::Refusal
                    | PartKind::Image(_)
                    | PartKind::Audio(_)
                    | PartKind::Hosted(_)
                    | PartKind::Opaque(_) => {}
                }
            }
            Delta::Text { part, text } => match parts[*part as usize].0 {
                PartKind::Text => said.text.push_str(text),
                PartKind::Reasoning { .. } => said.thoughts.push_str(text),
                PartKind::Refusal => said.refusal.push_str(text),
                other => panic!("words in {other:?}"),
            },
            Delta::Arguments { part, fragment } => {
                texts[parts[*part as usize].1].0.push_str(fragment);
            }
            Delta::Signature { signature, .. } => said.seals.push(signature.clone()),
            Delta::Usage(newer) => usage.get_or_insert_default().update(newer),
            Delta::Finish { finish: end, .. } => said.finish = Some(finish(end.reason)),
            Delta::Start(_)
            | Delta::PartEnd { .. }
            | Delta::Citation { .. }
            | Delta::Logprobs { .. }
            | Delta::ServiceTier(_)
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
    }
    for (call, (text, kind)) in said.calls.iter_mut().zip(texts) {
        call.arguments = argument(&text, kind);
    }
    said.usage = usage.as_ref().map(tokens);
    said
}

fn argument(text: &str, kind: ToolKind) -> Value {
    match kind {
        ToolKind::Function => arguments(text),
        ToolKind::Custom => text.into(),
    }
}

fn tokens(usage: &Usage) -> Tokens {
    Tokens {
        input: usage.total_input().unwrap_or(0),
        cached: usage.cache_read.unwrap_or(0),
        output: usage.output.unwrap_or(0),
    }
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Pause => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Error => "error",
    }
}

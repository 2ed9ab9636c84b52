//! The answer in steps.

use adapters_canonical::chat::{ChatResponse, Part};
use adapters_canonical::delta::{Delta, PartKind, Start};

use crate::token::tokens;

/// How many fragments arguments come in, at most.
const FRAGMENTS: usize = 4;

/// Tells an answer step by step: texts word by word, arguments in a few fragments, and what it
/// cost last. Pictures and the like have no steps and are left out.
#[must_use]
pub fn deltas(answer: &ChatResponse) -> Vec<Delta> {
    let (id, model) = (answer.id.clone(), answer.model.clone());
    let mut out = vec![Delta::Start(Start { id, model, created: answer.created })];
    let mut number = 0;
    for choice in &answer.choices {
        for part in &choice.parts {
            let Some(kind) = kind(part) else { continue };
            out.push(Delta::PartStart { part: number, choice: choice.index, kind });
            content(number, part, &mut out);
            out.push(Delta::PartEnd { part: number });
            number += 1;
        }
        out.push(Delta::Finish { choice: choice.index, finish: choice.finish.clone() });
    }
    out.extend(answer.usage.clone().map(Delta::Usage));
    out
}

fn kind(part: &Part) -> Option<PartKind> {
    Some(match part {
        Part::Text(_) => PartKind::Text,
        Part::Refusal(_) => PartKind::Refusal,
        Part::Reasoning(thought) => PartKind::Reasoning {
            redacted: thought.redacted.clone(),
            origin: thought.origin,
            id: thought.id.clone(),
        },
        Part::ToolCall(call) => {
            PartKind::ToolCall { id: call.id.clone(), name: call.name.clone(), kind: call.kind }
        }
        Part::Hosted(step) => PartKind::Hosted(step.clone()),
        Part::Opaque(opaque) => PartKind::Opaque(opaque.clone()),
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::ToolResult(_) => return None,
    })
}

fn content(part: u32, of: &Part, out: &mut Vec<Delta>) {
    let mut say = |text: &str| {
        out.extend(tokens(text).map(|token| Delta::Text { part, text: token.to_owned() }));
    };
    let signature = match of {
        Part::Text(text) => {
            say(&text.text);
            None
        }
        Part::Refusal(text) => {
            say(text);
            None
        }
        Part::Reasoning(thought) => {
            say(&thought.text);
            thought.signature.clone()
        }
        Part::ToolCall(call) => {
            out.extend(
                fragments(&call.arguments).map(|fragment| Delta::Arguments { part, fragment }),
            );
            call.signature.clone()
        }
        Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::ToolResult(_)
        | Part::Hosted(_)
        | Part::Opaque(_) => None,
    };
    out.extend(signature.map(|signature| Delta::Signature { part, signature }));
}

fn fragments(text: &str) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(FRAGMENTS).max(1);
    let cut: Vec<String> = characters.chunks(size).map(|piece| piece.iter().collect()).collect();
    cut.into_iter()
}

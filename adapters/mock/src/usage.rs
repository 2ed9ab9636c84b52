//! What a request and an answer cost.

use adapters_canonical::chat::{ChatRequest, Choice, Part, Tool};
use adapters_canonical::usage::Usage;

use crate::token::count;

/// What a picture, a sound, a film or a document counts, in tokens.
pub const MEDIA_TOKENS: u64 = 100;

/// By the rule that the crate states.
pub(crate) fn usage(request: &ChatRequest, choices: &[Choice]) -> Usage {
    let parts = || choices.iter().flat_map(|choice| &choice.parts);
    let reasoning = sum(parts().filter(|part| matches!(part, Part::Reasoning(_))).map(part));
    Usage {
        input: Some(input_tokens(request)),
        output: Some(sum(parts().map(part))),
        reasoning: Some(reasoning),
        ..Usage::default()
    }
}

/// How many tokens a request has, by the rule that the crate states.
#[must_use]
pub fn input_tokens(request: &ChatRequest) -> u64 {
    let messages = request.messages.iter().flat_map(|message| &message.parts);
    sum(messages.map(part)).saturating_add(sum(request.tools.iter().map(tool)))
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => count(&text.text),
        Part::Refusal(text) => count(text),
        Part::Reasoning(thought) => count(&thought.text),
        Part::ToolCall(call) => count(&call.name).saturating_add(count(&call.arguments)),
        Part::ToolResult(result) => sum(result.parts.iter().map(self::part)),
        Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) => MEDIA_TOKENS,
        Part::Hosted(step) => step.own.as_ref().map_or(0, |own| count(own.json.get())),
        Part::Opaque(opaque) => count(opaque.json.get()),
    }
}

fn tool(tool: &Tool) -> u64 {
    let of = |texts: [Option<&str>; 3]| sum(texts.into_iter().flatten().map(count));
    match tool {
        Tool::Function(it) => {
            let schema = it.parameters.as_deref().map(|json| json.get());
            of([Some(&it.name), it.description.as_deref(), schema])
        }
        Tool::Custom(it) => {
            let format = it.format.as_deref().map(|json| json.get());
            of([Some(&it.name), it.description.as_deref(), format])
        }
        Tool::Hosted(it) => it.own.as_ref().map_or(0, |own| count(own.json.get())),
        Tool::Opaque(opaque) => count(opaque.json.get()),
    }
}

fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

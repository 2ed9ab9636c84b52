//! A whole answer in the client's words.

use std::borrow::Cow;

use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Part, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::dialect::{AnswerContext, Dialect};
use adapters_canonical::loss::{Loss, Translated};
use adapters_canonical::unsaid::unsaid;
use adapters_json::write;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Ending, WholeUsage, ending, message_id, usage};
use super::vocabulary::VOCABULARY;
use crate::wire::request::Block;
use crate::{arguments, citation, hosted, seal};

/// Writes a `message` object.
///
/// Blocks keep the order of the parts. A thought of another provider becomes a `thinking` block
/// whose `signature` says where it belongs; a seal on a text or a call becomes such a block behind
/// it (see the page on seals in this crate). The model's refusal is a text. What this dialect has
/// no block for (pictures, sounds, parts only another dialect knows, every answer but the first) is
/// reported. An answer without choices means that the prompt was blocked: it ends in `refusal`.
#[must_use]
pub fn encode_response(response: &ChatResponse, context: &AnswerContext) -> Translated<Vec<u8>> {
    let mut losses = unsaid(&VOCABULARY, response);
    let blocked = Choice {
        index: 0,
        parts: Vec::new(),
        finish: Finish::from(FinishReason::ContentFilter),
        logprobs: None,
    };
    let choice = response.choices.first().unwrap_or(&blocked);
    let mut content = Vec::with_capacity(choice.parts.len());
    for (at, part) in choice.parts.iter().enumerate() {
        blocks(at, part, &mut content, &mut losses);
    }
    let called = choice.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = choice.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let counted = response.usage.clone().unwrap_or_default();
    let value = write::body(&Message {
        id: message_id(&response.id, &context.request_id),
        kind: "message",
        role: "assistant",
        model: if response.model.is_empty() { &context.model } else { &response.model },
        content,
        ending: ending(&choice.finish, called, refused),
        container: None,
        usage: usage(&counted, response.service_tier.as_deref()).into(),
    });
    Translated { value, losses }
}

#[derive(Serialize)]
struct Message<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Said<'a>>,
    #[serde(flatten)]
    ending: Ending<'a>,
    /// Where code ran.
    container: Option<()>,
    usage: WholeUsage<'a>,
}

/// A block as the API answers it, which has members that it does not need to be sent back with.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    Text {
        text: &'a str,
        /// Never absent, by the API's schema, and never `null`, by that of the AI SDK.
        citations: Vec<Cow<'a, RawValue>>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Cow<'a, RawValue>,
        caller: Caller,
    },
    /// What another provider did with a tool of its own.
    #[serde(untagged)]
    Hosted(hosted::Said),
    #[serde(untagged)]
    Other(Block<'a>),
}

/// Who calls: the model itself, and no program that it wrote.
#[derive(Serialize)]
#[serde(tag = "type", rename = "direct")]
struct Caller {}

fn blocks<'a>(at: usize, part: &'a Part, content: &mut Vec<Said<'a>>, losses: &mut Vec<Loss>) {
    let path = || format!("choices[0].parts[{at}]");
    match part {
        Part::Text(text) => {
            content.extend(words(text));
            content.extend(carrier(text.signature.as_deref(), &path, losses));
        }
        Part::Refusal(text) if text.is_empty() => {}
        Part::Refusal(text) => content.push(Said::Text { text, citations: Vec::new() }),
        Part::Reasoning(thought) if thought.carries(Dialect::Anthropic).is_some() => {}
        Part::Reasoning(thought) => {
            content.extend(thinking(thought, &path, losses).map(Said::Other));
        }
        Part::ToolCall(call) => {
            content.push(tool_use(call, &path, losses));
            content.extend(carrier(call.signature.as_deref(), &path, losses));
        }
        Part::Hosted(step) => match step.own(Dialect::Anthropic) {
            Some(own) => content.push(Said::Other(Block::Raw(&own.json))),
            None => {
                content.extend(hosted::blocks(step).into_iter().map(Said::Hosted));
            }
        },
        Part::Opaque(own) if own.dialect == Dialect::Anthropic => {
            content.push(Said::Other(Block::Raw(&own.json)));
        }
        // The vocabulary says what is left out.
        Part::Opaque(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Video(_)
        | Part::Document(_)
        | Part::ToolResult(_) => {}
    }
}

fn words(text: &Text) -> Option<Said<'_>> {
    let citations: Vec<_> = text.citations.iter().filter_map(citation::write).collect();
    // The API takes no empty text back.
    (!text.text.is_empty()).then_some(Said::Text { text: &text.text, citations })
}

fn thinking<'a>(
    thought: &'a Thought,
    path: &dyn Fn() -> String,
    losses: &mut Vec<Loss>,
) -> Option<Block<'a>> {
    let Some(sealed) = seal::of_thought(thought) else {
        losses.push(Loss::dropped(path(), "a thought with a seal that is too long"));
        return None;
    };
    if thought.text.is_empty() && thought.redacted.is_some() {
        return Some(Block::RedactedThinking { data: sealed });
    }
    let nothing = thought.text.is_empty() && thought.signature.is_none() && thought.id.is_none();
    (!nothing).then_some(Block::Thinking { thinking: &thought.text, signature: sealed })
}

fn tool_use<'a>(call: &'a ToolCall, path: &dyn Fn() -> String, losses: &mut Vec<Loss>) -> Said<'a> {
    let (input, exact) = arguments::input(call);
    if !exact && call.kind == ToolKind::Function {
        let reason = "arguments that are no object are the member `input` of one";
        losses.push(Loss::adapted(format!("{}.arguments", path()), reason));
    }
    Said::ToolUse { id: &call.id, name: &call.name, input, caller: Caller {} }
}

/// The seal on the block before it.
fn carrier<'a>(
    signature: Option<&str>,
    path: &dyn Fn() -> String,
    losses: &mut Vec<Loss>,
) -> Option<Said<'a>> {
    // Only Gemini seals what it says and calls.
    let Some(sealed) = seal::of_block(Dialect::Gemini, signature?) else {
        losses.push(Loss::dropped(path(), "a seal that is too long"));
        return None;
    };
    Some(Said::Other(Block::Thinking { thinking: "", signature: Cow::Owned(sealed) }))
}

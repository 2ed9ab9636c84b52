//! How much to think: an effort, a number of tokens, or a switch, depending on the model.

use adapters_canonical::chat::{ChatRequest, Message, Part, Reasoning, Role};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::Loss;

use crate::capability::{self, Capability};
use crate::wire::request::{Display, Thinking};

/// The fewest thinking tokens the API takes.
const LEAST_BUDGET: u64 = 1024;

const EFFORT: &str = "reasoning_effort";
const TOKENS: &str = "reasoning.max_tokens";

/// What is said about thinking.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    /// As given, or more where the thoughts would not fit beside the answer.
    pub(super) max_tokens: u64,
    /// Whether the model was told to think.
    pub(super) on: bool,
}

/// `forced` says whether a tool call is forced, which does not go with thinking on demand.
pub(super) fn encode(
    request: &ChatRequest,
    capability: &Capability,
    max_tokens: u64,
    forced: bool,
    losses: &mut Vec<Loss>,
) -> Encoded {
    let silent = Encoded { max_tokens, ..Encoded::default() };
    let Some(wish) = &request.reasoning else {
        return silent;
    };
    if wish.effort.as_deref() == Some("none") || wish.max_tokens == Some(0) {
        return off(capability, silent, losses);
    }
    if wish.effort.is_none() && wish.max_tokens.is_none() && wish.visible != Some(true) {
        return hidden(wish, capability, silent);
    }
    match capability.thinking {
        capability::Thinking::Never => {
            losses.push(Loss::dropped(path_of(wish), "this model does not think"));
            silent
        }
        capability::Thinking::Budget => budget(request, wish, capability, silent, forced, losses),
        capability::Thinking::AdaptiveOrBudget if wish.max_tokens.is_some() => {
            budget(request, wish, capability, silent, forced, losses)
        }
        capability::Thinking::AdaptiveOrBudget
        | capability::Thinking::Adaptive
        | capability::Thinking::UnlessDisabled
        | capability::Thinking::UnlessBetweenTools
        | capability::Thinking::Always => adaptive(wish, capability, silent, forced, losses),
    }
}

/// The client wants no thinking.
fn off(capability: &Capability, silent: Encoded, losses: &mut Vec<Loss>) -> Encoded {
    match capability.thinking {
        capability::Thinking::Never
        | capability::Thinking::Budget
        | capability::Thinking::AdaptiveOrBudget
        | capability::Thinking::Adaptive => silent,
        capability::Thinking::UnlessDisabled => {
            Encoded { thinking: Some(Thinking::Disabled), ..silent }
        }
        capability::Thinking::UnlessBetweenTools => {
            Encoded { thinking: Some(Thinking::BetweenTools), ..silent }
        }
        capability::Thinking::Always => {
            losses.push(Loss::adapted(EFFORT, "this model always thinks; it will think little"));
            Encoded { effort: capability.efforts.first().copied(), ..silent }
        }
    }
}

/// The client says nothing but that it need not see the thoughts of a model that thinks anyway.
fn hidden(wish: &Reasoning, capability: &Capability, silent: Encoded) -> Encoded {
    let thinks_anyway = match capability.thinking {
        capability::Thinking::UnlessDisabled
        | capability::Thinking::UnlessBetweenTools
        | capability::Thinking::Always => true,
        capability::Thinking::Never
        | capability::Thinking::Budget
        | capability::Thinking::AdaptiveOrBudget
        | capability::Thinking::Adaptive => false,
    };
    if wish.visible == Some(false) && thinks_anyway {
        let thinking = Some(Thinking::Adaptive { display: Some(Display::Omitted) });
        return Encoded { thinking, ..silent };
    }
    silent
}

fn adaptive(
    wish: &Reasoning,
    capability: &Capability,
    silent: Encoded,
    forced: bool,
    losses: &mut Vec<Loss>,
) -> Encoded {
    if wish.max_tokens.is_some() {
        losses.push(Loss::dropped(TOKENS, "this model takes an effort, not a number of tokens"));
    }
    let effort = wish.effort.as_deref().and_then(|wanted| level(wanted, capability, losses));
    if forced {
        losses.push(Loss::adapted(path_of(wish), "a forced tool call leaves no time to think"));
        return Encoded { effort, ..silent };
    }
    // Newer models hide their thoughts unless asked, older ones show them: who wants thoughts may
    // as well see them (field 33).
    let hidden = wish.visible == Some(false);
    let display = Some(if hidden { Display::Omitted } else { Display::Summarized });
    Encoded { thinking: Some(Thinking::Adaptive { display }), effort, on: true, ..silent }
}

/// The model's nearest level.
fn level(wanted: &str, capability: &Capability, losses: &mut Vec<Loss>) -> Option<&'static str> {
    let levels = capability.efforts;
    if let Some(same) = levels.iter().find(|level| **level == wanted) {
        return Some(same);
    }
    let nearest = match wanted {
        "minimal" => levels.first(),
        "xhigh" | "max" => levels.last(),
        _ => None,
    };
    losses.push(match nearest {
        Some(level) => Loss::adapted(EFFORT, format!("the nearest level is `{level}`")),
        None => Loss::dropped(EFFORT, "this model has no such level"),
    });
    nearest.copied()
}

fn budget(
    request: &ChatRequest,
    wish: &Reasoning,
    capability: &Capability,
    silent: Encoded,
    forced: bool,
    losses: &mut Vec<Loss>,
) -> Encoded {
    if forced {
        losses.push(Loss::dropped(path_of(wish), "a forced tool call leaves no time to think"));
        return silent;
    }
    if answers_a_call_without_thought(&request.messages) {
        losses.push(Loss::dropped(
            path_of(wish),
            "the turn began without a thought, so that it cannot go on with one",
        ));
        return silent;
    }
    let wanted = match wish.max_tokens {
        Some(tokens) => tokens.max(LEAST_BUDGET),
        None => budget_of(wish.effort.as_deref()),
    };
    let mut max_tokens = silent.max_tokens;
    if request.max_output_tokens.is_none() {
        let most = capability.most_max_tokens.unwrap_or(max_tokens);
        max_tokens = max_tokens.saturating_add(wanted).min(most);
    }
    if max_tokens <= LEAST_BUDGET {
        losses.push(Loss::dropped(path_of(wish), "no room to think below 1025 output tokens"));
        return silent;
    }
    // A quarter is kept for the answer, as far as the least budget leaves one.
    let room = (max_tokens - max_tokens / 4).max(LEAST_BUDGET).min(max_tokens - 1);
    let budget_tokens = wanted.min(room);
    if wish.max_tokens.is_some_and(|tokens| tokens != budget_tokens) {
        losses.push(Loss::adapted(TOKENS, format!("{budget_tokens} tokens fit this request")));
    }
    let display = (wish.visible == Some(false)).then_some(Display::Omitted);
    let thinking = Some(Thinking::Enabled { budget_tokens, display });
    // Where tokens bound the thoughts, an effort still bounds the rest, if the model knows any.
    let bounded = wish.max_tokens.is_some() && !capability.efforts.is_empty();
    let level_of = |wanted| level(wanted, capability, losses);
    let effort = wish.effort.as_deref().filter(|_| bounded).and_then(level_of);
    Encoded { thinking, max_tokens, effort, on: true }
}

/// Tokens that stand for an effort, for models that know only tokens.
fn budget_of(effort: Option<&str>) -> u64 {
    match effort {
        Some("minimal") => LEAST_BUDGET,
        Some("low") => 2_048,
        Some("high") => 16_384,
        Some("xhigh" | "max") => 32_768,
        _ => 8_192,
    }
}

/// Older models must see the thought that led to a call when they read its result; a turn that
/// began elsewhere, or without thinking, has none.
fn answers_a_call_without_thought(messages: &[Message]) -> bool {
    let last = messages
        .iter()
        .rev()
        .find(|message| !matches!(message.role, Role::System | Role::Developer));
    let answering = last.is_some_and(|last| last.role == Role::Tool);
    let asked = messages.iter().rev().find(|message| message.role == Role::Assistant);
    answering
        && asked.is_some_and(|message| {
            !message.parts.iter().any(|part| match part {
                Part::Reasoning(thought) => {
                    !thought.is_carrier()
                        && thought.origin.is_none_or(|origin| origin == Dialect::Anthropic)
                        && (thought.signature.is_some() || thought.redacted.is_some())
                }
                Part::Text(_)
                | Part::Image(_)
                | Part::Audio(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::Refusal(_)
                | Part::ToolCall(_)
                | Part::ToolResult(_)
                | Part::Hosted(_)
                | Part::Opaque(_) => false,
            })
        })
}

fn path_of(wish: &Reasoning) -> &'static str {
    if wish.effort.is_none() && wish.max_tokens.is_some() { TOKENS } else { EFFORT }
}

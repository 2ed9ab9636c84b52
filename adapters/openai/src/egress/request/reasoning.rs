//! How much to think, in the provider's words.

use adapters_canonical::chat::Reasoning;
use adapters_canonical::loss::Loss;
use serde::Serialize;

use crate::quirk::{Quirk, Quirks};

/// One of the two ways to say it.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) effort: Option<&'a str>,
    pub(super) object: Option<Object<'a>>,
}

/// OpenRouter's form, which says all of it. It takes an effort or a bound, not both.
#[derive(Serialize)]
pub(super) struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude: Option<bool>,
}

impl<'a> Said<'a> {
    pub(super) fn new(reasoning: &'a Reasoning, quirks: Quirks, losses: &mut Vec<Loss>) -> Self {
        let effort = reasoning.effort.as_deref();
        if !quirks.has(Quirk::ReasoningObject) {
            return Self { effort: plain(reasoning, quirks, losses), object: None };
        }
        let max_tokens = reasoning.max_tokens;
        if effort.is_some() && max_tokens.is_some() {
            let reason = "the provider takes an effort or a number of tokens, not both";
            losses.push(Loss::dropped("reasoning.effort", reason));
        }
        let effort = effort.filter(|_| max_tokens.is_none());
        let exclude = reasoning.visible.map(|visible| !visible);
        Self { effort: None, object: Some(Object { effort, max_tokens, exclude }) }
    }
}

/// A bound on thoughts is said as an effort, in the steps other gateways use.
fn plain<'a>(reasoning: &'a Reasoning, quirks: Quirks, losses: &mut Vec<Loss>) -> Option<&'a str> {
    let shows = [Quirk::TakesReasoning, Quirk::TakesReasoningContent];
    if reasoning.visible == Some(true) && !shows.into_iter().any(|it| quirks.has(it)) {
        losses.push(Loss::dropped("reasoning.exclude", "the provider does not show its thoughts"));
    }
    let from_bound = reasoning.max_tokens.map(|bound| match bound {
        0 => "none",
        1..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    });
    if from_bound.is_some() {
        let reason = "the provider takes an effort, not a number of tokens";
        losses.push(Loss::adapted("reasoning.max_tokens", reason));
    }
    reasoning.effort.as_deref().or(from_bound)
}

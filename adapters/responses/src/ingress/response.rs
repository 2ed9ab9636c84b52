//! A whole answer in the client's words.

use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Part, Text, Thought, ToolCall,
};
use adapters_canonical::dialect::{AnswerContext, Dialect};
use adapters_canonical::hosted::HostedStep;
use adapters_canonical::loss::Translated;
use adapters_canonical::unsaid::unsaid;

use super::item::{self, Call};
use super::object::{Head, Rest, State};
use super::vocabulary::VOCABULARY;
use crate::hosted;
use crate::seal::Seal;
use crate::wire::item::{Logprob, Status};

/// Writes a response object.
///
/// Texts and refusals that follow each other share a message. A seal that is not on a thought
/// stands in a reasoning item behind what it seals. There is one answer only, and parts that this
/// dialect has no words for are reported.
pub(super) fn encode_response(
    response: &ChatResponse,
    context: &AnswerContext,
) -> Translated<Vec<u8>> {
    let head = Head::new(&response.id, &response.model, response.created, context);
    let mut items = Items { head: &head, done: Vec::new(), message: Vec::new(), steps: Vec::new() };
    // A prompt that was blocked has no answer at all.
    let blocked = Finish::from(FinishReason::ContentFilter);
    let first = response.choices.first();
    let finish = first.map_or(&blocked, |choice| &choice.finish);
    if let Some(choice) = first {
        items.choice(choice);
    }
    let mut value = Vec::with_capacity(2048);
    let state = State::Ended { finish, at: Some(context.created) };
    let rest =
        Rest { usage: response.usage.as_ref(), service_tier: response.service_tier.as_deref() };
    head.write(&mut value, state, items.done.iter().map(Vec::as_slice), &rest);
    Translated { value, losses: unsaid(&VOCABULARY, response) }
}

struct Items<'a> {
    head: &'a Head,
    done: Vec<Vec<u8>>,
    /// The parts of the message that is open.
    message: Vec<item::Part>,
    /// What was done with tools of the provider, with its name there and its place here.
    steps: Vec<(String, usize, hosted::Item)>,
}

impl Items<'_> {
    fn choice(&mut self, choice: &Choice) {
        let mut tokens = item::logprobs(choice.logprobs.as_deref().unwrap_or_default());
        let texts = choice.parts.iter().filter(|part| matches!(part, Part::Text(_))).count();
        let mut left = texts;
        for part in &choice.parts {
            match part {
                Part::Text(text) => {
                    left -= 1;
                    let tokens = of_text(&mut tokens, &text.text, left == 0);
                    self.text(text, tokens);
                }
                Part::Refusal(refusal) => self.message.push(item::Part::Refusal(refusal.clone())),
                Part::Reasoning(thought) if thought.carries(Dialect::Responses).is_some() => {}
                Part::Reasoning(thought) => self.thought(thought),
                Part::ToolCall(call) => self.call(call),
                Part::Hosted(step) => self.hosted(step),
                Part::Opaque(opaque) => {
                    if let Some(item) = item::opaque(opaque) {
                        self.item(|_| item);
                    }
                }
                Part::Image(media) => {
                    let id = self.next_id("ig");
                    if let Some(item) = item::image(&id, media) {
                        self.item(|_| item);
                    }
                }
                // The vocabulary says what is left out.
                Part::Audio(_) | Part::Video(_) | Part::Document(_) | Part::ToolResult(_) => {}
            }
        }
        let whole = matches!(choice.finish.reason, FinishReason::Stop | FinishReason::ToolCalls);
        self.close(if whole { Status::Completed } else { Status::Incomplete });
    }

    fn text(&mut self, text: &Text, logprobs: Vec<Logprob>) {
        let annotations =
            text.citations.iter().filter_map(|it| item::annotated(it, &text.text)).collect();
        self.message.push(item::Part::Text { text: text.text.clone(), annotations, logprobs });
        if let Some(seal) = &text.signature {
            self.item(|id| item::sealed(&id("rs"), Seal::Text(seal)));
        }
    }

    fn thought(&mut self, thought: &Thought) {
        let encrypted = item::encrypted(thought);
        self.item(|id| {
            let id = thought.id.clone().unwrap_or_else(|| id("rs"));
            item::reasoning(&id, &thought.text, encrypted.as_deref())
        });
    }

    /// What was done and what came of it are one item, though they may come apart.
    fn hosted(&mut self, step: &HostedStep) {
        if let Some(own) = step.own(Dialect::Responses).and_then(item::opaque) {
            return self.item(|_| own);
        }
        if let Some(action) = &step.action {
            self.close(Status::Completed);
            let id = self.next_id(hosted::Item::prefix(action));
            let (action, outcome) = (action.clone(), step.outcome.clone());
            let item = hosted::Item { id, action, outcome };
            self.done.push(item.json(item.ended()));
            self.steps.push((step.id.clone(), self.done.len() - 1, item));
            return;
        }
        let begun = self.steps.iter_mut().rev().find(|(id, ..)| *id == step.id);
        let Some((_, place, item)) = begun else { return };
        item.outcome.clone_from(&step.outcome);
        if let Some(done) = self.done.get_mut(*place) {
            *done = item.json(item.ended());
        }
    }

    fn call(&mut self, call: &ToolCall) {
        self.item(|id| {
            let id = id(item::call_prefix(call.kind));
            let arguments = item::arguments_of(call.kind, &call.arguments);
            let (call_id, name, kind) = (&call.id, &call.name, call.kind);
            Call { id: &id, call_id, name, arguments, kind }.item(Status::Completed)
        });
        if let Some(seal) = &call.signature {
            self.item(|id| item::sealed(&id("rs"), Seal::Call { id: &call.id, seal }));
        }
    }

    /// Adds an item, behind the message that is open. `write` is told how to name it.
    fn item(&mut self, write: impl FnOnce(&dyn Fn(&str) -> String) -> Vec<u8>) {
        self.close(Status::Completed);
        let (head, at) = (self.head, self.done.len());
        self.done.push(write(&|prefix| head.item_id(prefix, at)));
    }

    fn next_id(&self, prefix: &str) -> String {
        let at = self.done.len() + usize::from(!self.message.is_empty());
        self.head.item_id(prefix, at)
    }

    fn close(&mut self, status: Status) {
        let parts = std::mem::take(&mut self.message);
        if !parts.is_empty() {
            let id = self.next_id("msg");
            self.done.push(item::message(&id, status, &parts));
        }
    }
}

/// The tokens that make up a text, off the front of those that are left; all of them for the last.
fn of_text(tokens: &mut Vec<Logprob>, text: &str, last: bool) -> Vec<Logprob> {
    if last {
        return std::mem::take(tokens);
    }
    let mut bytes = 0;
    let end = tokens.iter().position(|token| {
        let full = bytes >= text.len();
        bytes += token.token.len();
        full
    });
    let rest = tokens.split_off(end.unwrap_or(tokens.len()));
    std::mem::replace(tokens, rest)
}

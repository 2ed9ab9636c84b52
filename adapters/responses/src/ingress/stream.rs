//! A streamed answer in the client's words.

use adapters_canonical::annotation::Citation;
use adapters_canonical::chat::{Finish, FinishReason};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, Dialect, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;

use super::event::{Events, member, place};
use super::item;
use super::object::{Head, Rest, State};
use crate::seal::Seal;
use crate::wire::item::{Logprob, Said, Status};
use part::{CallPart, Kind, Open, TextPart, ThoughtPart};
use steps::Steps;

mod part;
mod steps;

/// Writes the events of a response.
///
/// Texts and refusals that follow each other share a message, which ends with the first part of
/// another kind or with the answer. A seal that is not on a thought comes in a reasoning item of
/// its own, behind what it seals. The last event carries the whole response, usage included,
/// whether that was asked for or not.
///
/// [`Delta::Failure`] writes nothing: whoever drives the stream calls [`fail`](Self::fail), having
/// decided that there is no other attempt. A call that is not complete by then never ends, and is
/// no part of the response: clients would run it.
#[derive(Debug)]
pub struct ResponseStreamEncoder {
    context: AnswerContext,
    events: Option<Events>,
    output: Output,
    /// What was done with tools of the provider, of which nothing came yet.
    steps: Steps,
    /// The parts that have not ended, oldest first.
    open: Vec<Open>,
    /// Probabilities of tokens that are to be said.
    tokens: Vec<Logprob>,
    usage: Option<Usage>,
    service_tier: Option<String>,
    finish: Option<Finish>,
    ended: bool,
}

/// What was said.
#[derive(Debug, Default)]
struct Output {
    /// In the order they began; `None` while an item is open.
    items: Vec<Option<Vec<u8>>>,
    message: Option<Message>,
}

/// The message that is open.
#[derive(Debug)]
struct Message {
    index: usize,
    id: String,
    parts: Vec<item::Part>,
}

impl Output {
    /// Takes a place for an item.
    fn open(&mut self) -> usize {
        self.items.push(None);
        self.items.len() - 1
    }

    fn done(&mut self, index: usize, item: Vec<u8>) {
        if let Some(place) = self.items.get_mut(index) {
            *place = Some(item);
        }
    }

    fn items(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().flatten().map(Vec::as_slice)
    }

    /// Writes an item that is complete from the start.
    fn whole(&mut self, events: &mut Events, out: &mut Vec<u8>, item: Vec<u8>) {
        let index = self.open();
        events.item(out, "response.output_item.added", index, &item);
        events.item(out, "response.output_item.done", index, &item);
        self.done(index, item);
    }

    /// The message that texts belong to; begins one if there is none.
    fn message(&mut self, events: &mut Events, out: &mut Vec<u8>) -> &mut Message {
        if self.message.is_none() {
            let index = self.open();
            let id = events.head.item_id("msg", index);
            let item = item::message(&id, Status::InProgress, &[]);
            events.item(out, "response.output_item.added", index, &item);
            return self.message.insert(Message { index, id, parts: Vec::new() });
        }
        let none = || Message { index: 0, id: String::new(), parts: Vec::new() };
        self.message.get_or_insert_with(none)
    }

    fn close_message(&mut self, events: &mut Events, out: &mut Vec<u8>, status: Status) {
        if let Some(Message { index, id, parts }) = self.message.take() {
            let item = item::message(&id, status, &parts);
            events.item(out, "response.output_item.done", index, &item);
            self.done(index, item);
        }
    }
}

impl ResponseStreamEncoder {
    /// An encoder for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            context,
            events: None,
            output: Output::default(),
            steps: Steps::default(),
            open: Vec::new(),
            tokens: Vec::new(),
            usage: None,
            service_tier: None,
            finish: None,
            ended: false,
        }
    }

    fn begin(&mut self, start: &Start, out: &mut Vec<u8>) {
        if self.events.is_none() {
            let Start { id, model, created } = start;
            let head = Head::new(id, model, *created, &self.context);
            self.events = Some(Events::begin(head, out));
        }
    }

    fn part_start(&mut self, out: &mut Vec<u8>, part: u32, kind: &PartKind) {
        let Some(events) = &mut self.events else { return };
        let output = &mut self.output;
        if !matches!(kind, PartKind::Text | PartKind::Refusal) {
            output.close_message(events, out, Status::Completed);
        }
        let kind = match kind {
            PartKind::Text => Kind::Text(TextPart::begin(output.message(events, out))),
            PartKind::Refusal => Kind::Refusal(TextPart::begin(output.message(events, out))),
            kind if kind.carries(Dialect::Responses) => Kind::Hidden,
            PartKind::Reasoning { redacted, origin, id } => {
                let index = output.open();
                let id = id.clone().unwrap_or_else(|| events.head.item_id("rs", index));
                Kind::Thought(Box::new(ThoughtPart::begin(id, index, redacted.clone(), *origin)))
            }
            PartKind::ToolCall { id, name, kind } => {
                let index = output.open();
                let item_id = events.head.item_id(item::call_prefix(*kind), index);
                Kind::Call(Box::new(CallPart::begin(item_id, index, (id, name), *kind)))
            }
            PartKind::Image(media) => {
                let id = events.head.item_id("ig", output.items.len());
                if let Some(item) = item::image(&id, media) {
                    output.whole(events, out, item);
                }
                Kind::Hidden
            }
            PartKind::Hosted(step) => {
                match step.own(Dialect::Responses).and_then(item::opaque) {
                    Some(item) => output.whole(events, out, item),
                    None => self.steps.say(step, output, events, out),
                }
                Kind::Hidden
            }
            PartKind::Opaque(opaque) => {
                if let Some(item) = item::opaque(opaque) {
                    output.whole(events, out, item);
                }
                Kind::Hidden
            }
            PartKind::Audio(_) => Kind::Hidden,
        };
        kind.announce(events, out);
        self.open.push(Open { part, kind });
    }

    fn part_end(&mut self, out: &mut Vec<u8>, part: u32) {
        let Some(at) = self.open.iter().rposition(|open| open.part == part) else { return };
        let Open { kind, .. } = self.open.remove(at);
        self.close(out, kind);
    }

    fn close(&mut self, out: &mut Vec<u8>, kind: Kind) {
        let Some(events) = &mut self.events else { return };
        match kind {
            Kind::Text(text) => {
                let tokens = std::mem::take(&mut self.tokens);
                let (part, seal) = text.end(events, out, tokens);
                self.output.message(events, out).parts.push(part);
                if let Some(seal) = seal {
                    self.output.close_message(events, out, Status::Completed);
                    seal_item(&mut self.output, events, out, Seal::Text(&seal));
                }
            }
            Kind::Refusal(refusal) => {
                let part = refusal.end_refusal(events, out);
                self.output.message(events, out).parts.push(part);
            }
            Kind::Thought(thought) => {
                let index = thought.index;
                self.output.done(index, thought.end(events, out));
            }
            Kind::Call(call) => {
                let (index, id, seal) = (call.index, call.call_id.clone(), call.signature.clone());
                self.output.done(index, call.end(events, out));
                if let Some(seal) = &seal {
                    let seal = Seal::Call { id: &id, seal };
                    seal_item(&mut self.output, events, out, seal);
                }
            }
            Kind::Hidden => {}
        }
    }

    fn said(&mut self, out: &mut Vec<u8>, part: u32, text: &str) {
        let (Some(events), Some(open)) = (&mut self.events, find(&mut self.open, part)) else {
            return;
        };
        if text.is_empty() {
            return;
        }
        match &mut open.kind {
            Kind::Text(said) => {
                let tokens = std::mem::take(&mut self.tokens);
                said.delta(events, out, text, tokens);
            }
            Kind::Refusal(said) => said.delta_refusal(events, out, text),
            Kind::Thought(thought) => thought.delta(events, out, text),
            Kind::Call(_) | Kind::Hidden => {}
        }
    }

    fn arguments(&mut self, out: &mut Vec<u8>, part: u32, fragment: &str) {
        if let (Some(events), Some(Open { kind: Kind::Call(call), .. })) =
            (&mut self.events, find(&mut self.open, part))
            && !fragment.is_empty()
        {
            call.delta(events, out, fragment);
        }
    }

    fn signature(&mut self, part: u32, seal: &str) {
        let Some(open) = find(&mut self.open, part) else { return };
        let seal = Some(seal.to_owned());
        match &mut open.kind {
            Kind::Text(text) => text.signature = seal,
            Kind::Thought(thought) => thought.thought.signature = seal,
            Kind::Call(call) => call.signature = seal,
            Kind::Refusal(_) | Kind::Hidden => {}
        }
    }

    fn citation(&mut self, out: &mut Vec<u8>, part: u32, citation: &Citation) {
        if let (Some(events), Some(Open { kind: Kind::Text(text), .. })) =
            (&mut self.events, find(&mut self.open, part))
        {
            text.cite(events, out, citation);
        }
    }

    /// Ends what is open as far as it can be said that it ended.
    fn close_all(&mut self, out: &mut Vec<u8>, status: Status, with_calls: bool) {
        for Open { kind, .. } in std::mem::take(&mut self.open) {
            if with_calls || !matches!(kind, Kind::Call(_)) {
                self.close(out, kind);
            }
        }
        if let Some(events) = &mut self.events {
            self.output.close_message(events, out, status);
            self.steps.close(matches!(status, Status::Completed), &mut self.output, events, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>, failure: Option<&Failure>) {
        let silent = self.output.items.is_empty();
        // A prompt that was blocked has no answer at all, and no end of it.
        let reason = if silent { FinishReason::ContentFilter } else { FinishReason::Stop };
        let finish = self.finish.take().unwrap_or_else(|| reason.into());
        let state = match failure {
            Some(failure) => State::Failed { failure, request_id: &self.context.request_id },
            None => State::Ended { finish: &finish, at: None },
        };
        let rest = Rest { usage: self.usage.as_ref(), service_tier: self.service_tier.as_deref() };
        if let Some(events) = &mut self.events {
            events.end(out, state, self.output.items(), &rest);
        }
    }
}

impl StreamEncoder for ResponseStreamEncoder {
    fn push(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match delta {
            Delta::Start(start) => self.begin(start, out),
            // There is one answer only.
            Delta::PartStart { choice: 1.., part, .. } => {
                self.open.push(Open { part: *part, kind: Kind::Hidden });
            }
            Delta::PartStart { part, kind, .. } => self.part_start(out, *part, kind),
            Delta::Text { part, text } => self.said(out, *part, text),
            Delta::Arguments { part, fragment } => self.arguments(out, *part, fragment),
            Delta::Signature { part, signature } => self.signature(*part, signature),
            Delta::Citation { part, citation } => self.citation(out, *part, citation),
            Delta::Logprobs { choice: 0, tokens } => self.tokens.extend(item::logprobs(tokens)),
            Delta::PartEnd { part } => self.part_end(out, *part),
            Delta::Usage(newer) => self.usage.get_or_insert_default().update(newer),
            Delta::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Delta::Finish { choice: 0, finish } => {
                self.close_all(out, status(finish.reason), true);
                self.finish = Some(finish.clone());
            }
            Delta::Finish { .. }
            | Delta::Logprobs { .. }
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.begin(&Start::default(), out);
        self.close_all(out, Status::Completed, true);
        self.end(out, None);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.begin(&Start::default(), out);
        self.close_all(out, Status::Incomplete, false);
        self.end(out, Some(failure));
    }
}

fn find(open: &mut [Open], part: u32) -> Option<&mut Open> {
    open.iter_mut().rev().find(|open| open.part == part)
}

fn seal_item(output: &mut Output, events: &mut Events, out: &mut Vec<u8>, seal: Seal<'_>) {
    let id = events.head.item_id("rs", output.items.len());
    output.whole(events, out, item::sealed(&id, seal));
}

fn status(reason: FinishReason) -> Status {
    match reason {
        FinishReason::Stop | FinishReason::ToolCalls => Status::Completed,
        FinishReason::Length
        | FinishReason::Pause
        | FinishReason::ContentFilter
        | FinishReason::Error => Status::Incomplete,
    }
}

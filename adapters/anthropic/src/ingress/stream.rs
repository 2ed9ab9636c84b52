//! A streamed answer in the client's words.

mod block;

use std::collections::VecDeque;

use adapters_canonical::chat::{Finish, FinishReason};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, Dialect, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;

use self::block::{Block, Content};
use super::answer::{ending, message_id, usage};
use super::frames;
use crate::hosted;

/// Writes the events of a message: `message_start` once, then block after block, none inside
/// another, then `message_delta` and `message_stop`.
///
/// Several calls may be open at once in a canonical stream, but not in this dialect: the first is
/// streamed, the others wait for their turn. `message_start` says of the usage what is known by
/// then, `message_delta` says it whole; nothing of it is held back for long, since the first is
/// written with the first part, and the last when the upstream has ended, which may tell the usage
/// after everything else.
///
/// [`Delta::Failure`] writes nothing: whoever drives the stream calls [`fail`](Self::fail), having
/// decided that there is no other attempt. Parts this dialect has no block for are left out, and so
/// is every answer but the first.
#[derive(Debug)]
pub struct MessageStreamEncoder {
    context: AnswerContext,
    start: Start,
    begun: bool,
    /// The number of the next block.
    next: u32,
    open: Option<Open>,
    waiting: VecDeque<Waiting>,
    usage: Usage,
    service_tier: Option<String>,
    finish: Option<Finish>,
    called: bool,
    refused: bool,
    ended: bool,
}

#[derive(Debug)]
struct Open {
    part: u32,
    block: Block,
}

/// A call that began while another was open.
#[derive(Debug)]
struct Waiting {
    open: Open,
    arguments: String,
    ended: bool,
}

impl MessageStreamEncoder {
    /// An encoder for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            context,
            start: Start::default(),
            begun: false,
            next: 0,
            open: None,
            waiting: VecDeque::new(),
            usage: Usage::default(),
            service_tier: None,
            finish: None,
            called: false,
            refused: false,
            ended: false,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let id = message_id(&self.start.id, &self.context.request_id);
        let told = &self.start.model;
        let model = if told.is_empty() { &self.context.model } else { told };
        // No output yet, whatever the provider counts ahead.
        let known = Usage { output: None, reasoning: None, ..self.usage.clone() };
        frames::message_start(out, &id, model, &usage(&known, self.service_tier.as_deref()));
    }

    fn part_start(&mut self, out: &mut Vec<u8>, part: u32, kind: &PartKind) {
        self.begin(out);
        let open = Open { part, block: Block::new(kind) };
        match kind {
            PartKind::ToolCall { .. } => {
                self.called = true;
                if self.open.is_some() {
                    let waiting = Waiting { open, arguments: String::new(), ended: false };
                    self.waiting.push_back(waiting);
                    return;
                }
            }
            PartKind::Refusal => {
                self.refused = true;
                self.close_all(out);
            }
            PartKind::Text
            | PartKind::Reasoning { .. }
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Opaque(_) => self.close_all(out),
            PartKind::Hosted(step) => {
                self.close_all(out);
                if step.own(Dialect::Anthropic).is_none() {
                    for said in hosted::blocks(step) {
                        block::whole(out, &mut self.next, said);
                    }
                }
            }
        }
        self.open(out, open);
    }

    fn open(&mut self, out: &mut Vec<u8>, mut open: Open) {
        open.block.begin(out, &mut self.next);
        self.open = Some(open);
    }

    fn block(&mut self, part: u32) -> Option<&mut Block> {
        self.open.as_mut().filter(|open| open.part == part).map(|open| &mut open.block)
    }

    fn waiting(&mut self, part: u32) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.open.part == part)
    }

    fn add(&mut self, out: &mut Vec<u8>, part: u32, content: Content<'_>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.part == part) {
            open.block.add(out, &mut self.next, content);
        } else if let Some(waiting) = self.waiting(part)
            && let Content::Arguments(fragment) = content
        {
            waiting.arguments.push_str(fragment);
        }
    }

    fn signature(&mut self, part: u32, signature: &str) {
        if let Some(block) = self.block(part) {
            block.seal(signature);
        } else if let Some(waiting) = self.waiting(part) {
            waiting.open.block.seal(signature);
        }
    }

    fn part_end(&mut self, out: &mut Vec<u8>, part: u32) {
        if self.block(part).is_some() {
            self.close(out);
            self.go_on(out);
        } else if let Some(waiting) = self.waiting(part) {
            waiting.ended = true;
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            open.block.end(out, &mut self.next);
        }
    }

    /// Lets the calls that waited have their turn, up to the first that is still open.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        while let Some(waiting) = self.waiting.pop_front() {
            let Waiting { open, arguments, ended } = waiting;
            let part = open.part;
            self.open(out, open);
            self.add(out, part, Content::Arguments(&arguments));
            if !ended {
                return;
            }
            self.close(out);
        }
    }

    fn close_all(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        for waiting in &mut self.waiting {
            waiting.ended = true;
        }
        self.go_on(out);
    }
}

impl StreamEncoder for MessageStreamEncoder {
    fn push(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match delta {
            Delta::Start(start) if !self.begun => self.start = start.clone(),
            Delta::PartStart { part, choice: 0, kind } => self.part_start(out, *part, kind),
            Delta::Text { part, text } => self.add(out, *part, Content::Text(text)),
            Delta::Arguments { part, fragment } => {
                self.add(out, *part, Content::Arguments(fragment));
            }
            Delta::Signature { part, signature } => self.signature(*part, signature),
            Delta::Citation { part, citation } => {
                self.add(out, *part, Content::Citation(citation));
            }
            Delta::PartEnd { part } => self.part_end(out, *part),
            Delta::Usage(newer) => self.usage.update(newer),
            Delta::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Delta::Finish { choice: 0, finish } => self.finish = Some(finish.clone()),
            Delta::Start(_)
            | Delta::PartStart { .. }
            | Delta::Finish { .. }
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
        self.begin(out);
        self.close_all(out);
        let finish = self.finish.take().unwrap_or_else(|| Finish::from(FinishReason::Stop));
        let ending = ending(&finish, self.called, self.refused);
        frames::message_delta(out, &ending, &usage(&self.usage, self.service_tier.as_deref()));
        frames::message_stop(out);
    }

    /// Ends the block that is open, adding nothing that would make it look whole. What waited is
    /// forgotten.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(open) = self.open.take() {
            open.block.break_off(out);
        }
        frames::error(out, failure, &self.context.request_id);
    }
}

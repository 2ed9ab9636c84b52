//! What does Anthropic answer, bit by bit?
//!
//! Most events of a stream are a few words of text, so those are read in one pass that borrows
//! from the frame. Everything else is left raw until it is known to be needed.
//!
//! [`parts`] keeps the order that [`Delta`] promises, whatever comes in; this file only says what
//! each event means.

mod parts;

use adapters_canonical::delta::{Delta, Start};
use adapters_canonical::dialect::StreamDecoder;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::string::Str;
use adapters_sse::{Decoder, Frame};
use serde_json::value::RawValue;

use self::parts::{Ending, Parts};
use super::{error, loss, response};
use crate::citation;
use crate::wire::answer::{Block, Message, Tag};
use crate::wire::event::{self, Event};

/// Events that mean something; any other is somebody's extension and passes.
const KNOWN: &[&str] = &[
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
];

/// Reads one streamed answer.
#[derive(Debug, Default)]
pub(super) struct Stream {
    frames: Decoder,
    reading: Reading,
}

impl StreamDecoder for Stream {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let pushed = self.frames.push(chunk);
        while let Some(frame) = self.frames.next_frame() {
            self.reading.frame(&frame, out);
        }
        pushed.map_err(|error| DecodeError::Framing(error.to_string()))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        self.frames.finish();
        while let Some(frame) = self.frames.next_frame() {
            self.reading.frame(&frame, out);
        }
        self.reading.end_of_body(out)
    }
}

/// How far the answer has come.
#[derive(Debug, Default)]
struct Reading {
    parts: Parts,
    /// What the last `message_delta` said about the end.
    stop: Option<Stop>,
    /// What has been reported as lost: once each.
    lost: Vec<Loss>,
    /// Nothing that comes now matters any more.
    over: bool,
}

#[derive(Debug)]
struct Stop {
    reason: String,
    sequence: Option<String>,
    explanation: Option<String>,
    losses: Vec<Loss>,
}

impl Stop {
    fn new(reason: Str<'_>, sequence: Option<Str<'_>>, details: Option<&RawValue>) -> Self {
        Self {
            losses: loss::of_stop(Some(&*reason), details),
            reason: reason.0.into_owned(),
            sequence: sequence.map(Into::into),
            explanation: response::explanation(details),
        }
    }
}

impl Reading {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<Delta>) {
        if self.over {
            return;
        }
        let data = if frame.data.is_empty() { bare_body(frame) } else { &*frame.data };
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        match serde_json::from_slice::<Event<'_>>(data) {
            Ok(event) => {
                if let Err(error) = self.event(event, frame.event, out) {
                    out.push(Delta::Malformed(error));
                }
            }
            Err(error) if is_known(data, frame.event) => {
                out.push(Delta::Malformed(error.into()));
            }
            Err(_) => {}
        }
    }

    fn event(
        &mut self,
        event: Event<'_>,
        name: Option<&str>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        let index = event.index.unwrap_or(0);
        match event.kind.as_deref().or(name).unwrap_or_default() {
            "content_block_delta" => {
                let delta = event.delta.ok_or_else(|| missing("delta"))?;
                self.fragment(index, delta, out)
            }
            "content_block_start" => {
                let block = event.content_block.ok_or_else(|| missing("content_block"))?;
                self.parts.begin(index, block, out)?;
                self.block_losses(block, index, out);
                Ok(())
            }
            "content_block_stop" => {
                self.parts.end(index, out);
                Ok(())
            }
            "message_start" => {
                self.message_start(event.message.ok_or_else(|| missing("message"))?, out)
            }
            "message_delta" => {
                let edited = event.context_management.is_some();
                self.message_delta(event.delta.unwrap_or_default(), (event.usage, edited), out)
            }
            "message_stop" => {
                self.complete(out);
                Ok(())
            }
            "error" => {
                self.fail(event.error, out);
                Ok(())
            }
            "" if event.error.is_some() => {
                self.fail(event.error, out);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn message_start(&mut self, raw: &RawValue, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let message: Message<'_> = serde_json::from_str(raw.get())
            .map_err(|_| DecodeError::shape("message", "must be a message"))?;
        let spliced = self.parts.any();
        if spliced {
            self.parts.close_all(Ending::BrokenOff, out);
            self.stop = None;
        }
        self.parts.start(
            Start {
                id: message.id.unwrap_or_default().0.into_owned(),
                model: message.model.unwrap_or_default().0.into_owned(),
                created: None,
            },
            out,
        );
        for (at, block) in (0..).zip(message.content.unwrap_or_default()) {
            self.parts.whole(block, out)?;
            self.block_losses(block, at, out);
        }
        if message.container.is_some() {
            self.lose(loss::of_container(), out);
        }
        self.usage(message.usage, out)?;
        if let Some(reason) = message.stop_reason {
            // The whole message came at once.
            self.stop = Some(Stop::new(reason, message.stop_sequence, message.stop_details));
        }
        if spliced {
            let said = "a second message begins inside the first".to_owned();
            return Err(DecodeError::Framing(said));
        }
        Ok(())
    }

    fn fragment(
        &mut self,
        index: u64,
        delta: event::Delta<'_>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        match delta.kind.as_deref().unwrap_or_default() {
            "text_delta" => self.parts.text(index, delta.text.unwrap_or_default(), out),
            "thinking_delta" => self.parts.thought(index, delta.thinking.unwrap_or_default(), out),
            "input_json_delta" => {
                return self.parts.input(index, delta.partial_json.unwrap_or_default(), out);
            }
            "signature_delta" => {
                return self.parts.seal(index, delta.signature.unwrap_or_default(), out);
            }
            "compaction_delta" => self.parts.content(index, delta.content),
            "citations_delta" => {
                if let Some(citation) = delta.citation {
                    self.parts.citation(index, citation, out);
                    if citation::has_place(citation) {
                        self.lose(loss::of_citation(index), out);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn message_delta(
        &mut self,
        delta: event::Delta<'_>,
        (tokens, edited): (Option<&RawValue>, bool),
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        if let Some(reason) = delta.stop_reason {
            self.stop = Some(Stop::new(reason, delta.stop_sequence, delta.stop_details));
        }
        self.parts.ensure_start(out);
        if delta.container.is_some() {
            self.lose(loss::of_container(), out);
        }
        if edited {
            self.lose(loss::of_context_management(), out);
        }
        self.usage(tokens, out)
    }

    fn usage(&mut self, raw: Option<&RawValue>, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let Some(raw) = raw else { return Ok(()) };
        let (usage, tier) = response::read_usage(raw)?;
        out.push(Delta::Usage(usage));
        out.extend(tier.map(Delta::ServiceTier));
        if let Some(loss) = loss::of_usage(raw) {
            self.lose(loss, out);
        }
        Ok(())
    }

    fn block_losses(&mut self, raw: &RawValue, at: u64, out: &mut Vec<Delta>) {
        if let Ok(Some(block)) = Block::read(raw) {
            loss::of_block(&block, at).into_iter().for_each(|loss| self.lose(loss, out));
        }
    }

    fn lose(&mut self, loss: Loss, out: &mut Vec<Delta>) {
        if !self.lost.contains(&loss) {
            self.lost.push(loss.clone());
            out.push(Delta::Loss(loss));
        }
    }

    fn complete(&mut self, out: &mut Vec<Delta>) {
        self.over = true;
        self.parts.close_all(Ending::Complete, out);
        self.parts.ensure_start(out);
        let stop = self.stop.take();
        let explanation = stop.as_ref().and_then(|stop| stop.explanation.clone());
        if let Some(words) = explanation.as_deref().filter(|_| is_refusal(stop.as_ref())) {
            self.parts.refusal(words, out);
        }
        let (reason, rest) = stop.map(|stop| (stop.reason, (stop.sequence, stop.losses))).unzip();
        let (sequence, losses) = rest.unzip();
        let called = self.parts.called();
        let mut finish = response::finish(reason.as_deref(), sequence.flatten(), called);
        finish.message = explanation;
        out.extend(losses.into_iter().flatten().map(Delta::Loss));
        out.push(Delta::Finish { choice: 0, finish });
    }

    fn fail(&mut self, detail: Option<&RawValue>, out: &mut Vec<Delta>) {
        self.over = true;
        self.parts.close_all(Ending::BrokenOff, out);
        out.push(Delta::Failure(error::decode_event(detail)));
    }

    /// A reason to stop is as good as the `message_stop` that some never send.
    fn end_of_body(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        if self.over {
            return Ok(());
        }
        if self.stop.is_some() {
            self.complete(out);
            return Ok(());
        }
        self.over = true;
        self.parts.close_all(Ending::BrokenOff, out);
        Err(DecodeError::Truncated)
    }
}

fn is_refusal(stop: Option<&Stop>) -> bool {
    stop.is_some_and(|stop| stop.reason == "refusal")
}

fn missing(field: &str) -> DecodeError {
    DecodeError::shape(field, "is missing")
}

/// A body that is no event stream at all, such as an error in JSON or a page in HTML, sits in a
/// frame without data.
fn bare_body<'a>(frame: &Frame<'a>) -> &'a [u8] {
    let body = frame.raw.trim_ascii();
    match body.first() {
        Some(b'{' | b'<') => body,
        _ => &[],
    }
}

/// Whether an event that did not fit is one that we should have understood.
fn is_known(data: &[u8], name: Option<&str>) -> bool {
    match serde_json::from_slice::<Tag<'_>>(data) {
        Ok(tag) => tag.kind.as_deref().or(name).is_none_or(|kind| KNOWN.contains(&kind)),
        Err(_) => true,
    }
}

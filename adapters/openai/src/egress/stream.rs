//! A provider's streamed answer.

use adapters_canonical::delta::{Delta, Start};
use adapters_canonical::dialect::StreamDecoder;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_openai_words::refusal::{in_chunk, stream_error};
use adapters_sse::{Decoder, Frame};

use super::response::{SOURCES, finish, finish_loss, moderation_loss};
use crate::wire::answer::{Answer, Choice, seconds};
use adapters_json::read;
use choice::{ChoiceState, Out};

mod call;
mod choice;
mod sound;

/// Reads `chat.completion.chunk` events.
///
/// Tolerates what providers were seen to do: a first chunk without choices, chunks without a
/// role, calls without index or id (field 28), several calls under one index (field 21), usage in
/// the chunk that ends the choice or in one of its own, thoughts as `reasoning_content` or
/// `reasoning`, and a stream without `[DONE]`.
#[derive(Debug, Default)]
pub(super) struct ChunkDecoder {
    frames: Decoder,
    answer: State,
}

#[derive(Debug, Default)]
struct State {
    start: Start,
    started: bool,
    choices: Vec<ChoiceState>,
    parts: Parts,
    /// Whether it was said that sources beside the answer are left out.
    sources_lost: bool,
    /// The same of what the provider thinks of the words.
    moderation_lost: bool,
    service_tier: Option<String>,
    done: bool,
    failed: bool,
}

/// Numbers parts over the whole stream.
#[derive(Debug, Default)]
pub(super) struct Parts(u32);

impl Parts {
    pub(super) fn next(&mut self) -> u32 {
        let number = self.0;
        self.0 = self.0.saturating_add(1);
        number
    }
}

impl StreamDecoder for ChunkDecoder {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        let pushed = self.frames.push(chunk);
        while let Some(frame) = self.frames.next_frame() {
            self.answer.frame(&frame, out);
        }
        pushed.map_err(|error| DecodeError::Framing(error.to_string()))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        self.frames.finish();
        while let Some(frame) = self.frames.next_frame() {
            self.answer.frame(&frame, out);
        }
        self.answer.finish(out)
    }
}

impl State {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<Delta>) {
        let data = frame.data.trim_ascii();
        if self.failed || self.done || data.is_empty() {
            return;
        }
        if data == b"[DONE]" {
            self.done = true;
            return;
        }
        if frame.event == Some("error")
            && let Ok(json) = std::str::from_utf8(data)
            && let Some(error) = stream_error(json, true)
        {
            self.failed = true;
            out.push(Delta::Failure(error));
            return;
        }
        match read::body::<Answer<'_>>(data) {
            Ok(chunk) => self.chunk(chunk, out),
            Err(error) => out.push(Delta::Malformed(error)),
        }
    }

    fn chunk(&mut self, chunk: Answer<'_>, out: &mut Vec<Delta>) {
        self.learn(&chunk);
        let failure = in_chunk(chunk.error);
        let choices = chunk.choices.unwrap_or_default();
        if !choices.is_empty() || chunk.usage.is_some() {
            self.begin(out);
        }
        if self.started && chunk.service_tier.is_some() && chunk.service_tier != self.service_tier {
            out.extend(chunk.service_tier.clone().map(Delta::ServiceTier));
            self.service_tier = chunk.service_tier;
        }
        for choice in choices {
            self.choice(choice, failure.is_some(), out);
        }
        if chunk.citations.is_some_and(|all| !all.is_empty())
            && !std::mem::replace(&mut self.sources_lost, true)
        {
            out.push(Delta::Loss(Loss::dropped("citations", SOURCES)));
        }
        if chunk.moderation.is_some() && !std::mem::replace(&mut self.moderation_lost, true) {
            out.push(Delta::Loss(moderation_loss()));
        }
        if let Some(usage) = chunk.usage {
            out.push(Delta::Usage(usage.into()));
        }
        if let Some(error) = failure {
            self.failed = true;
            out.push(Delta::Failure(error));
        }
    }

    fn learn(&mut self, chunk: &Answer<'_>) {
        if self.started {
            return;
        }
        if let Some(id) = chunk.id.as_ref().filter(|id| !id.is_empty()) {
            self.start.id = (**id).to_owned();
        }
        if let Some(model) = chunk.model.as_ref().filter(|model| !model.is_empty()) {
            self.start.model = (**model).to_owned();
        }
        self.start.created = seconds(chunk.created).or(self.start.created);
    }

    fn begin(&mut self, out: &mut Vec<Delta>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Delta::Start(self.start.clone()));
        }
    }

    fn choice(&mut self, choice: Choice<'_>, failed: bool, out: &mut Vec<Delta>) {
        let index = choice.index.unwrap_or(0);
        let at = match self.choices.iter().position(|state| state.index == index) {
            Some(at) => at,
            None => {
                self.choices.push(ChoiceState::new(index));
                self.choices.len() - 1
            }
        };
        let Some(state) = self.choices.get_mut(at) else { return };
        if state.finished {
            return;
        }
        if let Some(delta) = choice.delta.or(choice.message) {
            state.delta(delta, &self.start.id, &mut Out { parts: &mut self.parts, deltas: out });
        }
        if let Some(raw) = choice.logprobs {
            state.logprobs(raw, &mut Out { parts: &mut self.parts, deltas: out });
        }
        // A chunk that carries an error ends nothing well.
        let word = choice.finish_reason.filter(|word| !word.is_empty() && !failed);
        if let Some(word) = word {
            state.close(&mut Out { parts: &mut self.parts, deltas: out });
            let finish = finish(Some(&word), state.has_calls());
            state.finished = true;
            out.extend(finish_loss(Some(&word), index).map(Delta::Loss));
            out.push(Delta::Finish { choice: index, finish });
        }
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        if self.failed {
            return Ok(());
        }
        let open = self.choices.iter().any(|state| !state.finished);
        if self.choices.is_empty() || (open && !self.done) {
            return Err(DecodeError::Truncated);
        }
        for state in self.choices.iter_mut().filter(|state| !state.finished) {
            state.close(&mut Out { parts: &mut self.parts, deltas: out });
            state.finished = true;
            let finish = finish(None, state.has_calls());
            out.push(Delta::Finish { choice: state.index, finish });
        }
        Ok(())
    }
}

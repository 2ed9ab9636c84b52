//! A provider's streamed answer.

use std::collections::{BTreeMap, VecDeque};

use adapters_canonical::chat::Part;
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{Dialect, StreamDecoder};
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_json::read;
use adapters_sse::{Decoder, Frame};
use serde_json::value::RawValue;

use super::{error, response};
use crate::ingress::annotation;
use crate::passthrough;
use crate::wire::item::Item;
use crate::wire::response::{Response, seconds};
use event::Event;
use parts::{Open, Parts};
use place::Places;

mod event;
mod parts;
mod place;

/// Reads Responses events.
///
/// Parts are streamed as they come. One that would overlap another in a way the canonical order
/// does not allow waits: it is said whole, out of the event that completes its item, once its turn
/// has come. So is everything of which no fragment was seen, and an item that stands in the last
/// event only. The cipher of a thought is complete only with its item. Events that are not known
/// are skipped and counted as a [`Delta::Loss`].
#[derive(Debug, Default)]
pub(super) struct EventDecoder {
    frames: Decoder,
    answer: State,
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    parts: Parts,
    /// By their place in the output.
    items: BTreeMap<u64, Progress>,
    places: Places,
    /// Whole parts that wait for those that are open to end.
    waiting: VecDeque<Part>,
    done: bool,
    failed: bool,
}

/// How far an item has come.
#[derive(Debug)]
enum Progress {
    Message {
        /// How many of its parts have begun.
        begun: usize,
        /// The place in it and the number of the part that is open.
        open: Option<(u64, Open)>,
        /// Whether some of it had to wait, so that all that follows must.
        blocked: bool,
    },
    Thought {
        open: Open,
        /// What is told of it: its summary, or what was thought word for word.
        told: Option<Told>,
    },
    Call(Open),
    /// To be said whole.
    Whole,
    Done,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Summary(u64),
    Words,
}

impl StreamDecoder for EventDecoder {
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
        if self.answer.done || self.answer.failed {
            return Ok(());
        }
        self.answer.close_all(out);
        Err(DecodeError::Truncated)
    }
}

impl State {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<Delta>) {
        let data = frame.data.trim_ascii();
        if self.failed || self.done || data.is_empty() || data == b"[DONE]" {
            return;
        }
        let read = read::body::<Event<'_>>(data).and_then(|event| {
            let kind = event.kind.as_deref().or(frame.event).unwrap_or_default();
            self.event(kind, &event, data, out)
        });
        if let Err(error) = read {
            out.push(Delta::Malformed(error));
        }
    }

    fn event(
        &mut self,
        kind: &str,
        event: &Event<'_>,
        data: &[u8],
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        match kind {
            "error" => {
                let json = String::from_utf8_lossy(data);
                self.failed = true;
                out.push(Delta::Failure(error::event(&json)));
            }
            "response.failed" => self.fail(event.response, out),
            "response.completed" | "response.incomplete" => self.complete(event.response, out)?,
            "response.created" | "response.queued" | "response.in_progress" => {
                self.begin(event.response, out);
            }
            _ => {
                self.begin(None, out);
                self.content(kind, event, out)?;
            }
        }
        Ok(())
    }

    fn content(
        &mut self,
        kind: &str,
        event: &Event<'_>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        let at = event.output_index.unwrap_or(0);
        match kind {
            "response.output_item.added" => self.item_added(at, event.item()?, out)?,
            "response.output_item.done" => {
                if !self.items.contains_key(&at) {
                    self.places.note(at, event.item()?);
                }
                self.item_done(at, event.item()?, out)?;
            }
            "response.content_part.added" => match event.part_kind().as_deref() {
                Some("output_text") => drop(self.text(at, event, &PartKind::Text, out)),
                Some("refusal") => drop(self.text(at, event, &PartKind::Refusal, out)),
                _ => {}
            },
            "response.output_text.delta" => {
                self.say(at, event, &PartKind::Text, event.delta()?, out);
            }
            "response.refusal.delta" => {
                self.say(at, event, &PartKind::Refusal, event.delta()?, out);
            }
            "response.output_text.annotation.added" => {
                if let Some(citation) = event.annotation.and_then(annotation::read)
                    && let Some(open) = self.text(at, event, &PartKind::Text, out)
                {
                    out.push(Delta::Citation { part: open.part, citation });
                }
            }
            "response.output_text.done" => {
                self.say_if_silent(at, event, &PartKind::Text, event.text(), out);
            }
            "response.refusal.done" => {
                self.say_if_silent(at, event, &PartKind::Refusal, event.refusal(), out);
            }
            "response.content_part.done" => self.text_done(at, event.content_index, out),
            "response.reasoning_summary_text.delta" => {
                let told = Told::Summary(event.summary_index.unwrap_or(0));
                self.think(at, told, event.delta()?, out);
            }
            "response.reasoning_text.delta" => self.think(at, Told::Words, event.delta()?, out),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(Progress::Call(open)) = self.items.get_mut(&at) {
                    open.arguments(event.delta()?, out);
                }
            }
            _ if event::is_told_elsewhere(kind) => {}
            _ => {
                let reason = "an event that is not known";
                out.push(Delta::Loss(Loss::dropped(kind.to_owned(), reason)));
            }
        }
        Ok(())
    }

    fn begin(&mut self, response: Option<&RawValue>, out: &mut Vec<Delta>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let response = response
            .and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok())
            .unwrap_or_default();
        out.push(Delta::Start(Start {
            id: response.id.map(String::from).unwrap_or_default(),
            model: response.model.map(String::from).unwrap_or_default(),
            created: seconds(response.created_at),
        }));
    }

    fn item_added(
        &mut self,
        at: u64,
        raw: &RawValue,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        if self.items.contains_key(&at) {
            return Ok(());
        }
        self.places.note(at, raw);
        let item: Item<'_> = read::object(raw, "item")?;
        let progress = match item.kind.as_deref().unwrap_or_default() {
            "message" => Progress::Message { begun: 0, open: None, blocked: false },
            "reasoning" => {
                let kind = PartKind::Reasoning {
                    redacted: None,
                    origin: Some(Dialect::Responses),
                    id: item.id,
                };
                match self.start(kind, out) {
                    Some(open) => Progress::Thought { open, told: None },
                    None => Progress::Whole,
                }
            }
            kind @ ("function_call" | "custom_tool_call") => {
                let (id, kind) = (response::call_id(&item), response::tool_kind(kind));
                let kind = PartKind::ToolCall { id, name: item.name.unwrap_or_default(), kind };
                self.start(kind, out).map_or(Progress::Whole, Progress::Call)
            }
            _ => Progress::Whole,
        };
        self.items.insert(at, progress);
        Ok(())
    }

    /// Begins a part, unless it must wait for others.
    fn start(&mut self, kind: PartKind, out: &mut Vec<Delta>) -> Option<Open> {
        if self.waiting.is_empty() { self.parts.start(kind, out) } else { None }
    }

    /// The text or refusal an event belongs to; begins it if it is new and need not wait.
    fn text(
        &mut self,
        at: u64,
        event: &Event<'_>,
        kind: &PartKind,
        out: &mut Vec<Delta>,
    ) -> Option<&mut Open> {
        let index = event.content_index.unwrap_or(0);
        let new = || Progress::Message { begun: 0, open: None, blocked: false };
        let entry = self.items.entry(at).or_insert_with(new);
        let Progress::Message { begun, open, blocked } = entry else { return None };
        if open.as_ref().is_some_and(|(place, _)| *place != index)
            && let Some((_, before)) = open.take()
        {
            self.parts.end(before, out);
        }
        // A part that has ended does not begin again.
        let is_new = usize::try_from(index).is_ok_and(|index| index == *begun);
        if open.is_none() && is_new && !*blocked {
            let started =
                if self.waiting.is_empty() { self.parts.start(kind.clone(), out) } else { None };
            *blocked = started.is_none();
            *begun += usize::from(started.is_some());
            *open = started.map(|started| (index, started));
        }
        open.as_mut().map(|(_, open)| open).filter(|open| open.is_a(kind))
    }

    fn say(
        &mut self,
        at: u64,
        event: &Event<'_>,
        kind: &PartKind,
        text: String,
        out: &mut Vec<Delta>,
    ) {
        if let Some(open) = self.text(at, event, kind, out) {
            let tokens = event.logprobs();
            if !tokens.is_empty() {
                out.push(Delta::Logprobs { choice: 0, tokens });
            }
            open.text(text, out);
        }
    }

    /// Says the whole text of a part of which no fragment was seen.
    fn say_if_silent(
        &mut self,
        at: u64,
        event: &Event<'_>,
        kind: &PartKind,
        text: String,
        out: &mut Vec<Delta>,
    ) {
        if let Some(open) = self.text(at, event, kind, out)
            && !open.said
        {
            open.text(text, out);
        }
    }

    fn text_done(&mut self, at: u64, index: Option<u64>, out: &mut Vec<Delta>) {
        if let Some(Progress::Message { open, .. }) = self.items.get_mut(&at)
            && open.as_ref().is_some_and(|(place, _)| index.is_none_or(|index| index == *place))
            && let Some((_, open)) = open.take()
        {
            self.parts.end(open, out);
            self.flush(out);
        }
    }

    fn think(&mut self, at: u64, now: Told, text: String, out: &mut Vec<Delta>) {
        let Some(Progress::Thought { open, told }) = self.items.get_mut(&at) else { return };
        match (*told, now) {
            // Another part of the summary.
            (Some(Told::Summary(before)), Told::Summary(next)) if before != next => {
                open.text(format!("\n\n{text}"), out);
            }
            (None | Some(Told::Summary(_)), Told::Summary(_))
            | (None | Some(Told::Words), Told::Words) => open.text(text, out),
            // It is told in one way only.
            (Some(Told::Words), Told::Summary(_)) | (Some(Told::Summary(_)), Told::Words) => return,
        }
        *told = Some(now);
    }

    fn item_done(
        &mut self,
        at: u64,
        raw: &RawValue,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        let before = self.items.insert(at, Progress::Done);
        if matches!(before, Some(Progress::Done)) {
            return Ok(());
        }
        let mut said = response::Read::default();
        let read = response::item(raw, &format!("output[{at}]"), &mut said);
        let response::Read { parts, logprobs, losses } = said;
        out.extend(losses.into_iter().map(Delta::Loss));
        match before {
            Some(Progress::Message { begun, open, .. }) => {
                if let Some((_, mut open)) = open {
                    let last = begun.checked_sub(1).and_then(|last| parts.get(last));
                    open.complete(last, out);
                    self.parts.end(open, out);
                }
                self.waiting.extend(parts.into_iter().skip(begun));
            }
            Some(Progress::Thought { mut open, .. } | Progress::Call(mut open)) => {
                open.complete(parts.first(), out);
                self.parts.end(open, out);
            }
            Some(Progress::Whole | Progress::Done) | None => {
                if !logprobs.is_empty() {
                    out.push(Delta::Logprobs { choice: 0, tokens: logprobs });
                }
                self.waiting.extend(parts);
            }
        }
        self.flush(out);
        read
    }

    /// Says what waited, as far as its turn has come.
    fn flush(&mut self, out: &mut Vec<Delta>) {
        while self.parts.none_open()
            && let Some(part) = self.waiting.pop_front()
        {
            self.parts.whole(part, out);
        }
    }

    fn complete(
        &mut self,
        response: Option<&RawValue>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        self.begin(response, out);
        let raw = response.ok_or_else(|| DecodeError::shape("response", "is missing"))?;
        let mut response: Response<'_> = read::object(raw, "response")?;
        let output = response.output.take().unwrap_or_default();
        let places = self.places.of(&output, self.items.keys().copied());
        for (at, item) in places.into_iter().zip(output) {
            if let Err(error) = self.item_done(at, item, out) {
                out.push(Delta::Malformed(error));
            }
        }
        self.close_all(out);
        self.done = true;
        out.extend(response::ended(response, self.parts.any_call));
        Ok(())
    }

    fn fail(&mut self, response: Option<&RawValue>, out: &mut Vec<Delta>) {
        if let Some(raw) = response
            && let Ok(read) = serde_json::from_str::<Response<'_>>(raw.get())
            && let Some(usage) = passthrough::tokens(read.usage, read.tool_usage.as_ref())
        {
            self.begin(response, out);
            out.push(Delta::Usage(usage));
        }
        self.failed = true;
        out.push(Delta::Failure(error::failed(response)));
    }

    fn close_all(&mut self, out: &mut Vec<Delta>) {
        for progress in self.items.values_mut() {
            match std::mem::replace(progress, Progress::Done) {
                Progress::Message { open: Some((_, open)), .. }
                | Progress::Thought { open, .. }
                | Progress::Call(open) => self.parts.end(open, out),
                Progress::Message { open: None, .. } | Progress::Whole | Progress::Done => {}
            }
        }
        self.flush(out);
    }
}

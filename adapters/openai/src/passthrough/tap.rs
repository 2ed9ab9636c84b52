//! A stream that passes unchanged, and what is learned of it on the way.

use std::borrow::Cow;

use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::read;
use adapters_openai_words::refusal::stream_error;
use adapters_sse::{Decoder, Frame};

use super::peek::{Member, Peek};
use crate::ingress::{Chunks, completion_id, done};
use crate::wire::answer::seconds;
use crate::wire::usage::Usage;

/// Passes an OpenAI stream on to an OpenAI client, frame by frame and byte for byte.
///
/// | frame                                     | what becomes of it                              |
/// |-------------------------------------------|-------------------------------------------------|
/// | chunk, comment, anything without `data`   | passes                                          |
/// | chunk with `usage` that we asked for      | passes without that member                      |
/// | the chunk of the usage that we asked for  | is left out                                     |
/// | `data` that is not a JSON object          | is left out and counted                         |
/// | error                                     | is left out, and so is everything that follows  |
/// | incomplete                                | is held until it is complete, or else forgotten |
///
/// Every chunk is looked into once, since one that is not JSON makes official SDKs raise; nothing
/// is built of it. After an error the caller either tries elsewhere, if
/// [`saw_content`](StreamTap::saw_content) allows, or ends the stream with
/// [`fail`](StreamTap::fail).
#[derive(Debug)]
pub struct ChunkTap {
    frames: Decoder,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    context: AnswerContext,
    usage_injected: bool,
    id: String,
    model: String,
    created: Option<u64>,
    /// Index, and whether it has ended.
    choices: Vec<(u32, bool)>,
    content: bool,
    unreported: u64,
    usage: Option<Tokens>,
    usage_passed: bool,
    error: Option<UpstreamError>,
    malformed: u64,
    done: bool,
    ended: bool,
}

impl ChunkTap {
    /// A tap for one answer. `usage_injected` if the request got its wish for the usage from
    /// [`rewrite_request`](super::rewrite_request) and not from the client.
    #[must_use]
    pub fn new(context: AnswerContext, usage_injected: bool) -> Self {
        Self {
            frames: Decoder::new(),
            seen: Seen {
                context,
                usage_injected,
                id: String::new(),
                model: String::new(),
                created: None,
                choices: Vec::new(),
                content: false,
                unreported: 0,
                usage: None,
                usage_passed: false,
                error: None,
                malformed: 0,
                done: false,
                ended: false,
            },
        }
    }

    /// The provider's name for this answer; empty until it gives one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.seen.id
    }

    /// The model that answers, in the provider's words; empty until it says so.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.seen.model
    }
}

impl StreamTap for ChunkTap {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let pushed = self.frames.push(chunk);
        while let Some(frame) = self.frames.next_frame() {
            self.seen.pass(&frame, out);
        }
        pushed.map_err(|error| DecodeError::Framing(error.to_string()))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.frames.finish();
        while let Some(frame) = self.frames.next_frame() {
            if !frame.data.is_empty() {
                let before = out.len();
                self.seen.pass(&frame, out);
                if out.len() > before {
                    let ended = out.ends_with(b"\n");
                    out.extend_from_slice(if ended { b"\n" } else { b"\n\n" });
                }
            }
        }
        if self.seen.error.is_some() || !self.is_complete() {
            return Err(DecodeError::Truncated);
        }
        if !std::mem::replace(&mut self.seen.ended, true) && !self.seen.done {
            done(out);
        }
        Ok(())
    }

    /// Under the stream's own id. Choices that had ended keep their end.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.seen.fail(failure, out);
    }

    fn usage(&self) -> Option<&Tokens> {
        self.seen.usage.as_ref()
    }

    fn saw_content(&self) -> bool {
        self.seen.content
    }

    /// The provider said so, or every choice that began has ended.
    fn is_complete(&self) -> bool {
        let choices = &self.seen.choices;
        self.seen.done || (!choices.is_empty() && choices.iter().all(|(_, ended)| *ended))
    }

    fn error(&self) -> Option<&UpstreamError> {
        self.seen.error.as_ref()
    }

    fn malformed(&self) -> u64 {
        self.seen.malformed
    }

    fn unreported(&self) -> u64 {
        self.seen.unreported
    }
}

impl Seen {
    fn pass(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if self.error.is_some() || self.ended {
            return;
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            out.extend_from_slice(frame.raw);
        } else if data == b"[DONE]" {
            // The end of nothing is no end.
            if !self.choices.is_empty() {
                self.done = true;
                out.extend_from_slice(frame.raw);
            }
        } else {
            self.chunk(frame, out);
        }
    }

    fn chunk(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let Ok(json) = std::str::from_utf8(&frame.data) else {
            self.malformed += 1;
            return;
        };
        let peek = match Peek::read(json) {
            Ok(peek) => peek,
            // An object of another shape is the client's to judge.
            Err(error) if error.is_data() && read::is_object(json.as_bytes()) => Peek::default(),
            Err(_) => {
                self.malformed += 1;
                return;
            }
        };
        let named = frame.event == Some("error");
        if named || peek.error.is_some() {
            self.error = stream_error(json, named);
        }
        self.learn(&peek);
        if self.error.is_none() {
            self.pass_chunk(frame, json, &peek, out);
        }
    }

    fn learn(&mut self, peek: &Peek<'_>) {
        if let Some(id) = peek.id.as_ref().filter(|id| self.id.is_empty() && !id.is_empty()) {
            self.id = (**id).to_owned();
        }
        let model = peek.model.as_ref().filter(|it| self.model.is_empty() && !it.is_empty());
        if let Some(model) = model {
            self.model = (**model).to_owned();
        }
        self.created = self.created.or(seconds(peek.created));
        for choice in &peek.choices {
            // A chunk that carries an error ends nothing well.
            let ended = choice.finish_reason.is_there() && self.error.is_none();
            match self.choices.iter_mut().find(|(index, _)| *index == choice.index) {
                Some((_, before)) => *before |= ended,
                None => self.choices.push((choice.index, ended)),
            }
            self.content |= choice.delta.0.is_there();
            self.unreported = self.unreported.saturating_add(choice.delta.0.0);
        }
        if let Some(usage) = &peek.usage
            && let Ok(Some(usage)) = serde_json::from_str::<Option<Usage>>(usage.value.get())
        {
            let usage = Tokens::from(usage);
            if usage.output.is_some() {
                self.unreported = 0;
            }
            self.usage.get_or_insert_default().update(&usage);
        }
    }

    fn pass_chunk(&mut self, frame: &Frame<'_>, json: &str, peek: &Peek<'_>, out: &mut Vec<u8>) {
        let Some(usage) = &peek.usage else {
            out.extend_from_slice(frame.raw);
            return;
        };
        let says = usage.value.get() != "null";
        if !self.usage_injected {
            self.usage_passed |= says;
            out.extend_from_slice(frame.raw);
        } else if !(says && peek.choices.is_empty()) {
            without(frame, json, usage, out);
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) || self.done {
            return;
        }
        let context = &self.context;
        let id = completion_id(&self.id, &context.request_id);
        let model = if self.model.is_empty() { &context.model } else { &self.model };
        let created = self.created.unwrap_or(context.created);
        let chunks = Chunks::new(&id, model, created, context.include_usage);
        if self.choices.is_empty() {
            self.choices.push((0, false));
        }
        for (choice, _) in self.choices.iter().filter(|(_, ended)| !ended) {
            chunks.broken(out, *choice, (failure, &context.request_id), context.stream_errors);
        }
        if context.include_usage
            && !self.usage_passed
            && let Some(usage) = &self.usage
        {
            chunks.usage(out, usage);
        }
        done(out);
    }
}

/// Appends the frame without one member of its chunk.
fn without(frame: &Frame<'_>, json: &str, member: &Member<'_>, out: &mut Vec<u8>) {
    let raw = frame.raw;
    let Some(cut) = member.with_comma(json) else {
        out.extend_from_slice(raw);
        return;
    };
    match &frame.data {
        // One `data` line: cut out of the frame's own bytes.
        Cow::Borrowed(data) => {
            let offset = (data.as_ptr() as usize).saturating_sub(raw.as_ptr() as usize);
            out.extend_from_slice(raw.get(..offset + cut.start).unwrap_or_default());
            out.extend_from_slice(raw.get(offset + cut.end..).unwrap_or_default());
        }
        // Several: the chunk is written line by line again.
        Cow::Owned(_) => {
            let kept = [json.get(..cut.start), json.get(cut.end..)].map(Option::unwrap_or_default);
            for line in kept.concat().lines() {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            out.push(b'\n');
        }
    }
}

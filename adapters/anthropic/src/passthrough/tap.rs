//! A stream that passes unchanged, and what is learned of it on the way.

use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use adapters_json::{edit, read, write};
use adapters_sse::{Decoder, Frame};
use serde_json::value::RawValue;

use crate::egress;
use crate::ingress::{block_stop, error_frame, message_stop};
use crate::wire::answer::{Block, Message, Tag};
use crate::wire::event::{Delta, Event};

/// Passes an Anthropic stream on to an Anthropic client, frame by frame and byte for byte.
///
/// | frame                                     | what becomes of it                              |
/// |-------------------------------------------|-------------------------------------------------|
/// | event, comment, anything without `data`   | passes                                          |
/// | event whose frame has no name             | gets the name its `type` says: SDKs demand one  |
/// | a second `message_start`                  | is left out; blocks after it are numbered on    |
/// | `[DONE]`, as OpenAI has it                | is left out                                     |
/// | `data` that is not a JSON object          | is left out and counted                         |
/// | error                                     | is left out, and so is everything that follows  |
/// | incomplete                                | is held until it is complete, or else forgotten |
///
/// After an error the caller either tries elsewhere, if [`saw_content`](StreamTap::saw_content)
/// allows, or ends the stream with [`fail`](StreamTap::fail).
#[derive(Debug)]
pub struct EventTap {
    frames: Decoder,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    context: AnswerContext,
    begun: bool,
    /// The numbers of the blocks that have not ended, oldest first.
    open: Vec<u64>,
    /// The number after the highest so far.
    next: u64,
    /// What a block's number is more than the upstream says, since it began again.
    offset: u64,
    content: bool,
    unreported: u64,
    usage: Option<Usage>,
    /// Whether there is a reason for the end, which is as good as the end itself.
    stopped: bool,
    done: bool,
    error: Option<UpstreamError>,
    malformed: u64,
    ended: bool,
}

impl EventTap {
    /// A tap for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            frames: Decoder::new(),
            seen: Seen {
                context,
                begun: false,
                open: Vec::new(),
                next: 0,
                offset: 0,
                content: false,
                unreported: 0,
                usage: None,
                stopped: false,
                done: false,
                error: None,
                malformed: 0,
                ended: false,
            },
        }
    }
}

impl StreamTap for EventTap {
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
            self.seen.close(out);
            message_stop(out);
        }
        Ok(())
    }

    /// Ends the blocks that are open; what they say stays as it is.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.seen.ended, true) || self.seen.done {
            return;
        }
        self.seen.close(out);
        error_frame(out, failure, &self.seen.context.request_id);
    }

    fn usage(&self) -> Option<&Usage> {
        self.seen.usage.as_ref()
    }

    fn saw_content(&self) -> bool {
        self.seen.content
    }

    /// The provider said so, or gave the reason for it.
    fn is_complete(&self) -> bool {
        self.seen.done || self.seen.stopped
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
        if self.error.is_some() || self.ended || self.done {
            return;
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            out.extend_from_slice(frame.raw);
        } else if data != b"[DONE]" {
            self.data(frame, data, out);
        }
    }

    fn data(&mut self, frame: &Frame<'_>, data: &[u8], out: &mut Vec<u8>) {
        let event = match serde_json::from_slice::<Event<'_>>(data) {
            Ok(event) => event,
            // An object of another shape is the client's to judge.
            Err(error) if error.is_data() && read::is_object(data) => Event::default(),
            Err(_) => {
                self.malformed += 1;
                return;
            }
        };
        if !data.starts_with(b"{") {
            self.malformed += 1;
            return;
        }
        let name = event.kind.as_deref().or(frame.event).unwrap_or_default();
        let index = event.index.unwrap_or(0).saturating_add(self.offset);
        let passes = match name {
            "message_start" => self.message_start(event.message, out),
            "content_block_start" => {
                self.block_start(index, event.content_block);
                true
            }
            "content_block_delta" => {
                self.content |= event.delta.as_ref().is_some_and(says_anything);
                let said = event.delta.as_ref().map_or(0, length);
                self.unreported = self.unreported.saturating_add(said);
                true
            }
            "content_block_stop" => {
                self.open.retain(|open| *open != index);
                true
            }
            "message_delta" => {
                self.stopped |= event.delta.is_some_and(|delta| delta.stop_reason.is_some());
                self.learn(event.usage);
                true
            }
            "message_stop" => {
                self.done = true;
                true
            }
            "error" => false,
            _ => event.error.is_none() || frame.event.is_some(),
        };
        if name == "error" || (name.is_empty() && event.error.is_some()) {
            self.error = Some(egress::stream_error(event.error));
        } else if passes {
            if frame.event.is_none() && !name.is_empty() && !name.contains(['\n', '\r']) {
                out.extend_from_slice(b"event: ");
                out.extend_from_slice(name.as_bytes());
                out.push(b'\n');
            }
            self.numbered(frame, data, index, out);
        }
    }

    /// Appends the frame as it is, unless its block has another number than the upstream says.
    fn numbered(&self, frame: &Frame<'_>, data: &[u8], index: u64, out: &mut Vec<u8>) {
        #[derive(serde::Deserialize)]
        struct Numbered<'a> {
            #[serde(borrow)]
            index: Option<&'a RawValue>,
        }

        let numbered =
            serde_json::from_slice::<Numbered<'_>>(data).ok().filter(|_| self.offset > 0);
        let whole = std::str::from_utf8(frame.raw).unwrap_or_default();
        // Data on several lines is a copy, and stands nowhere in the frame.
        let number = numbered.and_then(|it| it.index);
        match number.and_then(|raw| read::span(whole, raw.get())) {
            Some(range) => out.extend(edit::splice(frame.raw, &[(range, write::body(&index))])),
            None => out.extend_from_slice(frame.raw),
        }
    }

    /// Whether it is the first. One inside a message ends the blocks that are open there.
    fn message_start(&mut self, message: Option<&RawValue>, out: &mut Vec<u8>) -> bool {
        let mut whole = false;
        let message = message.and_then(|raw| serde_json::from_str::<Message<'_>>(raw.get()).ok());
        if let Some(message) = message {
            self.learn(message.usage);
            // The whole message may come at once.
            whole = message.stop_reason.is_some();
            let first = !self.begun;
            self.content |= first && message.content.is_some_and(|blocks| !blocks.is_empty());
        }
        self.close(out);
        self.offset = self.next;
        self.stopped = whole;
        !std::mem::replace(&mut self.begun, true)
    }

    fn block_start(&mut self, index: u64, block: Option<&RawValue>) {
        if !self.open.contains(&index) {
            self.open.push(index);
        }
        self.next = self.next.max(index.saturating_add(1));
        self.content |= block.is_some_and(is_content);
    }

    /// Counts that are there replace earlier ones: they are running totals.
    fn learn(&mut self, usage: Option<&RawValue>) {
        if let Some(Ok((usage, _))) = usage.map(egress::read_usage) {
            if usage.output.is_some() {
                self.unreported = 0;
            }
            self.usage.get_or_insert_default().update(&usage);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        for index in std::mem::take(&mut self.open) {
            block_stop(out, index);
        }
    }
}

/// Whether a block says something by beginning: a text or a thought is still empty then.
fn is_content(block: &RawValue) -> bool {
    let Ok(Tag { kind }) = serde_json::from_str(block.get()) else { return true };
    if !matches!(kind.as_deref(), Some("text" | "thinking")) {
        return true;
    }
    let block: Block<'_> = serde_json::from_str(block.get()).unwrap_or_default();
    [block.text, block.thinking].into_iter().flatten().any(|words| !words.is_empty())
}

/// Bytes of its words, thoughts and arguments.
fn length(delta: &Delta<'_>) -> u64 {
    let words = [&delta.text, &delta.thinking, &delta.partial_json];
    words.into_iter().flatten().map(|words| words.len() as u64).sum()
}

fn says_anything(delta: &Delta<'_>) -> bool {
    match delta.kind.as_deref() {
        Some("text_delta") => delta.text.as_ref().is_some_and(|text| !text.is_empty()),
        Some("thinking_delta") => delta.thinking.as_ref().is_some_and(|text| !text.is_empty()),
        _ => true,
    }
}

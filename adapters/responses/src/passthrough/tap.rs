//! A stream that passes unchanged, and what is learned of it on the way.

use std::collections::BTreeMap;

use adapters_canonical::dialect::AnswerContext;
use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::read;
use adapters_json::string::Str;
use adapters_sse::{Decoder, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::tokens;
use crate::egress::error;
use crate::ingress::event::{Events, raw};
use crate::ingress::object::{Head, Rest, State, failed};
use crate::wire::response::Response;

/// Passes a stream of Responses events on, frame by frame and byte for byte.
///
/// | frame                                              | what becomes of it                             |
/// |----------------------------------------------------|------------------------------------------------|
/// | event, known or not; comment; anything without `data` | passes                                      |
/// | `data` that is not a JSON object                   | is left out and counted                        |
/// | `error`; `response.failed` before there is content | is left out, and so is everything that follows |
/// | `response.failed` later                            | passes, and is noted: it is the stream's end   |
/// | incomplete                                         | is held until it is complete, or else forgotten |
///
/// What only opens a response, an item or a part of one is no content (field 4): until there is
/// some, the request can still go elsewhere.
#[derive(Debug)]
pub(crate) struct EventTap {
    frames: Decoder,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    context: AnswerContext,
    /// The response as the stream's first event has it.
    response: Option<Box<str>>,
    /// The items that are complete, by their place in the output.
    items: BTreeMap<u64, Box<str>>,
    /// The number of the next event.
    next: u64,
    content: bool,
    unreported: u64,
    usage: Option<Tokens>,
    error: Option<UpstreamError>,
    malformed: u64,
    /// Whether an event that ends every stream has passed.
    done: bool,
    ended: bool,
}

/// What is looked at in an event. Reading one also proves that it is a JSON object.
#[derive(Default, Deserialize)]
struct Peek<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    sequence_number: Option<u64>,
    output_index: Option<u64>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

impl EventTap {
    pub(crate) fn new(context: AnswerContext) -> Self {
        Self {
            frames: Decoder::new(),
            seen: Seen {
                context,
                response: None,
                items: BTreeMap::new(),
                next: 0,
                content: false,
                unreported: 0,
                usage: None,
                error: None,
                malformed: 0,
                done: false,
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
        self.seen.ended = true;
        Ok(())
    }

    /// With the stream's own response and the number that comes next.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.seen.fail(failure, out);
    }

    fn usage(&self) -> Option<&Tokens> {
        self.seen.usage.as_ref()
    }

    fn saw_content(&self) -> bool {
        self.seen.content
    }

    fn is_complete(&self) -> bool {
        self.seen.done && self.seen.error.is_none()
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

    fn kept_id(&self) -> Option<String> {
        super::read_id(self.seen.response.as_deref()?.as_bytes())
    }
}

impl Seen {
    fn pass(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if self.error.is_some() || self.ended {
            return;
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            out.extend_from_slice(frame.raw);
            return;
        }
        let Ok(json) = std::str::from_utf8(data) else {
            self.malformed += 1;
            return;
        };
        let peek = match serde_json::from_str::<Peek<'_>>(json) {
            Ok(peek) => peek,
            // An object of another shape is the client's to judge.
            Err(error) if error.is_data() && read::is_object(json.as_bytes()) => Peek::default(),
            Err(_) => {
                self.malformed += 1;
                return;
            }
        };
        if self.learn(frame.event, json, &peek) {
            out.extend_from_slice(frame.raw);
        }
    }

    /// Says whether the event passes.
    fn learn(&mut self, name: Option<&str>, json: &str, peek: &Peek<'_>) -> bool {
        let kind = peek.kind.as_deref().or(name).unwrap_or_default();
        if let Some(number) = peek.sequence_number {
            self.next = number.saturating_add(1);
        }
        match kind {
            "error" => {
                self.error = Some(error::event(json));
                return false;
            }
            "response.failed" => {
                self.learn_response(peek.response);
                self.error = Some(error::failed(peek.response));
                self.done = self.content;
                return self.content;
            }
            "response.completed" | "response.incomplete" => {
                self.learn_response(peek.response);
                self.content = true;
                self.done = true;
            }
            "response.created" | "response.queued" | "response.in_progress" => {
                self.learn_response(peek.response);
            }
            "response.output_item.done" => {
                self.content = true;
                if let Some((index, item)) = peek.output_index.zip(peek.item) {
                    self.items.insert(index, item.get().into());
                }
            }
            _ => {
                self.content |= says_something(kind, peek.delta);
                // Without its quotes; escapes are few.
                let said = peek.delta.map_or(0, |delta| delta.get().len().saturating_sub(2));
                self.unreported = self.unreported.saturating_add(said as u64);
            }
        }
        true
    }

    fn learn_response(&mut self, response: Option<&RawValue>) {
        let Some(raw) = response else { return };
        if self.response.is_none() {
            self.response = Some(raw.get().into());
        }
        // One that cannot be read costs its usage and nothing else.
        if let Ok(read) = serde_json::from_str::<Response<'_>>(raw.get())
            && let Some(usage) = tokens(read.usage, read.tool_usage.as_ref())
        {
            if usage.output.is_some() {
                self.unreported = 0;
            }
            self.usage.get_or_insert_default().update(&usage);
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) || self.done {
            return;
        }
        let context = &self.context;
        let head = || Head::new("", "", None, context);
        let items = self.items.values().map(|item| item.as_bytes());
        match &self.response {
            Some(response) => {
                let state = State::Failed { failure, request_id: &context.request_id };
                let object = failed(response, state, items, self.usage.as_ref());
                let mut events = Events::resume(head(), self.next);
                events.event(out, state.event(), |out| raw(out, "response", &object));
            }
            None => {
                let state = State::Failed { failure, request_id: &context.request_id };
                let rest = Rest { usage: self.usage.as_ref(), service_tier: None };
                Events::begin(head(), out).end(out, state, items, &rest);
            }
        }
    }
}

/// Whether an event says any of the answer itself.
fn says_something(kind: &str, delta: Option<&RawValue>) -> bool {
    match kind {
        "response.output_item.added"
        | "response.content_part.added"
        | "response.reasoning_summary_part.added" => false,
        _ if kind.ends_with(".delta") => delta.is_none_or(|delta| delta.get() != "\"\""),
        // Others that we know of, such as the steps of a search, are shown to people; those that
        // we do not know may be.
        _ => kind.starts_with("response."),
    }
}

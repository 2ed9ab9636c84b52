//! The parts of a streamed answer, in the order that [`Delta`] promises.
//!
//! Upstreams number their blocks and may leave out, repeat or interleave what they like. Here
//! each part is numbered when it starts; whatever may not overlap with it ends first. Words that
//! come late for a block that has ended begin a new part, so that none are lost; arguments and
//! seals that come late have no part to go to and are errors.

use adapters_canonical::chat::{Opaque, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::DecodeError;
use adapters_json::string::Str;
use serde_json::value::RawValue;

use crate::egress::response::{call_id, opaque};
use crate::wire::answer::Block;
use crate::wire::fields::Fields;
use crate::{citation, hosted};

/// How a part came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// It is all there.
    Complete,
    /// The upstream stopped in the middle: nothing may be added to make it look whole.
    BrokenOff,
}

/// What has started and what is still open.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The answer's id, once [`Delta::Start`] is out.
    id: Option<String>,
    next: u32,
    called: bool,
    /// At most one, unless all are calls.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// The upstream's number.
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text {
        part: u32,
    },
    Thought {
        part: u32,
    },
    Call {
        part: u32,
        input: Input,
    },
    /// Not told yet: it goes out whole.
    Opaque(Box<Pending>),
}

/// What is known of a call's arguments.
#[derive(Debug)]
enum Input {
    /// Nothing was sent on; the block began with these, if any.
    Unsent(Option<String>),
    Sent,
}

#[derive(Debug)]
struct Pending {
    start: Box<RawValue>,
    input: String,
    content: Option<Box<RawValue>>,
}

impl Parts {
    /// Whether any part has started.
    pub(super) fn any(&self) -> bool {
        self.next > 0 || !self.open.is_empty()
    }

    /// Whether any tool of the client was called.
    pub(super) fn called(&self) -> bool {
        self.called
    }

    /// Begins the answer, unless it has begun.
    pub(super) fn start(&mut self, start: Start, out: &mut Vec<Delta>) {
        if self.id.is_none() {
            self.id = Some(start.id.clone());
            out.push(Delta::Start(start));
        }
    }

    /// Begins an answer that never said so.
    pub(super) fn ensure_start(&mut self, out: &mut Vec<Delta>) {
        if self.id.is_none() {
            self.start(Start::default(), out);
        }
    }

    /// Begins the block `index`.
    pub(super) fn begin(
        &mut self,
        index: u64,
        raw: &RawValue,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        let misfit = |_| DecodeError::shape("content_block", "must be a content block");
        let Some(block) = Block::read(raw).map_err(misfit)? else {
            self.make_room(index, false, out);
            let pending = Pending { start: raw.to_owned(), input: String::new(), content: None };
            self.open.push(Open { index, kind: Kind::Opaque(Box::new(pending)) });
            return Ok(());
        };
        match block.kind.as_deref().unwrap_or_default() {
            "text" => {
                let part = self.open_text(index, out);
                self.text(index, block.text.unwrap_or_default(), out);
                let citations = citation::read_all(block.citations).into_iter();
                out.extend(citations.map(|citation| Delta::Citation { part, citation }));
            }
            "thinking" => {
                self.open_thought(index, None, out);
                self.thought(index, block.thinking.unwrap_or_default(), out);
                self.seal(index, block.signature.unwrap_or_default(), out)?;
            }
            "redacted_thinking" => {
                let data = block.data.unwrap_or_default().0.into_owned();
                self.open_thought(index, Some(data), out);
            }
            _ => self.open_call(index, block, out),
        }
        Ok(())
    }

    /// A block that came whole.
    pub(super) fn whole(
        &mut self,
        raw: &RawValue,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        self.begin(u64::MAX, raw, out)?;
        self.end(u64::MAX, out);
        Ok(())
    }

    /// The next words of a text.
    pub(super) fn text(&mut self, index: u64, words: Str<'_>, out: &mut Vec<Delta>) {
        if words.is_empty() {
            return;
        }
        let part = match self.find(index) {
            Some(Kind::Text { part }) => *part,
            // An unknown block may well have fragments of a known kind.
            Some(Kind::Opaque(_)) => return,
            Some(Kind::Thought { .. } | Kind::Call { .. }) | None => self.open_text(index, out),
        };
        out.push(Delta::Text { part, text: words.0.into_owned() });
    }

    /// Where some of the words of a text come from. It may come before the first of them.
    pub(super) fn citation(&mut self, index: u64, raw: &RawValue, out: &mut Vec<Delta>) {
        let part = match self.find(index) {
            Some(Kind::Text { part }) => *part,
            Some(Kind::Opaque(_)) => return,
            Some(Kind::Thought { .. } | Kind::Call { .. }) | None => self.open_text(index, out),
        };
        out.push(Delta::Citation { part, citation: citation::read(raw) });
    }

    /// The next words of a thought.
    pub(super) fn thought(&mut self, index: u64, words: Str<'_>, out: &mut Vec<Delta>) {
        if words.is_empty() {
            return;
        }
        let part = match self.find(index) {
            Some(Kind::Thought { part }) => *part,
            Some(Kind::Opaque(_)) => return,
            Some(Kind::Text { .. } | Kind::Call { .. }) | None => {
                self.open_thought(index, None, out)
            }
        };
        out.push(Delta::Text { part, text: words.0.into_owned() });
    }

    /// The seal on a thought; the last one counts.
    pub(super) fn seal(
        &mut self,
        index: u64,
        signature: Str<'_>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        if signature.is_empty() {
            return Ok(());
        }
        match self.find(index) {
            Some(Kind::Thought { part }) => {
                let signature = signature.0.into_owned();
                out.push(Delta::Signature { part: *part, signature });
                Ok(())
            }
            Some(Kind::Opaque(_)) => Ok(()),
            Some(Kind::Text { .. } | Kind::Call { .. }) | None => {
                Err(DecodeError::shape("delta.signature", "belongs to no open thought"))
            }
        }
    }

    /// The next characters of a call's arguments.
    pub(super) fn input(
        &mut self,
        index: u64,
        json: Str<'_>,
        out: &mut Vec<Delta>,
    ) -> Result<(), DecodeError> {
        if json.is_empty() {
            return Ok(());
        }
        match self.find(index) {
            Some(Kind::Call { part, input }) => {
                *input = Input::Sent;
                out.push(Delta::Arguments { part: *part, fragment: json.0.into_owned() });
                Ok(())
            }
            Some(Kind::Opaque(pending)) => {
                pending.input.push_str(&json);
                Ok(())
            }
            Some(Kind::Text { .. } | Kind::Thought { .. }) | None => {
                Err(DecodeError::shape("delta.partial_json", "belongs to no open tool call"))
            }
        }
    }

    /// The content of a block that only this dialect knows.
    pub(super) fn content(&mut self, index: u64, content: Option<&RawValue>) {
        if let Some(Kind::Opaque(pending)) = self.find(index) {
            pending.content = content.map(ToOwned::to_owned).or(pending.content.take());
        }
    }

    /// The model's words when it will not answer, whole.
    pub(super) fn refusal(&mut self, words: &str, out: &mut Vec<Delta>) {
        if words.is_empty() {
            return;
        }
        let part = self.next(PartKind::Refusal, out);
        out.push(Delta::Text { part, text: words.to_owned() });
        out.push(Delta::PartEnd { part });
    }

    /// Ends the block `index`, if it is open.
    pub(super) fn end(&mut self, index: u64, out: &mut Vec<Delta>) {
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            let open = self.open.remove(at);
            self.close(open, Ending::Complete, out);
        }
    }

    /// Ends all that is open.
    pub(super) fn close_all(&mut self, ending: Ending, out: &mut Vec<Delta>) {
        for open in std::mem::take(&mut self.open) {
            self.close(open, ending, out);
        }
    }

    fn find(&mut self, index: u64) -> Option<&mut Kind> {
        self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind)
    }

    fn open_text(&mut self, index: u64, out: &mut Vec<Delta>) -> u32 {
        self.make_room(index, false, out);
        let part = self.next(PartKind::Text, out);
        self.open.push(Open { index, kind: Kind::Text { part } });
        part
    }

    fn open_thought(&mut self, index: u64, redacted: Option<String>, out: &mut Vec<Delta>) -> u32 {
        self.make_room(index, false, out);
        let part = self.next(
            PartKind::Reasoning { redacted, origin: Some(Dialect::Anthropic), id: None },
            out,
        );
        self.open.push(Open { index, kind: Kind::Thought { part } });
        part
    }

    fn open_call(&mut self, index: u64, block: Block<'_>, out: &mut Vec<Delta>) {
        self.make_room(index, true, out);
        let id = call_id(block.id.as_deref(), self.id.as_deref().unwrap_or_default(), self.next);
        let name = block.name.unwrap_or_default().0.into_owned();
        let kind = PartKind::ToolCall { id, name, kind: ToolKind::Function };
        let part = self.next(kind, out);
        self.called = true;
        // `{}` is the placeholder of a block whose arguments are still to come.
        let given = block.input.map(RawValue::get).filter(|json| !matches!(*json, "{}" | "null"));
        let input = Input::Unsent(given.map(str::to_owned));
        self.open.push(Open { index, kind: Kind::Call { part, input } });
    }

    /// Ends whatever may not be open beside a new part, whether or not the upstream said so.
    fn make_room(&mut self, index: u64, for_call: bool, out: &mut Vec<Delta>) {
        if for_call && self.open.iter().all(|open| matches!(open.kind, Kind::Call { .. })) {
            self.end(index, out);
        } else {
            self.close_all(Ending::Complete, out);
        }
    }

    fn next(&mut self, kind: PartKind, out: &mut Vec<Delta>) -> u32 {
        self.ensure_start(out);
        let part = self.next;
        self.next += 1;
        out.push(Delta::PartStart { part, choice: 0, kind });
        part
    }

    /// Says a whole part, and what carries it back to us.
    fn tell(&mut self, kind: PartKind, out: &mut Vec<Delta>) {
        let carrier = kind.carrier();
        for kind in [Some(kind), carrier].into_iter().flatten() {
            let part = self.next(kind, out);
            out.push(Delta::PartEnd { part });
        }
    }

    fn close(&mut self, open: Open, ending: Ending, out: &mut Vec<Delta>) {
        let part = match open.kind {
            Kind::Text { part } | Kind::Thought { part } => part,
            Kind::Call { part, input } => {
                if let (Input::Unsent(given), Ending::Complete) = (input, ending) {
                    let fragment = given.unwrap_or_else(|| "{}".to_owned());
                    out.push(Delta::Arguments { part, fragment });
                }
                part
            }
            Kind::Opaque(pending) => match (ending, pending.assemble()) {
                (Ending::Complete, Ok(whole)) => {
                    let kind = match hosted::read(&whole.json) {
                        Some(step) => PartKind::Hosted(Box::new(step)),
                        None => PartKind::Opaque(whole),
                    };
                    return self.tell(kind, out);
                }
                (Ending::Complete, Err(error)) => return out.push(Delta::Malformed(error)),
                (Ending::BrokenOff, _) => return,
            },
        };
        out.push(Delta::PartEnd { part });
    }
}

impl Pending {
    /// The whole block: as it began, with the fragments in their places.
    fn assemble(self) -> Result<Opaque, DecodeError> {
        if self.input.is_empty() && self.content.is_none() {
            return Ok(opaque(self.start));
        }
        let misfit = |_| DecodeError::shape("delta.partial_json", "must add up to JSON");
        let mut fields: Fields<'_> = serde_json::from_str(self.start.get()).map_err(misfit)?;
        if !self.input.is_empty() {
            fields.set("input", RawValue::from_string(self.input).map_err(misfit)?);
        }
        if let Some(content) = self.content {
            fields.set("content", content);
        }
        Ok(opaque(serde_json::value::to_raw_value(&fields).map_err(misfit)?))
    }
}

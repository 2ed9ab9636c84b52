//! A streamed answer in the client's words.

use adapters_canonical::annotation::{Citation, TokenLogprob};
use adapters_canonical::chat::{Finish, FinishReason, Thought, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;

use super::chunk::{Chunks, done};
use super::response::{image, sound, translated_id};
use crate::citation::{List, Written, characters};
use crate::thought::{Detail, is_bound};
use adapters_json::write;
use call::Unsaid;
use serde::Serialize;

mod call;

/// Writes `chat.completion.chunk` events.
///
/// A tool call's id, name and type stand in its first fragment only, which is written when the next
/// delta comes: a seal on the call belongs into its id. A thought is streamed as
/// `reasoning_content`; if it is known whose it is, `reasoning_details` says so at its beginning, and
/// once it is complete and sealed repeats it whole with its seal, both under one index. Parts only
/// one dialect knows are left out. The
/// usage comes in a last chunk with `"choices":[]`, if the client asked for it, and then every
/// other chunk has `"usage":null`.
///
/// [`Delta::Failure`] writes nothing: whoever drives the stream calls [`fail`](Self::fail), having
/// decided that there is no other attempt.
#[derive(Debug)]
pub struct ChatStreamEncoder {
    context: AnswerContext,
    chunks: Option<Chunks>,
    choices: Vec<Choice>,
    /// The parts that have not ended, oldest first.
    open: Vec<Open>,
    unsaid: Option<Unsaid>,
    usage: Option<Usage>,
    service_tier: Option<String>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// Whether its role has been said.
    begun: bool,
    calls: u32,
    thoughts: u32,
    images: u32,
    annotations: u32,
    citations: u32,
    /// How many characters of text were said.
    said: u64,
    /// Thoughts that are over and were not repeated: if a sealed one follows, they must be, so that
    /// all of them come back in order.
    unsealed: Vec<Thinking>,
    sealed: bool,
    finished: bool,
}

#[derive(Debug)]
struct Open {
    part: u32,
    choice: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text {
        /// How many characters of the answer stand before it.
        before: u64,
        length: u64,
        /// Sources of it as a whole: they wait for its end, since they say where that is.
        of_all: Vec<Citation>,
    },
    Refusal,
    Thought(Box<Thinking>),
    Call {
        index: u32,
        kind: ToolKind,
        /// Whether any of its arguments have been said.
        begun: bool,
    },
    Hidden,
}

#[derive(Debug)]
struct Thinking {
    index: u32,
    thought: Thought,
    /// Whether something was said of it before its words.
    opened: bool,
}

impl ChatStreamEncoder {
    /// An encoder for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            context,
            chunks: None,
            choices: Vec::new(),
            open: Vec::new(),
            unsaid: None,
            usage: None,
            service_tier: None,
            ended: false,
        }
    }

    fn chunks(&mut self) -> &Chunks {
        let context = &self.context;
        self.chunks.get_or_insert_with(|| head(&Start::default(), context))
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                // Nearly always there is one; lists begin with room for four, which waits with the stream.
                self.choices.reserve_exact(1);
                self.choices.push(Choice { index, ..Choice::default() });
                self.choices.len() - 1
            }
        };
        &mut self.choices[at]
    }

    /// Writes one chunk; `members` appends what its delta says beside the role.
    fn write(&mut self, out: &mut Vec<u8>, choice: u32, members: impl FnOnce(&mut Vec<u8>)) {
        let first = !std::mem::replace(&mut self.choice(choice).begun, true);
        self.chunks().delta(out, choice, |out| {
            if first {
                out.extend_from_slice(br#""role":"assistant","#);
            }
            members(out);
        });
    }

    fn member(&mut self, out: &mut Vec<u8>, choice: u32, name: &str, text: &str) {
        self.write(out, choice, |out| {
            write::json(out, name);
            out.push(b':');
            write::json(out, text);
        });
    }

    fn part_start(&mut self, out: &mut Vec<u8>, part: u32, choice: u32, kind: &PartKind) {
        let kind = match kind {
            PartKind::Text => {
                Kind::Text { before: self.choice(choice).said, length: 0, of_all: Vec::new() }
            }
            PartKind::Refusal => Kind::Refusal,
            PartKind::Hosted(_) | PartKind::Opaque(_) => Kind::Hidden,
            PartKind::Image(media) => {
                if let Some(mut image) = image(media) {
                    image.index = Some(next(&mut self.choice(choice).images));
                    self.json(out, choice, "images", &[image]);
                }
                Kind::Hidden
            }
            PartKind::Audio(media) => {
                if let Some(sound) = sound(media) {
                    self.json(out, choice, "audio", &sound);
                }
                Kind::Hidden
            }
            PartKind::Reasoning { redacted, origin, id } => {
                let index = next(&mut self.choice(choice).thoughts);
                let (redacted, id, origin) = (redacted.clone(), id.clone(), *origin);
                let thought = Thought { redacted, origin, id, ..Thought::default() };
                // Two thoughts in a row must be told apart.
                let opened = thought.redacted.is_none() && (index > 0 || Detail::names(&thought));
                if opened {
                    self.json(
                        out,
                        choice,
                        "reasoning_details",
                        &[Detail::opening(&thought, index)],
                    );
                }
                Kind::Thought(Box::new(Thinking { index, thought, opened }))
            }
            PartKind::ToolCall { id, name, kind } => {
                let index = next(&mut self.choice(choice).calls);
                let (id, name, kind) = (id.clone(), name.clone(), *kind);
                self.unsaid = Some(Unsaid { part, choice, index, id, name, kind });
                Kind::Call { index, kind, begun: false }
            }
        };
        self.open.push(Open { part, choice, kind });
    }

    /// Writes the first piece of a call that has waited for its seal.
    fn say_call(&mut self, out: &mut Vec<u8>, seal: Option<&str>) {
        if let Some(unsaid) = self.unsaid.take() {
            self.write(out, unsaid.choice, |out| unsaid.write(out, seal));
        }
    }

    fn json(&mut self, out: &mut Vec<u8>, choice: u32, name: &str, value: &impl Serialize) {
        self.write(out, choice, |out| {
            write::json(out, name);
            out.push(b':');
            write::json(out, value);
        });
    }

    fn text(&mut self, out: &mut Vec<u8>, part: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let mut more = 0;
        let name = match &mut open.kind {
            Kind::Text { length, .. } => {
                more = characters(text);
                *length = length.saturating_add(more);
                "content"
            }
            Kind::Refusal => "refusal",
            Kind::Thought(thinking) => {
                thinking.thought.text.push_str(text);
                "reasoning_content"
            }
            Kind::Call { .. } | Kind::Hidden => return,
        };
        let choice = open.choice;
        let said = &mut self.choice(choice).said;
        *said = said.saturating_add(more);
        self.member(out, choice, name, text);
    }

    fn arguments(&mut self, out: &mut Vec<u8>, part: u32, fragment: &str) {
        if fragment.is_empty() {
            return;
        }
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let choice = open.choice;
        if let Kind::Call { index, kind, begun } = &mut open.kind {
            *begun = true;
            let (index, kind) = (*index, *kind);
            self.write(out, choice, |out| call::arguments(out, index, kind, fragment));
        }
    }

    fn signature(&mut self, out: &mut Vec<u8>, part: u32, signature: &str) {
        if self.unsaid.as_ref().is_some_and(|unsaid| unsaid.part == part) {
            self.say_call(out, Some(signature));
            return;
        }
        self.say_call(out, None);
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let choice = open.choice;
        match &mut open.kind {
            Kind::Thought(thinking) => thinking.thought.signature = Some(signature.to_owned()),
            &mut Kind::Call { index, kind, .. } => {
                self.write(out, choice, |out| call::seal(out, index, kind, signature));
            }
            Kind::Text { .. } => {
                let index = next(&mut self.choice(choice).thoughts);
                let detail = Detail::content_seal(signature, index);
                self.json(out, choice, "reasoning_details", &[detail]);
            }
            Kind::Refusal | Kind::Hidden => {}
        }
    }

    fn citation(&mut self, out: &mut Vec<u8>, part: u32, citation: &Citation) {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let Kind::Text { before, length, of_all } = &mut open.kind else { return };
        if citation.range.is_none() {
            return of_all.push(citation.clone());
        }
        let (choice, place) = (open.choice, (*before, *length));
        self.cite(out, choice, place, citation);
    }

    fn cite(&mut self, out: &mut Vec<u8>, choice: u32, place: (u64, u64), citation: &Citation) {
        let state = self.choice(choice);
        let (list, written) = Written::new(citation, place, |list| {
            Some(next(match list {
                List::Annotations => &mut state.annotations,
                List::Citations => &mut state.citations,
            }))
        });
        let name = match list {
            List::Annotations => "annotations",
            List::Citations => "citations",
        };
        self.json(out, choice, name, &[written]);
    }

    /// In a chunk of its own, after the words; the role must have been said before.
    fn logprobs(&mut self, out: &mut Vec<u8>, choice: u32, tokens: &[TokenLogprob]) {
        if tokens.is_empty() {
            return;
        }
        if !self.choice(choice).begun {
            self.member(out, choice, "content", "");
        }
        self.chunks().logprobs(out, choice, tokens);
    }

    fn part_end(&mut self, out: &mut Vec<u8>, part: u32) {
        let Some(at) = self.open.iter().rposition(|open| open.part == part) else { return };
        let Open { choice, kind, .. } = self.open.remove(at);
        match kind {
            Kind::Thought(thinking) => self.thought_end(out, choice, *thinking),
            // Clients parse the arguments, and the empty string is not JSON.
            Kind::Call { index, kind: kind @ ToolKind::Function, begun: false } => {
                self.write(out, choice, |out| call::arguments(out, index, kind, "{}"));
            }
            Kind::Text { before, length, of_all } => {
                for citation in of_all {
                    self.cite(out, choice, (before, length), &citation);
                }
            }
            Kind::Refusal | Kind::Call { .. } | Kind::Hidden => {}
        }
    }

    fn thought_end(&mut self, out: &mut Vec<u8>, choice: u32, thinking: Thinking) {
        let state = self.choice(choice);
        if is_bound(&thinking.thought) {
            state.sealed = true;
        }
        state.unsealed.push(thinking);
        if state.sealed {
            for Thinking { index, thought, opened } in std::mem::take(&mut state.unsealed) {
                self.json(
                    out,
                    choice,
                    "reasoning_details",
                    &[Detail::closing(&thought, index, opened)],
                );
            }
        }
    }

    fn finish_choice(&mut self, out: &mut Vec<u8>, choice: u32, reason: FinishReason) {
        let state = self.choice(choice);
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        if !state.begun {
            self.member(out, choice, "content", "");
        }
        let tier = self.service_tier.take();
        self.chunks().finish(out, choice, reason, tier.as_deref());
        self.service_tier = tier;
    }

    /// The choices whose end has not been said; if none has begun, the first one.
    fn unfinished(&mut self) -> Vec<u32> {
        if self.choices.is_empty() {
            self.choice(0);
        }
        self.choices.iter().filter(|choice| !choice.finished).map(|choice| choice.index).collect()
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.context.include_usage
            && let Some(usage) = self.usage.take()
        {
            self.chunks().usage(out, &usage);
        }
        done(out);
    }
}

impl StreamEncoder for ChatStreamEncoder {
    fn push(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        if !matches!(delta, Delta::Signature { .. }) {
            self.say_call(out, None);
        }
        match delta {
            Delta::Start(start) => {
                let context = &self.context;
                self.chunks.get_or_insert_with(|| head(start, context));
            }
            Delta::Signature { part, signature } => self.signature(out, *part, signature),
            Delta::PartStart { part, choice, kind } => self.part_start(out, *part, *choice, kind),
            Delta::Text { part, text } => self.text(out, *part, text),
            Delta::Arguments { part, fragment } => self.arguments(out, *part, fragment),
            Delta::PartEnd { part } => self.part_end(out, *part),
            Delta::Usage(newer) => self.usage.get_or_insert_default().update(newer),
            Delta::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Delta::Finish { choice, finish: Finish { reason, .. } } => {
                self.finish_choice(out, *choice, *reason);
            }
            Delta::Citation { part, citation } => self.citation(out, *part, citation),
            Delta::Logprobs { choice, tokens } => self.logprobs(out, *choice, tokens),
            Delta::Failure(_) | Delta::Malformed(_) | Delta::Loss(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.say_call(out, None);
        for choice in self.unfinished() {
            self.finish_choice(out, choice, FinishReason::Stop);
        }
        self.end(out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.say_call(out, None);
        for choice in self.unfinished() {
            let (errors, request_id) =
                (self.context.stream_errors, self.context.request_id.clone());
            self.chunks().broken(out, choice, (failure, &request_id), errors);
        }
        self.end(out);
    }
}

fn head(start: &Start, context: &AnswerContext) -> Chunks {
    let id = translated_id(&start.id, &context.request_id);
    let model = if start.model.is_empty() { &context.model } else { &start.model };
    let created = start.created.unwrap_or(context.created);
    Chunks::new(&id, model, created, context.include_usage)
}

fn next(counter: &mut u32) -> u32 {
    let index = *counter;
    *counter = counter.saturating_add(1);
    index
}

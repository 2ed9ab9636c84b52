//! A streamed answer in the client's words.

use adapters_canonical::chat::{Finish, FinishReason, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;

use super::chunk::{Chunks, done};
use super::response::{Detail, completion_id};
use adapters_json::write;

/// Writes `chat.completion.chunk` events.
///
/// A tool call's id, name and type stand in its first fragment only. A thought is streamed as
/// `reasoning_content`; once it is complete and sealed, `reasoning_details` repeats it whole with
/// its seal, in the form it is to be sent back in. Parts only one dialect knows are left out. The
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
    usage: Option<Usage>,
    ended: bool,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    /// Whether its role has been said.
    begun: bool,
    calls: u32,
    thoughts: u32,
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
    Text,
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
    text: String,
    signature: Option<String>,
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
            usage: None,
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
                let new = Choice { index, begun: false, calls: 0, thoughts: 0, finished: false };
                self.choices.push(new);
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
            PartKind::Text => Kind::Text,
            PartKind::Refusal => Kind::Refusal,
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Opaque(_) => Kind::Hidden,
            PartKind::Reasoning { redacted, .. } => {
                let index = next(&mut self.choice(choice).thoughts);
                if let Some(data) = redacted {
                    self.detail(out, choice, &Detail::Encrypted { index, data });
                }
                let (text, signature) = (String::new(), None);
                Kind::Thought(Box::new(Thinking { index, text, signature }))
            }
            PartKind::ToolCall { id, name, kind } => {
                let index = next(&mut self.choice(choice).calls);
                self.write(out, choice, |out| call_start(out, index, id, name, *kind));
                Kind::Call { index, kind: *kind, begun: false }
            }
        };
        self.open.push(Open { part, choice, kind });
    }

    fn text(&mut self, out: &mut Vec<u8>, part: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let name = match &mut open.kind {
            Kind::Text => "content",
            Kind::Refusal => "refusal",
            Kind::Thought(thinking) => {
                thinking.text.push_str(text);
                "reasoning_content"
            }
            Kind::Call { .. } | Kind::Hidden => return,
        };
        let choice = open.choice;
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
            self.write(out, choice, |out| call_arguments(out, index, kind, fragment));
        }
    }

    fn signature(&mut self, out: &mut Vec<u8>, part: u32, signature: &str) {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        match &mut open.kind {
            Kind::Thought(thinking) => thinking.signature = Some(signature.to_owned()),
            &mut Kind::Call { index, kind, .. } => {
                let choice = open.choice;
                self.write(out, choice, |out| {
                    call(out, index);
                    // The Python SDK's helper takes no piece of a function's call without it.
                    if kind == ToolKind::Function {
                        out.extend_from_slice(br#","function":{"arguments":""}"#);
                    }
                    out.extend_from_slice(br#","extra_content":{"google":{"thought_signature":"#);
                    write::json(out, signature);
                    out.extend_from_slice(b"}}}]");
                });
            }
            // The dialect has no place for a seal on plain text.
            Kind::Text | Kind::Refusal | Kind::Hidden => {}
        }
    }

    fn part_end(&mut self, out: &mut Vec<u8>, part: u32) {
        let Some(at) = self.open.iter().rposition(|open| open.part == part) else { return };
        let Open { choice, kind, .. } = self.open.remove(at);
        match kind {
            Kind::Thought(thinking) => {
                let Thinking { index, text, signature } = *thinking;
                if let Some(signature) = &signature {
                    let signature = Some(signature.as_str());
                    self.detail(out, choice, &Detail::Text { index, text: &text, signature });
                }
            }
            // Clients parse the arguments, and the empty string is not JSON.
            Kind::Call { index, kind: kind @ ToolKind::Function, begun: false } => {
                self.write(out, choice, |out| call_arguments(out, index, kind, "{}"));
            }
            Kind::Text | Kind::Refusal | Kind::Call { .. } | Kind::Hidden => {}
        }
    }

    fn detail(&mut self, out: &mut Vec<u8>, choice: u32, detail: &Detail<'_>) {
        self.write(out, choice, |out| {
            out.extend_from_slice(br#""reasoning_details":["#);
            write::json(out, detail);
            out.push(b']');
        });
    }

    fn finish_choice(&mut self, out: &mut Vec<u8>, choice: u32, reason: FinishReason) {
        let state = self.choice(choice);
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        if !state.begun {
            self.member(out, choice, "content", "");
        }
        self.chunks().finish(out, choice, reason);
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
        match delta {
            Delta::Start(start) => {
                let context = &self.context;
                self.chunks.get_or_insert_with(|| head(start, context));
            }
            Delta::PartStart { part, choice, kind } => self.part_start(out, *part, *choice, kind),
            Delta::Text { part, text } => self.text(out, *part, text),
            Delta::Arguments { part, fragment } => self.arguments(out, *part, fragment),
            Delta::Signature { part, signature } => self.signature(out, *part, signature),
            Delta::PartEnd { part } => self.part_end(out, *part),
            Delta::Usage(newer) => self.usage.get_or_insert_default().update(newer),
            Delta::Finish { choice, finish: Finish { reason, .. } } => {
                self.finish_choice(out, *choice, *reason);
            }
            Delta::Citation { .. }
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
        for choice in self.unfinished() {
            self.finish_choice(out, choice, FinishReason::Stop);
        }
        self.end(out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for choice in self.unfinished() {
            let (errors, request_id) =
                (self.context.stream_errors, self.context.request_id.clone());
            self.chunks().broken(out, choice, (failure, &request_id), errors);
        }
        self.end(out);
    }
}

fn head(start: &Start, context: &AnswerContext) -> Chunks {
    let id = completion_id(&start.id, &context.request_id);
    let model = if start.model.is_empty() { &context.model } else { &start.model };
    let created = start.created.unwrap_or(context.created);
    Chunks::new(&id, model, created, context.include_usage)
}

fn next(counter: &mut u32) -> u32 {
    let index = *counter;
    *counter = counter.saturating_add(1);
    index
}

fn call(out: &mut Vec<u8>, index: u32) {
    out.extend_from_slice(br#""tool_calls":[{"index":"#);
    write::json(out, &index);
}

fn call_start(out: &mut Vec<u8>, index: u32, id: &str, name: &str, kind: ToolKind) {
    call(out, index);
    out.extend_from_slice(br#","id":"#);
    write::json(out, id);
    let (before, after): (&[u8], &[u8]) = match kind {
        ToolKind::Function => {
            (br#","type":"function","function":{"name":"#, br#","arguments":""}}]"#)
        }
        ToolKind::Custom => (br#","type":"custom","custom":{"name":"#, br#","input":""}}]"#),
    };
    out.extend_from_slice(before);
    write::json(out, name);
    out.extend_from_slice(after);
}

fn call_arguments(out: &mut Vec<u8>, index: u32, kind: ToolKind, fragment: &str) {
    call(out, index);
    out.extend_from_slice(match kind {
        ToolKind::Function => br#","function":{"arguments":"#.as_slice(),
        ToolKind::Custom => br#","custom":{"input":"#.as_slice(),
    });
    write::json(out, fragment);
    out.extend_from_slice(b"}}]");
}

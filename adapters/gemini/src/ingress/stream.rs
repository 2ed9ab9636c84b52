//! A streamed answer in the client's words.

use std::borrow::Cow;

use adapters_canonical::annotation::{Citation as Cited, TokenLogprob};
use adapters_canonical::chat::{Finish, FinishReason, Thought, ToolCall};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, Dialect, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;
use adapters_json::write;

use super::error::write_failure;
use super::frame::Frames;
use super::response::or;
use super::{finish, part, seal, usage};
use crate::hosted::{Code, Looked};
use crate::wire::answer::{Answer, Candidate, Citation, CitationMetadata, Content, PromptFeedback};
use crate::wire::request::Part as WirePart;

/// Writes chunks of `GenerateContentResponse`.
///
/// Words and thoughts are sent as they come, a call once its arguments are complete, a seal behind
/// the words it is on. Of a thought that its provider will seal the last piece is held back until the
/// next one: the seal goes with it, since the AI SDK forgets one that has no words. The end of an answer waits for the end of the stream, so that the last chunk
/// has the last count of tokens: a chunk without a part would make the Python SDK's chats forget
/// the turn. A part that only another dialect knows is left out.
///
/// [`Delta::Failure`] writes nothing: whoever drives the stream calls [`fail`](Self::fail), having
/// decided that there is no other attempt.
#[derive(Debug)]
pub struct ContentStreamEncoder {
    context: AnswerContext,
    frames: Frames,
    head: Option<Head>,
    choices: Vec<Choice>,
    /// The parts that have not ended, oldest first.
    open: Vec<Open>,
    usage: Option<Usage>,
    service_tier: Option<String>,
    /// To be said in the last chunk.
    losses: Option<String>,
    ended: bool,
}

/// What every chunk says.
#[derive(Debug)]
struct Head {
    id: String,
    model: String,
    create_time: String,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// Whether any part of it has been sent.
    begun: bool,
    /// Bytes of its text so far.
    bytes: usize,
    citations: Vec<Citation>,
    /// What was searched and read, told with its end.
    looked: Looked,
    /// Not sent yet.
    logprobs: Vec<TokenLogprob>,
    finish: Option<Finish>,
}

#[derive(Debug)]
struct Open {
    part: u32,
    choice: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Words, kept for the places in them that sources are for.
    Text {
        text: String,
        offset: usize,
        signature: Option<String>,
        cited: Vec<Cited>,
    },
    Refusal,
    /// The thought without its words, how many bytes of them there were, and the last piece of them
    /// if it waits for the seal.
    Thought {
        thought: Box<Thought>,
        bytes: usize,
        held: Option<String>,
    },
    /// A call, and whether it is complete: calls that are open at once are sent in the order they
    /// began.
    Call {
        call: Box<ToolCall>,
        complete: bool,
    },
    Hidden,
}

impl ContentStreamEncoder {
    /// An encoder for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            frames: Frames::new(context.framing),
            context,
            head: None,
            choices: Vec::new(),
            open: Vec::new(),
            usage: None,
            service_tier: None,
            losses: None,
            ended: false,
        }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                self.choices.push(Choice { index, ..Choice::default() });
                self.choices.len() - 1
            }
        };
        &mut self.choices[at]
    }

    /// Writes one chunk with one part.
    fn write(&mut self, out: &mut Vec<u8>, choice: u32, part: WirePart<'_>) {
        let choice = self.choice(choice);
        choice.begun = true;
        let index = choice.index;
        let logprobs = std::mem::take(&mut choice.logprobs);
        let mut candidate = candidate(index, part);
        set_logprobs(&mut candidate, &logprobs);
        self.chunk(out, vec![candidate], None);
    }

    fn chunk(
        &mut self,
        out: &mut Vec<u8>,
        candidates: Vec<Candidate<'_>>,
        prompt_feedback: Option<PromptFeedback<'_>>,
    ) {
        let context = &self.context;
        let head = self.head.get_or_insert_with(|| Head::new(&Start::default(), context));
        let tier = self.service_tier.as_deref();
        let answer = Answer {
            candidates,
            prompt_feedback,
            usage_metadata: self.usage.as_ref().map(|used| usage::metadata(used, tier)),
            model_version: &head.model,
            create_time: &head.create_time,
            response_id: &head.id,
            penstock_losses: self.losses.as_deref(),
        };
        self.frames.write(out, |out| write::json(out, &answer));
    }

    fn part_start(&mut self, out: &mut Vec<u8>, part: u32, choice: u32, kind: &PartKind) {
        let kind = match kind {
            PartKind::Text => {
                let offset = self.choice(choice).bytes;
                Kind::Text { text: String::new(), offset, signature: None, cited: Vec::new() }
            }
            PartKind::Refusal => Kind::Refusal,
            kind if kind.carries(Dialect::Gemini) => Kind::Hidden,
            PartKind::Reasoning { redacted, origin, id } => {
                let (redacted, origin, id) = (redacted.clone(), *origin, id.clone());
                let thought = Thought { redacted, origin, id, ..Thought::default() };
                Kind::Thought { thought: Box::new(thought), bytes: 0, held: None }
            }
            PartKind::ToolCall { id, name, kind } => {
                let (id, name, kind) = (id.clone(), name.clone(), *kind);
                let call = Box::new(ToolCall { id, name, kind, ..ToolCall::default() });
                Kind::Call { call, complete: false }
            }
            PartKind::Image(media) => {
                self.write(out, choice, part::media(media, "image/png"));
                Kind::Hidden
            }
            PartKind::Audio(media) => {
                self.write(out, choice, part::media(media, "audio/wav"));
                Kind::Hidden
            }
            PartKind::Hosted(step) => {
                match (step.own(Dialect::Gemini), Code::of(step)) {
                    (Some(own), _) => self.write(out, choice, WirePart::Opaque(&own.json)),
                    (None, Some(code)) => {
                        for part in code {
                            self.write(out, choice, WirePart::Hosted(part));
                        }
                    }
                    (None, None) => drop(self.choice(choice).looked.take(step)),
                }
                Kind::Hidden
            }
            PartKind::Opaque(opaque) => {
                if opaque.dialect == Dialect::Gemini {
                    self.write(out, choice, WirePart::Opaque(&opaque.json));
                }
                Kind::Hidden
            }
        };
        self.choice(choice);
        self.open.push(Open { part, choice, kind });
    }

    fn text(&mut self, out: &mut Vec<u8>, part: u32, more: &str) {
        if more.is_empty() {
            return;
        }
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let choice = open.choice;
        match &mut open.kind {
            Kind::Text { text, .. } => text.push_str(more),
            Kind::Refusal => {}
            Kind::Thought { bytes, held, thought } => {
                *bytes += more.len();
                let said = match thought.origin {
                    Some(Dialect::Anthropic | Dialect::Responses) => held.replace(more.to_owned()),
                    Some(Dialect::OpenAi | Dialect::Gemini) | None => Some(more.to_owned()),
                };
                if let Some(said) = said {
                    self.write(out, choice, part::thought(&said, None));
                }
                return;
            }
            Kind::Call { .. } | Kind::Hidden => return,
        }
        self.choice(choice).bytes += more.len();
        self.write(out, choice, part::text(more, None));
    }

    fn signature(&mut self, part: u32, seal: &str) {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.part == part) else { return };
        let seal = Some(seal.to_owned());
        match &mut open.kind {
            Kind::Text { signature, .. } => *signature = seal,
            Kind::Thought { thought, .. } => thought.signature = seal,
            Kind::Call { call, .. } => call.signature = seal,
            Kind::Refusal | Kind::Hidden => {}
        }
    }

    fn part_end(&mut self, out: &mut Vec<u8>, part: u32) {
        let Some(at) = self.open.iter().rposition(|open| open.part == part) else { return };
        if let Some(Open { choice, kind: Kind::Call { complete, .. }, .. }) = self.open.get_mut(at)
        {
            *complete = true;
            let choice = *choice;
            return self.complete_calls(out, choice);
        }
        let Open { choice, kind, .. } = self.open.remove(at);
        match kind {
            Kind::Text { text, offset, signature, cited } => {
                let cited = cited.iter().map(|cited| part::citation(cited, &text, offset));
                self.choice(choice).citations.extend(cited);
                if let Some(signature) = signature {
                    self.write(out, choice, part::text("", Some(&signature)));
                }
            }
            Kind::Thought { thought, bytes, held } => {
                let seal = seal::wrap(&thought, Some(bytes));
                if held.is_some() || seal.is_some() {
                    let seal = seal.map(|seal| Cow::Owned(seal.into_owned()));
                    self.write(out, choice, part::thought(&held.unwrap_or_default(), seal));
                }
            }
            Kind::Refusal | Kind::Call { .. } | Kind::Hidden => {}
        }
    }

    /// Sends the calls of `choice` that are complete, up to the first that is not.
    fn complete_calls(&mut self, out: &mut Vec<u8>, choice: u32) {
        let is_call = |open: &Open| open.choice == choice && matches!(open.kind, Kind::Call { .. });
        while let Some(at) = self.open.iter().position(is_call)
            && let Some(Open { kind: Kind::Call { complete: true, .. }, .. }) = self.open.get(at)
        {
            if let Kind::Call { call, .. } = self.open.remove(at).kind {
                self.write(out, choice, part::call(&call));
            }
        }
    }

    /// Says how `choice` ended, in a chunk of its own.
    fn finish_choice(&mut self, out: &mut Vec<u8>, choice: &Choice) {
        let done = Finish::from(FinishReason::Stop);
        let finish = choice.finish.as_ref().unwrap_or(&done);
        if let (false, Some(block_reason)) = (choice.begun, finish::blocked(finish)) {
            let block_reason_message = finish.message.as_deref();
            let feedback = PromptFeedback { block_reason, block_reason_message };
            return self.chunk(out, Vec::new(), Some(feedback));
        }
        let mut candidate = candidate(choice.index, part::text("", None));
        set_logprobs(&mut candidate, &choice.logprobs);
        candidate.finish_reason = Some(finish::reason(finish));
        candidate.finish_message = finish.message.as_deref();
        candidate.grounding_metadata = choice.looked.grounding(&choice.citations);
        candidate.url_context_metadata = choice.looked.pages();
        if !choice.citations.is_empty() {
            let citations = Cow::Borrowed(&*choice.citations);
            candidate.citation_metadata = Some(CitationMetadata { citations });
        }
        self.chunk(out, vec![candidate], None);
    }
}

impl Head {
    fn new(start: &Start, context: &AnswerContext) -> Self {
        Self {
            id: or(&start.id, &context.request_id).to_owned(),
            model: or(&start.model, &context.model).to_owned(),
            create_time: part::rfc3339(start.created.unwrap_or(context.created)),
        }
    }
}

fn candidate(index: u32, part: WirePart<'_>) -> Candidate<'_> {
    Candidate {
        content: Content { parts: vec![part], role: "model" },
        finish_reason: None,
        finish_message: None,
        citation_metadata: None,
        grounding_metadata: None,
        url_context_metadata: None,
        avg_logprobs: None,
        logprobs_result: None,
        index,
    }
}

fn set_logprobs<'a>(candidate: &mut Candidate<'a>, tokens: &'a [TokenLogprob]) {
    if !tokens.is_empty() {
        let (result, mean) = part::logprobs(tokens);
        candidate.logprobs_result = Some(result);
        candidate.avg_logprobs = mean;
    }
}

impl StreamEncoder for ContentStreamEncoder {
    fn push(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match delta {
            Delta::Start(start) => {
                let context = &self.context;
                self.head.get_or_insert_with(|| Head::new(start, context));
            }
            Delta::PartStart { part, choice, kind } => self.part_start(out, *part, *choice, kind),
            Delta::Text { part, text } => self.text(out, *part, text),
            Delta::Arguments { part, fragment } => {
                let open = self.open.iter_mut().rev().find(|open| open.part == *part);
                if let Some(Open { kind: Kind::Call { call, .. }, .. }) = open {
                    call.arguments.push_str(fragment);
                }
            }
            Delta::Signature { part, signature } => self.signature(*part, signature),
            Delta::Citation { part, citation } => {
                let open = self.open.iter_mut().rev().find(|open| open.part == *part);
                if let Some(Open { kind: Kind::Text { cited, .. }, .. }) = open {
                    cited.push(citation.clone());
                }
            }
            Delta::Logprobs { choice, tokens } => {
                self.choice(*choice).logprobs.extend_from_slice(tokens);
            }
            Delta::PartEnd { part } => self.part_end(out, *part),
            Delta::Usage(newer) => self.usage.get_or_insert_default().update(newer),
            Delta::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Delta::Finish { choice, finish } => {
                self.choice(*choice).finish.get_or_insert_with(|| finish.clone());
            }
            Delta::Failure(_) | Delta::Malformed(_) | Delta::Loss(_) => {}
        }
    }

    /// In a member of ours in the last chunk: Google's Python SDK takes a comment for a chunk.
    fn losses(&mut self, losses: &str, _: &mut Vec<u8>) {
        self.losses = Some(losses.to_owned());
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.choices.is_empty() {
            self.choice(0);
        }
        let choices = std::mem::take(&mut self.choices);
        let losses = self.losses.take();
        for (left, choice) in (0..choices.len()).rev().zip(&choices) {
            if left == 0 {
                self.losses.clone_from(&losses);
            }
            self.finish_choice(out, choice);
        }
        self.frames.end(out);
    }

    /// With a last frame that SDKs raise. A call whose arguments are not complete is not sent.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for open in std::mem::take(&mut self.open) {
            if let Kind::Thought { held: Some(held), .. } = open.kind {
                self.write(out, open.choice, part::thought(&held, None));
            }
        }
        let request_id = &self.context.request_id;
        self.frames.write(out, |out| write_failure(failure, request_id, out));
        self.frames.end(out);
    }
}

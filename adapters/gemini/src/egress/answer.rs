//! Turns chunks into deltas, in the order that [`Delta`] promises.

use adapters_canonical::annotation::CitedSource;
use adapters_canonical::chat::{Finish, Opaque, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::{DecodeError, Loss};
use adapters_canonical::usage::Usage;

use super::annotation;
use super::finish::{blocked, finish, is_final};
use super::open_call::OpenCall;
use super::response::{answer_seed, opaque_part, seconds_since_1970, streamed_media, tier};
use super::usage::Tally;
use super::{error, loss};
use crate::call_id::CallIds;
use crate::hosted::{Codes, Grounding};
use crate::wire::response::{Candidate, FunctionCall, Part, PromptFeedback, Response};
use adapters_json::string::Str;

/// One streamed answer, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    started: bool,
    /// Nothing more may be said: it ended, or failed.
    over: bool,
    parts: u32,
    ids: CallIds,
    choices: Vec<Choice>,
    tally: Tally,
    usage: Option<Usage>,
    service_tier: Option<String>,
    /// What has been reported as lost: once each.
    lost: Vec<Loss>,
    /// Why the prompt was blocked, and the same in words.
    block_reason: Option<(String, Option<String>)>,
}

/// One of the answers, as far as it has come.
#[derive(Debug)]
struct Choice {
    index: u32,
    open: Open,
    calls: u32,
    /// The provider's last word on why it ended. Parts and tokens may follow it, so
    /// [`Delta::Finish`] waits for the end of the body.
    finish_reason: Option<String>,
    finish_message: Option<String>,
    /// Bytes of its text so far.
    bytes: usize,
    /// The sources that were told already: chunks may repeat them.
    cited: Vec<(Option<(usize, usize)>, CitedSource)>,
    codes: Codes,
    /// What was searched and read for it, told at its end: chunks add to it.
    looked: Grounding,
}

/// The part that the next chunk may go on with.
#[derive(Debug)]
enum Open {
    Nothing,
    /// With its text so far, and the byte of the choice's text at which it begins: sources are for
    /// places in it.
    Text {
        part: u32,
        text: String,
        start: usize,
    },
    Thought(u32),
    Call(Box<OpenCall>),
}

impl Answer {
    /// Takes the JSON of one chunk.
    pub(super) fn take(&mut self, json: &[u8], out: &mut Vec<Delta>) {
        if self.over || json.trim_ascii() == b"[DONE]" {
            return;
        }
        if json.trim_ascii_start().starts_with(b"[") {
            match serde_json::from_slice::<Vec<Response<'_>>>(json) {
                Ok(responses) => responses.into_iter().for_each(|one| self.chunk(one, out)),
                Err(error) => out.push(Delta::Malformed(error.into())),
            }
            return;
        }
        match serde_json::from_slice::<Response<'_>>(json) {
            Ok(response) => self.chunk(response, out),
            Err(error) => out.push(Delta::Malformed(error.into())),
        }
    }

    /// Says how the answer ended, once no more chunks will come.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if some answer has no end, or there is none at all.
    pub(super) fn end(&mut self, out: &mut Vec<Delta>) -> Result<(), DecodeError> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        self.tell_searches(out);
        let mut truncated = self.choices.is_empty() && self.block_reason.is_none();
        for choice in &mut self.choices {
            let Some(native) = choice.finish_reason.take() else {
                choice.break_off(out);
                truncated = true;
                continue;
            };
            choice.close(out);
            choice.tell_looked(&mut self.parts, out);
            let message = choice.finish_message.take();
            let finish = Finish { message, ..finish(&native, choice.calls > 0) };
            out.push(Delta::Finish { choice: choice.index, finish });
        }
        if let (true, Some((reason, message))) = (self.choices.is_empty(), &self.block_reason) {
            out.push(Delta::Finish { choice: 0, finish: blocked(reason, message.clone()) });
        }
        if truncated { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    fn chunk(&mut self, response: Response<'_>, out: &mut Vec<Delta>) {
        if self.over {
            return;
        }
        if let Some(json) = response.error {
            self.tell_searches(out);
            self.choices.iter_mut().for_each(|choice| choice.break_off(out));
            out.push(Delta::Failure(error::in_stream(json.get())));
            self.over = true;
            return;
        }
        self.start(&response, out);
        let mut losses = Vec::new();
        loss::of_response(&response, &mut losses);
        self.lose(losses, out);
        if let Some(PromptFeedback { block_reason: Some(reason), block_reason_message, .. }) =
            response.prompt_feedback
        {
            let message = block_reason_message.map(String::from);
            self.block_reason = Some((String::from(reason), message));
        }
        for (place, candidate) in response.candidates.into_iter().flatten().enumerate() {
            self.candidate(place, candidate, out);
        }
        if let Some(metadata) = response.usage_metadata {
            self.tally.update(&metadata);
            if let Some(tier) = metadata.service_tier.map(tier)
                && self.service_tier.as_ref() != Some(&tier)
            {
                out.push(Delta::ServiceTier(tier.clone()));
                self.service_tier = Some(tier);
            }
            let usage = self.tally.usage();
            if usage.is_some() && usage != self.usage {
                out.extend(usage.clone().map(Delta::Usage));
                self.usage = usage;
            }
        }
    }

    fn start(&mut self, response: &Response<'_>, out: &mut Vec<Delta>) {
        if self.started {
            return;
        }
        self.started = true;
        self.ids = CallIds::new(answer_seed(response));
        out.push(Delta::Start(Start {
            id: response.response_id.as_deref().unwrap_or_default().to_owned(),
            model: response.model_version.as_deref().unwrap_or_default().to_owned(),
            created: response.create_time.as_deref().and_then(seconds_since_1970),
        }));
    }

    fn candidate(&mut self, place: usize, mut candidate: Candidate<'_>, out: &mut Vec<Delta>) {
        let index = candidate.index.or(u32::try_from(place).ok()).unwrap_or(u32::MAX);
        let at = self.choices.iter().position(|choice| choice.index == index);
        let at = at.unwrap_or_else(|| {
            // Nearly always there is one; lists begin with room for four, which waits with the stream.
            self.choices.reserve_exact(1);
            self.choices.push(Choice::new(index));
            self.choices.len() - 1
        });
        let mut losses = Vec::new();
        loss::of_candidate(&candidate, index, &mut losses);
        let Self { choices, parts, ids, .. } = self;
        let Some(choice) = choices.get_mut(at) else { return };
        let content = candidate.content.take();
        for part in content.and_then(|content| content.parts).into_iter().flatten() {
            loss::of_part(&part, index, &mut losses);
            choice.part(part, parts, ids, out);
        }
        choice.annotate(&candidate, out);
        if let Some(reason) = candidate.finish_reason.filter(|reason| is_final(reason)) {
            choice.close(out);
            choice.finish_reason = Some(String::from(reason));
            choice.finish_message = candidate.finish_message.map(String::from);
        }
        self.lose(losses, out);
    }

    /// Says how often the web was searched, for all choices together: they cost each, whatever
    /// became of the answer.
    fn tell_searches(&self, out: &mut Vec<Delta>) {
        let searches = self.choices.iter().filter_map(|choice| choice.looked.searches());
        let Some(web_searches) = searches.reduce(u64::saturating_add) else { return };
        out.push(Delta::Usage(Usage { web_searches: Some(web_searches), ..Usage::default() }));
    }

    fn lose(&mut self, losses: Vec<Loss>, out: &mut Vec<Delta>) {
        for loss in losses {
            if !self.lost.contains(&loss) {
                self.lost.push(loss.clone());
                out.push(Delta::Loss(loss));
            }
        }
    }
}

impl Choice {
    fn new(index: u32) -> Self {
        Self {
            index,
            open: Open::Nothing,
            calls: 0,
            finish_reason: None,
            finish_message: None,
            bytes: 0,
            cited: Vec::new(),
            codes: Codes::default(),
            looked: Grounding::default(),
        }
    }

    /// Says what a chunk says of the words so far.
    fn annotate(&mut self, candidate: &Candidate<'_>, out: &mut Vec<Delta>) {
        self.looked.take(candidate);
        if let Some(wire) = &candidate.logprobs_result {
            let tokens = annotation::logprobs(wire);
            if !tokens.is_empty() {
                out.push(Delta::Logprobs { choice: self.index, tokens });
            }
        }
        // In a stream places are counted from the beginning of the answer.
        for cited in annotation::sources(candidate, |_| 0) {
            let key = (cited.bytes, cited.citation.source.clone());
            if self.cited.contains(&key) {
                continue;
            }
            self.cited.push(key);
            let citation = match &self.open {
                Open::Text { part, text, start } => {
                    annotation::within(&cited, text, *start).map(|citation| (*part, citation))
                }
                Open::Nothing | Open::Thought(_) | Open::Call(_) => None,
            };
            out.push(match citation {
                Some((part, citation)) => Delta::Citation { part, citation },
                None => {
                    let path = format!("choices[{}].message.annotations", self.index);
                    Delta::Loss(Loss::dropped(path, "a source of words that have ended already"))
                }
            });
        }
    }

    fn part(&mut self, part: Part<'_>, parts: &mut u32, ids: &mut CallIds, out: &mut Vec<Delta>) {
        if let Some(call) = part.function_call {
            return self.call(call, part.thought_signature, parts, ids, out);
        }
        let Some(text) = part.text else {
            if let Some(kind) = streamed_media(&part) {
                self.close(out);
                let begun = self.begin(kind, parts, out);
                out.push(Delta::PartEnd { part: begun });
                if let Some(signature) = part.thought_signature {
                    self.seal(String::from(signature), true, parts, out);
                }
                return;
            }
            if let Some(json) = opaque_part(&part) {
                self.close(out);
                let kind = match self.codes.read(&json, self.index) {
                    Some(step) => PartKind::Hosted(Box::new(step)),
                    None => PartKind::Opaque(Opaque { dialect: Dialect::Gemini, json }),
                };
                let carrier = kind.carrier();
                for kind in [Some(kind), carrier].into_iter().flatten() {
                    let part = self.begin(kind, parts, out);
                    out.push(Delta::PartEnd { part });
                }
            }
            return;
        };
        if !text.is_empty() {
            let run = self.run(part.thought, parts, out);
            if let Open::Text { text: before, .. } = &mut self.open {
                before.push_str(&text);
                self.bytes += text.len();
            }
            out.push(Delta::Text { part: run, text: String::from(text) });
        }
        if let Some(signature) = part.thought_signature {
            self.seal(String::from(signature), part.thought, parts, out);
        }
    }

    /// The open part of this kind; a run of the same kind is one part, across chunks too.
    fn run(&mut self, thought: bool, parts: &mut u32, out: &mut Vec<Delta>) -> u32 {
        match (&self.open, thought) {
            (Open::Text { part, .. }, false) | (Open::Thought(part), true) => return *part,
            (Open::Nothing | Open::Text { .. } | Open::Thought(_) | Open::Call(_), _) => {}
        }
        self.close(out);
        if thought {
            let part = self.begin(
                PartKind::Reasoning { redacted: None, origin: Some(Dialect::Gemini), id: None },
                parts,
                out,
            );
            self.open = Open::Thought(part);
            part
        } else {
            let part = self.begin(PartKind::Text, parts, out);
            self.open = Open::Text { part, text: String::new(), start: self.bytes };
            part
        }
    }

    /// A signature that is on no call: it ends the thought or the words it is on, so that no later
    /// one can replace it. One that comes without either is a thought without words.
    fn seal(&mut self, signature: String, thought: bool, parts: &mut u32, out: &mut Vec<Delta>) {
        let part = match &self.open {
            Open::Text { part, .. } if !thought => *part,
            Open::Nothing | Open::Text { .. } | Open::Thought(_) | Open::Call(_) => {
                if !thought {
                    self.close(out);
                }
                self.run(true, parts, out)
            }
        };
        out.push(Delta::Signature { part, signature });
        self.close(out);
    }

    fn call(
        &mut self,
        call: FunctionCall<'_>,
        signature: Option<Str<'_>>,
        parts: &mut u32,
        ids: &mut CallIds,
        out: &mut Vec<Delta>,
    ) {
        if let Some(name) = call.name.as_deref().filter(|name| !name.is_empty()) {
            self.close(out);
            let id = ids.name(call.id.as_deref(), self.index, self.calls);
            self.calls += 1;
            let kind = PartKind::ToolCall { id, name: name.to_owned(), kind: ToolKind::Function };
            let part = self.begin(kind, parts, out);
            self.open = Open::Call(Box::new(OpenCall::new(part)));
        }
        let Open::Call(open) = &mut self.open else {
            // `{}` ends a call that something else has ended already.
            if call.args.is_some() || call.partial_args.is_some() {
                let problem = DecodeError::shape("functionCall.name", "the name of a function");
                out.push(Delta::Malformed(problem));
            }
            return;
        };
        if let Some(signature) = signature {
            let signature = String::from(signature);
            out.push(Delta::Signature { part: open.part, signature });
        }
        let ends = call.will_continue != Some(true);
        open.extend(call, out);
        if ends {
            self.close(out);
        }
    }

    /// Says what was searched for and read.
    fn tell_looked(&mut self, parts: &mut u32, out: &mut Vec<Delta>) {
        for step in std::mem::take(&mut self.looked).steps(self.index) {
            let part = self.begin(PartKind::Hosted(Box::new(step)), parts, out);
            out.push(Delta::PartEnd { part });
        }
    }

    fn begin(&mut self, kind: PartKind, parts: &mut u32, out: &mut Vec<Delta>) -> u32 {
        let part = *parts;
        *parts += 1;
        out.push(Delta::PartStart { part, choice: self.index, kind });
        part
    }

    /// Ends what is open.
    fn close(&mut self, out: &mut Vec<Delta>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text { part, .. } | Open::Thought(part) => out.push(Delta::PartEnd { part }),
            Open::Call(call) => call.close(out),
        }
    }

    /// Ends what is open, though its end is missing.
    fn break_off(&mut self, out: &mut Vec<Delta>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Call(call) => call.break_off(out),
            other @ (Open::Nothing | Open::Text { .. } | Open::Thought(_)) => {
                self.open = other;
                self.close(out);
            }
        }
    }
}

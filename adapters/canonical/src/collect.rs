//! A streamed answer, put together again; and whether its steps kept their order.

use crate::annotation::TokenLogprob;
use crate::chat::{ChatResponse, Choice, Finish, Part, Text, Thought, ToolCall};
use crate::delta::{Delta, PartKind, Start};
use crate::failure::UpstreamError;
use crate::usage::Usage;

/// Takes the steps of one answer and gives the whole of it.
///
/// Every step is checked against the order that [`Delta`] promises. What was joined from fragments
/// is the same however it was cut.
///
/// ```
/// use adapters_canonical::chat::{FinishReason, Part};
/// use adapters_canonical::collect::Collector;
/// use adapters_canonical::delta::{Delta, PartKind, Start};
///
/// let mut collector = Collector::default();
/// for delta in [
///     Delta::Start(Start::default()),
///     Delta::PartStart { part: 0, choice: 0, kind: PartKind::Text },
///     Delta::Text { part: 0, text: "Hel".to_owned() },
///     Delta::Text { part: 0, text: "lo".to_owned() },
///     Delta::PartEnd { part: 0 },
///     Delta::Finish { choice: 0, finish: FinishReason::Stop.into() },
/// ] {
///     collector.push(&delta)?;
/// }
/// let answer = collector.finish()?;
/// assert!(matches!(&answer.choices[0].parts[..], [Part::Text(text)] if text.text == "Hello"));
/// # Ok::<(), adapters_canonical::collect::CollectError>(())
/// ```
#[derive(Debug, Default)]
pub struct Collector {
    start: Option<Start>,
    choices: Vec<Collected>,
    /// The parts that have not ended, oldest first.
    open: Vec<Open>,
    /// The number of the next part.
    next: u32,
    usage: Option<Usage>,
    service_tier: Option<String>,
    failure: Option<UpstreamError>,
}

#[derive(Debug)]
struct Collected {
    index: u32,
    /// In the order they began; `None` while a part is open.
    parts: Vec<Option<Part>>,
    finish: Option<Finish>,
    logprobs: Option<Vec<TokenLogprob>>,
}

#[derive(Debug)]
struct Open {
    number: u32,
    choice: u32,
    /// Its place in [`Collected::parts`].
    at: usize,
    part: Part,
}

/// A step that its place in the stream does not allow, or a stream without an answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CollectError {
    /// Something stands before the start.
    #[error("a {step} stands before the start")]
    BeforeStart {
        /// What does.
        step: &'static str,
    },
    /// A second start.
    #[error("the answer starts twice")]
    StartedTwice,
    /// Parts are not numbered 0, 1, 2 ….
    #[error("part {found} begins where part {expected} should")]
    Numbering {
        /// The number it should have.
        expected: u32,
        /// The number it has.
        found: u32,
    },
    /// Two parts of one choice are open that may not be.
    #[error("part {part} begins while part {open} is open")]
    Overlap {
        /// The one that begins.
        part: u32,
        /// The one that has not ended.
        open: u32,
    },
    /// A part that is not open, because it never began or has ended.
    #[error("a {step} belongs to part {part}, which is not open")]
    NotOpen {
        /// What does.
        step: &'static str,
        /// The part it names.
        part: u32,
    },
    /// A part that cannot hold this.
    #[error("part {part} cannot take a {step}")]
    Misplaced {
        /// What it cannot take.
        step: &'static str,
        /// The part it names.
        part: u32,
    },
    /// An answer ends before its parts, begins again after its end, or ends twice.
    #[error("a {step} of answer {choice} stands on the wrong side of its end")]
    Finished {
        /// What does.
        step: &'static str,
        /// The answer.
        choice: u32,
    },
    /// Something follows a failure.
    #[error("a {step} follows a failure")]
    AfterFailure {
        /// What does.
        step: &'static str,
    },
    /// The stream ended without a start.
    #[error("the answer never starts")]
    NeverStarted,
    /// The stream ended before this answer did.
    #[error("answer {choice} never ends")]
    Unfinished {
        /// The answer.
        choice: u32,
    },
    /// The upstream reported an error instead.
    #[error("the upstream failed with status {}", .0.status)]
    Failed(UpstreamError),
}

impl Collector {
    /// Takes the next step.
    ///
    /// # Errors
    ///
    /// What the step broke of the order that [`Delta`] promises. The step is then left out.
    pub fn push(&mut self, delta: &Delta) -> Result<(), CollectError> {
        let step = name(delta);
        if self.failure.is_some() {
            return Err(CollectError::AfterFailure { step });
        }
        if self.start.is_none() && !may_stand_before_start(delta) {
            return Err(CollectError::BeforeStart { step });
        }
        match delta {
            Delta::Start(start) => return self.begin(start),
            Delta::PartStart { part, choice, kind } => return self.open(*part, *choice, kind),
            Delta::Text { part, text } => match self.part(*part, step)? {
                Part::Text(Text { text: words, .. })
                | Part::Reasoning(Thought { text: words, .. })
                | Part::Refusal(words) => words.push_str(text),
                _ => return Err(CollectError::Misplaced { step, part: *part }),
            },
            Delta::Arguments { part, fragment } => match self.part(*part, step)? {
                Part::ToolCall(call) => call.arguments.push_str(fragment),
                _ => return Err(CollectError::Misplaced { step, part: *part }),
            },
            Delta::Signature { part, signature } => match self.part(*part, step)? {
                Part::Text(Text { signature: seal, .. })
                | Part::Reasoning(Thought { signature: seal, .. })
                | Part::ToolCall(ToolCall { signature: seal, .. }) => {
                    *seal = Some(signature.clone());
                }
                _ => return Err(CollectError::Misplaced { step, part: *part }),
            },
            Delta::Citation { part, citation } => match self.part(*part, step)? {
                Part::Text(text) => text.citations.push(citation.clone()),
                _ => return Err(CollectError::Misplaced { step, part: *part }),
            },
            Delta::Logprobs { choice, tokens } => {
                let choice = self.unfinished(*choice, step)?;
                choice.logprobs.get_or_insert_default().extend_from_slice(tokens);
            }
            Delta::PartEnd { part } => return self.close(*part, step),
            Delta::Usage(newer) => self.usage.get_or_insert_default().update(newer),
            Delta::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Delta::Finish { choice, finish } => return self.end(*choice, finish, step),
            Delta::Failure(error) => self.failure = Some(error.clone()),
            Delta::Malformed(_) | Delta::Loss(_) => {}
        }
        Ok(())
    }

    /// The whole answer, once its stream has ended. The parts of each choice stand in the order
    /// they began, the choices in the order of their index.
    ///
    /// # Errors
    ///
    /// If there is no whole answer: it never started, one of its choices never ended, or the
    /// upstream reported an error.
    pub fn finish(self) -> Result<ChatResponse, CollectError> {
        if let Some(error) = self.failure {
            return Err(CollectError::Failed(error));
        }
        let Start { id, model, created } = self.start.ok_or(CollectError::NeverStarted)?;
        let mut choices = Vec::with_capacity(self.choices.len());
        for Collected { index, parts, finish, logprobs } in self.choices {
            let finish = finish.ok_or(CollectError::Unfinished { choice: index })?;
            choices.push(Choice {
                index,
                parts: parts.into_iter().flatten().collect(),
                finish,
                logprobs,
            });
        }
        choices.sort_by_key(|choice| choice.index);
        let (usage, service_tier) = (self.usage, self.service_tier);
        Ok(ChatResponse { id, model, created, choices, usage, service_tier })
    }

    fn begin(&mut self, start: &Start) -> Result<(), CollectError> {
        if self.start.is_some() {
            return Err(CollectError::StartedTwice);
        }
        self.start = Some(start.clone());
        Ok(())
    }

    fn open(&mut self, number: u32, choice: u32, kind: &PartKind) -> Result<(), CollectError> {
        if number != self.next {
            return Err(CollectError::Numbering { expected: self.next, found: number });
        }
        let part = empty(kind);
        let is_call = matches!(part, Part::ToolCall(_));
        let overlaps = |open: &&Open| {
            open.choice == choice && !(is_call && matches!(open.part, Part::ToolCall(_)))
        };
        if let Some(open) = self.open.iter().find(overlaps) {
            return Err(CollectError::Overlap { part: number, open: open.number });
        }
        let parts = &mut self.unfinished(choice, "part start")?.parts;
        let at = parts.len();
        parts.push(None);
        self.next = self.next.saturating_add(1);
        self.open.push(Open { number, choice, at, part });
        Ok(())
    }

    fn part(&mut self, number: u32, step: &'static str) -> Result<&mut Part, CollectError> {
        self.open
            .iter_mut()
            .rev()
            .find(|open| open.number == number)
            .map(|open| &mut open.part)
            .ok_or(CollectError::NotOpen { step, part: number })
    }

    fn close(&mut self, number: u32, step: &'static str) -> Result<(), CollectError> {
        let Some(at) = self.open.iter().rposition(|open| open.number == number) else {
            return Err(CollectError::NotOpen { step, part: number });
        };
        let Open { choice, at, part, .. } = self.open.remove(at);
        if let Some(place) = self.choice(choice).parts.get_mut(at) {
            *place = Some(part);
        }
        Ok(())
    }

    fn end(&mut self, index: u32, finish: &Finish, step: &'static str) -> Result<(), CollectError> {
        if self.open.iter().any(|open| open.choice == index) {
            return Err(CollectError::Finished { step, choice: index });
        }
        self.unfinished(index, step)?.finish = Some(finish.clone());
        Ok(())
    }

    fn unfinished(
        &mut self,
        index: u32,
        step: &'static str,
    ) -> Result<&mut Collected, CollectError> {
        let choice = self.choice(index);
        match choice.finish {
            None => Ok(choice),
            Some(_) => Err(CollectError::Finished { step, choice: index }),
        }
    }

    fn choice(&mut self, index: u32) -> &mut Collected {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                let new = Collected { index, parts: Vec::new(), finish: None, logprobs: None };
                self.choices.push(new);
                self.choices.len() - 1
            }
        };
        &mut self.choices[at]
    }
}

/// A part of this kind before its first fragment.
fn empty(kind: &PartKind) -> Part {
    match kind {
        PartKind::Text => Part::Text(Text::default()),
        PartKind::Reasoning { redacted, origin, id } => Part::Reasoning(Thought {
            text: String::new(),
            signature: None,
            redacted: redacted.clone(),
            origin: *origin,
            id: id.clone(),
        }),
        PartKind::Refusal => Part::Refusal(String::new()),
        PartKind::ToolCall { id, name, kind } => Part::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: String::new(),
            kind: *kind,
            signature: None,
        }),
        PartKind::Image(media) => Part::Image(media.clone()),
        PartKind::Audio(media) => Part::Audio(media.clone()),
        PartKind::Hosted(step) => Part::Hosted(step.clone()),
        PartKind::Opaque(opaque) => Part::Opaque(opaque.clone()),
    }
}

fn may_stand_before_start(delta: &Delta) -> bool {
    matches!(delta, Delta::Start(_) | Delta::Malformed(_) | Delta::Loss(_) | Delta::Failure(_))
}

fn name(delta: &Delta) -> &'static str {
    match delta {
        Delta::Start(_) => "start",
        Delta::PartStart { .. } => "part start",
        Delta::Text { .. } => "text",
        Delta::Arguments { .. } => "piece of arguments",
        Delta::Signature { .. } => "signature",
        Delta::Citation { .. } => "citation",
        Delta::Logprobs { .. } => "list of log probabilities",
        Delta::PartEnd { .. } => "part end",
        Delta::Usage(_) => "usage",
        Delta::ServiceTier(_) => "tier",
        Delta::Finish { .. } => "finish",
        Delta::Failure(_) => "failure",
        Delta::Malformed(_) => "malformed event",
        Delta::Loss(_) => "loss",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::Citation;
    use crate::chat::{FinishReason, ToolKind};
    use crate::loss::DecodeError;

    fn start() -> Delta {
        Delta::Start(Start { id: "a".to_owned(), model: "m".to_owned(), created: Some(7) })
    }

    fn begin(part: u32, kind: PartKind) -> Delta {
        Delta::PartStart { part, choice: 0, kind }
    }

    fn text(part: u32, text: &str) -> Delta {
        Delta::Text { part, text: text.to_owned() }
    }

    fn call(id: &str) -> PartKind {
        let (id, name) = (id.to_owned(), "f".to_owned());
        PartKind::ToolCall { id, name, kind: ToolKind::Function }
    }

    fn arguments(part: u32, fragment: &str) -> Delta {
        Delta::Arguments { part, fragment: fragment.to_owned() }
    }

    fn end(part: u32) -> Delta {
        Delta::PartEnd { part }
    }

    fn finish() -> Delta {
        Delta::Finish { choice: 0, finish: FinishReason::Stop.into() }
    }

    fn collect(deltas: &[Delta]) -> Result<ChatResponse, CollectError> {
        let mut collector = Collector::default();
        deltas.iter().try_for_each(|delta| collector.push(delta))?;
        collector.finish()
    }

    #[track_caller]
    fn broken(deltas: &[Delta], expected: &CollectError) {
        assert_eq!(collect(deltas).err().as_ref(), Some(expected));
    }

    #[test]
    fn fragments_are_joined_and_parts_stand_as_they_began() {
        let thought = PartKind::Reasoning { redacted: None, origin: None, id: Some("r".into()) };
        let answer = collect(&[
            start(),
            begin(0, thought),
            text(0, "h"),
            text(0, "m"),
            Delta::Signature { part: 0, signature: "old".to_owned() },
            Delta::Signature { part: 0, signature: "new".to_owned() },
            end(0),
            begin(1, call("c1")),
            begin(2, call("c2")),
            arguments(2, "{"),
            arguments(1, "[]"),
            arguments(2, "}"),
            end(2),
            end(1),
            begin(3, PartKind::Text),
            text(3, "Hi"),
            Delta::Citation { part: 3, citation: Citation::default() },
            Delta::Logprobs { choice: 0, tokens: vec![TokenLogprob::default()] },
            end(3),
            Delta::Usage(Usage { input: Some(1), ..Usage::default() }),
            finish(),
            Delta::Usage(Usage { output: Some(2), ..Usage::default() }),
        ])
        .unwrap();
        assert_eq!((&*answer.id, &*answer.model, answer.created), ("a", "m", Some(7)));
        let usage = answer.usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(1), Some(2)));
        let [choice] = &answer.choices[..] else { panic!("one choice") };
        assert_eq!(choice.logprobs.as_ref().map(Vec::len), Some(1));
        let [Part::Reasoning(thought), Part::ToolCall(one), Part::ToolCall(two), Part::Text(said)] =
            &choice.parts[..]
        else {
            panic!("{:?}", choice.parts)
        };
        assert_eq!((&*thought.text, thought.signature.as_deref()), ("hm", Some("new")));
        assert_eq!((&*one.arguments, &*two.arguments), ("[]", "{}"));
        assert_eq!((&*said.text, said.citations.len()), ("Hi", 1));
    }

    #[test]
    fn every_break_of_the_order_has_its_name() {
        use CollectError as E;
        let text_part = || begin(0, PartKind::Text);
        broken(&[text(0, "x")], &E::BeforeStart { step: "text" });
        broken(&[start(), start()], &E::StartedTwice);
        broken(&[start(), begin(1, PartKind::Text)], &E::Numbering { expected: 0, found: 1 });
        broken(&[start(), text_part(), begin(1, call("c"))], &E::Overlap { part: 1, open: 0 });
        broken(&[start(), text(0, "x")], &E::NotOpen { step: "text", part: 0 });
        broken(&[start(), text_part(), end(0), end(0)], &E::NotOpen { step: "part end", part: 0 });
        broken(
            &[start(), text_part(), arguments(0, "x")],
            &E::Misplaced { step: "piece of arguments", part: 0 },
        );
        broken(
            &[start(), begin(0, call("c")), text(0, "x")],
            &E::Misplaced { step: "text", part: 0 },
        );
        broken(&[start(), text_part(), finish()], &E::Finished { step: "finish", choice: 0 });
        broken(&[start(), finish(), finish()], &E::Finished { step: "finish", choice: 0 });
        broken(&[start(), finish(), text_part()], &E::Finished { step: "part start", choice: 0 });
    }

    #[test]
    fn a_stream_without_a_whole_answer_is_an_error() {
        use CollectError as E;
        let failure = || Delta::Failure(UpstreamError::from_status(503));
        broken(&[], &E::NeverStarted);
        broken(&[Delta::Malformed(DecodeError::Truncated)], &E::NeverStarted);
        broken(&[start(), begin(0, PartKind::Text)], &E::Unfinished { choice: 0 });
        broken(&[start(), failure()], &E::Failed(UpstreamError::from_status(503)));
        broken(&[failure(), start()], &E::AfterFailure { step: "start" });
        // A prompt that was blocked has an answer without choices.
        assert_eq!(collect(&[start()]).map(|answer| answer.choices.len()), Ok(0));
    }
}

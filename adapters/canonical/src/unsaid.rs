//! What of an answer a client's dialect has no words for, found alike in answers of one piece and in
//! streams.
//!
//! Each client dialect has a [`Vocabulary`], a table of what it lacks. An encoder leaves out what
//! stands there, and [`Unsaid`] says so; since both read one table, a stream loses what the whole
//! answer loses, under the same name.

use serde::de::IgnoredAny;

use crate::annotation::Citation;
use crate::chat::{ChatResponse, Choice, Finish, Media, Opaque, Part, ToolCall, ToolKind};
use crate::delta::{Delta, PartKind};
use crate::dialect::Dialect;
use crate::hosted::HostedStep;
use crate::loss::{Loss, LossKind};
use crate::usage::Usage;

/// Why something is not, or not exactly, said; `None` if it is.
pub type Lack = Option<(LossKind, &'static str)>;

/// Left out.
#[must_use]
pub const fn lost(why: &'static str) -> Lack {
    Some((LossKind::Dropped, why))
}

/// Said in another way.
#[must_use]
pub const fn adapted(why: &'static str) -> Lack {
    Some((LossKind::Adapted, why))
}

/// What a dialect lacks for answers.
#[derive(Debug)]
pub struct Vocabulary {
    /// Whose it is: parts that only this dialect knows are said as they are.
    pub dialect: Dialect,
    /// Answers beside the first.
    pub more_answers: Lack,
    /// The model's words when it will not answer.
    pub refusal: Lack,
    /// A call whose arguments are free text.
    pub custom_call: Lack,
    /// Arguments of a function that are no JSON object, such as those of a call that was cut short.
    /// `None` if they are said as they are, or the encoder tells of it itself.
    pub odd_arguments: Lack,
    /// A picture.
    pub image: fn(&Media) -> Lack,
    /// A sound.
    pub audio: fn(&Media) -> Lack,
    /// A film or a document.
    pub file: Lack,
    /// What another provider did with a tool of its own.
    pub hosted: fn(&HostedStep) -> Lack,
    /// Where words come from.
    pub citation: fn(&Citation) -> Lack,
    /// How likely tokens were.
    pub logprobs: Lack,
    /// Which stop sequence was met.
    pub stop_sequence: Lack,
    /// What the provider says about the end, beside what the model says of it.
    pub finish_message: fn(&Finish) -> Lack,
    /// Tokens by kind: the kind's name, how many there are, and what is lacking if there are any.
    pub usage: &'static [Count],
    /// The tier that served.
    pub service_tier: fn(&str) -> Lack,
}

/// A kind of tokens that a dialect does not count apart.
#[derive(Debug)]
pub struct Count {
    /// What [`Usage`] calls it.
    pub name: &'static str,
    /// How many.
    pub of: fn(&Usage) -> Option<u64>,
    /// What is lacking.
    pub lack: Lack,
}

/// Gathers what of one answer is not said.
#[derive(Clone, Debug)]
pub struct Unsaid {
    words: &'static Vocabulary,
    losses: Vec<Loss>,
    answers: Vec<Answer>,
    /// The parts of a stream that have not ended: their number, and where they stand.
    open: Vec<(u32, Place)>,
    /// Arguments so far of the functions that are being called, if it matters what they are.
    calls: Vec<(u32, String)>,
    usage: Usage,
    tier: Option<String>,
}

#[derive(Clone, Debug)]
struct Answer {
    choice: u32,
    parts: usize,
    refused: bool,
    logprobs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    choice: u32,
    part: usize,
    citations: usize,
}

/// What an answer in one piece loses in the words of a dialect.
#[must_use]
pub fn unsaid(words: &'static Vocabulary, response: &ChatResponse) -> Vec<Loss> {
    let mut unsaid = Unsaid::new(words);
    for choice in &response.choices {
        unsaid.choice(choice);
    }
    if let Some(usage) = &response.usage {
        unsaid.usage.update(usage);
    }
    unsaid.tier.clone_from(&response.service_tier);
    unsaid.finish()
}

impl Unsaid {
    /// Before the answer.
    #[must_use]
    pub fn new(words: &'static Vocabulary) -> Self {
        Self {
            words,
            losses: Vec::new(),
            answers: Vec::new(),
            open: Vec::new(),
            calls: Vec::new(),
            usage: Usage::default(),
            tier: None,
        }
    }

    /// Takes the next step of a streamed answer.
    pub fn see(&mut self, delta: &Delta) {
        match delta {
            Delta::PartStart { part, choice, kind } => {
                let place = self.place(*choice);
                self.open.push((*part, place));
                self.kind(place, kind);
                let function = matches!(kind, PartKind::ToolCall { kind: ToolKind::Function, .. });
                if function && self.words.odd_arguments.is_some() {
                    self.calls.push((*part, String::new()));
                }
            }
            Delta::Citation { part, citation } => {
                let open = self.open.iter_mut().rev().find(|(number, _)| number == part);
                if let Some((_, place)) = open {
                    let at = *place;
                    place.citations += 1;
                    self.citation(at, citation);
                }
            }
            Delta::Arguments { part, fragment } => {
                let call = self.calls.iter_mut().rev().find(|(number, _)| number == part);
                if let Some((_, arguments)) = call {
                    arguments.push_str(fragment);
                }
            }
            Delta::PartEnd { part } => self.part_end(*part),
            Delta::Logprobs { choice, tokens } if !tokens.is_empty() => self.logprobs(*choice),
            Delta::Finish { choice, finish } => self.end(*choice, finish),
            Delta::Usage(newer) => self.usage.update(newer),
            Delta::ServiceTier(tier) => self.tier = Some(tier.clone()),
            Delta::Start(_)
            | Delta::Text { .. }
            | Delta::Signature { .. }
            | Delta::Logprobs { .. }
            | Delta::Failure(_)
            | Delta::Malformed(_)
            | Delta::Loss(_) => {}
        }
    }

    /// All of it so far.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        self.clone().finish()
    }

    /// All of it, once the answer has ended.
    #[must_use]
    pub fn finish(mut self) -> Vec<Loss> {
        for Count { name, of, lack } in self.words.usage {
            if of(&self.usage).is_some_and(|count| count > 0) {
                self.lose(*lack, || format!("usage.{name}"));
            }
        }
        if let Some(lack) = self.tier.take().map(|tier| (self.words.service_tier)(&tier)) {
            self.lose(lack, || "service_tier".to_owned());
        }
        self.losses
    }

    fn choice(&mut self, choice: &Choice) {
        self.answer(choice.index);
        for part in &choice.parts {
            let mut place = self.place(choice.index);
            self.part(place, part);
            if let Part::Text(text) = part {
                for citation in &text.citations {
                    self.citation(place, citation);
                    place.citations += 1;
                }
            }
        }
        if choice.logprobs.as_ref().is_some_and(|tokens| !tokens.is_empty()) {
            self.logprobs(choice.index);
        }
        self.end(choice.index, &choice.finish);
    }

    /// The answer `choice`; one that is new and not the first may have no place.
    fn answer(&mut self, choice: u32) -> usize {
        if let Some(at) = self.answers.iter().position(|answer| answer.choice == choice) {
            return at;
        }
        self.answers.push(Answer { choice, parts: 0, refused: false, logprobs: false });
        if choice > 0 {
            self.lose(self.words.more_answers, || format!("choices[{choice}]"));
        }
        self.answers.len() - 1
    }

    /// Where the next part of `choice` stands.
    fn place(&mut self, choice: u32) -> Place {
        let at = self.answer(choice);
        let part = self.answers[at].parts;
        self.answers[at].parts += 1;
        Place { choice, part, citations: 0 }
    }

    /// Whether none of `choice` is said, so that nothing more need be said of it.
    fn hidden(&self, choice: u32) -> bool {
        choice > 0 && self.words.more_answers.is_some()
    }

    fn part(&mut self, place: Place, part: &Part) {
        let kind = match part {
            Part::Text(_) => PartKind::Text,
            Part::Refusal(_) => PartKind::Refusal,
            // How a thought is said is the encoder's, whatever is in it.
            Part::Reasoning(_) => return,
            Part::ToolCall(ToolCall { kind, arguments, .. }) => {
                self.call(place, *kind);
                if *kind == ToolKind::Function {
                    self.arguments(place, arguments);
                }
                return;
            }
            Part::Image(media) => return self.of_part(place, (self.words.image)(media)),
            Part::Audio(media) => return self.of_part(place, (self.words.audio)(media)),
            Part::Hosted(step) => return self.hosted(place, step),
            Part::Opaque(opaque) => return self.opaque(place, opaque),
            Part::Video(_) | Part::Document(_) => return self.of_part(place, self.words.file),
            Part::ToolResult(_) => {
                return self.of_part(place, lost("an answer holds no results of tools"));
            }
        };
        self.kind(place, &kind);
    }

    fn kind(&mut self, place: Place, kind: &PartKind) {
        match kind {
            PartKind::Text | PartKind::Reasoning { .. } => {}
            PartKind::Refusal => {
                let at = self.answer(place.choice);
                self.answers[at].refused = true;
                self.of_part(place, self.words.refusal);
            }
            PartKind::ToolCall { kind, .. } => self.call(place, *kind),
            PartKind::Image(media) => self.of_part(place, (self.words.image)(media)),
            PartKind::Audio(media) => self.of_part(place, (self.words.audio)(media)),
            PartKind::Hosted(step) => self.hosted(place, step),
            PartKind::Opaque(opaque) => self.opaque(place, opaque),
        }
    }

    fn call(&mut self, place: Place, kind: ToolKind) {
        match kind {
            ToolKind::Function => {}
            ToolKind::Custom => self.of_part(place, self.words.custom_call),
        }
    }

    fn arguments(&mut self, place: Place, arguments: &str) {
        let Place { choice, part, .. } = place;
        let odd = self.words.odd_arguments;
        if odd.is_some() && !self.hidden(choice) && !is_object_or_nothing(arguments) {
            self.lose(odd, || format!("choices[{choice}].parts[{part}].arguments"));
        }
    }

    fn part_end(&mut self, part: u32) {
        if let Some(at) = self.calls.iter().position(|(number, _)| *number == part) {
            let (_, arguments) = self.calls.swap_remove(at);
            let open = self.open.iter().find(|(number, _)| *number == part);
            if let Some((_, place)) = open {
                self.arguments(*place, &arguments);
            }
        }
        self.open.retain(|(number, _)| *number != part);
    }

    fn hosted(&mut self, place: Place, step: &HostedStep) {
        if step.own(self.words.dialect).is_none() {
            self.of_part(place, (self.words.hosted)(step));
        }
    }

    fn opaque(&mut self, place: Place, Opaque { dialect, .. }: &Opaque) {
        if *dialect != self.words.dialect {
            self.of_part(place, lost(only_known_to(*dialect)));
        }
    }

    fn of_part(&mut self, Place { choice, part, .. }: Place, lack: Lack) {
        if !self.hidden(choice) {
            self.lose(lack, || format!("choices[{choice}].parts[{part}]"));
        }
    }

    fn citation(&mut self, Place { choice, part, citations }: Place, citation: &Citation) {
        if !self.hidden(choice) {
            self.lose((self.words.citation)(citation), || {
                format!("choices[{choice}].parts[{part}].citations[{citations}]")
            });
        }
    }

    fn logprobs(&mut self, choice: u32) {
        let at = self.answer(choice);
        if !self.hidden(choice) && !std::mem::replace(&mut self.answers[at].logprobs, true) {
            self.lose(self.words.logprobs, || format!("choices[{choice}].logprobs"));
        }
    }

    fn end(&mut self, choice: u32, finish: &Finish) {
        let at = self.answer(choice);
        if self.hidden(choice) {
            return;
        }
        if finish.stop_sequence.is_some() {
            let path = || format!("choices[{choice}].finish.stop_sequence");
            self.lose(self.words.stop_sequence, path);
        }
        // A refusal says it already.
        if finish.message.is_some() && !self.answers[at].refused {
            let path = || format!("choices[{choice}].finish.message");
            self.lose((self.words.finish_message)(finish), path);
        }
    }

    fn lose(&mut self, lack: Lack, path: impl FnOnce() -> String) {
        if let Some((kind, why)) = lack {
            self.losses.push(Loss { path: path().into(), kind, reason: why.into() });
        }
    }
}

/// A function may be called without arguments.
fn is_object_or_nothing(arguments: &str) -> bool {
    let arguments = arguments.trim_ascii();
    arguments.is_empty()
        || (arguments.starts_with('{') && serde_json::from_str::<IgnoredAny>(arguments).is_ok())
}

/// Why a part of one dialect is lost in all others.
const fn only_known_to(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "content that only OpenAI's chat has",
        Dialect::Responses => "an item that only OpenAI's Responses have",
        Dialect::Anthropic => "a block that only Anthropic has",
        Dialect::Gemini => "a part that only Gemini has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FinishReason, Text};

    static WORDS: Vocabulary = Vocabulary {
        dialect: Dialect::Anthropic,
        more_answers: lost("one answer"),
        refusal: adapted("plain words"),
        custom_call: adapted("a function"),
        odd_arguments: adapted("in an object"),
        image: |_| lost("no pictures"),
        audio: |_| None,
        file: None,
        hosted: |_| None,
        citation: |cited| if cited.quote.is_some() { adapted("no quotes") } else { None },
        logprobs: lost("none"),
        stop_sequence: None,
        finish_message: |_| lost("no words for it"),
        usage: &[Count { name: "reasoning", of: |usage| usage.reasoning, lack: lost("no") }],
        service_tier: |tier| if tier == "default" { None } else { lost("no tiers") },
    };

    fn named(losses: &[Loss]) -> Vec<&str> {
        losses.iter().map(|loss| &*loss.path).collect()
    }

    #[test]
    fn arguments_that_are_no_object_are_named_whole_and_streamed() {
        for (pieces, odd) in [
            (&["{\"a\"", ":1}"][..], false),
            (&["{\"a\"", ":1"], true),
            (&["[1]"], true),
            (&[" "], false),
            (&[], false),
        ] {
            let call = ToolCall { arguments: pieces.concat(), ..ToolCall::default() };
            let kind = PartKind::ToolCall { id: "1".into(), name: "f".into(), kind: call.kind };
            let parts = vec![Part::Text(Text::from("a")), Part::ToolCall(call)];
            let finish: Finish = FinishReason::Length.into();
            let choice = Choice { index: 0, parts, finish: finish.clone(), logprobs: None };
            let whole = ChatResponse { choices: vec![choice], ..ChatResponse::default() };
            let fragments = pieces.iter().map(|it| (*it).to_owned());
            let mut deltas = vec![
                Delta::PartStart { part: 0, choice: 0, kind: PartKind::Text },
                Delta::PartEnd { part: 0 },
                Delta::PartStart { part: 1, choice: 0, kind },
            ];
            deltas.extend(fragments.map(|fragment| Delta::Arguments { part: 1, fragment }));
            deltas.extend([Delta::PartEnd { part: 1 }, Delta::Finish { choice: 0, finish }]);
            let mut stream = Unsaid::new(&WORDS);
            deltas.iter().for_each(|delta| stream.see(delta));
            let whole = unsaid(&WORDS, &whole);
            assert_eq!(whole, stream.finish(), "{pieces:?}");
            assert_eq!(named(&whole) == ["choices[0].parts[1].arguments"], odd, "{pieces:?}");
        }
    }

    #[test]
    fn a_stream_loses_what_the_whole_loses_under_the_same_names() {
        let quoted = Citation { quote: Some("q".to_owned()), ..Citation::default() };
        let text =
            Text { text: "a".to_owned(), citations: vec![quoted.clone()], ..Text::default() };
        let finish = Finish { message: Some("m".to_owned()), ..FinishReason::Stop.into() };
        let usage = Usage { reasoning: Some(3), ..Usage::default() };
        let choice = |index, parts| Choice { index, parts, finish: finish.clone(), logprobs: None };
        let whole = ChatResponse {
            choices: vec![
                choice(0, vec![Part::Text(text), Part::Refusal("no".to_owned())]),
                choice(1, vec![Part::Refusal("no".to_owned())]),
            ],
            usage: Some(usage.clone()),
            service_tier: Some("flex".to_owned()),
            ..ChatResponse::default()
        };
        let mut stream = Unsaid::new(&WORDS);
        for delta in [
            Delta::PartStart { part: 0, choice: 0, kind: PartKind::Text },
            Delta::Citation { part: 0, citation: quoted },
            Delta::PartEnd { part: 0 },
            Delta::PartStart { part: 1, choice: 0, kind: PartKind::Refusal },
            Delta::PartEnd { part: 1 },
            Delta::Finish { choice: 0, finish: finish.clone() },
            Delta::PartStart { part: 2, choice: 1, kind: PartKind::Refusal },
            Delta::PartEnd { part: 2 },
            Delta::Finish { choice: 1, finish },
            Delta::Usage(usage),
            Delta::ServiceTier("flex".to_owned()),
        ] {
            stream.see(&delta);
        }
        let whole = unsaid(&WORDS, &whole);
        assert_eq!(whole, stream.finish());
        let expected = [
            "choices[0].parts[0].citations[0]",
            "choices[0].parts[1]",
            "choices[1]",
            "usage.reasoning",
            "service_tier",
        ];
        assert_eq!(named(&whole), expected);
    }

    #[test]
    fn what_is_not_there_is_not_lost() {
        assert_eq!(unsaid(&WORDS, &ChatResponse::default()), []);
        let usage = Some(Usage { reasoning: Some(0), ..Usage::default() });
        let answer = ChatResponse { usage, ..ChatResponse::default() };
        assert_eq!(unsaid(&WORDS, &answer), []);
    }
}

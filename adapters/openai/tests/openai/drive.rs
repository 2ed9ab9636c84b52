//! Runs decoders and encoders to their end.

use adapters_canonical::chat::{Choice, Part, Text, Thought, ToolCall};
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::{AnswerContext, Egress, StreamEncoder};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use adapters_openai::egress::OpenAi;
use adapters_openai::ingress::ChatStreamEncoder;
use serde_json::Value;

pub(crate) type End = Result<(), DecodeError>;

pub(crate) fn fixture(case: &str, file: &str) -> Vec<u8> {
    tests_golden::read(tests_golden::fixture("openai").join(case).join(file))
}

pub(crate) fn context() -> AnswerContext {
    AnswerContext {
        request_id: "req_1".to_owned(),
        model: "team/fast".to_owned(),
        created: 1_790_000_001,
        ..AnswerContext::default()
    }
}

/// Decodes a stream that arrives in these pieces.
pub(crate) fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Delta>, End) {
    let (mut decoder, mut deltas) = (OpenAi.decode_stream(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = decoder.finish(&mut deltas);
    (deltas, end)
}

/// Encodes a whole stream.
pub(crate) fn encode(deltas: &[Delta], context: AnswerContext) -> String {
    let mut encoder = ChatStreamEncoder::new(context);
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// The JSON of each frame but `[DONE]`, which must be the last one.
pub(crate) fn chunks(stream: &str) -> Vec<Value> {
    let body = stream.strip_suffix("data: [DONE]\n\n").expect("the stream ends with [DONE]");
    body.split_terminator("\n\n")
        .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

/// What a stream says in the end, whatever its steps were.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Whole {
    pub(crate) choices: Vec<(u32, Vec<String>, Option<String>)>,
    pub(crate) usage: Option<Usage>,
}

/// Puts a stream together, checking the order that [`Delta`] promises on the way.
#[derive(Default)]
pub(crate) struct Assembly {
    started: bool,
    choices: Vec<(Choice, bool)>,
    /// Choice, place among its parts, whether it is open, whether it is a call.
    parts: Vec<(usize, usize, bool, bool)>,
    usage: Option<Usage>,
    over: bool,
}

impl Assembly {
    pub(crate) fn of(deltas: &[Delta]) -> Self {
        let mut assembly = Self::default();
        for delta in deltas {
            assembly.step(delta);
        }
        assembly
    }

    pub(crate) fn whole(self) -> Whole {
        let choices = self.choices.into_iter().map(|(choice, finished)| {
            let parts = choice.parts.iter().map(|part| format!("{part:?}")).collect();
            (choice.index, parts, finished.then(|| format!("{:?}", choice.finish.reason)))
        });
        Whole { choices: choices.collect(), usage: self.usage }
    }

    pub(crate) fn step(&mut self, delta: &Delta) {
        assert!(!self.over, "{delta:?} after a failure");
        let early = matches!(
            delta,
            Delta::Start(_) | Delta::Malformed(_) | Delta::Loss(_) | Delta::Failure(_)
        );
        assert!(self.started || early, "{delta:?} before the start");
        match delta {
            Delta::Start(_) => assert!(!std::mem::replace(&mut self.started, true), "two starts"),
            Delta::PartStart { part, choice, kind } => self.begin(*part, *choice, kind),
            Delta::Text { part, text } => match self.open(*part) {
                Part::Text(it) => it.text.push_str(text),
                Part::Reasoning(it) => it.text.push_str(text),
                Part::Refusal(it) => it.push_str(text),
                other => panic!("text in {other:?}"),
            },
            Delta::Arguments { part, fragment } => match self.open(*part) {
                Part::ToolCall(it) => it.arguments.push_str(fragment),
                other => panic!("arguments in {other:?}"),
            },
            Delta::Signature { part, signature } => match self.open(*part) {
                Part::ToolCall(it) => it.signature = Some(signature.clone()),
                Part::Reasoning(it) => it.signature = Some(signature.clone()),
                Part::Text(it) => it.signature = Some(signature.clone()),
                other => panic!("a seal on {other:?}"),
            },
            Delta::PartEnd { part } => {
                self.open(*part);
                self.parts[*part as usize].2 = false;
            }
            Delta::Usage(usage) => self.usage.get_or_insert_default().update(usage),
            Delta::Finish { choice, finish } => {
                let at = self.choice(*choice);
                assert!(!self.parts.iter().any(|part| part.0 == at && part.2), "a part is open");
                assert!(!std::mem::replace(&mut self.choices[at].1, true), "finished twice");
                self.choices[at].0.finish = finish.clone();
            }
            Delta::ServiceTier(_) => {}
            Delta::Failure(_) => self.over = true,
            Delta::Citation { part, citation } => match self.open(*part) {
                Part::Text(it) => it.citations.push(citation.clone()),
                other => panic!("a citation in {other:?}"),
            },
            Delta::Logprobs { choice, tokens } => {
                let at = self.choice(*choice);
                let all = self.choices[at].0.logprobs.get_or_insert_default();
                all.extend(tokens.iter().cloned());
            }
            Delta::Malformed(_) | Delta::Loss(_) => {}
        }
    }

    fn choice(&mut self, index: u32) -> usize {
        if let Some(at) = self.choices.iter().position(|(choice, _)| choice.index == index) {
            return at;
        }
        let finish = adapters_canonical::chat::FinishReason::Stop.into();
        self.choices.push((Choice { index, parts: Vec::new(), finish, logprobs: None }, false));
        self.choices.len() - 1
    }

    fn begin(&mut self, part: u32, choice: u32, kind: &PartKind) {
        assert_eq!(part as usize, self.parts.len(), "parts are numbered in order");
        let at = self.choice(choice);
        assert!(!self.choices[at].1, "a part after the end of its choice");
        let (new, call) = match kind {
            PartKind::Text => (Part::Text(Text::default()), false),
            PartKind::Refusal => (Part::Refusal(String::new()), false),
            PartKind::Hosted(step) => (Part::Hosted(step.clone()), false),
            PartKind::Opaque(opaque) => (Part::Opaque(opaque.clone()), false),
            PartKind::Image(media) => (Part::Image(media.clone()), false),
            PartKind::Audio(media) => (Part::Audio(media.clone()), false),
            PartKind::Reasoning { redacted, origin, id } => {
                let (redacted, origin, id) = (redacted.clone(), *origin, id.clone());
                (Part::Reasoning(Thought { redacted, origin, id, ..Thought::default() }), false)
            }
            PartKind::ToolCall { id, name, kind } => {
                assert!(!id.is_empty(), "a call without an id");
                let (id, name) = (id.clone(), name.clone());
                let call = ToolCall { id, name, kind: *kind, ..ToolCall::default() };
                (Part::ToolCall(call), true)
            }
        };
        let overlaps = self.parts.iter().any(|it| it.0 == at && it.2 && !(it.3 && call));
        assert!(!overlaps, "parts overlap");
        let parts = &mut self.choices[at].0.parts;
        parts.push(new);
        self.parts.push((at, parts.len() - 1, true, call));
    }

    fn open(&mut self, part: u32) -> &mut Part {
        let (choice, place, open, _) = self.parts[part as usize];
        assert!(open, "part {part} is not open");
        &mut self.choices[choice].0.parts[place]
    }
}

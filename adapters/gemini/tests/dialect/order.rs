//! The order that deltas promise to keep, checked; and a whole answer put together from them.

use std::collections::{BTreeMap, HashSet};

use adapters_canonical::annotation::TokenLogprob;
use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Part, Text, Thought, ToolCall,
};
use adapters_canonical::delta::{Delta, PartKind};

/// Fails unless `deltas` keep the promises of [`Delta`].
#[track_caller]
pub(crate) fn check(deltas: &[Delta]) {
    let mut order = Order::default();
    for delta in deltas {
        order.see(delta);
    }
    assert!(order.open.is_empty(), "parts without end: {:?} in {deltas:#?}", order.open);
}

#[derive(Default)]
struct Order {
    started: bool,
    failed: bool,
    next_part: u32,
    /// Choice and whether it is a call, by part.
    open: BTreeMap<u32, (u32, bool)>,
    finished: HashSet<u32>,
    call_ids: HashSet<String>,
}

impl Order {
    #[track_caller]
    fn see(&mut self, delta: &Delta) {
        assert!(!self.failed, "{delta:?} after the failure");
        match delta {
            Delta::Malformed(_) | Delta::Loss(_) => return,
            Delta::Failure(_) => {
                self.failed = true;
                return;
            }
            Delta::Start(_) => {
                assert!(!self.started, "started twice");
                self.started = true;
                return;
            }
            _ => assert!(self.started, "{delta:?} before the start"),
        }
        match delta {
            Delta::PartStart { part, choice, kind } => self.begin(*part, *choice, kind),
            Delta::Text { part, text } => {
                assert!(!text.is_empty(), "an empty text");
                assert!(!self.open[part].1, "a text in a call");
            }
            Delta::Arguments { part, .. } => assert!(self.open[part].1, "arguments of no call"),
            Delta::Signature { part, .. } => assert!(self.open.contains_key(part)),
            Delta::PartEnd { part } => {
                assert!(self.open.remove(part).is_some(), "part {part} ends twice");
            }
            Delta::Finish { choice, .. } => {
                assert!(self.finished.insert(*choice), "choice {choice} finishes twice");
                assert!(self.open.values().all(|open| open.0 != *choice), "finish in a part");
            }
            _ => {}
        }
    }

    #[track_caller]
    fn begin(&mut self, part: u32, choice: u32, kind: &PartKind) {
        assert_eq!(part, self.next_part, "parts are numbered in order");
        self.next_part += 1;
        assert!(!self.finished.contains(&choice), "a part after its finish");
        let is_call = matches!(kind, PartKind::ToolCall { .. });
        for (other, other_is_call) in self.open.values() {
            assert!(*other != choice || (is_call && *other_is_call), "parts of a choice overlap");
        }
        if let PartKind::ToolCall { id, .. } = kind {
            assert!(!id.is_empty() && self.call_ids.insert(id.clone()), "id `{id}` twice");
        }
        self.open.insert(part, (choice, is_call));
    }
}

/// The whole answer that `deltas` tell.
pub(crate) fn collect(deltas: &[Delta]) -> ChatResponse {
    let mut whole = ChatResponse::default();
    let mut parts: Vec<(u32, Part)> = Vec::new();
    let mut logprobs: BTreeMap<u32, Vec<TokenLogprob>> = BTreeMap::new();
    for delta in deltas {
        match delta {
            Delta::Start(start) => {
                whole.id.clone_from(&start.id);
                whole.model.clone_from(&start.model);
                whole.created = start.created;
            }
            Delta::PartStart { choice, kind, .. } => parts.push((*choice, empty(kind))),
            Delta::Text { part, text } => match &mut parts[*part as usize].1 {
                Part::Text(part) => part.text.push_str(text),
                Part::Reasoning(part) => part.text.push_str(text),
                other => panic!("a text in {other:?}"),
            },
            Delta::Arguments { part, fragment } => match &mut parts[*part as usize].1 {
                Part::ToolCall(call) => call.arguments.push_str(fragment),
                other => panic!("arguments in {other:?}"),
            },
            Delta::Signature { part, signature } => match &mut parts[*part as usize].1 {
                Part::ToolCall(call) => call.signature = Some(signature.clone()),
                Part::Reasoning(thought) => thought.signature = Some(signature.clone()),
                Part::Text(text) => text.signature = Some(signature.clone()),
                other => panic!("a signature on {other:?}"),
            },
            Delta::Usage(usage) => whole.usage.get_or_insert_default().update(usage),
            Delta::ServiceTier(tier) => whole.service_tier = Some(tier.clone()),
            Delta::Finish { choice, finish } => whole.choices.push(Choice {
                index: *choice,
                parts: parts
                    .iter()
                    .filter(|part| part.0 == *choice)
                    .map(|part| part.1.clone())
                    .collect(),
                finish: finish.clone(),
                logprobs: logprobs.remove(choice),
            }),
            Delta::Logprobs { choice, tokens } => {
                logprobs.entry(*choice).or_default().extend_from_slice(tokens);
            }
            Delta::Citation { part, citation } => match &mut parts[*part as usize].1 {
                Part::Text(text) => text.citations.push(citation.clone()),
                other => panic!("a citation in {other:?}"),
            },
            Delta::PartEnd { .. } | Delta::Malformed(_) | Delta::Loss(_) | Delta::Failure(_) => {}
        }
    }
    whole
}

fn empty(kind: &PartKind) -> Part {
    match kind {
        PartKind::Text => Part::Text(Text::default()),
        PartKind::Reasoning { redacted, origin, id } => Part::Reasoning(Thought {
            redacted: redacted.clone(),
            origin: *origin,
            id: id.clone(),
            ..Thought::default()
        }),
        PartKind::Image(media) => Part::Image(media.clone()),
        PartKind::Audio(media) => Part::Audio(media.clone()),
        PartKind::Refusal => Part::Refusal(String::new()),
        PartKind::ToolCall { id, name, kind } => Part::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            kind: *kind,
            ..ToolCall::default()
        }),
        PartKind::Hosted(step) => Part::Hosted(step.clone()),
        PartKind::Opaque(opaque) => Part::Opaque(opaque.clone()),
    }
}

/// Joins neighbouring texts and thoughts, as a stream does.
pub(crate) fn join_runs(mut whole: ChatResponse) -> ChatResponse {
    for choice in &mut whole.choices {
        let mut joined: Vec<Part> = Vec::new();
        for part in std::mem::take(&mut choice.parts) {
            match (joined.last_mut(), part) {
                (Some(Part::Text(last)), Part::Text(more)) if last.signature.is_none() => {
                    last.text.push_str(&more.text);
                    last.citations.extend(more.citations);
                    last.signature = more.signature;
                }
                (Some(Part::Reasoning(last)), Part::Reasoning(more))
                    if last.signature.is_none() =>
                {
                    last.text.push_str(&more.text);
                    last.signature = more.signature;
                }
                (_, part) => joined.push(part),
            }
        }
        choice.parts = joined;
    }
    whole
}

#[test]
#[should_panic(expected = "parts of a choice overlap")]
fn the_check_notices_an_overlap() {
    let begin = |part| Delta::PartStart { part, choice: 0, kind: PartKind::Text };
    check(&[Delta::Start(adapters_canonical::delta::Start::default()), begin(0), begin(1)]);
}

#[test]
#[should_panic(expected = "finishes twice")]
fn the_check_notices_a_second_finish() {
    let finish = Delta::Finish { choice: 0, finish: Finish::from(FinishReason::Stop) };
    check(&[Delta::Start(adapters_canonical::delta::Start::default()), finish.clone(), finish]);
}

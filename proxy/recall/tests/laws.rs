//! What is promised of the memory and of what comes out of it.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the first")]

use std::time::{Duration, Instant};

use adapters_canonical::chat::{
    FinishReason, Message, Part, Role, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::Dialect;
use proptest::collection::vec;
use proptest::prelude::*;
use proxy_recall::key::{Context, Scope};
use proxy_recall::memory::{Limits, Memory};
use proxy_recall::recall::{Recalled, recall};
use proxy_recall::recorder::Recorder;
use proxy_recall::turn::Turn;

const IDLE: Duration = Duration::from_secs(3600);
const LIMITS: Limits = Limits { turns: 100, bytes: 1 << 20, idle: IDLE };

fn scope(name: &str) -> Scope {
    Scope::of([Some(name.as_bytes())])
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn text(words: &str) -> Part {
    Part::Text(words.into())
}

fn user(words: &str) -> Message {
    message(Role::User, vec![text(words)])
}

fn thought(words: &str, seal: &str) -> Part {
    let (text, signature) = (words.to_owned(), Some(seal.to_owned()));
    Part::Reasoning(Thought {
        text,
        signature,
        origin: Some(Dialect::Anthropic),
        ..Thought::default()
    })
}

fn call(id: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), "f".to_owned(), arguments.to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() })
}

/// The parts as text, seals and all.
fn shown(parts: &[Part]) -> Vec<String> {
    parts.iter().map(|part| format!("{part:?}")).collect()
}

fn keep(memory: &Memory, scope: &Scope, asked: &[Message], parts: &[Part], now: Instant) -> bool {
    let Some(turn) = Turn::of(parts) else { return false };
    let names = turn.keys(scope, &Context::after(asked));
    memory.keep(turn, names, &LIMITS, now).kept
}

/// What any client keeps: words joined, then calls, and no seal.
fn forgetful(parts: &[Part]) -> Vec<Part> {
    let mut words = String::new();
    let mut calls = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => words.push_str(&text.text),
            Part::ToolCall(call) => {
                calls.push(Part::ToolCall(ToolCall { signature: None, ..call.clone() }));
            }
            _ => {}
        }
    }
    let words = (!words.is_empty()).then(|| text(&words));
    words.into_iter().chain(calls).collect()
}

fn remembered(answer: &[Part], back: Vec<Message>) -> (Vec<Message>, Recalled) {
    let (memory, now, asker) = (Memory::default(), Instant::now(), scope("a"));
    let mut messages = vec![user("hi")];
    assert!(keep(&memory, &asker, &messages, answer, now));
    messages.extend(back);
    messages.push(user("go on"));
    let recalled = recall(&mut messages, &memory, &asker, IDLE, now);
    (messages, recalled)
}

#[track_caller]
fn comes_back(answer: &[Part], back: Vec<Part>, expected: &[Part]) {
    let (messages, recalled) = remembered(answer, vec![message(Role::Assistant, back)]);
    assert_eq!(recalled.by_call + recalled.by_content, 1, "{recalled:?}");
    assert_eq!(shown(&messages[1].parts), shown(expected));
}

#[test]
fn thoughts_stand_where_they_stood_between_words_that_were_joined() {
    let answer = [
        thought("one", "s1"),
        text("Let me "),
        thought("two", "s2"),
        text("see."),
        thought("three", "s3"),
        call("toolu_0001", "{}"),
        call("toolu_0002", "{}"),
    ];
    comes_back(&answer, forgetful(&answer), &answer);
    let words = [&answer[..4], &[text("")][..0]].concat();
    comes_back(&words, forgetful(&words), &words);
}

#[test]
fn a_seal_goes_back_on_its_words_and_its_call() {
    let sealed = Text { signature: Some("c2VhbA==".to_owned()), ..Text::from("Here.") };
    let sealed_call = |id: &str| {
        let Part::ToolCall(call) = call(id, r#"{"a":1}"#) else { unreachable!() };
        Part::ToolCall(ToolCall { signature: Some("Y2FsbA==".to_owned()), ..call })
    };
    let answer = [sealed_call("call_gm_1234"), Part::Text(sealed), call("call_gm_5678", "{}")];
    comes_back(&answer, forgetful(&answer), &answer);
    // A client that names calls anew, and writes arguments its own way.
    let back = vec![text("Here."), call("other_0001", r#"{ "a" : 1.0 }"#), call("other_0002", "")];
    let (messages, recalled) = remembered(&answer, vec![message(Role::Assistant, back)]);
    assert_eq!(recalled.by_content, 1);
    let seals = messages[1].parts.iter().map(|part| match part {
        Part::Text(text) => text.signature.clone(),
        Part::ToolCall(call) => call.signature.clone(),
        _ => None,
    });
    let expected = [Some("Y2FsbA=="), Some("c2VhbA=="), None];
    assert_eq!(seals.collect::<Vec<_>>(), expected.map(|it| it.map(str::to_owned)));
}

#[test]
fn thoughts_without_seal_give_way_to_those_with_one() {
    let answer = [thought("one", "s1"), call("toolu_0001", "{}")];
    let said = Part::Reasoning(Thought { text: "one".to_owned(), ..Thought::default() });
    comes_back(&answer, vec![said, call("toolu_0001", "{}")], &answer);
}

#[test]
fn words_that_were_changed_leave_the_thoughts_before_their_calls() {
    let answer =
        [thought("one", "s1"), text("Old."), thought("two", "s2"), call("toolu_0001", "{}")];
    let expected =
        [thought("one", "s1"), text("New."), thought("two", "s2"), call("toolu_0001", "{}")];
    comes_back(&answer, vec![text("New."), call("toolu_0001", "{}")], &expected);
    let bare = [thought("one", "s1"), thought("two", "s2"), call("toolu_0001", "{}")];
    comes_back(&answer, vec![call("toolu_0001", "{}")], &bare);
    let trimmed = [thought("one", "s1"), text(" Hi ")];
    comes_back(&trimmed, vec![text("Hi")], &[thought("one", "s1"), text("Hi")]);
}

#[test]
fn calls_that_came_together_and_come_back_one_by_one_share_no_thought() {
    let answer = [thought("one", "s1"), call("toolu_0001", "{}"), call("toolu_0002", "{}")];
    let back = vec![
        message(Role::Assistant, vec![call("toolu_0001", "{}")]),
        user("result"),
        message(Role::Assistant, vec![call("toolu_0002", "{}")]),
    ];
    let (messages, _) = remembered(&answer, back);
    assert_eq!(shown(&messages[1].parts), shown(&answer[..2]));
    assert_eq!(shown(&messages[3].parts), shown(&answer[2..]));
}

#[test]
fn a_turn_in_several_messages_is_one_turn() {
    let answer = [thought("one", "s1"), text("A"), thought("two", "s2"), text("B")];
    let back = ["A", "B"].map(|words| message(Role::Assistant, vec![text(words)]));
    let (messages, recalled) = remembered(&answer, back.to_vec());
    assert_eq!(recalled.by_content, 1);
    assert_eq!(shown(&messages[1].parts), shown(&answer[..2]));
    assert_eq!(shown(&messages[2].parts), shown(&answer[2..]));
}

#[test]
fn who_keeps_what_it_was_given_is_left_alone() {
    let answer = [thought("one", "s1"), call("toolu_0001", "{}")];
    let other = [thought("my own", "s9"), call("toolu_0001", "{}")];
    let (messages, recalled) = remembered(&answer, vec![message(Role::Assistant, other.to_vec())]);
    assert_eq!((recalled.by_call, recalled.by_content, recalled.unknown), (0, 0, 0));
    assert_eq!(shown(&messages[1].parts), shown(&other));
}

#[test]
fn a_turn_that_is_to_be_gone_on_with_is_left_alone() {
    let (memory, now, asker) = (Memory::default(), Instant::now(), scope("a"));
    let answer = [thought("one", "s1"), text("OK.")];
    let mut messages = vec![user("hi")];
    assert!(keep(&memory, &asker, &messages, &answer, now));
    messages.push(message(Role::Assistant, vec![text("OK.")]));
    let recalled = recall(&mut messages, &memory, &asker, IDLE, now);
    assert_eq!((recalled.by_content, messages[1].parts.len()), (0, 1));
}

#[test]
fn another_call_of_the_same_id_is_another_call() {
    let answer = [thought("one", "s1"), call("toolu_0001", r#"{"a":1}"#)];
    let back = vec![call("toolu_0001", r#"{"a":2}"#)];
    let (messages, recalled) = remembered(&answer, vec![message(Role::Assistant, back.clone())]);
    assert_eq!(recalled.unknown, 1);
    assert_eq!(shown(&messages[1].parts), shown(&back));
}

#[test]
fn the_same_words_with_another_call_are_others() {
    let answer = [thought("one", "s1"), text("OK."), call("call_0", r#"{"a":1}"#)];
    let found = |arguments| {
        let back = vec![text("OK."), call("call_9", arguments)];
        remembered(&answer, vec![message(Role::Assistant, back)]).1.by_content
    };
    assert_eq!((found(r#"{"a": 1}"#), found(r#"{"a":2}"#), found("")), (1, 0, 0));
}

#[test]
fn the_same_words_in_another_conversation_are_others() {
    let (memory, now, asker) = (Memory::default(), Instant::now(), scope("a"));
    let answer = [thought("one", "s1"), text("OK.")];
    assert!(keep(&memory, &asker, &[user("hi")], &answer, now));
    let found = |opening: &[Message]| {
        let mut messages = opening.to_vec();
        messages.extend([message(Role::Assistant, vec![text("OK.")]), user("go on")]);
        recall(&mut messages, &memory, &asker, IDLE, now).by_content
    };
    assert_eq!(found(&[user("hi")]), 1);
    assert_eq!(found(&[user("ho")]), 0);
    assert_eq!(found(&[message(Role::System, vec![text("I am Bob.")]), user("hi")]), 0);
    let before = [user("hi"), message(Role::Assistant, vec![text("Yes?")]), user("no")];
    assert_eq!(found(&before), 0);
}

#[test]
fn what_one_provider_gets_is_undone_for_the_next() {
    let answer = [thought("one", "s1"), text("A"), thought("two", "s2"), text("B")];
    let back = vec![text("AB")];
    let (mut messages, recalled) =
        remembered(&answer, vec![message(Role::Assistant, back.clone())]);
    recalled.undo(&mut messages);
    assert_eq!(shown(&messages[1].parts), shown(&back));
}

#[test]
fn who_was_used_last_stays_and_who_is_idle_goes() {
    let (memory, start) = (Memory::default(), Instant::now());
    let asker = scope("a");
    let limits = Limits { turns: 2, ..LIMITS };
    let turn =
        |n: usize| Turn::of(&[thought("t", "s"), call(&format!("toolu_{n:04}"), "{}")]).unwrap();
    let name = |n: usize| asker.call(&format!("toolu_{n:04}")).unwrap();
    let keep = |n: usize, now| memory.keep(turn(n), vec![name(n)], &limits, now);
    keep(1, start);
    keep(2, start);
    assert!(memory.get(&name(1), IDLE, start).is_some());
    let kept = keep(3, start);
    assert_eq!((kept.turns, kept.crowded, kept.aged), (2, 1, 0));
    let there = |n, now| memory.get(&name(n), IDLE, now).is_some();
    assert!(there(1, start) && !there(2, start) && there(3, start));
    let later = start + IDLE;
    assert!(there(1, later), "at the last moment");
    let kept = keep(4, later + Duration::from_secs(1));
    assert_eq!((kept.turns, kept.aged, kept.crowded), (2, 1, 0));
    assert!(!there(1, later + IDLE * 2), "and nobody finds it though it is still there");
    let large = Turn::of(&[thought(&"x".repeat(1000), "s"), call("toolu_0009", "{}")]).unwrap();
    let small = Limits { bytes: 1000, ..limits };
    let kept = memory.keep(large, vec![name(9)], &small, later);
    assert!(!kept.kept && kept.bytes <= 1000);
    memory.clear();
    assert_eq!((memory.size(), memory.is_empty()), ((0, 0), true));
}

/// The answer, streamed.
fn deltas(parts: &[Part]) -> Vec<Delta> {
    let mut deltas = Vec::new();
    for (number, part) in (0..).zip(parts) {
        let (kind, fragment, signature) = match part {
            Part::Text(text) => (PartKind::Text, text.text.clone(), text.signature.clone()),
            Part::Reasoning(it) => {
                let (redacted, origin, id) = (it.redacted.clone(), it.origin, it.id.clone());
                let kind = PartKind::Reasoning { redacted, origin, id };
                (kind, it.text.clone(), it.signature.clone())
            }
            Part::ToolCall(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                let kind = PartKind::ToolCall { id, name, kind: ToolKind::Function };
                (kind, call.arguments.clone(), call.signature.clone())
            }
            _ => unreachable!(),
        };
        let is_call = matches!(kind, PartKind::ToolCall { .. });
        deltas.push(Delta::PartStart { part: number, choice: 0, kind });
        for char in fragment.chars() {
            let piece = char.to_string();
            deltas.push(match is_call {
                true => Delta::Arguments { part: number, fragment: piece },
                false => Delta::Text { part: number, text: piece },
            });
        }
        deltas.extend(signature.map(|signature| Delta::Signature { part: number, signature }));
        deltas.push(Delta::PartEnd { part: number });
    }
    deltas.push(Delta::Finish { choice: 0, finish: FinishReason::Stop.into() });
    deltas
}

#[test]
fn a_stream_is_kept_up_to_a_bound_and_not_beyond() {
    let answer = [thought("abc", "seal"), text("words"), call("toolu_0001", "{}")];
    let end = |most| {
        let mut recorder = Recorder::new(most);
        deltas(&answer).iter().filter_map(|delta| recorder.push(delta)).count()
    };
    // The thought and its seal, and for a while the call's arguments; of words nothing is held.
    assert_eq!((end(10), end(9)), (1, 0));
}

fn part() -> impl Strategy<Value = Part> {
    let seal = || "[A-Za-z0-9+/]{1,12}={0,2}";
    let words = || "[a-c é\n]{0,5}";
    prop_oneof![
        (words(), seal()).prop_map(|(words, seal)| thought(&words, &seal)),
        seal().prop_map(|cipher| Part::Reasoning(Thought {
            redacted: Some(cipher),
            origin: Some(Dialect::Anthropic),
            ..Thought::default()
        })),
        // An answer has no texts without words.
        (words(), prop::option::of(seal())).prop_map(|(words, signature)| {
            Part::Text(Text { text: format!("{words}."), signature, ..Text::default() })
        }),
        ("[a-z]{8,20}", "[0-9]{1,3}", prop::option::of(seal())).prop_map(|(id, n, signature)| {
            let Part::ToolCall(call) = call(&id, &format!("{{\"n\":{n}}}")) else { unreachable!() };
            Part::ToolCall(ToolCall { signature, ..call })
        }),
    ]
}

fn answer() -> impl Strategy<Value = Vec<Part>> {
    vec(part(), 1..7).prop_filter("told by nothing", |parts| Turn::of(parts).is_some())
}

proptest! {
    #[test]
    fn what_was_sealed_comes_back_byte_for_byte_whole_and_streamed(answer in answer()) {
        let (now, asker) = (Instant::now(), scope("a"));
        let asked = vec![user("hi")];
        let mut recorder = Recorder::new(usize::MAX);
        let streamed: Vec<_> =
            deltas(&answer).iter().filter_map(|delta| recorder.push(delta)).collect();
        prop_assert_eq!(&streamed, &[Turn::of(&answer).unwrap()]);
        let memory = Memory::default();
        prop_assert!(keep(&memory, &asker, &asked, &answer, now));
        let back = message(Role::Assistant, forgetful(&answer));
        let mut messages = [asked, vec![back.clone(), user("go on")]].concat();
        let recalled = recall(&mut messages, &memory, &asker, IDLE, now);
        prop_assert_eq!(recalled.by_call + recalled.by_content, 1);
        prop_assert_eq!(shown(&messages[1].parts), shown(&answer));
        recalled.undo(&mut messages);
        prop_assert_eq!(shown(&messages[1].parts), shown(&back.parts));
    }

    #[test]
    fn nobody_gets_what_another_was_told(answer in answer(), own in "[a-z]{0,3}", other in "[a-z]{0,3}") {
        prop_assume!(own != other);
        let (memory, now) = (Memory::default(), Instant::now());
        let asked = vec![user("hi")];
        prop_assert!(keep(&memory, &scope(&own), &asked, &answer, now));
        let back = message(Role::Assistant, forgetful(&answer));
        let mut messages = [asked, vec![back.clone(), user("go on")]].concat();
        let more = Scope::of([Some(own.as_bytes()), None]);
        for stranger in [scope(&other), more, Scope::of([])] {
            let recalled = recall(&mut messages, &memory, &stranger, IDLE, now);
            prop_assert_eq!(recalled.unknown, 1);
            prop_assert_eq!(shown(&messages[1].parts), shown(&back.parts));
        }
    }

    #[test]
    fn the_bounds_hold_whatever_happens(
        steps in vec((0..12_usize, 0..400_usize, 0..40_u64, any::<bool>()), 1..80),
        turns in 0..6_usize,
        bytes in 1..4000_usize,
    ) {
        let (memory, asker) = (Memory::default(), scope("a"));
        let limits = Limits { turns, bytes, idle: Duration::from_secs(100) };
        let (mut now, mut used) = (Instant::now(), std::collections::HashMap::new());
        for (n, length, pause, get) in steps {
            now += Duration::from_secs(pause);
            let id = format!("toolu_{n:04}");
            let name = asker.call(&id).unwrap();
            if get {
                let found = memory.get(&name, limits.idle, now).is_some();
                let last = used.get(&n).copied();
                prop_assert!(!found || last.is_some_and(|last| now - last <= limits.idle));
                if found {
                    used.insert(n, now);
                }
            } else {
                let parts = [thought(&"x".repeat(length), "s"), call(&id, "{}")];
                let turn = Turn::of(&parts).unwrap();
                // One name of its own, and one that is everybody's.
                let names = vec![name, asker.call("everybody's").unwrap()];
                let kept = memory.keep(turn, names, &limits, now);
                prop_assert!(kept.turns <= turns && kept.bytes <= bytes);
                prop_assert_eq!(memory.size(), (kept.turns, kept.bytes));
                if kept.kept {
                    prop_assert!(memory.get(&name, limits.idle, now).is_some());
                    used.insert(n, now);
                }
            }
        }
    }
}

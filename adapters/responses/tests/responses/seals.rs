//! What other providers want back, through a client that knows nothing of it: it sends the items of
//! an answer back as it got them, as every client does that keeps its own history.

use adapters_canonical::chat::{
    ChatResponse, Choice, FinishReason, Part, Text, Thought, ToolCall, ToolKind,
};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::ingress::Ingress;
use adapters_responses::ingress::Responses;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::drive::{context, decode_request, encode, well_formed};

/// The model's parts in the next request of a client that got this output.
fn sent_back(output: &Value) -> Vec<String> {
    let mut input = vec![json!({"role": "user", "content": "go"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    input.push(json!({"role": "user", "content": "on"}));
    let body = json!({"model": "m", "store": false, "input": input}).to_string();
    let request = decode_request(body.as_bytes()).unwrap().value;
    let inner = &request.messages[1..request.messages.len() - 1];
    inner.iter().flat_map(|message| &message.parts).map(|part| format!("{part:?}")).collect()
}

fn whole(parts: &[Part]) -> Value {
    let choice = Choice {
        index: 0,
        parts: parts.to_vec(),
        finish: FinishReason::Stop.into(),
        logprobs: None,
    };
    let answer = ChatResponse { choices: vec![choice], ..ChatResponse::default() };
    let written = Responses.encode_response(&answer, &context()).value;
    serde_json::from_slice::<Value>(&written).unwrap()["output"].clone()
}

fn streamed(parts: &[Part]) -> Value {
    let mut deltas = vec![Delta::Start(Start::default())];
    for (number, part) in (0_u32..).zip(parts) {
        let (kind, said, seal) = match part.clone() {
            Part::Text(text) => (PartKind::Text, text.text, text.signature),
            Part::Reasoning(Thought { text, signature, redacted, origin, id }) => {
                (PartKind::Reasoning { redacted, origin, id }, text, signature)
            }
            Part::ToolCall(ToolCall { id, name, arguments, kind, signature }) => {
                (PartKind::ToolCall { id, name, kind }, arguments, signature)
            }
            other => panic!("{other:?}"),
        };
        let is_call = matches!(kind, PartKind::ToolCall { .. });
        deltas.push(Delta::PartStart { part: number, choice: 0, kind });
        deltas.push(if is_call {
            Delta::Arguments { part: number, fragment: said }
        } else {
            Delta::Text { part: number, text: said }
        });
        deltas.extend(seal.map(|signature| Delta::Signature { part: number, signature }));
        deltas.push(Delta::PartEnd { part: number });
    }
    deltas.push(Delta::Finish { choice: 0, finish: FinishReason::Stop.into() });
    well_formed(&encode(&deltas)).last().unwrap()["response"]["output"].clone()
}

fn part() -> impl Strategy<Value = Part> {
    let seal = || prop::option::of("[A-Za-z0-9+/:=]{1,24}");
    let origin = prop::sample::select(vec![Dialect::Anthropic, Dialect::Gemini, Dialect::OpenAi]);
    let thought =
        ("[a-c \n]{1,6}", seal(), origin.clone()).prop_map(|(text, signature, origin)| {
            // Without a seal nobody knows whose thought it is, and nobody has to.
            let origin = signature.is_some().then_some(origin);
            Part::Reasoning(Thought { text, signature, origin, ..Thought::default() })
        });
    let redacted = ("[a-z]{1,9}", origin).prop_map(|(cipher, origin)| {
        let (redacted, origin) = (Some(cipher), Some(origin));
        Part::Reasoning(Thought { redacted, origin, ..Thought::default() })
    });
    let own = ("[a-c]{0,3}", "gAAAA[a-z]{3}").prop_map(|(text, signature)| {
        let (signature, origin) = (Some(signature), Some(Dialect::Responses));
        Part::Reasoning(Thought {
            text,
            signature,
            origin,
            redacted: None,
            id: Some("rs_9".into()),
        })
    });
    let text = ("[a-c]{1,6}", seal())
        .prop_map(|(text, signature)| Part::Text(Text { text, signature, ..Text::default() }));
    let call = ("[a-c:]{1,8}", "\\{\\}|\\[1\\]", seal()).prop_map(|(id, arguments, signature)| {
        let (name, kind) = ("f".to_owned(), ToolKind::Function);
        Part::ToolCall(ToolCall { id, name, arguments, kind, signature })
    });
    prop_oneof![thought, redacted, own, text, call]
}

/// Each call has an id of its own.
fn distinct(parts: Vec<Part>) -> Vec<Part> {
    let named = parts.into_iter().enumerate().map(|(at, part)| match part {
        Part::ToolCall(call) => Part::ToolCall(ToolCall { id: format!("{}{at}", call.id), ..call }),
        other => other,
    });
    named.collect()
}

proptest! {
    /// field 30, 31, 32: byte-equal seals, nothing doubled, merged or out of order.
    #[test]
    fn seals_come_back_to_what_they_seal(parts in prop::collection::vec(part(), 0..6)) {
        let parts = distinct(parts);
        let before: Vec<String> = parts.iter().map(|part| format!("{part:?}")).collect();
        let output = whole(&parts);
        prop_assert_eq!(&sent_back(&output), &before);
        let stream = streamed(&parts);
        prop_assert_eq!(&sent_back(&stream), &before);
        let kinds = |output: &Value| {
            let items = output.as_array().unwrap().iter();
            items.map(|item| item["type"].clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(kinds(&output), kinds(&stream));
    }
}

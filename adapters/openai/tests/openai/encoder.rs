//! The chunks a client gets.

use adapters_canonical::annotation::{Citation, CitedSource};
use adapters_canonical::chat::{Finish, FinishReason, ToolKind};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, StreamEncoder, StreamErrors};
use adapters_canonical::failure::Failure;
use adapters_canonical::usage::Usage;
use adapters_openai::ingress::ChatStreamEncoder;
use serde_json::{Value, json};

use crate::drive::{chunks, context, encode};

fn start() -> Delta {
    let (id, model) = ("msg_1".to_owned(), "claude".to_owned());
    Delta::Start(Start { id, model, created: Some(7) })
}

fn part(part: u32, kind: PartKind) -> Delta {
    Delta::PartStart { part, choice: 0, kind }
}

fn call(at: u32, id: &str) -> Delta {
    let (id, name) = (id.to_owned(), "f".to_owned());
    part(at, PartKind::ToolCall { id, name, kind: ToolKind::Function })
}

fn text(part: u32, text: &str) -> Delta {
    Delta::Text { part, text: text.to_owned() }
}

fn arguments(part: u32, fragment: &str) -> Delta {
    Delta::Arguments { part, fragment: fragment.to_owned() }
}

fn end(part: u32) -> Delta {
    Delta::PartEnd { part }
}

fn finish(reason: FinishReason) -> Delta {
    Delta::Finish { choice: 0, finish: Finish::from(reason) }
}

fn with_usage() -> AnswerContext {
    AnswerContext { include_usage: true, ..context() }
}

fn deltas_of(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect()
}

#[test]
fn the_first_chunk_is_complete_and_says_the_role() {
    let hello = [
        start(),
        part(0, PartKind::Text),
        text(0, "Hi \"you\""),
        end(0),
        finish(FinishReason::Length),
    ];
    let chunks = chunks(&encode(&hello, context()));
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-msg_1", "object": "chat.completion.chunk", "created": 7, "model": "claude",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
        })
    };
    let first = chunk(json!({"role": "assistant", "content": "Hi \"you\""}), Value::Null);
    assert_eq!(chunks, [first, chunk(json!({}), json!("length"))]);
}

/// field 19
#[test]
fn the_usage_has_a_chunk_of_its_own_if_it_was_asked_for() {
    let usage = Usage { input: Some(3), cache_read: Some(0), output: Some(2), ..Usage::default() };
    let hello = [
        start(),
        Delta::Usage(Usage { input: Some(3), ..Usage::default() }),
        part(0, PartKind::Text),
        text(0, "Hi"),
        end(0),
        Delta::Usage(usage),
        finish(FinishReason::Stop),
    ];
    let with = chunks(&encode(&hello, with_usage()));
    let (last, others) = with.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0}})
    );
    assert!(others.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    let without = chunks(&encode(&hello, context()));
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none()));
}

/// field 22, 23
#[test]
fn a_call_is_named_once_and_always_has_arguments() {
    let calls = [
        start(),
        part(0, PartKind::Text),
        text(0, "Wait."),
        end(0),
        call(1, "a"),
        call(2, "b"),
        arguments(2, "{\"x\":"),
        arguments(2, "1}"),
        end(1),
        end(2),
        finish(FinishReason::ToolCalls),
    ];
    let named = |index: u32, id: &str| {
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": "f", "arguments": ""}}]})
    };
    let more = |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    assert_eq!(
        deltas_of(&chunks(&encode(&calls, context())))[1..],
        [named(0, "a"), named(1, "b"), more(1, "{\"x\":"), more(1, "1}"), more(0, "{}"), json!({})]
    );
}

/// field 31
fn thought(redacted: Option<&str>) -> PartKind {
    PartKind::Reasoning { redacted: redacted.map(str::to_owned), origin: None, id: None }
}

#[test]
fn a_sealed_thought_is_repeated_whole_with_its_seal() {
    let thoughts = [
        start(),
        part(0, thought(None)),
        text(0, "Let "),
        text(0, "me"),
        Delta::Signature { part: 0, signature: "seal".to_owned() },
        end(0),
        part(1, thought(Some("cipher"))),
        end(1),
        part(2, thought(None)),
        Delta::Signature { part: 2, signature: "hidden".to_owned() },
        end(2),
        finish(FinishReason::Stop),
    ];
    let detail = |detail: Value| json!({"reasoning_details": [detail]});
    assert_eq!(
        deltas_of(&chunks(&encode(&thoughts, context())))[..6],
        [
            json!({"role": "assistant", "reasoning_content": "Let "}),
            json!({"reasoning_content": "me"}),
            detail(json!({"type": "reasoning.text", "index": 0, "text": "Let me",
                "signature": "seal", "format": "unknown"})),
            detail(json!({"type": "reasoning.encrypted", "index": 1, "data": "cipher",
                "format": "unknown"})),
            detail(json!({"type": "reasoning.text", "index": 2, "text": "",
                "format": "unknown"})),
            detail(json!({"type": "reasoning.text", "index": 2, "text": "",
                "signature": "hidden"})),
        ]
    );
}

/// field 30
#[test]
fn a_seal_on_a_call_stands_in_its_id_and_beside_it() {
    let seal = |part: u32| Delta::Signature { part, signature: "YS9i".to_owned() };
    let calls = [
        start(),
        call(0, "a"),
        seal(0),
        arguments(0, "{}"),
        end(0),
        call(1, "b"),
        arguments(1, "{}"),
        seal(1),
        end(1),
        finish(FinishReason::ToolCalls),
    ];
    let deltas = deltas_of(&chunks(&encode(&calls, context())));
    let extra = json!({"google": {"thought_signature": "YS9i"}});
    let first = &deltas[0]["tool_calls"][0];
    assert_eq!(first["id"], "a__thought__YS9i");
    assert_eq!(first["id"].as_str().unwrap().matches("__thought__").count(), 1);
    assert_eq!(first["extra_content"], extra);
    // A seal that comes after the arguments is too late for the id.
    assert_eq!(deltas[2]["tool_calls"][0]["id"], "b");
    assert_eq!(deltas[4]["tool_calls"][0]["extra_content"], extra);
}

#[test]
fn a_citation_counts_the_characters_of_the_whole_answer() {
    let cited = |part: u32, range, source| {
        let citation = Citation { range, source, ..Citation::default() };
        Delta::Citation { part, citation }
    };
    let url = || CitedSource::Url("https://a.example/".to_owned());
    let deltas = [
        start(),
        part(0, PartKind::Text),
        text(0, "aé"),
        cited(0, Some((1, 2)), url()),
        end(0),
        part(1, PartKind::Text),
        text(1, "xyz"),
        cited(1, Some((0, 1)), url()),
        cited(1, None, CitedSource::Document(4)),
        end(1),
        finish(FinishReason::Stop),
    ];
    let deltas = deltas_of(&chunks(&encode(&deltas, context())));
    let annotation = |index: u32, from: u64, to: u64| {
        json!({"annotations": [{"index": index, "type": "url_citation", "url_citation":
            {"start_index": from, "end_index": to, "url": "https://a.example/",
            "title": "https://a.example/"}}]})
    };
    assert_eq!([&deltas[1], &deltas[3]], [&annotation(0, 1, 2), &annotation(1, 2, 3)]);
    assert_eq!(deltas[4]["citations"][0]["document_citation"]["document_index"], 4);
    assert_eq!(deltas[4]["citations"][0]["document_citation"]["end_index"], 5);
}

#[test]
fn an_empty_answer_still_has_a_role() {
    let chunks = chunks(&encode(&[start(), finish(FinishReason::ContentFilter)], context()));
    assert_eq!(deltas_of(&chunks), [json!({"role": "assistant", "content": ""}), json!({})]);
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "content_filter");
}

#[test]
fn an_answer_without_a_name_is_named_by_the_request() {
    let chunks = chunks(&encode(&[Delta::Start(Start::default())], context()));
    assert_eq!(chunks[0]["id"], "chatcmpl-req_1");
    assert_eq!(chunks[0]["model"], "team/fast");
    assert_eq!(chunks[0]["created"], 1_790_000_001);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

fn broken(deltas: &[Delta], stream_errors: StreamErrors) -> Vec<Value> {
    let mut encoder = ChatStreamEncoder::new(AnswerContext { stream_errors, ..with_usage() });
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    let failure = Failure::UpstreamBrokeOff { provider: "acme".to_owned() };
    encoder.fail(&failure, &mut out);
    let length = out.len();
    encoder.finish(&mut out);
    encoder.fail(&failure, &mut out);
    assert_eq!(out.len(), length, "a stream ends once");
    chunks(&String::from_utf8(out).unwrap())
}

/// field 1
#[test]
fn a_broken_stream_ends_well_formed_and_says_why() {
    let deltas = [
        start(),
        Delta::Usage(Usage { input: Some(3), ..Usage::default() }),
        call(0, "a"),
        arguments(0, "{\"x\":"),
    ];
    let chunks = broken(&deltas, StreamErrors::Graceful);
    let [.., last, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(last["choices"][0]["finish_reason"], "error");
    assert_eq!(
        last["gateway_error"],
        json!({"type": "server_error", "code": "upstream_broke_off", "param": null,
            "message": "the provider `acme` broke off in the middle of its answer",
            "provider": "acme", "request_id": "req_1"})
    );
    assert!(last.get("error").is_none());
    assert_eq!(usage["usage"]["prompt_tokens"], 3);
    let arguments: String = chunks
        .iter()
        .filter_map(|it| {
            it["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
        })
        .collect();
    assert_eq!(arguments, "{\"x\":", "what was cut off is not made to look complete");
}

#[test]
fn an_explicit_error_makes_clients_raise() {
    let chunks = broken(&[start()], StreamErrors::Explicit);
    assert_eq!(chunks[0]["error"]["code"], "upstream_broke_off");
    assert_eq!(chunks[0]["error"], chunks[0]["gateway_error"]);
    assert_eq!(chunks[0]["choices"][0]["finish_reason"], "error");
}

#[test]
fn a_choice_that_has_ended_keeps_its_end() {
    let deltas =
        [start(), part(0, PartKind::Text), text(0, "Hi"), end(0), finish(FinishReason::Stop)];
    let reasons: Vec<_> = broken(&deltas, StreamErrors::Graceful)
        .iter()
        .map(|chunk| chunk["choices"][0]["finish_reason"].clone())
        .collect();
    assert_eq!(reasons, [Value::Null, json!("stop")]);
}

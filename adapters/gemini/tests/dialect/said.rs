//! What clients are told: whole answers, streams and failures.

use std::time::Duration;

use adapters_canonical::annotation::{Citation, CitedSource, TokenLogprob};
use adapters_canonical::chat::{
    ChatResponse, Choice, Finish, FinishReason, Media, MediaSource, Opaque, Part, Text, Thought,
    ToolCall, ToolKind,
};
use adapters_canonical::delta::{Delta, PartKind, Start};
use adapters_canonical::dialect::{AnswerContext, Dialect, Egress};
use adapters_canonical::failure::{ErrorKind, Failure, UpstreamError};
use adapters_canonical::ingress::{Framing, Ingress};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage;
use adapters_gemini::egress::Gemini;
use adapters_gemini::ingress::GenerateContent;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{asked, order, streams};

pub(crate) fn context(framing: Framing) -> AnswerContext {
    AnswerContext {
        request_id: "req_1".to_owned(),
        model: "team/fast".to_owned(),
        created: 1_777_924_862,
        include_usage: true,
        framing,
        ..AnswerContext::default()
    }
}

pub(crate) fn broken() -> Failure {
    Failure::UpstreamBrokeOff { provider: "acme".to_owned() }
}

/// An answer of Anthropic's, as its adapter reads it.
fn foreign() -> ChatResponse {
    let thought = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        Part::Reasoning(Thought {
            text: text.to_owned(),
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            origin: Some(Dialect::Anthropic),
            id: None,
        })
    };
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "tide".to_owned(),
            arguments: arguments.to_owned(),
            ..ToolCall::default()
        })
    };
    let citation = Citation {
        range: Some((4, 9)),
        source: CitedSource::Url("https://a.example/tides".to_owned()),
        title: Some("Tides".to_owned()),
        ..Citation::default()
    };
    let words =
        Text { text: "Für Brest.".to_owned(), citations: vec![citation], ..Text::default() };
    ChatResponse {
        id: "msg_1".to_owned(),
        model: "claude".to_owned(),
        created: None,
        choices: vec![Choice {
            index: 0,
            parts: vec![
                thought("Two ports.", Some("sig-1+/="), None),
                thought("", None, Some("ciphered")),
                Part::Text(words),
                call("toolu_1", r#"{"port":"Brest","n":1.0}"#),
                call("toolu_2", ""),
            ],
            finish: Finish {
                native: Some("tool_use".to_owned()),
                ..Finish::from(FinishReason::ToolCalls)
            },
            logprobs: Some(vec![TokenLogprob {
                token: "Für".to_owned(),
                logprob: -0.5,
                bytes: None,
                top: vec![TokenLogprob {
                    token: "Ach".to_owned(),
                    logprob: -1.5,
                    ..TokenLogprob::default()
                }],
            }]),
        }],
        usage: Some(Usage {
            input: Some(10),
            cache_read: Some(90),
            cache_write: Some(0),
            output: Some(50),
            reasoning: Some(20),
            ..Usage::default()
        }),
        service_tier: None,
    }
}

/// The same answer as a stream, its texts and arguments cut into pieces of `size` characters.
fn deltas(answer: &ChatResponse, size: usize) -> Vec<Delta> {
    let pieces = |text: &str| -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).map(|piece| piece.iter().collect()).collect()
    };
    let (id, model) = (answer.id.clone(), answer.model.clone());
    let mut out = vec![Delta::Start(Start { id, model, created: answer.created })];
    let mut part = 0;
    for choice in &answer.choices {
        if let Some(tokens) = &choice.logprobs {
            out.push(Delta::Logprobs { choice: choice.index, tokens: tokens.clone() });
        }
        for said in &choice.parts {
            let start = |kind| Delta::PartStart { part, choice: choice.index, kind };
            match said {
                Part::Text(text) => {
                    out.push(start(PartKind::Text));
                    out.extend(
                        pieces(&text.text).into_iter().map(|text| Delta::Text { part, text }),
                    );
                    let cited = text.citations.iter().cloned();
                    out.extend(cited.map(|citation| Delta::Citation { part, citation }));
                    let seal = text.signature.clone();
                    out.extend(seal.map(|signature| Delta::Signature { part, signature }));
                }
                Part::Reasoning(thought) => {
                    let Thought { text, signature, redacted, origin, id } = thought.clone();
                    out.push(start(PartKind::Reasoning { redacted, origin, id }));
                    out.extend(pieces(&text).into_iter().map(|text| Delta::Text { part, text }));
                    out.extend(signature.map(|signature| Delta::Signature { part, signature }));
                }
                Part::ToolCall(call) => {
                    let (id, name, kind) = (call.id.clone(), call.name.clone(), call.kind);
                    out.push(start(PartKind::ToolCall { id, name, kind }));
                    let seal = call.signature.clone();
                    out.extend(seal.map(|signature| Delta::Signature { part, signature }));
                    let fragments = pieces(&call.arguments).into_iter();
                    out.extend(fragments.map(|fragment| Delta::Arguments { part, fragment }));
                }
                Part::Image(media) => out.push(start(PartKind::Image(media.clone()))),
                Part::Audio(media) => out.push(start(PartKind::Audio(media.clone()))),
                Part::Hosted(step) => out.push(start(PartKind::Hosted(step.clone()))),
                Part::Opaque(opaque) => out.push(start(PartKind::Opaque(opaque.clone()))),
                Part::Refusal(text) => {
                    out.push(start(PartKind::Refusal));
                    out.extend(pieces(text).into_iter().map(|text| Delta::Text { part, text }));
                }
                Part::Video(_) | Part::Document(_) | Part::ToolResult(_) => panic!("{said:?}"),
            }
            out.push(Delta::PartEnd { part });
            part += 1;
        }
        out.push(Delta::Finish { choice: choice.index, finish: choice.finish.clone() });
    }
    out.extend(answer.usage.clone().map(Delta::Usage));
    order::check(&out);
    out
}

fn stream(deltas: &[Delta], framing: Framing) -> Vec<u8> {
    let mut encoder = GenerateContent.encode_stream(context(framing));
    let mut out = Vec::new();
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    encoder.finish(&mut out);
    encoder.finish(&mut out);
    out
}

fn whole(answer: &ChatResponse) -> Value {
    let body = GenerateContent.encode_response(answer, &context(Framing::Events)).value;
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn an_answer_of_another_provider_is_said_in_geminis_words() {
    let dir = tests_golden::fixture("gemini").join("answer_foreign");
    tests_golden::assert_json(dir.join("answer.expected.json"), &whole(&foreign()));
    let streamed = stream(&deltas(&foreign(), 4), Framing::Events);
    let text = String::from_utf8(streamed).unwrap();
    tests_golden::assert_text(dir.join("stream.expected.sse"), &text);
}

#[test]
fn an_array_is_well_formed_and_says_the_same() {
    let events = String::from_utf8(stream(&deltas(&foreign(), 3), Framing::Events)).unwrap();
    let from_events: Vec<Value> = events
        .split_terminator("\r\n\r\n")
        .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let array = stream(&deltas(&foreign(), 3), Framing::JsonArray);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&array).unwrap(), from_events);
    assert!(array.starts_with(b"[{") && array.ends_with(b"}\r\n]"));
}

// The Python SDK's chats forget a turn if one chunk of it has no part.
#[test]
fn every_chunk_has_a_part_and_the_last_one_the_end_and_the_tokens() {
    let array = stream(&deltas(&foreign(), 3), Framing::JsonArray);
    let chunks: Vec<Value> = serde_json::from_slice(&array).unwrap();
    for chunk in &chunks {
        let part = &chunk["candidates"][0]["content"]["parts"][0];
        assert!(part.as_object().is_some_and(|part| !part.is_empty()), "{chunk}");
    }
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["promptTokenCount"], 100);
    let ends = chunks.iter().filter(|chunk| !chunk["candidates"][0]["finishReason"].is_null());
    assert_eq!(ends.count(), 1);
}

#[test]
fn an_event_is_one_line_whatever_its_parts_were_written_like() {
    let mut answer = foreign();
    let call = ToolCall { arguments: "{\n \"a\":\r\n1}".to_owned(), ..ToolCall::default() };
    let json = RawValue::from_string("{\n\"executableCode\": {}}".to_owned()).unwrap();
    let opaque = Opaque { dialect: Dialect::Gemini, json };
    answer.choices[0].parts =
        vec![Part::ToolCall(ToolCall { id: "c".to_owned(), ..call }), Part::Opaque(opaque)];
    let text = String::from_utf8(stream(&deltas(&answer, 99), Framing::Events)).unwrap();
    let frames: Vec<&str> = text.split_terminator("\r\n\r\n").collect();
    assert_eq!(frames.len(), 3);
    for frame in frames {
        assert_eq!(frame.lines().count(), 1, "{frame}");
        serde_json::from_str::<Value>(frame.strip_prefix("data: ").unwrap()).unwrap();
    }
}

/// What a client that keeps all it was told sends back.
fn replayed(parts: &Value) -> Vec<Part> {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": parts}]});
    let mut request = asked::decode(body.to_string().as_bytes()).unwrap().value;
    request.messages.pop().unwrap().parts
}

#[test]
fn seals_of_other_providers_come_back_as_they_went() {
    let answer = foreign();
    let sealed = |parts: &[Part]| -> Vec<Thought> {
        let thought = |part: &Part| match part {
            Part::Reasoning(thought) => Some(thought.clone()),
            _ => None,
        };
        parts.iter().filter_map(thought).collect()
    };
    let expected = sealed(&answer.choices[0].parts);
    let told = whole(&answer);
    assert_eq!(sealed(&replayed(&told["candidates"][0]["content"]["parts"])), expected);

    // A client that puts all parts of all chunks in one turn.
    let array = stream(&deltas(&answer, 3), Framing::JsonArray);
    let chunks: Vec<Value> = serde_json::from_slice(&array).unwrap();
    let parts =
        |chunk: &Value| chunk["candidates"][0]["content"]["parts"].as_array().unwrap().clone();
    let all: Vec<Value> = chunks.iter().flat_map(parts).collect();
    assert_eq!(sealed(&replayed(&json!(all))), expected);

    // The AI SDK, which puts thoughts together, with their last seal, and forgets empty parts.
    let mut merged: Vec<Value> = Vec::new();
    for part in all.iter().filter(|part| part["text"] != "") {
        match merged.last_mut() {
            Some(last) if last["thought"] == true && part["thought"] == true => {
                let text =
                    format!("{}{}", last["text"].as_str().unwrap(), part["text"].as_str().unwrap());
                last["text"] = text.into();
                last["thoughtSignature"] = part["thoughtSignature"].clone();
            }
            _ => merged.push(part.clone()),
        }
    }
    let kept = sealed(&replayed(&json!(merged)));
    let told: Vec<_> = expected.iter().filter(|thought| !thought.text.is_empty()).collect();
    assert_eq!(kept.iter().collect::<Vec<_>>(), told);

    // The Python SDK, which keeps each chunk as a turn.
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "q"}]})];
    contents.extend(chunks.iter().map(|chunk| chunk["candidates"][0]["content"].clone()));
    let body = json!({"contents": contents}).to_string();
    let request = asked::decode(body.as_bytes()).unwrap().value;
    assert_eq!(request.messages.len(), 2);
    assert_eq!(sealed(&request.messages[1].parts), expected);
    let texts: Vec<_> = request.messages[1]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(&*text.text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["Für Brest."]);
}

/// Gemini's own answers, read and written again.
#[test]
fn what_gemini_said_is_said_again() {
    for case in [
        "text",
        "thought_and_sealed_text",
        "parallel_calls",
        "two_candidates",
        "code_execution",
        "blocked_prompt",
    ] {
        let dir = tests_golden::fixture("gemini").join(case);
        let answer =
            Gemini.decode_response(&tests_golden::read(dir.join("response.json"))).unwrap();
        let again = GenerateContent.encode_response(&answer.value, &context(Framing::Events)).value;
        let once_more = Gemini.decode_response(&again).unwrap().value;
        let mut expected = answer.value.clone();
        expected.model = once_more.model.clone();
        expected.id = once_more.id.clone();
        expected.created = once_more.created;
        assert_eq!(format!("{once_more:#?}"), format!("{expected:#?}"), "{case}");
        let again = serde_json::from_slice(&again).unwrap();
        tests_golden::assert_json(dir.join("answer.expected.json"), &again);
    }
}

#[test]
fn geminis_own_stream_is_said_again() {
    for case in streams::WELL {
        let body =
            tests_golden::read(tests_golden::fixture("gemini").join(case).join("stream.sse"));
        let (first, end) = streams::decode(&[&body]);
        if end.is_err() || first.iter().any(|delta| matches!(delta, Delta::Failure(_))) {
            continue;
        }
        let (second, end) = streams::decode(&[&stream(&first, Framing::Events)]);
        assert_eq!(end, Ok(()), "{case}");
        let [first, mut second] = [&first, &second].map(|it| order::join_runs(order::collect(it)));
        second.id.clone_from(&first.id);
        second.model.clone_from(&first.model);
        second.created = first.created;
        assert_eq!(format!("{second:#?}"), format!("{first:#?}"), "{case}");
    }
}

#[test]
fn a_broken_stream_ends_in_an_error_that_sdks_raise() {
    let all = deltas(&foreign(), 3);
    for framing in [Framing::Events, Framing::JsonArray] {
        for cut in 0..all.len() {
            let mut encoder = GenerateContent.encode_stream(context(framing));
            let mut out = Vec::new();
            all.iter().take(cut).for_each(|delta| encoder.push(delta, &mut out));
            encoder.fail(&broken(), &mut out);
            encoder.finish(&mut out);
            let text = String::from_utf8(out).unwrap();
            let frames: Vec<Value> = match framing {
                Framing::Events => text
                    .split_terminator("\r\n\r\n")
                    .map(|frame| {
                        serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap()
                    })
                    .collect(),
                Framing::JsonArray => serde_json::from_str(&text).unwrap(),
            };
            assert!(text.contains(r#"{"error":{"code":502,"#), "{text}");
            let last = &frames.last().unwrap()["error"];
            assert_eq!((&last["code"], &last["status"]), (&json!(502), &json!("UNAVAILABLE")));
            assert_eq!(last["details"][0]["reason"], "UPSTREAM_BROKE_OFF");
            assert_eq!(last["details"][1]["requestId"], "req_1");
        }
    }
}

#[test]
fn a_stream_that_said_nothing_still_ends() {
    for (framing, whole) in [(Framing::Events, "data: {"), (Framing::JsonArray, "[{")] {
        let text = String::from_utf8(stream(&[], framing)).unwrap();
        assert!(text.starts_with(whole) && text.contains(r#""finishReason":"STOP""#), "{text}");
        assert!(text.contains(r#""responseId":"req_1""#), "{text}");
    }
}

#[test]
fn a_blocked_prompt_has_feedback_and_no_candidate() {
    let finish = Finish {
        native: Some("PROHIBITED_CONTENT".to_owned()),
        message: Some("no".to_owned()),
        ..Finish::from(FinishReason::ContentFilter)
    };
    let choice = Choice { index: 0, parts: vec![], finish: finish.clone(), logprobs: None };
    let answer = ChatResponse { choices: vec![choice], ..ChatResponse::default() };
    let expected = json!({"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"});
    assert_eq!(whole(&answer)["promptFeedback"], expected);
    assert!(whole(&answer)["candidates"].is_null());
    let array = stream(&deltas(&answer, 1), Framing::JsonArray);
    let chunks: Vec<Value> = serde_json::from_slice(&array).unwrap();
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0]["promptFeedback"], expected);
}

#[test]
fn pictures_sound_and_what_only_gemini_knows_pass_and_the_rest_is_reported() {
    let media = |source, mime: &str| Media {
        source,
        mime_type: Some(mime.to_owned()),
        name: None,
        detail: None,
        cache: None,
    };
    let opaque = |dialect, json: &str| {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        Part::Opaque(Opaque { dialect, json })
    };
    let parts = vec![
        Part::Image(media(MediaSource::Base64("AAAA".to_owned()), "image/png")),
        Part::Audio(media(MediaSource::Url("https://a.example/a.wav".to_owned()), "audio/wav")),
        opaque(Dialect::Gemini, r#"{"executableCode":{"code":"1"}}"#),
        opaque(Dialect::Anthropic, r#"{"type":"server_tool_use"}"#),
        Part::Refusal("No.".to_owned()),
        Part::ToolCall(ToolCall {
            id: "c".to_owned(),
            name: "sh".to_owned(),
            arguments: "ls".to_owned(),
            kind: ToolKind::Custom,
            signature: None,
        }),
    ];
    let finish = Finish::from(FinishReason::Stop);
    let choice = Choice { index: 0, parts, finish, logprobs: None };
    let answer = ChatResponse { choices: vec![choice], ..ChatResponse::default() };
    let expected = json!([
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"mimeType": "audio/wav", "fileUri": "https://a.example/a.wav"}},
        {"executableCode": {"code": "1"}},
        {"text": "No."},
        {"functionCall": {"id": "c", "name": "sh", "args": {"input": "ls"}}},
    ]);
    assert_eq!(whole(&answer)["candidates"][0]["content"]["parts"], expected);
    let losses = GenerateContent.encode_response(&answer, &context(Framing::Events)).losses;
    let paths: Vec<_> = losses.iter().map(|loss| &*loss.path).collect();
    assert_eq!(paths, ["choices[0].parts[3]", "choices[0].parts[4]", "choices[0].parts[5]"]);
    let array = stream(&deltas(&answer, 9), Framing::JsonArray);
    let chunks: Vec<Value> = serde_json::from_slice(&array).unwrap();
    let parts: Vec<_> =
        chunks.iter().map(|chunk| chunk["candidates"][0]["content"]["parts"][0].clone()).collect();
    assert_eq!(json!(parts[..5]), expected);
}

#[track_caller]
fn failure(failure: &Failure, status: u16, name: &str, reason: &str) -> Value {
    let answer = GenerateContent.encode_failure(failure, "req_1");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let error = &body["error"];
    assert_eq!((answer.status, &error["code"]), (status, &json!(status)), "{body}");
    assert_eq!(error["status"], name, "{body}");
    assert_eq!(error["details"][0]["reason"], reason, "{body}");
    assert_eq!(error["details"][1]["requestId"], "req_1", "{body}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    body
}

#[test]
fn every_failure_has_a_status_of_googles() {
    let provider = || "acme".to_owned();
    let model = || "m".to_owned();
    let path = || "/v1beta/x".to_owned();
    failure(&Failure::PathUnknown { path: path() }, 404, "NOT_FOUND", "UNKNOWN_URL");
    let method =
        Failure::MethodNotAllowed { path: path(), method: "PUT".to_owned(), allowed: "POST" };
    failure(&method, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED");
    let missing = failure(&Failure::KeyMissing, 401, "UNAUTHENTICATED", "API_KEY_MISSING");
    assert!(missing["error"]["message"].as_str().unwrap().contains("x-goog-api-key"));
    failure(&Failure::KeyUnknown, 401, "UNAUTHENTICATED", "API_KEY_INVALID");
    failure(&Failure::BodyTooLarge { limit: 1 }, 413, "INVALID_ARGUMENT", "REQUEST_TOO_LARGE");
    failure(&Failure::BodyTimedOut, 408, "DEADLINE_EXCEEDED", "REQUEST_TIMEOUT");
    let wrong = Failure::BodyMalformed(DecodeError::shape("contents[0].role", "must be `user`"));
    let body = failure(&wrong, 400, "INVALID_ARGUMENT", "INVALID_BODY");
    assert_eq!(body["error"]["details"][2]["fieldViolations"][0]["field"], "contents[0].role");
    let unknown = Failure::ModelUnknown { model: model(), near: vec![] };
    failure(&unknown, 404, "NOT_FOUND", "MODEL_NOT_FOUND");
    let retry_after = Some(Duration::from_millis(34_400));
    let exhausted = Failure::AccountsExhausted { model: model(), retry_after };
    let body = failure(&exhausted, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED");
    assert_eq!(body["error"]["details"][2]["retryDelay"], "34.4s");
    failure(
        &Failure::CredentialsRefused { model: model() },
        503,
        "UNAVAILABLE",
        "PROVIDER_CREDENTIAL_REFUSED",
    );
    let timed_out = Failure::UpstreamTimedOut { provider: provider() };
    failure(&timed_out, 504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT");
    failure(&broken(), 502, "UNAVAILABLE", "UPSTREAM_BROKE_OFF");
    failure(&Failure::Internal, 500, "INTERNAL", "INTERNAL_ERROR");
    for (status, name, reason) in [
        (400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (402, "FAILED_PRECONDITION", "INSUFFICIENT_QUOTA"),
        (404, "NOT_FOUND", "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        (500, "INTERNAL", "UPSTREAM_ERROR"),
        (529, "UNAVAILABLE", "OVERLOADED"),
    ] {
        let error = UpstreamError::from_status(status);
        failure(&Failure::UpstreamRefused { provider: provider(), error }, status, name, reason);
    }
}

#[test]
fn a_refused_credential_is_never_quoted_and_geminis_own_status_is_kept() {
    for kind in [ErrorKind::Authentication, ErrorKind::Permission] {
        let error = UpstreamError {
            kind,
            message: "API key not valid: AIzaSecret".to_owned(),
            param: Some("key".to_owned()),
            ..UpstreamError::from_status(400)
        };
        let refused = Failure::UpstreamRefused { provider: "acme".to_owned(), error };
        let body = GenerateContent.encode_failure(&refused, "r").body;
        let body = String::from_utf8(body).unwrap();
        assert!(!body.contains("AIza") && body.contains("acme"), "{body}");
    }
    let error = UpstreamError {
        code: Some("FAILED_PRECONDITION".to_owned()),
        ..UpstreamError::from_status(400)
    };
    let refused = Failure::UpstreamRefused { provider: "acme".to_owned(), error };
    failure(&refused, 400, "FAILED_PRECONDITION", "INVALID_REQUEST");
}

#[test]
fn what_keeps_a_stream_alive_is_nothing_that_an_sdk_reads() {
    for framing in [Framing::Events, Framing::JsonArray] {
        let beat = GenerateContent.heartbeat(framing);
        assert!(!beat.is_empty() && beat.trim_ascii().is_empty());
        let mut body = stream(&deltas(&foreign(), 50), framing);
        body.splice(0..0, beat.iter().copied());
        if framing == Framing::JsonArray {
            assert!(serde_json::from_slice::<Vec<Value>>(&body).is_ok());
        }
        assert_eq!(streams::decode(&[&body]).1, Ok(()));
    }
}

fn said() -> impl Strategy<Value = Part> {
    let words = "[a-zäß🦀\"\\\\ ]{1,12}";
    let seal = prop_oneof![Just(None), Just(Some("c2VhbA==".to_owned()))];
    prop_oneof![
        (words, seal.clone()).prop_map(|(text, signature)| {
            Part::Text(Text { text, signature, ..Text::default() })
        }),
        (words, seal.clone()).prop_map(|(text, signature)| {
            let origin = Some(Dialect::Gemini);
            Part::Reasoning(Thought { text, signature, origin, ..Thought::default() })
        }),
        (words, seal).prop_map(|(word, signature)| {
            Part::ToolCall(ToolCall {
                name: "f".to_owned(),
                arguments: json!({"a": word}).to_string(),
                signature,
                ..ToolCall::default()
            })
        }),
        Just(Part::Image(Media {
            source: MediaSource::Base64("AAAA".to_owned()),
            mime_type: Some("image/png".to_owned()),
            name: None,
            detail: None,
            cache: None,
        })),
    ]
}

/// Lets the choices of a stream take turns, and the calls of a choice that follow each other be
/// open at once, as `picks` has it. Parts are numbered anew, in the order they begin.
fn interleave(deltas: Vec<Delta>, picks: &[usize]) -> Vec<Delta> {
    let (mut head, mut tail, mut choice_of) = (Vec::new(), Vec::new(), Vec::new());
    // Of each choice: runs of parts that may overlap, each part its steps, and at last the end.
    let mut choices: Vec<Vec<Vec<Vec<Delta>>>> = Vec::new();
    let mut last_was_call = Vec::new();
    for delta in deltas {
        match delta {
            Delta::PartStart { choice, ref kind, .. } => {
                choice_of.push(choice as usize);
                let is_call = matches!(kind, PartKind::ToolCall { .. });
                choices.resize_with(choices.len().max(choice as usize + 1), Vec::new);
                last_was_call.resize(choices.len(), false);
                let runs = &mut choices[choice as usize];
                if !(is_call && std::mem::replace(&mut last_was_call[choice as usize], is_call)) {
                    last_was_call[choice as usize] = is_call;
                    runs.push(Vec::new());
                }
                runs.last_mut().unwrap().push(vec![delta]);
            }
            Delta::Text { part, .. }
            | Delta::Arguments { part, .. }
            | Delta::Signature { part, .. }
            | Delta::PartEnd { part } => {
                let runs = &mut choices[choice_of[part as usize]];
                runs.last_mut().unwrap().last_mut().unwrap().push(delta);
            }
            Delta::Finish { choice, .. } => {
                choices.resize_with(choices.len().max(choice as usize + 1), Vec::new);
                last_was_call.resize(choices.len(), false);
                choices[choice as usize].push(vec![vec![delta]]);
            }
            Delta::Start(_) => head.push(delta),
            _ => tail.push(delta),
        }
    }
    let mut picks = picks.iter().copied().cycle();
    let mut numbers = std::collections::BTreeMap::new();
    while choices.iter().any(|runs| !runs.is_empty()) {
        choices.retain(|runs| !runs.is_empty());
        let at = picks.next().unwrap() % choices.len();
        let run = &mut choices[at][0];
        let begun = |steps: &&mut Vec<Delta>| !matches!(steps[0], Delta::PartStart { .. });
        // A part begins only after those before it in the run have begun.
        let first_new = run.iter_mut().position(|steps| !begun(&steps)).unwrap_or(run.len() - 1);
        let which = picks.next().unwrap() % (first_new + 1);
        let mut delta = run[which].remove(0);
        if run[which].is_empty() {
            run.remove(which);
        }
        if run.is_empty() {
            choices[at].remove(0);
        }
        let next = u32::try_from(numbers.len()).unwrap();
        match &mut delta {
            Delta::PartStart { part, .. } => *part = *numbers.entry(*part).or_insert(next),
            Delta::Text { part, .. }
            | Delta::Arguments { part, .. }
            | Delta::Signature { part, .. }
            | Delta::PartEnd { part } => *part = numbers[part],
            _ => {}
        }
        head.push(delta);
    }
    head.extend(tail);
    order::check(&head);
    head
}

proptest! {
    #[test]
    fn a_stream_says_what_its_deltas_say(
        picks in proptest::collection::vec(0..100_usize, 1..40),
        choices in proptest::collection::vec(proptest::collection::vec(said(), 0..6), 1..3),
        size in 1..9_usize,
        array in any::<bool>(),
    ) {
        let choices = choices.into_iter().zip(0..).map(|(mut parts, index)| {
            for (at, part) in parts.iter_mut().enumerate() {
                if let Part::ToolCall(call) = part {
                    call.id = format!("c{index}-{at}");
                }
            }
            let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
            let reason = if calls { FinishReason::ToolCalls } else { FinishReason::Stop };
            let finish = Finish { native: Some("STOP".to_owned()), ..Finish::from(reason) };
            Choice { index, parts, finish, logprobs: None }
        });
        let usage = Usage { input: Some(3), output: Some(4), ..Usage::default() };
        let answer = ChatResponse {
            id: "id".to_owned(),
            model: "m".to_owned(),
            created: Some(7),
            choices: choices.collect(),
            usage: Some(usage),
            service_tier: None,
        };
        let framing = if array { Framing::JsonArray } else { Framing::Events };
        let body = stream(&interleave(deltas(&answer, size), &picks), framing);
        let (told, end) = streams::decode(&[&body]);
        prop_assert_eq!(end, Ok(()));
        let mut told = order::join_runs(order::collect(&told));
        told.choices.sort_by_key(|choice| choice.index);
        prop_assert_eq!(format!("{told:#?}"), format!("{:#?}", order::join_runs(answer)));
    }
}

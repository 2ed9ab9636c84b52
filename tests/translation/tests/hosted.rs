//! What a client is told of what another provider did with tools of its own, whole and streamed.
//!
//! Each folder of `tests/fixtures/hosted` is one answer of the provider that its name begins with.
//! What clients of the other dialects get of it stands beside it. Its names are those that the
//! validators under `tests/e2e/sdk` look for.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use adapters_canonical::chat::Part;
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::{AnswerContext, Dialect};
use adapters_canonical::loss::Loss;
use serde_json::{Value, json};
use tests_golden::{assert_json, assert_text, fixture, read};
use tests_translation::{Client, Provider, clients, providers};

fn cases() -> Vec<(PathBuf, Provider)> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(fixture("hosted")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 7, "{folders:?}");
    let provider = |folder: &Path| {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let dialect = name.split('_').next().unwrap().to_owned();
        let mut all = providers().into_iter();
        all.find(|provider| provider.dialect.to_string() == dialect).unwrap()
    };
    folders.into_iter().map(|folder| (folder.clone(), provider(&folder))).collect()
}

fn context() -> AnswerContext {
    AnswerContext {
        request_id: "req_1".to_owned(),
        model: "m".to_owned(),
        created: 1_770_000_000,
        include_usage: true,
        ..AnswerContext::default()
    }
}

/// What the files of a client are called: a whole answer, and a stream.
fn files(client: &Client) -> (&'static str, &'static str) {
    match client.ingress.dialect() {
        Dialect::OpenAi => ("chat.expected.json", "chat.expected.sse"),
        Dialect::Responses => ("client.expected.json", "client.expected.sse"),
        Dialect::Anthropic => ("message.expected.json", "events.expected.txt"),
        Dialect::Gemini => ("answer.expected.json", "stream.expected.sse"),
    }
}

fn others(provider: &Provider) -> Vec<Client> {
    let mut clients = Vec::from(clients());
    clients.retain(|client| client.ingress.dialect() != provider.dialect);
    clients
}

fn deltas(provider: &Provider, pieces: &[&[u8]]) -> Vec<Delta> {
    let (mut decoder, mut deltas) = (provider.egress.decode_stream(), Vec::new());
    for piece in pieces {
        decoder.push(piece, &mut deltas).unwrap();
    }
    decoder.finish(&mut deltas).unwrap();
    deltas
}

fn streamed(client: &Client, deltas: &[Delta]) -> String {
    let (mut encoder, mut out) = (client.ingress.encode_stream(context()), Vec::new());
    for delta in deltas {
        encoder.push(delta, &mut out);
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_a_provider_did_itself_is_told_in_the_clients_words() {
    for (folder, provider) in cases() {
        let answer = provider.egress.decode_response(&read(folder.join("response.json"))).unwrap();
        let stream = deltas(&provider, &[&read(folder.join("stream.sse"))]);
        let mut lost = String::new();
        for client in others(&provider) {
            let (whole_file, stream_file) = files(&client);
            let written = client.ingress.encode_response(&answer.value, &context());
            let losses = answer.losses.iter().chain(&written.losses);
            for Loss { path, kind, reason } in losses {
                let _ = writeln!(lost, "{}: {path} {kind:?}: {reason}", client.title);
            }
            assert_json(folder.join(whole_file), &serde_json::from_slice(&written.value).unwrap());
            assert_text(folder.join(stream_file), &streamed(&client, &stream));
        }
        assert_text(folder.join("losses.expected.txt"), &lost);
    }
}

#[test]
fn what_a_provider_did_itself_is_no_call_that_the_client_must_answer() {
    for (folder, provider) in cases() {
        let answer = provider.egress.decode_response(&read(folder.join("response.json"))).unwrap();
        let parts = &answer.value.choices[0].parts;
        assert!(parts.iter().any(|part| matches!(part, Part::Hosted(_))), "{folder:?}");
        assert!(!parts.iter().any(|part| matches!(part, Part::ToolCall(_))), "{folder:?}");
        for delta in deltas(&provider, &[&read(folder.join("stream.sse"))]) {
            let call = matches!(delta, Delta::PartStart { kind: PartKind::ToolCall { .. }, .. });
            assert!(!call, "{folder:?}");
        }
        for client in others(&provider) {
            let (whole_file, stream_file) = files(&client);
            for file in [whole_file, stream_file] {
                let said = String::from_utf8(read(folder.join(file))).unwrap();
                for word in ["\"tool_calls\"", "\"tool_use\"", "function_call", "functionCall"] {
                    assert!(!said.contains(word), "{folder:?} {file} has {word}");
                }
            }
        }
    }
}

/// The next request of a client that got this answer: it sends back what it got.
fn next_turn(client: &Client, answer: &Value) -> Value {
    let user = |words: &str| json!({"role": "user", "content": words});
    let mut request = client.plain.clone();
    let (member, turns) = match client.ingress.dialect() {
        Dialect::OpenAi => {
            let said = answer["choices"][0]["message"].clone();
            ("messages", vec![user("Hello"), said, user("Again")])
        }
        Dialect::Responses => {
            let mut turns = vec![user("Hello")];
            turns.extend(answer["output"].as_array().unwrap().clone());
            turns.push(user("Again"));
            ("input", turns)
        }
        Dialect::Anthropic => {
            let said = json!({"role": "assistant", "content": answer["content"]});
            ("messages", vec![user("Hello"), said, user("Again")])
        }
        Dialect::Gemini => {
            let user = |words: &str| json!({"role": "user", "parts": [{"text": words}]});
            let said = answer["candidates"][0]["content"].clone();
            ("contents", vec![user("Hello"), said, user("Again")])
        }
    };
    request[member] = Value::Array(turns);
    request
}

#[test]
fn what_a_provider_wrote_itself_goes_back_to_it_byte_for_byte_through_every_client() {
    for (folder, provider) in cases() {
        let answer = provider.egress.decode_response(&read(folder.join("response.json"))).unwrap();
        let own: Vec<_> = answer.value.choices[0]
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Hosted(step) => step.own.as_ref(),
                _ => None,
            })
            .map(|own| own.json.get())
            .collect();
        for client in others(&provider) {
            let what = format!("{} {}", folder.display(), client.title);
            let written = client.ingress.encode_response(&answer.value, &context()).value;
            let request = next_turn(&client, &serde_json::from_slice(&written).unwrap());
            let (sent, losses) = client.asked(&request, &provider).unwrap();
            let sent = String::from_utf8(sent).unwrap();
            for json in &own {
                assert!(sent.contains(json), "{what} lost {json} of {sent}");
            }
            assert!(!sent.contains("This code was run"), "{what} told it in words: {sent}");
            // What the provider tells beside its words is no part of them, and cannot go back.
            if own.is_empty() {
                continue;
            }
            assert!(
                !losses.iter().any(|loss| loss.reason.contains("looked up")),
                "{what} {losses:?}"
            );
        }
    }
}

#[test]
fn it_is_told_alike_however_the_stream_is_cut() {
    for (folder, provider) in cases() {
        let body = read(folder.join("stream.sse"));
        let whole = format!("{:?}", deltas(&provider, &[&body]));
        for at in 1..body.len() {
            let (before, after) = body.split_at(at);
            assert_eq!(
                format!("{:?}", deltas(&provider, &[before, after])),
                whole,
                "{folder:?} {at}"
            );
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(format!("{:?}", deltas(&provider, &bytes)), whole, "{folder:?}");
    }
}

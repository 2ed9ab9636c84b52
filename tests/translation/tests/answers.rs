//! What a client is told of what another provider did with tools of its own, whole and streamed.
//!
//! Each folder of `tests/fixtures/answers` is one answer of the provider that its name begins with.
//! What clients of the other dialects get of it stands beside it. Its names are those that the
//! validators under `tests/e2e/sdk` look for.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use adapters_canonical::chat::Part;
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::{AnswerContext, Dialect};
use adapters_canonical::loss::Loss;
use tests_golden::{assert_json, assert_text, fixture, read};
use tests_translation::{Client, Provider, clients, providers};

fn cases() -> Vec<(PathBuf, Provider)> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(fixture("answers")).unwrap().map(|entry| entry.unwrap().path()).collect();
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

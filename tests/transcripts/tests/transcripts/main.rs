//! Promise: what providers were recorded to say is understood, however its bytes are cut, and reaches
//! the clients of every dialect.

#![expect(clippy::print_stderr, reason = "a test that has nothing to do says so")]

use adapters_canonical::delta::Delta;
use adapters_canonical::dialect::{AnswerContext, Dialect, Egress};
use adapters_canonical::loss::DecodeError;
use http::HeaderMap;
use serde_json::Value;
use tests_transcripts::files::{self, Content};
use tests_transcripts::said::{Said, Tokens};
use tests_transcripts::sides::{Provider, clients, providers};
use tests_transcripts::{cut, meant, read};

/// Runs `check` over all transcripts and fails with everything that it found.
fn over_all(check: impl Fn(&Provider, &str, &Content, &mut Vec<String>)) {
    let Some(root) = files::root() else {
        eprintln!("skipped: there are no transcripts; PENSTOCK_TRANSCRIPTS says where they are");
        return;
    };
    let (mut found, mut seen) = (Vec::new(), 0);
    for provider in providers() {
        for (name, content) in files::of(&root.join(provider.folder), provider.dialect) {
            let before = found.len();
            check(&provider, &name, &content, &mut found);
            for said in &mut found[before..] {
                *said = format!("{}/{name}: {said}", provider.folder);
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "there are transcripts");
    assert!(found.is_empty(), "{} of {seen} differ:\n{}", found.len(), found.join("\n"));
}

type End = Result<(), DecodeError>;

fn decode<'a>(egress: &dyn Egress, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Delta>, End) {
    let (mut decoder, mut deltas) = (egress.decode_stream(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.push(piece, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = decoder.finish(&mut deltas);
    (deltas, end)
}

fn failed(deltas: &[Delta]) -> bool {
    matches!(deltas.last(), Some(Delta::Failure(_)))
}

fn differs(one: &Said, other: &Said, found: &mut Vec<String>) {
    found.extend(one.differs(other));
}

#[test]
fn every_answer_says_what_an_independent_reader_finds_in_it() {
    over_all(|provider, name, content, found| match content {
        Content::Stream(stream) => {
            let (deltas, end) = decode(&*provider.egress, std::iter::once(stream.as_slice()));
            if let Err(error) = end {
                found.push(format!("does not end: {error}"));
            }
            // Two messages in one stream are a deliberate oddity.
            let odd = name.starts_with("spliced-") || name.starts_with("duplicate-");
            let malformed = deltas.iter().any(|delta| matches!(delta, Delta::Malformed(_)));
            if malformed && !odd {
                found.push("has an event that is not understood".to_owned());
            }
            if !failed(&deltas) {
                let reading = read::streamed(provider.dialect, &files::events(stream));
                differs(&reading, &meant::streamed(&deltas), found);
            }
        }
        Content::Whole(body) => match provider.egress.decode_response(body) {
            Ok(answer) => {
                let json: Value = serde_json::from_slice(body).unwrap();
                differs(&read::whole(provider.dialect, &json), &meant::whole(&answer.value), found);
            }
            Err(error) => found.push(format!("is not understood: {error}")),
        },
        Content::Error(body) => {
            let json: Value = serde_json::from_slice(body).unwrap();
            let status = json["error"]["code"].as_u64().and_then(|code| u16::try_from(code).ok());
            let error =
                provider.egress.decode_error(status.unwrap_or(400), &HeaderMap::new(), body);
            if json["error"]["message"].as_str() != Some(error.message.as_str()) {
                found.push(format!("is an error that reads {error:?}"));
            }
        }
    });
}

#[test]
fn where_a_stream_is_cut_means_nothing() {
    over_all(|provider, name, content, found| {
        let Content::Stream(stream) = content else { return };
        let shown = |decoded: (Vec<Delta>, End)| format!("{decoded:?}");
        let whole = shown(decode(&*provider.egress, std::iter::once(stream.as_slice())));
        if shown(decode(&*provider.egress, stream.chunks(1))) != whole {
            found.push("says something else byte by byte".to_owned());
        }
        let seed = name.bytes().map(u64::from).sum();
        for at in cut::places(stream, seed) {
            let (before, after) = stream.split_at(at);
            if shown(decode(&*provider.egress, [before, after].into_iter())) != whole {
                found.push(format!("says something else if cut at {at}"));
                return;
            }
        }
    });
}

/// What a client of the same provider would see need not be compared: its bytes pass unchanged.
#[test]
fn every_answer_reaches_the_clients_of_every_dialect() {
    over_all(|provider, _, content, found| {
        for client in clients() {
            let context = AnswerContext {
                request_id: "req_1".to_owned(),
                model: "m".to_owned(),
                created: 1_790_000_000,
                include_usage: true,
                ..AnswerContext::default()
            };
            let (sent, got) = match content {
                Content::Stream(stream) => {
                    let pieces = std::iter::once(stream.as_slice());
                    let (deltas, _) = decode(&*provider.egress, pieces);
                    if failed(&deltas) {
                        continue;
                    }
                    let (mut encoder, mut out) = (client.encode_stream(context), Vec::new());
                    deltas.iter().for_each(|delta| encoder.push(delta, &mut out));
                    encoder.finish(&mut out);
                    let complete = out.ends_with(b"\n\n") || out.ends_with(b"\r\n\r\n");
                    assert!(complete, "the last event is complete");
                    let got = read::streamed(client.dialect(), &files::events(&out));
                    (meant::streamed(&deltas), got)
                }
                Content::Whole(body) => {
                    let Ok(answer) = provider.egress.decode_response(body) else { continue };
                    let out = client.encode_response(&answer.value, &context).value;
                    let json: Value = serde_json::from_slice(&out).unwrap();
                    (meant::whole(&answer.value), read::whole(client.dialect(), &json))
                }
                Content::Error(_) => continue,
            };
            let before = found.len();
            differs(&expected(sent, client.dialect()), &expected(got, client.dialect()), found);
            for said in &mut found[before..] {
                *said = format!("for a client of {}: {said}", client.dialect());
            }
        }
    });
}

/// What can be expected of a dialect. Only chat completions have a place for the seals of others,
/// whatever order they stand in there; a refusal is plain text for Anthropic and Gemini.
fn expected(mut said: Said, dialect: Dialect) -> Said {
    // Of an answer that goes on after its calls, as some recordings have it.
    if said.finish == Some("stop") && !said.calls.is_empty() {
        said.finish = Some("tool_calls");
    }
    // Where a dialect must tell the usage, nothing is told as zero.
    said.usage = said.usage.filter(|usage| *usage != Tokens::default());
    match dialect {
        Dialect::OpenAi => said.seals.sort(),
        Dialect::Responses => said.seals.clear(),
        Dialect::Anthropic | Dialect::Gemini => {
            said.seals.clear();
            // Told once, as words of the answer, and perhaps again beside them.
            let refusal = std::mem::take(&mut said.refusal);
            if !said.text.ends_with(&refusal) {
                said.text += &refusal;
            }
            // They have no tools that take plain text: it comes as the only member of an object.
            for call in &mut said.calls {
                if let Some(text) = call.arguments.get("input").filter(|it| it.is_string()) {
                    call.arguments = text.clone();
                }
            }
        }
    }
    said
}

//! Promise: what a cut answer has used is counted, though its provider would have said it only at
//! the end: it is estimated, and told apart from what a provider reported (field 13, field 42).

use serde_json::{Value, json};
use tests_mock::{Gate, Reply, Script, Step, Transport};

use crate::clients::{CLIENTS, Client};
use crate::dialects::{ALL, Dialect, behind, sse};
use crate::gateway::{Gateway, PATIENCE};
use crate::wire::{self, Doors, Version};

/// Says a hundred tokens, at four bytes each, and does `last`.
fn cut(dialect: Dialect, last: Step) -> Reply {
    let word = format!("Good m{}", "o".repeat(394));
    sse(dialect.events(&[&word])).cut_after(dialect.opening().len() + 1, last)
}

/// What a provider of this dialect has said before the end: Gemini says it in every event, Anthropic
/// what was asked and the first token.
fn reported(dialect: Dialect) -> (u64, u64) {
    match dialect {
        Dialect::OpenAi => (0, 0),
        Dialect::Anthropic => (11, 1),
        Dialect::Gemini => (11, 7),
    }
}

async fn check(gateway: &Gateway, dialect: Dialect, asked: &Value, what: &str) {
    let line = gateway.access_log(1).await.remove(0);
    let (input, output) = reported(dialect);
    let (more_input, more_output) = match dialect {
        Dialect::OpenAi => (asked.to_string().len() as u64 / 4, 100),
        Dialect::Anthropic => (0, 100),
        Dialect::Gemini => (0, 0),
    };
    assert_eq!(line["input_tokens"], input + more_input, "{what}: {line}");
    assert_eq!(line["output_tokens"], output + more_output, "{what}: {line}");
    let estimated = (more_output > 0).then_some(more_input + more_output);
    assert_eq!(line["tokens_estimated"].as_u64(), estimated, "{what}: {line}");
    for (kind, tokens, more) in [("input", None, more_input), ("output", Some(output), more_output)]
    {
        let labels = [format!("kind=\"{kind}\""), "provider=\"up\"".to_owned()];
        let labels = [labels[0].as_str(), labels[1].as_str()];
        let counted = gateway.metric("penstock_tokens_estimated_total", &labels).await;
        assert_eq!(counted, more as f64, "{what}: {kind}");
        if let Some(tokens) = tokens {
            let counted = gateway.metric("penstock_tokens_total", &labels).await;
            assert_eq!(counted, (tokens + more) as f64, "{what}: {kind}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_its_provider_cut_is_counted_by_what_came() {
    for dialect in ALL {
        for client in CLIENTS {
            let (gateway, _upstream) =
                behind(dialect, Script::always(cut(dialect, Step::Reset)), "").await;
            let asked = client.request("m", "Hello", true);
            let heard = client.send(&gateway, "m", true, &asked).await;
            assert!(heard.broke_off(), "{}", heard.text);
            check(&gateway, dialect, &asked, &format!("{client:?} {dialect:?}")).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_its_client_cut_is_counted_by_what_came() {
    for dialect in ALL {
        for version in [Version::Http1, Version::Http2] {
            let script = Script::always(cut(dialect, Step::Wait(Gate::shut())));
            let upstream = tests_mock::MockUpstream::start_as(script, Transport::Http1).await;
            let upstream = upstream.unwrap();
            let doors = Doors::open(&dialect.config(&upstream.url(), "")).await;
            let asked = Client::Chat.request("m", "Hello", true);
            let mut connection = doors.client(version).await;
            let mut answer = connection.chat(&asked).await.unwrap().into_body();
            let mut seen = Vec::new();
            let reading = async {
                while !String::from_utf8_lossy(&seen).contains(" mooo") {
                    seen.extend(wire::next(&mut answer).await.unwrap().unwrap());
                }
            };
            tokio::time::timeout(PATIENCE, reading).await.unwrap();
            drop((answer, connection));
            check(&doors.gateway, dialect, &asked, &format!("{version:?} {dialect:?}")).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_estimated_of_an_answer_that_is_complete_or_that_never_began() {
    for dialect in ALL {
        let refusal = Reply::json(400, &[], &json!({"error": {"message": "No"}}));
        for (complete, script) in [
            (true, Script::always(sse(dialect.events(&["Good", " morning"])))),
            (false, Script::always(refusal)),
            (false, Script::always(sse(dialect.opening()))),
        ] {
            let (gateway, _upstream) = behind(dialect, script, "").await;
            let stream = gateway.stream("m").await;
            assert_eq!(stream.status == 200, complete, "{dialect:?}: {}", stream.text);
            let line = gateway.access_log(1).await.remove(0);
            assert_eq!(line.get("tokens_estimated"), None, "{dialect:?}: {line}");
            assert!(gateway.metric("penstock_tokens_estimated_total", &[]).await < 0.5);
            assert_eq!(line.get("output_tokens").is_some(), complete, "{dialect:?}: {line}");
        }
    }
}

//! Promise: a stream reaches the client at once, whole, and always with a well-formed end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Response;
use serde_json::{Value, json};
use tests_mock::{Gate, Reply, Script, Step, openai};

use crate::dialects::{ALL, Dialect, behind, behind_h2c, soon, sse};
use crate::gateway::{Gateway, Stream};

fn streaming(include_usage: bool) -> Value {
    json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "stream_options": {"include_usage": include_usage},
    })
}

/// The chunks without the clock's say.
fn timeless(stream: &Stream) -> Vec<Value> {
    assert!(stream.is_done(), "{}", stream.text);
    let mut chunks = stream.chunks();
    for chunk in &mut chunks {
        chunk.as_object_mut().unwrap().remove("created");
    }
    chunks
}

/// The bytes of a short answer, with letters of more than one byte.
fn short_answer(dialect: Dialect) -> Bytes {
    dialect.events(&["Grüß", " 😀"]).concat().into()
}

async fn every_split_reads_alike(dialect: Dialect, over_h2c: bool) {
    let bytes = short_answer(dialect);
    let (whole, length) = (bytes.clone(), bytes.len());
    // The first answer comes in one piece, the others are cut in two, the last ones in many.
    let script = Script::new(move |_, attempt| {
        let pieces: Vec<Bytes> = match attempt {
            0 => vec![whole.clone()],
            at if at < length => vec![whole.slice(..at), whole.slice(at..)],
            at => whole.chunks(at - length + 1).map(Bytes::copy_from_slice).collect(),
        };
        sse(pieces)
    });
    let (gateway, upstream) = match over_h2c {
        false => behind(dialect, script, "").await,
        true => behind_h2c(dialect, script, "").await,
    };
    let expected = timeless(&Stream::read(gateway.chat(&streaming(true)).await).await);
    let answers: String =
        expected.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(answers, "Grüß 😀");
    for _ in 1..length + 3 {
        let got = timeless(&Stream::read(gateway.chat(&streaming(true)).await).await);
        assert_eq!(got, expected, "{dialect:?}, {} requests", upstream.counts().requests);
    }
}

#[tokio::test]
async fn an_openai_stream_reads_alike_however_it_is_cut() {
    every_split_reads_alike(Dialect::OpenAi, false).await;
}

#[tokio::test]
async fn an_anthropic_stream_reads_alike_however_it_is_cut() {
    every_split_reads_alike(Dialect::Anthropic, false).await;
}

#[tokio::test]
async fn a_gemini_stream_reads_alike_however_it_is_cut() {
    every_split_reads_alike(Dialect::Gemini, false).await;
}

#[tokio::test]
async fn a_stream_over_http2_reads_alike_however_it_is_cut() {
    every_split_reads_alike(Dialect::Gemini, true).await;
}

/// Reads until the client has seen `text`.
async fn read_until(answer: &mut Response, seen: &mut String, text: &str) {
    let reading = async {
        while !seen.contains(text) {
            let piece = answer.chunk().await.unwrap().expect("the stream goes on");
            seen.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    soon(reading, text).await;
}

/// Field 14.
#[tokio::test]
async fn an_event_leaves_before_the_next_one_comes() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            let gate = Gate::shut();
            let words = ["one", "two", "three"];
            let script = Script::always(sse(dialect.events(&words)).paced(&gate));
            let (gateway, upstream) = match over_h2c {
                false => behind(dialect, script, "").await,
                true => behind_h2c(dialect, script, "").await,
            };
            gate.admit(dialect.opening().len() + 1);
            let mut answer = soon(gateway.chat(&streaming(false)), "the header").await;
            let mut seen = String::new();
            for (at, word) in words.iter().enumerate() {
                if at > 0 {
                    gate.admit(1);
                }
                read_until(&mut answer, &mut seen, word).await;
                let next = words.get(at + 1);
                assert!(next.is_none_or(|next| !seen.contains(next)), "{seen}");
                assert_eq!(upstream.counts().in_flight, 1, "{dialect:?}");
            }
            gate.open();
            read_until(&mut answer, &mut seen, "[DONE]").await;
        }
    }
}

#[tokio::test]
async fn comments_and_line_ends_of_any_kind_change_nothing() {
    for dialect in ALL {
        let plain = String::from_utf8(short_answer(dialect).to_vec()).unwrap();
        let plain = plain.replace("\r\n", "\n");
        let odd = [
            plain.clone(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            plain.replace("data: ", ": ping\n:\nid: 1\nretry: 10\ndata:"),
            format!("\u{feff}: hello\n\n{plain}"),
        ];
        let replies = odd.into_iter().map(|text| sse([Bytes::from(text)])).collect();
        let (gateway, _upstream) = behind(dialect, Script::sequence(replies), "").await;
        let expected = timeless(&read_leniently(&gateway).await);
        for _ in 0..4 {
            assert_eq!(timeless(&read_leniently(&gateway).await), expected, "{dialect:?}");
        }
    }
}

/// Reads a stream whose lines may end in any way and may have no space behind `data:`.
async fn read_leniently(gateway: &Gateway) -> Stream {
    let mut stream = Stream::read(gateway.chat(&streaming(true)).await).await;
    stream.text = stream.text.replace("\r\n", "\n").replace('\r', "\n");
    stream.text = stream.text.replace("\ndata:{", "\ndata: {").replace("data:[", "data: [");
    stream
}

/// An answer that says two words and then does `last` as soon as the client has seen them.
fn dying(dialect: Dialect, gate: &Gate, last: Step) -> Reply {
    let mut steps: Vec<Step> = dialect.opening().into_iter().map(Step::Event).collect();
    steps.extend(["one", " two"].map(|word| Step::Event(dialect.word(word))));
    steps.extend([Step::Wait(gate.clone()), last]);
    Reply::sse(steps)
}

/// Field 1. Sees a stream that broke off in the middle end as it should.
async fn check_broken(gateway: &Gateway, gate: &Gate, code: &str, what: &str) -> Value {
    let mut answer = soon(gateway.chat(&streaming(true)), what).await;
    assert_eq!(answer.status(), 200, "{what}");
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut text = String::new();
    read_until(&mut answer, &mut text, "two").await;
    gate.open();
    let rest = soon(answer.text(), what).await.expect("a well-formed end, not a cut connection");
    let stream = Stream { status: 200, text: text + &rest };
    assert!(stream.is_done(), "{what}: {}", stream.text);
    assert_eq!(stream.content(), "one two", "{what}");
    assert_eq!(stream.finish_reasons(), ["error"], "{what}: {}", stream.text);
    let chunks = stream.chunks();
    let last = chunks.iter().find(|chunk| chunk["choices"][0]["finish_reason"] == "error");
    let last = last.unwrap();
    assert_eq!(last["id"], chunks[0]["id"], "{what}");
    let error = &last["gateway_error"];
    assert_eq!(error["code"], code, "{what}: {last}");
    assert_eq!(error["request_id"], id.as_str(), "{what}");
    // No SDK raises unless it is told to.
    assert_eq!(last.get("error"), None, "{what}");
    let line = gateway.access_log(1).await.remove(0);
    assert_eq!(line["status"], 200, "{what}");
    assert!(line["error"].as_str().is_some_and(|it| !it.is_empty()), "{what}: {line}");
    error.clone()
}

#[tokio::test]
async fn a_stream_cut_in_any_way_ends_well_for_the_client() {
    for dialect in ALL {
        for (what, last) in [
            ("reset", Step::Reset),
            ("closed", Step::Close),
            ("cut in a chunk", Step::CutChunk(Bytes::from_static(b"data: {\"cho"))),
            ("closed in an event", Step::event("data: {\"cho")),
        ] {
            let gate = Gate::shut();
            let script = Script::always(dying(dialect, &gate, last));
            let (gateway, _upstream) = behind(dialect, script, "").await;
            check_broken(&gateway, &gate, "upstream_broke_off", what).await;
        }
    }
}

#[tokio::test]
async fn a_stream_cut_in_any_way_over_http2_ends_well_for_the_client() {
    for dialect in ALL {
        for (what, last) in [("reset", Step::Reset), ("closed", Step::Close)] {
            let gate = Gate::shut();
            let script = Script::always(dying(dialect, &gate, last));
            let (gateway, _upstream) = behind_h2c(dialect, script, "").await;
            check_broken(&gateway, &gate, "upstream_broke_off", what).await;
        }
    }
}

#[tokio::test]
async fn a_stream_shorter_than_it_said_ends_well_for_the_client() {
    let gate = Gate::shut();
    let steps = vec![
        Step::Event(openai::opening()),
        Step::Event(openai::word("one two")),
        Step::Wait(gate.clone()),
        Step::Close,
    ];
    let headers = [("content-type", "text/event-stream"), ("content-length", "100000")];
    let script = Script::always(Reply::steps(200, &headers, steps));
    let (gateway, _upstream) = behind(Dialect::OpenAi, script, "").await;
    check_broken(&gateway, &gate, "upstream_broke_off", "short").await;
}

/// Field 10.
#[tokio::test]
async fn a_stream_that_falls_silent_ends_well_and_frees_the_upstream() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            let gate = Gate::shut();
            let script = Script::always(dying(dialect, &gate, Step::Wait(Gate::shut())));
            let more = "timeouts: {idle: 300ms}, ";
            let (gateway, upstream) = match over_h2c {
                false => behind(dialect, script, more).await,
                true => behind_h2c(dialect, script, more).await,
            };
            let started = Instant::now();
            check_broken(&gateway, &gate, "upstream_timeout", "silent").await;
            let took = started.elapsed();
            assert!(took >= Duration::from_millis(280), "gave up after {took:?}");
            assert!(took < Duration::from_secs(3), "gave up after {took:?}");
            soon(upstream.until(|seen| seen.gone == 1 && seen.in_flight == 0), "freed").await;
        }
    }
}

#[tokio::test]
async fn a_slow_stream_is_no_silent_one() {
    let script = Script::always(
        sse(Dialect::Anthropic.events(&["a", "b", "c", "d", "e"]))
            .slowly(Duration::from_millis(120)),
    );
    let (gateway, _upstream) =
        behind(Dialect::Anthropic, script, "timeouts: {idle: 400ms, first_byte: 400ms}, ").await;
    let stream = gateway.stream("m").await;
    assert_eq!(stream.content(), "abcde", "{}", stream.text);
    assert_eq!(stream.finish_reasons(), ["stop"]);
}

#[tokio::test]
async fn a_provider_s_error_in_a_stream_ends_it_well_and_says_why() {
    for dialect in ALL {
        let gate = Gate::shut();
        let event = Step::Event(dialect.overloaded_event("Too busy just now"));
        let (gateway, _upstream) =
            behind(dialect, Script::always(dying(dialect, &gate, event)), "").await;
        let code = match dialect {
            Dialect::OpenAi | Dialect::Anthropic => "overloaded",
            Dialect::Gemini => "UNAVAILABLE",
        };
        let error = check_broken(&gateway, &gate, code, "an error event").await;
        assert_eq!(error["message"], "Too busy just now", "{dialect:?}");
        assert_eq!(error["provider"], "up");
        // The log names the cause, not the words: they can quote a prompt.
        assert!(!gateway.log().contains("Too busy"));
    }
}

/// Sees an answer that failed before its first word: an error, or a stream that ends as one.
async fn check_nothing(dialect: Dialect, reply: Reply, status: u16, what: &str) {
    let (gateway, _upstream) = behind(dialect, Script::always(reply), "").await;
    let answer = soon(gateway.chat(&streaming(false)), what).await;
    assert_eq!(answer.status(), status, "{dialect:?}, {what}");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let error = answer.json::<Value>().await.unwrap()["error"].take();
    assert!(error["code"].is_string() && error["request_id"].is_string(), "{what}: {error}");
    assert!(gateway.access_log(1).await[0]["error"].is_string(), "{what}");
}

/// What only opens a stream waits for content, so there is still a status to say it with.
#[tokio::test]
async fn a_stream_that_fails_before_it_says_anything_is_an_error_with_a_status() {
    let page = Bytes::from_static(b"<html><body>Bad gateway</body></html>");
    for dialect in ALL {
        check_nothing(dialect, sse([]), 502, "empty").await;
        check_nothing(dialect, sse([page.clone()]), 502, "a page").await;
        let busy = match dialect {
            Dialect::OpenAi | Dialect::Gemini => 503,
            Dialect::Anthropic => 529,
        };
        check_nothing(dialect, sse([dialect.overloaded_event("Busy")]), busy, "an error").await;
        check_nothing(dialect, sse([Bytes::from_static(b": ping\n\n")]), 502, "comments").await;
    }
}

#[tokio::test]
async fn a_page_in_place_of_a_stream_is_a_bad_gateway() {
    for dialect in ALL {
        let html = [("content-type", "text/html")];
        let script = Script::always(Reply::whole(200, &html, "<html>Please log in</html>"));
        let (gateway, _upstream) = behind(dialect, script, "").await;
        let answer = gateway.chat(&streaming(false)).await;
        assert_eq!(answer.status(), 502, "{dialect:?}");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let error = answer.json::<Value>().await.unwrap()["error"].take();
        assert_eq!(error["code"], "upstream_malformed");
        assert!(!error.to_string().contains("log in"), "{error}");
        assert_eq!(gateway.access_log(1).await[0]["status"], 502);
    }
}

#[tokio::test]
async fn a_stream_of_no_bytes_at_all_is_a_bad_gateway() {
    for dialect in ALL {
        let events = [("content-type", "text/event-stream")];
        let script = Script::always(Reply::whole(200, &events, ""));
        let (gateway, _upstream) = behind(dialect, script, "").await;
        let answer = gateway.chat(&streaming(false)).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 502, "{dialect:?}: {text}");
        assert!(text.contains("upstream_broke_off"), "{text}");
    }
}

/// Field 2.
#[tokio::test]
async fn a_line_of_garbage_is_skipped_and_counted() {
    for (dialect, over_h2c) in ALL.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let garbage = match dialect {
            Dialect::OpenAi | Dialect::Gemini => "data: {\"choices\": [nonsense\n\n",
            Dialect::Anthropic => "event: content_block_delta\ndata: {\"index\": nonsense\n\n",
        };
        let mut events = dialect.opening();
        events.push(dialect.word("one"));
        events.push(Bytes::from_static(garbage.as_bytes()));
        events.push(dialect.word(" two"));
        events.extend(dialect.closing());
        // Before content it would be another matter: the client must have the first word.
        let gate = Gate::shut();
        gate.admit(dialect.opening().len() + 1);
        let script = Script::always(sse(events).paced(&gate));
        let (gateway, _upstream) = match over_h2c {
            false => behind(dialect, script, "").await,
            true => behind_h2c(dialect, script, "").await,
        };
        let mut answer = soon(gateway.chat(&streaming(false)), "the header").await;
        let mut text = String::new();
        read_until(&mut answer, &mut text, "one").await;
        gate.open();
        text += &answer.text().await.unwrap();
        let stream = Stream { status: 200, text };
        assert!(stream.is_done(), "{}", stream.text);
        assert_eq!(stream.content(), "one two");
        assert_eq!(stream.finish_reasons(), ["stop"]);
        gateway.access_log(1).await;
        let labels = ["provider=\"up\""];
        let counted = gateway.metric("penstock_stream_events_malformed_total", &labels).await;
        assert!((counted - 1.0).abs() < 0.1, "{dialect:?}, h2c {over_h2c}: {counted}");
    }
}

/// What only opens the answer is garbled: of whoever may answer instead, nothing is missing. If
/// nobody can, the stream goes on without it.
#[tokio::test]
async fn a_garbled_beginning_is_asked_for_again_once_and_then_skipped() {
    let garbage = || Bytes::from_static(b"data: {\"cho\n\n");
    for (dialect, over_h2c) in ALL.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let garbled = || {
            let events = [vec![garbage()], dialect.events(&["one", " two"])].concat();
            sse([events.concat().into()])
        };
        let sound = sse(dialect.events(&["three"]));
        for (replies, words, skipped, asked) in [
            (vec![garbled(), sound], "three", 1.0, 2),
            (vec![garbled()], "one two", 2.0, 2),
            (vec![sse([garbage(), "data: [DONE]\n\n".into()])], "", 0.0, 2),
        ] {
            let script = Script::sequence(replies);
            let (gateway, upstream) = match over_h2c {
                false => behind(dialect, script, "").await,
                true => behind_h2c(dialect, script, "").await,
            };
            let stream = gateway.stream("m").await;
            let what = format!("{dialect:?}, h2c {over_h2c}: {}", stream.text);
            if words.is_empty() {
                assert_eq!(stream.status, 502, "{what}");
                assert!(upstream.counts().requests >= asked, "{what}");
                continue;
            }
            assert_eq!((stream.content().as_str(), stream.is_done()), (words, true), "{what}");
            assert_eq!(stream.finish_reasons(), ["stop"], "{what}");
            assert_eq!(upstream.counts().requests, asked, "{what}");
            gateway.access_log(1).await;
            let counted = gateway.metric("penstock_stream_events_malformed_total", &[]).await;
            assert_eq!(counted, skipped, "{what}");
        }
    }
}

/// Field 15.
#[tokio::test]
async fn a_stream_that_gave_its_reason_to_end_is_complete_without_its_last_event() {
    for (dialect, missing) in [(Dialect::OpenAi, 1), (Dialect::OpenAi, 2), (Dialect::Anthropic, 1)]
    {
        let mut events = dialect.events(&["one", " two"]);
        events.truncate(events.len() - missing);
        let (gateway, _upstream) = behind(dialect, Script::always(sse(events)), "").await;
        let stream = gateway.stream("m").await;
        assert!(stream.is_done(), "{}", stream.text);
        assert_eq!(stream.text.matches("[DONE]").count(), 1);
        assert_eq!(stream.content(), "one two");
        assert_eq!(stream.finish_reasons(), ["stop"], "{dialect:?}: {}", stream.text);
        let line = gateway.access_log(1).await.remove(0);
        assert_eq!(line.get("error").filter(|it| !it.is_null()), None, "{line}");
    }
}

/// Field 18.
#[tokio::test]
async fn an_answer_begins_once_however_often_anthropic_says_so() {
    let mut events = Dialect::Anthropic.events(&["one"]);
    events.insert(1, events[0].clone());
    let script = Script::always(sse(events));
    let (gateway, _upstream) = behind(Dialect::Anthropic, script, "").await;
    let stream = gateway.stream("m").await;
    assert!(stream.is_done());
    assert_eq!(stream.content(), "one");
    assert_eq!(stream.text.matches("\"role\"").count(), 1, "{}", stream.text);
    assert_eq!(stream.finish_reasons(), ["stop"]);
}

#[tokio::test]
async fn the_next_request_is_served_after_a_stream_broke_off() {
    let dialect = Dialect::Gemini;
    let broken = sse(dialect.events(&["one"])).cut_after(1, Step::Reset);
    let script = Script::sequence(vec![broken, sse(dialect.events(&["fine"]))]);
    let (mut gateway, _upstream) = behind(dialect, script, "").await;
    assert_eq!(gateway.stream("m").await.finish_reasons(), ["error"]);
    // The gateway closes the connection of a stream that broke off.
    gateway.client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(gateway.stream("m").await.content(), "fine");
}

/// An upstream that has said everything may go as it likes.
#[tokio::test]
async fn a_cut_behind_the_reason_to_end_is_not_the_client_s_affair() {
    for (dialect, kept) in [(Dialect::OpenAi, 3), (Dialect::Anthropic, 6), (Dialect::Gemini, 2)] {
        let gate = Gate::shut();
        // In one piece: who has seen the word has seen the reason, even if it is held back.
        let piece = dialect.events(&["one"])[..kept].concat();
        let steps = vec![Step::event(piece), Step::Wait(gate.clone()), Step::Reset];
        let (gateway, _upstream) = behind(dialect, Script::always(Reply::sse(steps)), "").await;
        let mut answer = soon(gateway.chat(&streaming(false)), "the header").await;
        let mut text = String::new();
        read_until(&mut answer, &mut text, "one").await;
        gate.open();
        text += &answer.text().await.expect("a well-formed end");
        let stream = Stream { status: 200, text };
        assert!(stream.is_done(), "{dialect:?}: {}", stream.text);
        assert_eq!(stream.finish_reasons(), ["stop"], "{dialect:?}: {}", stream.text);
    }
}

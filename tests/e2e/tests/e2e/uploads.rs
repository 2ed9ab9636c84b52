//! Promise: what is uploaded in a form goes up while it comes in, whatever its size, and only the name
//! of its model is changed.

use std::time::Duration;

use serde_json::{Value, json};
use tests_mock::{MockUpstream, RefusingPort, Reply, Script, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::dialects::{Dialect, behind};
use crate::gateway::Gateway;
use crate::raw::Raw;

const FORM: &str = "multipart/form-data; boundary=b-1";
const MODEL: &str = "--b-1\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
const FILE: &str = "--b-1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
    content-type: audio/wav\r\n\r\n";
const END: &str = "\r\n--b-1--\r\n";

/// Bytes in which one that is lost, doubled or moved would be seen.
fn sound(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// A form with its model before or behind its file.
fn form(model_first: bool, length: usize) -> Vec<u8> {
    let (file, sound) = (FILE.as_bytes().to_vec(), sound(length));
    let pieces: [&[u8]; 4] = match model_first {
        true => [MODEL.as_bytes(), &file, &sound, END.as_bytes()],
        false => [
            &[&file[..], &sound, b"\r\n"].concat(),
            MODEL.trim_end().as_bytes(),
            b"",
            END.as_bytes(),
        ],
    };
    pieces.concat()
}

fn renamed(form: &[u8], to: &str) -> Vec<u8> {
    let old = b"\"model\"\r\n\r\nm\r\n";
    let at = form.windows(old.len()).position(|it| it == old).expect("it has a model");
    let new = format!("\"model\"\r\n\r\n{to}\r\n");
    [&form[..at], new.as_bytes(), &form[at + old.len()..]].concat()
}

fn heard() -> Script {
    Script::always(Reply::json(
        200,
        &[],
        &json!({"text": "Hello",
        "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 2}}),
    ))
}

async fn transcribe(gateway: &Gateway, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = gateway.client.post(gateway.url("/v1/audio/transcriptions"));
    request.header("content-type", FORM).body(body).send().await.unwrap()
}

#[track_caller]
fn assert_same(sent: &[u8], expected: &[u8]) {
    assert!(sent == expected, "{} bytes went up, {} should have", sent.len(), expected.len());
}

#[tokio::test]
async fn the_model_of_a_form_is_replaced_and_nothing_else() {
    for transport in [Transport::Http1, Transport::H2c] {
        let upstream = MockUpstream::start_as(heard(), transport).await.unwrap();
        let more = if matches!(transport, Transport::H2c) { "http_version: h2c," } else { "" };
        let gateway = Gateway::start(&Dialect::OpenAi.config(&upstream.url(), more)).await;
        // The second does not fit into what is read before it goes up.
        for (model_first, length) in [(true, 1000), (true, 300_000), (false, 1000)] {
            let form = form(model_first, length);
            let answer = transcribe(&gateway, form.clone()).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.json::<Value>().await.unwrap()["text"], "Hello");
            let sent = upstream.requests().pop().unwrap();
            assert_same(&sent.body, &renamed(&form, "gpt-4o"));
            assert_eq!(sent.header("content-type"), Some(FORM));
            let length = sent.body.len().to_string();
            assert_eq!(sent.header("content-length"), Some(length.as_str()));
        }
        let line = gateway.access_log(3).await.remove(2);
        assert_eq!((&line["model"], &line["input_tokens"]), (&json!("m"), &json!(14)), "{line}");
    }
}

#[tokio::test]
async fn a_form_without_a_length_goes_up_in_pieces() {
    let (gateway, upstream) = behind(Dialect::OpenAi, heard(), "").await;
    let form = form(true, 300_000);
    let mut client = Raw::open(&gateway).await;
    send_chunked(&mut client, &form).await;
    assert_eq!(client.answer().await.status, 200);
    let sent = upstream.requests().pop().unwrap();
    assert_same(&sent.body, &renamed(&form, "gpt-4o"));
    assert_eq!(sent.header("content-length"), None);
    assert!(client.is_served().await, "the connection lives on");
}

async fn send_chunked(client: &mut Raw, form: &[u8]) {
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: {FORM}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    client.send(head).await;
    for piece in form.chunks(50_000) {
        client.send(format!("{:x}\r\n", piece.len())).await;
        client.send(piece).await;
        client.send("\r\n").await;
    }
    client.send("0\r\n\r\n").await;
}

/// An upstream that reads only when it is told to, and says how much it read.
async fn slow_upstream() -> (String, oneshot::Sender<()>, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (go, wait) = oneshot::channel();
    let reading = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        wait.await.unwrap();
        let mut got = Vec::new();
        let end = END.as_bytes();
        while !got.ends_with(end) {
            assert_ne!(connection.read_buf(&mut got).await.unwrap(), 0, "the body is cut");
        }
        let body = r#"{"text":"Hello"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
        got
    });
    (url, go, reading)
}

fn kilobytes(gateway: &Gateway, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn fifty_megabytes_go_up_without_being_kept_and_a_slow_provider_makes_the_client_wait() {
    const LENGTH: usize = 50 << 20;
    let (url, go, reading) = slow_upstream().await;
    let gateway = Gateway::start(&Dialect::OpenAi.config(&url, "")).await;
    let form = form(true, LENGTH);
    let before = kilobytes(&gateway, "VmRSS:");
    let mut client = Raw::open(&gateway).await;
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: {FORM}\r\n\
         content-length: {}\r\n\r\n",
        form.len()
    );
    client.send(head).await;
    // Until nothing more is taken for a while: the sockets on the way are full.
    let mut taken = 0;
    let stuck = Duration::from_millis(500);
    while let Ok(wrote) = tokio::time::timeout(stuck, client.0.write(&form[taken..])).await {
        taken += wrote.unwrap();
        assert!(
            taken < LENGTH / 2,
            "{taken} bytes were taken of a client whose provider reads none"
        );
    }
    go.send(()).unwrap();
    client.send(&form[taken..]).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let got = reading.await.unwrap();
    let body = got.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    assert_same(&got[body..], &renamed(&form, "gpt-4o"));
    let most = kilobytes(&gateway, "VmHWM:").saturating_sub(before);
    assert!(most < 16 << 10, "{most} KiB more than before were in use for 50 MiB");
}

#[tokio::test]
async fn a_model_that_comes_too_late_is_named_in_a_header_or_left_to_the_only_provider() {
    let (gateway, upstream) = behind(Dialect::OpenAi, heard(), "").await;
    let late = form(false, 300_000);
    assert_eq!(transcribe(&gateway, late.clone()).await.status(), 200);
    assert_same(&upstream.requests()[0].body, &late);
    let two = MockUpstream::start(heard()).await.unwrap();
    let config = format!(
        "providers:\n- {}\n- {}\n",
        Dialect::OpenAi.provider("one", &upstream.url(), ""),
        Dialect::OpenAi.provider("two", &two.url(), ""),
    );
    let gateway = Gateway::start(&config).await;
    let answer = transcribe(&gateway, late.clone()).await;
    assert_eq!(answer.status(), 400);
    let said = answer.json::<Value>().await.unwrap()["error"].take();
    assert_eq!(said["param"], "model", "{said}");
    assert!(said["message"].as_str().unwrap().contains("x-penstock-model"), "{said}");
    let request = gateway.client.post(gateway.url("/v1/audio/transcriptions"));
    let request = request.header("content-type", FORM).header("x-penstock-model", "two/whisper-1");
    assert_eq!(request.body(late.clone()).send().await.unwrap().status(), 200);
    assert_same(&two.requests()[0].body, &late);
}

#[tokio::test]
async fn a_file_goes_up_to_the_account_that_files_live_in() {
    let script = Script::always(Reply::json(200, &[], &json!({"id": "file-1"})));
    let (gateway, upstream) = behind(Dialect::OpenAi, script, "").await;
    let form = form(false, 300_000);
    let request = gateway.client.post(gateway.url("/v1/files")).header("content-type", FORM);
    let answer = request.body(form.clone()).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["id"], "file-1");
    assert_same(&upstream.requests()[0].body, &form);
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused_before_or_while_it_goes_up() {
    let upstream = MockUpstream::start(heard()).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let gateway =
        Gateway::start(&format!("limits: {{request_body_bytes: 200KiB}}\n{config}")).await;
    let form = form(true, 900_000);
    assert_eq!(transcribe(&gateway, form.clone()).await.status(), 413);
    let mut client = Raw::open(&gateway).await;
    send_chunked(&mut client, &form).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"), "{answer:?}");
    assert_eq!(upstream.counts().requests, 0, "what is cut is not read as a request");
}

#[tokio::test]
async fn what_has_gone_up_goes_nowhere_else_and_what_has_not_does() {
    // Nothing of it has gone up when the connection is refused: somebody else gets it.
    let (refusing, working) =
        (RefusingPort::reserve().unwrap(), MockUpstream::start(heard()).await.unwrap());
    let config = |first: &str| {
        format!(
            "providers:\n- {}\n- {}\n\
             models: [{{name: m, targets: [{{provider: one, model: w-1}}, {{provider: two, model: w-2}}]}}]\n",
            Dialect::OpenAi.provider("one", first, ""),
            Dialect::OpenAi.provider("two", &working.url(), ""),
        )
    };
    let form = form(true, 300_000);
    let gateway = Gateway::start(&config(&format!("http://{}", refusing.address()))).await;
    assert_eq!(transcribe(&gateway, form.clone()).await.status(), 200);
    assert_same(&working.requests()[0].body, &renamed(&form, "w-2"));
    // Once it has, an error is final.
    let failing = Script::always(Reply::json(500, &[], &json!({"error": {"message": "no"}})));
    let failing = MockUpstream::start(failing).await.unwrap();
    let gateway = Gateway::start(&config(&failing.url())).await;
    assert_eq!(transcribe(&gateway, form.clone()).await.status(), 500);
    assert_eq!((failing.counts().requests, working.counts().requests), (1, 1));
    // A small one is kept, and goes on.
    let small = self::form(true, 1000);
    assert_eq!(transcribe(&gateway, small.clone()).await.status(), 200);
    assert_same(&working.requests()[1].body, &renamed(&small, "w-2"));
}

#[tokio::test]
async fn a_provider_that_dies_while_something_goes_up_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dying = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut got = vec![0; 100_000];
        connection.read_exact(&mut got).await.unwrap();
    });
    let gateway = Gateway::start(&Dialect::OpenAi.config(&url, "")).await;
    let answer = transcribe(&gateway, form(true, 4 << 20)).await;
    assert_eq!(answer.status(), 502);
    dying.await.unwrap();
}

#[tokio::test]
async fn a_provider_that_refuses_before_it_has_all_of_it_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refusing = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut got = vec![0; 1000];
        connection.read_exact(&mut got).await.unwrap();
        let body = r#"{"error":{"message":"The moon is full"}}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
        // What is still sent is taken and thrown away, as servers do.
        while connection.read(&mut got).await.is_ok_and(|read| read > 0) {}
    });
    let gateway = Gateway::start(&Dialect::OpenAi.config(&url, "")).await;
    let answer = transcribe(&gateway, form(true, 8 << 20)).await;
    assert_eq!(answer.status(), 400);
    let said = answer.json::<Value>().await.unwrap()["error"].take();
    assert_eq!(said["message"], "The moon is full", "{said}");
    drop(gateway);
    refusing.await.unwrap();
}

#[tokio::test]
async fn a_provider_that_takes_nothing_of_it_is_not_waited_for_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = Dialect::OpenAi.config(&url, "timeouts: {first_byte: 1s, idle: 1s},");
    let gateway = Gateway::start(&format!("limits: {{body_timeout: 4s}}\n{config}")).await;
    // It accepts, by its kernel, and never reads.
    let answer = transcribe(&gateway, form(true, 60 << 20)).await;
    assert_eq!(answer.status(), 504);
    drop(listener);
}

#[tokio::test]
async fn a_second_model_behind_the_file_is_seen_and_reaches_nobody() {
    let (gateway, upstream) = behind(Dialect::OpenAi, heard(), "").await;
    let mut form = form(true, 300_000);
    form.truncate(form.len() - END.len());
    form.extend_from_slice(
        ["\r\n", &MODEL.replace("\r\nm\r\n", "\r\nother"), END].concat().as_bytes(),
    );
    let answer = transcribe(&gateway, form).await;
    assert_eq!(answer.status(), 400);
    let said = answer.json::<Value>().await.unwrap()["error"].take();
    assert_eq!(said["param"], "model", "{said}");
    assert_eq!(upstream.counts().requests, 0, "what is cut is not read as a request");
}

#[tokio::test]
async fn a_form_goes_up_from_a_client_that_speaks_http_2() {
    let upstream = MockUpstream::start(heard()).await.unwrap();
    let config = Dialect::OpenAi.config(&upstream.url(), "");
    let listener = "listeners: [{address: \"{listen}\", h2c: true}]";
    let mut gateway = Gateway::start(&format!("{listener}\n{config}")).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    gateway.client = client.build().unwrap();
    for length in [1000, 300_000, 4 << 20] {
        let form = form(true, length);
        let answer = transcribe(&gateway, form.clone()).await;
        assert_eq!(
            (answer.status(), answer.version()),
            (reqwest::StatusCode::OK, reqwest::Version::HTTP_2)
        );
        assert_same(&upstream.requests().pop().unwrap().body, &renamed(&form, "gpt-4o"));
    }
    // One that is refused while it comes in does not disturb the next.
    let failing = Script::always(Reply::json(400, &[], &json!({"error": {"message": "no"}})));
    let (refusing, _upstream) = behind(Dialect::OpenAi, failing, "").await;
    assert_eq!(transcribe(&refusing, form(true, 4 << 20)).await.status(), 400);
}

#[tokio::test]
async fn a_form_that_is_none_or_names_two_models_is_refused() {
    let (gateway, upstream) = behind(Dialect::OpenAi, heard(), "").await;
    let twice = [MODEL, MODEL.trim_end(), END].concat();
    for (body, param) in [(twice, "model"), ("--b-1 and so on".to_owned(), "$")] {
        let answer = transcribe(&gateway, body).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["param"], param);
    }
    let request = gateway.client.post(gateway.url("/v1/audio/transcriptions"));
    let other = request.header("content-type", "audio/wav").body("RIFF").send().await.unwrap();
    assert_eq!(other.status(), 415);
    assert_eq!(upstream.counts().requests, 0);
}

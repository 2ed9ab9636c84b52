//! Promise: whatever goes wrong behind the gateway, the client's connection lives on, and the
//! request that it sends next is answered.

use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dialects::{ALL, Dialect, soon, sse};
use crate::gateway::{Gateway, Stream};
use crate::tls::{Authority, Files, url};

fn streaming() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

/// Sends a request on a connection and reads its answer to the end, and no further.
async fn ask(socket: &mut TcpStream, body: &Value) -> (String, String) {
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         x-session-id: s\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    loop {
        if let Some((head, body)) = seen.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let complete = match length {
                Some(length) => body.len() >= length.parse::<usize>().unwrap(),
                None => body.ends_with("0\r\n\r\n"),
            };
            if complete {
                return (head, body.to_owned());
            }
        }
        let mut piece = [0; 4096];
        let read = soon(socket.read(&mut piece), "the rest of the answer").await.unwrap();
        assert_ne!(read, 0, "the connection is closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
}

/// The first request meets `reply`, the second an answer, both on one connection.
async fn check(dialect: Dialect, over_h2c: bool, reply: Reply, more: &str, what: &str) -> String {
    let script = Script::sequence(vec![reply, sse(dialect.events(&["Good", " morning"]))]);
    let transport = if over_h2c { "http_version: h2c," } else { "" };
    let upstream = match over_h2c {
        false => MockUpstream::start(script).await.unwrap(),
        true => MockUpstream::start_as(script, tests_mock::Transport::H2c).await.unwrap(),
    };
    let config = dialect.config(&upstream.url(), &format!("{transport} {more}"));
    let gateway =
        Gateway::start(&format!("heartbeat: {{after: 120ms, every: 120ms}}\n{config}")).await;
    let what = format!("{dialect:?}, h2c {over_h2c}: {what}");
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let (head, first) = ask(&mut socket, &streaming()).await;
    assert!(!head.contains("connection: close"), "{what}: {head}");
    let (head, second) = ask(&mut socket, &streaming()).await;
    assert!(head.starts_with("http/1.1 200"), "{what}: {head}");
    assert!(second.contains("[DONE]") && second.contains("morning"), "{what}: {second}");
    // The silent stream is not left to itself.
    soon(upstream.until(|seen| seen.in_flight == 0), &what).await;
    first
}

#[tokio::test]
async fn a_stream_that_falls_silent_after_content_leaves_the_connection_open() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            let said = dialect.opening().len() + 1;
            let silent =
                sse(dialect.events(&["Good", "bye"])).cut_after(said, Step::Wait(Gate::shut()));
            let more = "timeouts: {idle: 300ms},";
            let first = check(dialect, over_h2c, silent, more, "silent in the middle").await;
            assert!(first.contains("Good") && first.contains("[DONE]"), "{first}");
            assert_eq!(first.matches("\"finish_reason\":\"error\"").count(), 1, "{first}");
        }
    }
}

#[tokio::test]
async fn a_request_that_fails_after_heartbeats_leaves_the_connection_open() {
    for dialect in ALL {
        for over_h2c in [false, true] {
            // One attempt only: the time for the whole request is over first.
            let more = "timeouts: {first_byte: 400ms, total: 400ms},";
            let first = check(dialect, over_h2c, Reply::hang(), more, "never answered").await;
            assert!(first.contains(": keep-alive") && first.contains("[DONE]"), "{first}");
            assert_eq!(first.matches("\"finish_reason\":\"error\"").count(), 1, "{first}");
        }
    }
}

#[tokio::test]
async fn an_error_with_a_status_leaves_the_connection_open() {
    let gate = Gate::shut();
    let nobody = MockUpstream::start(Script::always(Reply::close())).await.unwrap();
    let slow = MockUpstream::start(Script::always(
        Dialect::OpenAi.whole("Hej").after(Step::Wait(gate.clone())),
    ))
    .await
    .unwrap();
    let gateway = Gateway::start(&format!(
        "queue: {{requests: 0}}\n\
         providers: [{}, {{name: full, dialect: openai, base_url: \"{}/v1\", \
         accounts: [{{name: main, limits: {{concurrent: 1}}}}]}}]\n\
         models: [{{name: broken, targets: [{{provider: nobody, model: x}}]}}, \
         {{name: full, targets: [{{provider: full, model: x}}]}}]\n",
        Dialect::OpenAi.provider("nobody", &nobody.url(), ""),
        slow.url(),
    ))
    .await;
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let of = |model: &str, stream: bool| json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]});
    let taken = gateway.ask("full");
    let asking = async {
        slow.until(|seen| seen.in_flight == 1).await;
        for stream in [false, true] {
            for (model, status) in [("broken", "502"), ("full", "429")] {
                let (head, body) = ask(&mut socket, &of(model, stream)).await;
                assert!(head.starts_with(&format!("http/1.1 {status}")), "{model}: {head}");
                assert!(!head.contains("connection: close"), "{head}");
                let error: Value = serde_json::from_str(&body).unwrap();
                assert!(error["error"]["message"].is_string(), "{body}");
            }
        }
        gate.open();
    };
    let (taken, ()) = tokio::join!(taken, asking);
    assert_eq!(taken.status(), 200);
    // The place is given back a moment after the answer is complete.
    gateway.until_metric("penstock_account_requests_in_flight", &[], 0.0).await;
    let (head, _) = ask(&mut socket, &of("full", false)).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let failed = gateway.metric("penstock_requests_total", &["status=\"502\""]).await;
    assert!(failed > 1.5, "what was said is what is counted: {failed}");
}

#[tokio::test]
async fn over_http2_a_silent_stream_ends_and_its_neighbours_go_on() {
    let authority = Authority::new();
    let files = Files::of(&authority);
    let gate = Gate::shut();
    let events = || sse(Dialect::OpenAi.events(&["Good", " morning"]));
    let said = Dialect::OpenAi.opening().len() + 1;
    let calm = MockUpstream::start(Script::always(events().paced(&gate))).await.unwrap();
    let silent = events().cut_after(said, Step::Wait(Gate::shut()));
    let silent = MockUpstream::start(Script::sequence(vec![silent, events()])).await.unwrap();
    let gateway = Gateway::start(&format!(
        "listeners: [{{address: \"{{listen}}\", tls: {{cert_file: {}, key_file: {}}}}}]\n\
         providers: [{}, {}]\n\
         models: [{{name: calm, targets: [{{provider: calm, model: x}}]}}, \
         {{name: m, targets: [{{provider: silent, model: x}}]}}]\n",
        files.certificate.display(),
        files.key.display(),
        Dialect::OpenAi.provider("calm", &calm.url(), ""),
        Dialect::OpenAi.provider("silent", &silent.url(), "timeouts: {idle: 300ms},"),
    ))
    .await;
    let client = authority.client().pool_max_idle_per_host(1).build().unwrap();
    let ask = async |model: &str| {
        let mut body = streaming();
        body["model"] = model.into();
        let answer = client.post(url(&gateway)).json(&body).send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        answer
    };
    gate.admit(said);
    let neighbour = ask("calm").await;
    let broken = Stream::read(ask("m").await).await;
    assert!(broken.is_done());
    assert_eq!(broken.finish_reasons(), ["error"], "{}", broken.text);
    soon(silent.until(|seen| seen.in_flight == 0), "the silent upstream is free").await;
    assert_eq!(Stream::read(ask("m").await).await.content(), "Good morning");
    gate.open();
    assert_eq!(Stream::read(neighbour).await.content(), "Good morning");
}

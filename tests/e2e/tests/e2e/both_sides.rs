//! Promise: over HTTP/2 a provider may fail in every way in which it may over HTTP/1.1, and it costs
//! clients of either version the same: before content somebody else answers, after it the stream
//! ends well.
//!
//! The provider speaks HTTP/2, in each dialect; clients speak both versions.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, Transport};
use tokio::task::JoinSet;

use crate::deaths::{Cable, FOUND, PING, going_away};
use crate::dialects::{ALL, Dialect, sse};
use crate::gateway::Stream;
use crate::wire::{self, Doors, Version};

const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// What the client must get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ends {
    /// All of it from the other provider.
    Elsewhere,
    /// What came, and a well-formed end.
    Broken,
    /// All of it, but for what nobody can read.
    Whole,
}

use Ends::{Broken, Elsewhere, Whole};

/// What the provider does. The gate opens when the client has its first word.
fn faults(dialect: Dialect, gate: &Gate) -> Vec<(&'static str, Reply, Ends)> {
    let events = |events: Vec<Bytes>| events.into_iter().map(Step::Event).collect::<Vec<_>>();
    let opening = events(dialect.opening());
    let begun = |rest: Vec<Step>| {
        let word = [Step::Event(dialect.word("Good")), Step::Wait(gate.clone())];
        Reply::sse([opening.clone(), word.into(), rest].concat())
    };
    let unsaid = |last: Step| Reply::sse([opening.clone(), vec![last]].concat());
    let silence = || Step::Wait(Gate::shut());
    let page = Reply::whole(200, &[("content-type", "text/html")], "<html>Log in</html>");
    let rest = [vec![dialect.word(" bye")], dialect.closing()].concat();
    vec![
        ("a page", page, Elsewhere),
        ("a page that says it is a stream", sse([Bytes::from("<html>Log in</html>")]), Elsewhere),
        ("RST_STREAM before the header", Reply::reset(), Elsewhere),
        ("a close before the header", Reply::close(), Elsewhere),
        ("silence before the header", Reply::hang(), Elsewhere),
        ("RST_STREAM before the content", unsaid(Step::Reset), Elsewhere),
        ("a close before the content", unsaid(Step::Close), Elsewhere),
        ("silence before the content", unsaid(silence()), Elsewhere),
        (
            "an error before the content",
            unsaid(Step::Event(dialect.overloaded_event("No"))),
            Elsewhere,
        ),
        ("RST_STREAM", begun(vec![Step::Reset]), Broken),
        ("a close", begun(vec![Step::Close]), Broken),
        ("a cut event", begun(vec![Step::event("data: {\"cho"), Step::Close]), Broken),
        ("silence", begun(vec![silence()]), Broken),
        ("an error", begun(vec![Step::Event(dialect.overloaded_event("No"))]), Broken),
        ("the end of the body", begun(Vec::new()), Broken),
        (
            "a garbage line",
            begun([vec![Step::event("data: {\"x\": no\n\n")], events(rest)].concat()),
            Whole,
        ),
    ]
}

/// A gateway whose model `m` has two targets: `first`, over HTTP/2, and one that answers.
async fn doors(dialect: Dialect, first: &str, more: &str, settings: &str) -> (Doors, MockUpstream) {
    let good = MockUpstream::start(Dialect::OpenAi.answering("Good morning")).await.unwrap();
    let config = format!(
        "{settings}providers: [{}, {}]\nmodels: [{{name: m, targets: [\
         {{provider: first, model: {}}}, {{provider: good, model: y}}]}}]\n",
        dialect.provider("first", first, &format!("http_version: h2c, {more}")),
        Dialect::OpenAi.provider("good", &good.url(), ""),
        dialect.model(),
    );
    (Doors::open(&config).await, good)
}

/// Reads a stream to its end; tells of its first word.
async fn stream(doors: &Doors, version: Version, told: impl Fn()) -> Stream {
    let mut client = doors.client(version).await;
    let body: Value =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]});
    let answer = client.chat(&body).await.unwrap();
    let status = answer.status().as_u16();
    let (mut answer, mut text) = (answer.into_body(), String::new());
    while let Some(piece) = wire::next(&mut answer).await {
        let piece = piece.expect("a stream has a well-formed end");
        text.push_str(std::str::from_utf8(&piece).unwrap());
        if text.contains("Good") {
            told();
        }
    }
    Stream { status, text }
}

/// What is wrong with it.
fn wrong(stream: &Stream, ends: Ends) -> Option<String> {
    let (content, reason) = match ends {
        Elsewhere => ("Good morning", "stop"),
        Broken => ("Good", "error"),
        Whole => ("Good bye", "stop"),
    };
    let right = stream.status == 200
        && stream.content() == content
        && stream.finish_reasons() == [reason]
        && stream.is_done();
    (!right).then(|| format!("not {ends:?}: {}", stream.text))
}

#[tokio::test]
async fn every_fault_over_http2_costs_clients_of_both_versions_no_more_than_over_http1() {
    for dialect in ALL {
        for at in 0..faults(dialect, &Gate::shut()).len() {
            for version in VERSIONS {
                let gate = Gate::shut();
                let (what, reply, ends) = faults(dialect, &gate).swap_remove(at);
                let script = Script::always(reply);
                let upstream = MockUpstream::start_as(script, Transport::H2c).await.unwrap();
                let more = "timeouts: {first_byte: 400ms, idle: 400ms}, ";
                let (doors, good) = doors(dialect, &upstream.url(), more, "").await;
                let stream = stream(&doors, version, || gate.open()).await;
                let wrong = wrong(&stream, ends);
                assert_eq!(wrong, None, "{dialect:?}, {version:?}: {what}");
                let elsewhere = u64::from(ends == Elsewhere);
                assert_eq!(good.counts().requests, elsewhere, "{dialect:?}, {version:?}: {what}");
                assert!(
                    upstream
                        .requests()
                        .iter()
                        .all(|it| format!("{:?}", it.http_version) == "HTTP/2.0")
                );
            }
        }
    }
}

#[tokio::test]
async fn goaway_costs_clients_of_both_versions_no_more_than_a_close_in_every_dialect() {
    for (dialect, version) in ALL.into_iter().flat_map(|it| VERSIONS.map(|version| (it, version))) {
        for code in [0, 2, 11] {
            let said = [dialect.opening(), vec![dialect.word("Good")]].concat();
            let cases = [(None, 0, Elsewhere), (None, 1, Elsewhere), (Some(said), 1, Broken)];
            for (events, last, ends) in cases {
                let (first, _task) = going_away(events, last, code).await;
                let (doors, _good) = doors(dialect, &first, "", "").await;
                let stream = stream(&doors, version, || ()).await;
                let wrong = wrong(&stream, ends);
                assert_eq!(wrong, None, "{dialect:?}, {version:?}, code {code}, last {last}");
            }
        }
    }
}

/// All at the same time, since each takes seconds.
#[tokio::test]
async fn a_frozen_peer_is_found_by_ping_in_every_dialect_for_clients_of_both_versions() {
    let mut all = JoinSet::new();
    for (dialect, version) in ALL.into_iter().flat_map(|it| VERSIONS.map(|version| (it, version))) {
        for begun in [false, true] {
            all.spawn(freeze(dialect, version, begun));
        }
    }
    let wrong: Vec<String> = all.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn freeze(dialect: Dialect, version: Version, begun: bool) -> Option<String> {
    let what = format!("{dialect:?}, {version:?}, begun {begun}");
    let gate = Gate::shut();
    let reply = match begun {
        true => sse(dialect.events(&["Good", " bye"])).paced(&gate),
        false => Reply::hang(),
    };
    gate.admit(dialect.opening().len() + 1);
    let upstream = MockUpstream::start_as(Script::always(reply), Transport::H2c).await.unwrap();
    let cable = Cable::to(upstream.address.port()).await;
    let (doors, _good) = doors(dialect, &cable.url, "", PING).await;
    let cut = async {
        if !begun {
            upstream.until(|seen| seen.in_flight == 1).await;
            cable.freeze();
        }
        Instant::now()
    };
    let told = || {
        if begun {
            cable.freeze()
        }
    };
    let (stream, since) = tokio::join!(stream(&doors, version, told), cut);
    let took = since.elapsed();
    let in_time: Range<Duration> = Duration::ZERO..FOUND.end;
    wrong(&stream, if begun { Broken } else { Elsewhere })
        .or_else(|| (!in_time.contains(&took)).then(|| format!("found after {took:?}")))
        .map(|wrong| format!("{what}: {wrong}"))
}

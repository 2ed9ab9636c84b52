//! Promise: what HTTP/2 does not allow ends its connection, and nobody else notices.
//!
//! The cases are by the text of RFC 9113, one for each rule that a peer can break on purpose. Frames
//! are built here and not by a library, which would refuse to send them.

use crate::gateway::Gateway;
use crate::raw::Raw;

/// A header field of HTTP/2 as HPACK writes it without a table.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0, u8::try_from(name.len()).unwrap()];
    field.extend_from_slice(name.as_bytes());
    field.push(u8::try_from(value.len()).unwrap());
    field.extend_from_slice(value.as_bytes());
    field
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// With which every connection begins.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// `:status: 400` of HPACK's static table.
pub(crate) const STATUS_400: u8 = 0x8c;
/// `:status: 200`.
pub(crate) const STATUS_200: u8 = 0x88;
const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0xfa;
const ACK: u8 = 1;
const PADDED: u8 = 8;

async fn gateway() -> Gateway {
    Gateway::start(
        "listeners: [{address: \"{listen}\", h2c: true}]\n\
         providers: [{name: m, dialect: mock}]\n",
    )
    .await
}

/// The header block of a request that is answered with 200.
fn request() -> Vec<u8> {
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/healthz")];
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

fn setting(id: u8, value: u32) -> Vec<u8> {
    [&[0, id][..], &value.to_be_bytes()].concat()
}

/// The frames in `said`: kind, flags and payload.
fn frames(mut said: &[u8]) -> Vec<(u8, u8, &[u8])> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, rest @ ..] = said {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        frames.push((*kind, *flags, payload));
        said = after;
    }
    frames
}

#[tokio::test]
async fn a_frame_that_is_not_allowed_ends_its_connection() {
    let gateway = gateway().await;
    let whole = END_HEADERS | END_STREAM;
    let asked = |stream: u8| frame(HEADERS, whole, stream, &request());
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("4.2 a frame beyond the largest", frame(DATA, 0, 1, &[0; 16_385])),
        ("4.3 a header block that is no HPACK", frame(HEADERS, whole, 1, &[0x80])),
        ("5.1 DATA on a stream that was never opened", frame(DATA, 0, 1, b"x")),
        ("5.1 RST_STREAM on a stream that was never opened", frame(RST_STREAM, 0, 1, &[0; 4])),
        (
            "5.1 WINDOW_UPDATE on a stream that was never opened",
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        ),
        ("5.1.1 a stream of the server's", asked(2)),
        ("5.1.1 a stream that is lower than the last", [asked(5), asked(3)].concat()),
        ("6.1 DATA for the connection", frame(DATA, 0, 0, b"x")),
        (
            "6.1 padding that is longer than its frame",
            [frame(HEADERS, END_HEADERS, 1, &request()), frame(DATA, PADDED, 1, &[9, 0])].concat(),
        ),
        ("6.2 HEADERS for the connection", asked(0)),
        ("6.4 RST_STREAM for the connection", frame(RST_STREAM, 0, 0, &[0; 4])),
        ("6.4 RST_STREAM of another length", [asked(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
        ("6.5 SETTINGS for a stream", frame(SETTINGS, 0, 1, &[])),
        ("6.5 SETTINGS of another length", frame(SETTINGS, 0, 0, &[0; 5])),
        ("6.5 SETTINGS that acknowledge and say more", frame(SETTINGS, ACK, 0, &setting(3, 1))),
        ("6.5.2 neither push nor no push", frame(SETTINGS, 0, 0, &setting(2, 2))),
        ("6.5.2 a window that is too large", frame(SETTINGS, 0, 0, &setting(4, 1 << 31))),
        ("6.5.2 frames that are too small", frame(SETTINGS, 0, 0, &setting(5, 16_383))),
        ("6.6 PUSH_PROMISE of a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("6.7 PING for a stream", frame(PING, 0, 1, &[0; 8])),
        ("6.7 PING of another length", frame(PING, 0, 0, &[0; 7])),
        ("6.8 GOAWAY for a stream", frame(GOAWAY, 0, 1, &[0; 8])),
        ("6.9 a window that grows by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("6.9 WINDOW_UPDATE of another length", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        (
            "6.9.1 a window that grows beyond its largest",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
        ),
        ("6.10 CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &request())),
        (
            "6.10 another frame within a header block",
            [frame(HEADERS, END_STREAM, 1, &request()), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
    ];
    for (rule, sent) in broken {
        let mut connection = Raw::open(&gateway).await;
        connection.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &sent].concat()).await;
        let said = connection.until_closed().await;
        // With the reason, unless the other end was gone before it was written.
        let reasons = frames(&said).into_iter().filter(|(kind, ..)| *kind == GOAWAY);
        for (_, _, payload) in reasons {
            assert_ne!(payload[4..8], [0; 4], "{rule}: {}", said.escape_ascii());
        }
    }
    assert!(Raw::open(&gateway).await.is_served().await);
}

#[tokio::test]
async fn what_is_not_known_is_passed_over_and_a_ping_is_answered() {
    let gateway = gateway().await;
    let mut connection = Raw::open(&gateway).await;
    let sent = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[setting(0xfa, 1), setting(4, 70_000)].concat()),
        &frame(UNKNOWN, 0xff, 0, b"whatever"),
        &frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 16]),
        &frame(PING, 0, 0, b"12345678"),
        &frame(HEADERS, END_STREAM, 1, &request()[..20]),
        &frame(CONTINUATION, END_HEADERS, 1, &request()[20..]),
        &frame(GOAWAY, 0, 0, &[0; 8]),
    ];
    connection.send(sent.concat()).await;
    let said = connection.until_closed().await;
    let frames = frames(&said);
    assert!(frames.contains(&(PING, ACK, b"12345678")), "{}", said.escape_ascii());
    let header = frames.iter().find(|(kind, ..)| *kind == HEADERS).unwrap();
    assert_eq!(header.2[0], STATUS_200);
}

#[tokio::test]
async fn a_header_block_without_an_end_is_not_collected() {
    let gateway = gateway().await;
    let mut connection = Raw::open(&gateway).await;
    let begun = frame(HEADERS, END_STREAM, 1, &request());
    connection.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &begun].concat()).await;
    let more: Vec<u8> = literal("x-a", &"y".repeat(100)).repeat(150);
    let more = frame(CONTINUATION, 0, 1, &more);
    // 64 MiB, unless it is told to stop.
    let flood = async {
        for _ in 0..4096 {
            if tokio::io::AsyncWriteExt::write_all(&mut connection.0, &more).await.is_err() {
                return true;
            }
        }
        false
    };
    assert!(flood.await, "it listens for ever");
    assert!(Raw::open(&gateway).await.is_served().await);
}

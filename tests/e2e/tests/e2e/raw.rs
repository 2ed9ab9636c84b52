//! A client that sends exactly these bytes, right or wrong.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::gateway::{Gateway, PATIENCE};

/// A connection to a gateway.
pub(crate) struct Raw(pub(crate) TcpStream);

/// An answer of HTTP/1.1 with a length.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The code of the error in OpenAI's envelope.
    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Raw {
    pub(crate) async fn open(gateway: &Gateway) -> Self {
        Self(TcpStream::connect(gateway.address()).await.unwrap())
    }

    /// From another address of this machine.
    pub(crate) async fn open_from(from: &str, gateway: &Gateway) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let (_, port) = gateway.address();
        Self(socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap())
    }

    /// Fails if the other end is gone, which is for the test to notice by what it reads.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Sends one byte after the other, `every` so often, until the other end has closed; gives what
    /// it said.
    pub(crate) async fn drip(self, bytes: &[u8], every: Duration) -> Vec<u8> {
        let (mut read, mut write) = self.0.into_split();
        let dripping = async {
            for byte in bytes.iter().cycle() {
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(every).await;
            }
            std::future::pending::<()>().await;
        };
        let mut said = Vec::new();
        let reading = async {
            // A reset is an end too: it was still being sent to.
            let _ = read.read_to_end(&mut said).await;
        };
        tokio::select! {
            () = dripping => {}
            () = reading => {}
            () = tokio::time::sleep(PATIENCE) => panic!("it is never closed"),
        }
        said
    }

    /// Everything until the other end closes.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut said)).await;
        let _reset = read.expect("it is never closed");
        said
    }

    /// The next answer on a connection that may go on.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut said = Vec::new();
        loop {
            if let Some((answer, rest)) = parse(&said) {
                assert!(rest.is_empty(), "more than one answer");
                return answer;
            }
            let more = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut said)).await;
            assert!(matches!(more, Ok(Ok(1..))), "closed after {}", said.escape_ascii());
        }
    }

    /// Whether the connection serves one more request.
    pub(crate) async fn is_served(&mut self) -> bool {
        self.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        self.answer().await.status == 200
    }
}

/// All answers that `said` consists of; panics if it is anything else.
pub(crate) fn answers(mut said: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !said.is_empty() {
        let (answer, rest) =
            parse(said).unwrap_or_else(|| panic!("not framed: {}", said.escape_ascii()));
        answers.push(answer);
        said = rest;
    }
    answers
}

fn parse(said: &[u8]) -> Option<(Answer, &[u8])> {
    let end = said.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&said[..end]).unwrap().to_owned();
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    })?;
    let body = said.get(end..end + length)?.to_vec();
    Some((Answer { status, head, body }, &said[end + length..]))
}

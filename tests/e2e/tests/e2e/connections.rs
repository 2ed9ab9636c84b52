//! Promise: a client's connection outlives what goes wrong behind it.

use bytes::Bytes;
use serde_json::json;
use tests_mock::{Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dialects::{ALL, behind, sse};
use crate::gateway::Gateway;

/// A connection of HTTP/1.1 that is used again and again.
struct Connection(TcpStream);

impl Connection {
    async fn open(gateway: &Gateway) -> Self {
        Self(TcpStream::connect(gateway.address()).await.unwrap())
    }

    /// Asks, and reads a chunked answer to its end.
    async fn stream(&mut self) -> String {
        let body = json!({
            "model": "m",
            "stream": true,
            "messages": [{"role": "user", "content": "Hello"}],
        })
        .to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            let read = self.0.read_buf(&mut answer).await.unwrap();
            let so_far = String::from_utf8_lossy(&answer);
            assert_ne!(read, 0, "the connection was closed after\n{so_far}");
        }
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn a_connection_outlives_a_stream_that_broke_off() {
    for dialect in ALL {
        let said = dialect.opening().len() + 1;
        let script = Script::new(move |_, attempt| match attempt {
            0 => sse(dialect.events(&["Good", " morning"])).cut_after(said, Step::Reset),
            1 => sse(dialect.events(&["Good", " morning"]))
                .cut_after(said, Step::CutChunk(Bytes::from_static(b"data: {\"cho"))),
            _ => sse(dialect.events(&["Good", " morning"])),
        });
        let (gateway, _upstream) = behind(dialect, script, "").await;
        let mut connection = Connection::open(&gateway).await;
        for _ in 0..2 {
            let broken = connection.stream().await;
            assert!(broken.contains(r#""finish_reason":"error""#), "{dialect:?}: {broken}");
            assert!(broken.contains("data: [DONE]"), "{dialect:?}: {broken}");
        }
        let whole = connection.stream().await;
        assert!(whole.starts_with("HTTP/1.1 200"), "{dialect:?}: {whole}");
        assert!(!whole.contains(r#""finish_reason":"error""#), "{dialect:?}: {whole}");
    }
}

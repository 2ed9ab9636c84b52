//! HTTP/1.1 by hand: a library would not let us cut a chunk in half or send garbage.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};

use crate::ledger::{InFlight, Recorded};
use crate::script::{Content, Reply, Step};
use crate::upstream::{Host, OverTcp};

const MAX_HEADERS: usize = 128;

/// How a reply leaves the connection.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    KeepAlive,
    Close,
    Reset,
}

/// Serves one connection until the client closes it or the script does.
pub(crate) async fn serve<S>(io: S, connection: u64, host: &Host) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + OverTcp + Send + Unpin,
{
    let (reader, mut writer) = tokio::io::split(io);
    let mut inlet = Inlet { reader, pending: BytesMut::new() };
    loop {
        let Some(head) = inlet.read_head().await? else { return Ok(()) };
        if head.expects_continue() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = inlet.read_body(&head.headers).await?;
        let request = head.with_body(body, connection);
        let closes = request.header("connection") == Some("close");
        let (attempt, in_flight) = host.ledger.receive(request.clone());
        let reply = host.script.decide(&request, attempt);
        let end = tokio::select! {
            end = play(&mut writer, &reply, &in_flight) => end?,
            () = inlet.departed() => return Ok(()),
        };
        in_flight.played();
        match end {
            End::KeepAlive if !closes => {}
            End::KeepAlive | End::Close => return writer.shutdown().await,
            End::Reset => return inlet.reader.unsplit(writer).tcp().set_zero_linger(),
        }
    }
}

struct Inlet<S> {
    reader: ReadHalf<S>,
    /// What was read and not yet used.
    pending: BytesMut,
}

struct Head {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl<S: AsyncRead + AsyncWrite> Inlet<S> {
    /// The next head, or `None` if the connection ended between requests.
    async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, length)) = parse_head(&self.pending)? {
                self.pending.advance(length);
                return Ok(Some(head));
            }
            if self.reader.read_buf(&mut self.pending).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn read_body(&mut self, headers: &HeaderMap) -> io::Result<Bytes> {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return self.read_chunks().await;
        }
        let length = match headers.get(header::CONTENT_LENGTH) {
            None => 0,
            Some(length) => length.to_str().ok().and_then(|it| it.parse().ok()).ok_or_else(odd)?,
        };
        self.take(length).await
    }

    async fn read_chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let (line, length) = match httparse::parse_chunk_size(&self.pending) {
                Ok(httparse::Status::Complete(sized)) => sized,
                Ok(httparse::Status::Partial) => {
                    self.more().await?;
                    continue;
                }
                Err(_) => return Err(odd()),
            };
            self.pending.advance(line);
            let length = usize::try_from(length).map_err(|_| odd())?;
            body.extend_from_slice(&self.take(length).await?);
            // Trailers are not expected, so an empty line follows the last chunk as any other.
            self.take(2).await?;
            if length == 0 {
                return Ok(body.freeze());
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.pending.len() < length {
            self.more().await?;
        }
        Ok(self.pending.split_to(length).freeze())
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.reader.read_buf(&mut self.pending).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Returns when the client closed its side. What it sends meanwhile is kept.
    async fn departed(&mut self) {
        while matches!(self.reader.read_buf(&mut self.pending).await, Ok(1..)) {}
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    let target = parsed.path.unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let mut headers = HeaderMap::new();
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(io::Error::other)?;
        headers.append(name, HeaderValue::from_bytes(header.value).map_err(io::Error::other)?);
    }
    let method = method.map_err(io::Error::other)?;
    Ok(Some((Head { method, path: path.to_owned(), query, headers }, length)))
}

impl Head {
    fn expects_continue(&self) -> bool {
        self.headers.get(header::EXPECT).is_some_and(|expected| expected == "100-continue")
    }

    fn with_body(self, body: Bytes, connection: u64) -> Recorded {
        let Self { method, path, query, headers } = self;
        let http_version = Version::HTTP_11;
        Recorded { method, path, query, headers, body, http_version, connection }
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the request's length cannot be told")
}

async fn play(
    writer: &mut (impl AsyncWrite + Unpin),
    reply: &Reply,
    in_flight: &InFlight<'_>,
) -> io::Result<End> {
    for step in &reply.before {
        if let Some(end) = pause(step).await {
            return Ok(end);
        }
    }
    match &reply.content {
        Content::Whole(status, headers, body) => {
            let mut bytes =
                write_head(*status, headers, &format!("content-length: {}", body.len()));
            bytes.extend_from_slice(body);
            writer.write_all(&bytes).await?;
            Ok(after_body(headers))
        }
        Content::Steps(status, headers, steps) => {
            let chunked = !headers.contains_key(header::CONTENT_LENGTH);
            let framing = if chunked { "transfer-encoding: chunked" } else { "" };
            writer.write_all(&write_head(*status, headers, framing)).await?;
            for step in steps {
                if let Some(end) = play_step(writer, step, chunked).await? {
                    return Ok(end);
                }
                if let Step::Event(bytes) = step {
                    in_flight.sent(bytes.len());
                }
            }
            if chunked {
                writer.write_all(b"0\r\n\r\n").await?;
            }
            match steps.iter().any(|step| matches!(step, Step::GoAway)) {
                true => Ok(End::Close),
                false => Ok(after_body(headers)),
            }
        }
        Content::Raw(bytes) => {
            writer.write_all(bytes).await?;
            Ok(End::Close)
        }
        Content::Nothing => Ok(End::Close),
    }
}

async fn play_step(
    writer: &mut (impl AsyncWrite + Unpin),
    step: &Step,
    chunked: bool,
) -> io::Result<Option<End>> {
    match step {
        Step::Event(bytes) if chunked => write_chunk(writer, bytes, bytes.len(), "\r\n").await?,
        Step::Event(bytes) => {
            writer.write_all(bytes).await?;
            writer.flush().await?;
        }
        Step::CutChunk(bytes) => {
            write_chunk(writer, bytes, 2 * bytes.len().max(1), "").await?;
            return Ok(Some(End::Close));
        }
        Step::Delay(_) | Step::Wait(_) | Step::Reset | Step::Close | Step::GoAway => {
            return Ok(pause(step).await);
        }
    }
    Ok(None)
}

/// A step that sends nothing.
async fn pause(step: &Step) -> Option<End> {
    match step {
        Step::Delay(length) => tokio::time::sleep(*length).await,
        Step::Wait(gate) => gate.wait().await,
        Step::Reset => return Some(End::Reset),
        Step::Close => return Some(End::Close),
        Step::Event(_) | Step::CutChunk(_) | Step::GoAway => {}
    }
    None
}

async fn write_chunk(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    announced: usize,
    tail: &str,
) -> io::Result<()> {
    let mut chunk = format!("{announced:x}\r\n").into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(tail.as_bytes());
    writer.write_all(&chunk).await?;
    writer.flush().await
}

fn write_head(status: StatusCode, headers: &HeaderMap, framing: &str) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if !framing.is_empty() {
        bytes.extend_from_slice(framing.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn after_body(headers: &HeaderMap) -> End {
    match headers.get(header::CONNECTION) {
        Some(value) if value == "close" => End::Close,
        _ => End::KeepAlive,
    }
}

//! The built-in provider: an upstream like any other, but inside this process.
//!
//! It sits behind Pingora's connector, so a request to it walks the whole path of a request:
//! pool, filters, streaming. It speaks OpenAI's dialect and needs no key and no network.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use adapters_canonical::chat::ChatRequest;
use adapters_canonical::dialect::{AnswerContext, StreamEncoder};
use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::operation::CountIngress;
use adapters_openai::embedding;
use adapters_openai::ingress::{self, ChatStreamEncoder};
use adapters_responses::count::InputTokens;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora::connectors::L4Connect;
use pingora::http::ResponseHeader;
use pingora::protocols::Stream as BoxedStream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Between two words, so that a stream looks like one.
const PACE: Duration = Duration::from_millis(12);
/// What either side of the connection may have in flight.
const BUFFER: usize = 64 << 10;

/// Connects to the mock.
#[derive(Debug)]
pub(crate) struct MockConnector;

#[async_trait]
impl L4Connect for MockConnector {
    async fn connect(&self, _: &SocketAddr) -> Result<Stream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        tokio::spawn(async move {
            if let Err(error) = serve(theirs).await {
                tracing::debug!(%error, "the mock's client went away");
            }
        });
        Ok(VirtualSocketStream::new(Box::new(InMemory(ours))).into())
    }
}

#[derive(Debug)]
struct InMemory(DuplexStream);

impl AsyncRead for InMemory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for InMemory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl VirtualSocket for InMemory {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

async fn serve(stream: DuplexStream) -> Result<()> {
    let stream: Stream = VirtualSocketStream::new(Box::new(InMemory(stream))).into();
    let mut session = ServerSession::new_http1(Box::new(stream) as BoxedStream);
    if !session.read_request().await? {
        return Ok(());
    }
    // Pingora's pool tells connections apart by their sockets, and these have none.
    session.set_keepalive(None);
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await? {
        body.extend_from_slice(&piece);
    }
    match session.req_header().uri.path() {
        "/embeddings" => {
            let answer = embedding::decode_request(&body).map(|asked| {
                embedding::encode_response(&asked.value, &adapters_mock::embed(&asked.value))
            });
            return answer_or_refuse(session, answer).await;
        }
        "/responses/input_tokens" => {
            let asked = InputTokens.decode_request(&body, &Envelope::default());
            let count = asked.map(|asked| adapters_mock::input_tokens(&asked.value));
            let answer = count.map(|count| InputTokens.encode_response(count));
            return answer_or_refuse(session, answer).await;
        }
        _ => {}
    }
    match ingress::decode_request(&body) {
        Ok(request) if request.value.stream.is_some() => {
            answer_streamed(session, &request.value).await
        }
        Ok(request) => {
            let context = AnswerContext { created: now(), ..AnswerContext::default() };
            let answer = ingress::encode_response(&adapters_mock::answer(&request.value), &context);
            answer_whole(session, 200, answer.value).await
        }
        Err(error) => answer_or_refuse(session, Err(error)).await,
    }
}

async fn answer_or_refuse(
    session: ServerSession,
    answer: std::result::Result<Vec<u8>, DecodeError>,
) -> Result<()> {
    match answer {
        Ok(body) => answer_whole(session, 200, body).await,
        Err(error) => {
            let answer = ingress::encode_failure(&Failure::BodyMalformed(error), "");
            answer_whole(session, answer.status, answer.body).await
        }
    }
}

async fn answer_whole(mut session: ServerSession, status: u16, body: Vec<u8>) -> Result<()> {
    let mut header = ResponseHeader::build(status, Some(2))?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("content-length", body.len())?;
    session.write_response_header(Box::new(header)).await?;
    write(&mut session, body).await?;
    session.finish_body().await?;
    session.shutdown().await;
    Ok(())
}

async fn answer_streamed(mut session: ServerSession, request: &ChatRequest) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(2))?;
    header.insert_header("content-type", "text/event-stream")?;
    header.insert_header("transfer-encoding", "chunked")?;
    session.write_response_header(Box::new(header)).await?;
    let context = AnswerContext {
        created: now(),
        include_usage: request.stream.is_some_and(|stream| stream.include_usage),
        ..AnswerContext::default()
    };
    let mut encoder = ChatStreamEncoder::new(context);
    for delta in adapters_mock::deltas(&adapters_mock::answer(request)) {
        let mut out = Vec::new();
        encoder.push(&delta, &mut out);
        if !out.is_empty() {
            write(&mut session, out).await?;
            tokio::time::sleep(PACE).await;
        }
    }
    let mut out = Vec::new();
    encoder.finish(&mut out);
    write(&mut session, out).await?;
    session.finish_body().await?;
    session.shutdown().await;
    Ok(())
}

async fn write(session: &mut ServerSession, bytes: Vec<u8>) -> Result<()> {
    session.write_response_body(Bytes::from(bytes), false).await
}

fn now() -> u64 {
    crate::clock::unix_seconds()
}

//! HTTP/2 over `h2`, whose streams can be reset and watched for the client's own reset.

use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

use crate::ledger::{InFlight, Recorded};
use crate::script::{Content, Step};
use crate::upstream::Host;

/// A reset throws away the frames that are still queued, and nothing tells when they were written:
/// they get this long.
const FLUSH: Duration = Duration::from_millis(20);

/// How a reply may leave its stream before its proper end.
enum End {
    Close,
    Reset,
}

/// What a stream has its connection do.
enum Order {
    /// Close, at once.
    HangUp,
    /// Take no more streams, and close when there are none.
    GoAway,
}

/// Serves one connection until the client closes it or the script does.
pub(crate) async fn serve<S>(io: S, connection: u64, host: &Host) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut h2 = h2::server::handshake(io).await.map_err(io::Error::other)?;
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = h2.accept() => accepted,
            order = ordered.recv() => match order {
                Some(Order::GoAway) => {
                    h2.graceful_shutdown();
                    continue;
                }
                Some(Order::HangUp) | None => return Ok(()),
            },
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted.map_err(io::Error::other)?;
        let (host, orders) = (host.clone(), orders.clone());
        streams.spawn(async move {
            // A client that left is in the ledger; nothing else is to be done about it.
            let _ended = answer(request, respond, connection, &host, &orders).await;
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: u64,
    host: &Host,
    orders: &UnboundedSender<Order>,
) -> Result<(), h2::Error> {
    let request = record(request, connection).await?;
    let (attempt, in_flight) = host.ledger.receive(request.clone());
    let reply = host.script.decide(&request, attempt);
    for step in &reply.before {
        let end = tokio::select! {
            end = pause(step) => end,
            gone = poll_fn(|cx| respond.poll_reset(cx)) => return Err(gone?.into()),
        };
        if let Some(end) = end {
            in_flight.played();
            match end {
                End::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
                End::Close => close(orders).await,
            }
            return Ok(());
        }
    }
    match &reply.content {
        Content::Whole(status, headers, body) => {
            let mut stream = respond.send_response(head(*status, headers), false)?;
            stream.send_data(body.clone(), true)?;
            in_flight.played();
        }
        Content::Steps(status, headers, steps) => {
            let mut stream = respond.send_response(head(*status, headers), false)?;
            let end = play(&mut stream, steps, orders, &in_flight).await?;
            in_flight.played();
            match end {
                None => stream.send_data(Bytes::new(), true)?,
                Some(End::Reset) => stream.send_reset(Reason::INTERNAL_ERROR),
                Some(End::Close) => close(orders).await,
            }
        }
        Content::Raw(_) | Content::Nothing => {
            in_flight.played();
            close(orders).await;
        }
    }
    Ok(())
}

/// Has the connection closed. Never returns, because letting go of a stream would reset it first.
async fn close(orders: &UnboundedSender<Order>) {
    // A connection that has gone needs no orders.
    let _gone = orders.send(Order::HangUp);
    pending().await
}

async fn record(request: Request<RecvStream>, connection: u64) -> Result<Recorded, h2::Error> {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.data().await {
        let frame = frame?;
        incoming.flow_control().release_capacity(frame.len())?;
        body.extend_from_slice(&frame);
    }
    Ok(Recorded {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: body.freeze(),
        http_version: head.version,
        connection,
    })
}

/// Plays the body; fails when the client resets the stream. `None` means to the end.
async fn play(
    stream: &mut SendStream<Bytes>,
    steps: &[Step],
    orders: &UnboundedSender<Order>,
    in_flight: &InFlight<'_>,
) -> Result<Option<End>, h2::Error> {
    for step in steps {
        match step {
            Step::Event(bytes) | Step::CutChunk(bytes) => {
                send(stream, bytes.clone()).await?;
                in_flight.sent(bytes.len());
            }
            Step::GoAway => {
                let _gone = orders.send(Order::GoAway);
            }
            Step::Delay(_) | Step::Wait(_) | Step::Reset | Step::Close => {}
        }
        let end = tokio::select! {
            end = pause(step) => end,
            gone = poll_fn(|cx| stream.poll_reset(cx)) => return Err(gone?.into()),
        };
        if end.is_some() {
            return Ok(end);
        }
    }
    Ok(None)
}

/// Sends these bytes as the client's windows let them through: one frame if there is room.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return Err(poll_fn(|cx| stream.poll_reset(cx)).await?.into());
        };
        stream.send_data(bytes.split_to(room?.min(bytes.len())), false)?;
    }
    Ok(())
}

/// What a step does besides sending bytes.
async fn pause(step: &Step) -> Option<End> {
    match step {
        Step::Event(_) | Step::GoAway => {}
        Step::Delay(length) => tokio::time::sleep(*length).await,
        Step::Wait(gate) => gate.wait().await,
        Step::Reset => {
            tokio::time::sleep(FLUSH).await;
            return Some(End::Reset);
        }
        Step::Close | Step::CutChunk(_) => {
            tokio::time::sleep(FLUSH).await;
            return Some(End::Close);
        }
    }
    None
}

fn head(status: StatusCode, headers: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers.clone();
    response
}

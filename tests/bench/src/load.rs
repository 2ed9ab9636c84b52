//! What the clients do: whole requests, streams, and streams that are merely held open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::answer::{Inlet, Stamps};
use crate::now;

/// Failures after which a client gives up.
const PATIENCE: u64 = 20;

/// A request, written out, and where to send it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The server under test.
    pub address: SocketAddr,
    /// Head and body as they go onto the wire.
    pub bytes: Arc<[u8]>,
}

impl Request {
    /// POSTs this JSON to a path.
    #[must_use]
    pub fn post(address: SocketAddr, path: &str, body: &str) -> Self {
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer bench\r\n\
             content-type: application/json\r\naccept: */*\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { address, bytes: bytes.into_bytes().into() }
    }
}

/// What a run of clients saw.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests answered 200, to their end.
    pub answered: u64,
    /// Requests answered otherwise, or not to their end.
    pub failed: u64,
    /// What was timed, in nanoseconds, sorted: whole requests, or an event from being written by
    /// the upstream to its arrival here.
    pub timings: Vec<u64>,
    /// How long the run took.
    pub elapsed: Duration,
    /// Why the last failure was one.
    pub complaint: Option<String>,
}

impl Tally {
    /// The timing that this share of all stay below, in nanoseconds; `None` without any.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.timings.len().checked_sub(1)?;
        let at = (last as f64 * share).round() as usize;
        self.timings.get(at).map(|nanos| *nanos as f64)
    }

    fn join(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.timings.extend(other.timings);
        self.complaint = other.complaint.or(self.complaint.take());
    }

    fn note(&mut self, outcome: io::Result<u16>) -> bool {
        match outcome {
            Ok(200) => {
                self.answered += 1;
                return true;
            }
            Ok(status) => self.complaint = Some(format!("status {status}")),
            Err(failure) => self.complaint = Some(failure.to_string()),
        }
        self.failed += 1;
        false
    }
}

/// Sends a request again and again over that many connections, for that long, and times each from
/// its first byte out to its last byte in.
pub async fn whole(request: &Request, clients: usize, length: Duration) -> Tally {
    run(request, clients, length, async |client, request, tally| {
        let start = now();
        let outcome = client.exchange(request, |_, _| true).await;
        if tally.note(outcome) {
            tally.timings.push(now() - start);
        }
    })
    .await
}

/// Like [`whole`] for a request that is answered with a stream of stamped events, and times each
/// event. A stream that has begun is read to its end.
pub async fn streamed(request: &Request, clients: usize, length: Duration) -> Tally {
    run(request, clients, length, async |client, request, tally| {
        let mut stamps = Stamps::default();
        let timings = &mut tally.timings;
        let outcome = client
            .exchange(request, |piece, arrived| {
                stamps.scan(piece, |stamp| timings.push(arrived.saturating_sub(stamp)));
                true
            })
            .await;
        tally.note(outcome);
    })
    .await
}

async fn run(
    request: &Request,
    clients: usize,
    length: Duration,
    step: impl AsyncFn(&mut Client, &Request, &mut Tally) + Copy + 'static,
) -> Tally {
    let start = now();
    let deadline = start + u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let mut tasks = tokio::task::LocalSet::new();
    let (results, mut collected) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..clients {
        let (request, results) = (request.clone(), results.clone());
        tasks.spawn_local(async move {
            let (mut client, mut tally) = (Client::default(), Tally::default());
            while now() < deadline && tally.failed < PATIENCE {
                step(&mut client, &request, &mut tally).await;
            }
            results.send(tally).ok();
        });
    }
    drop(results);
    (&mut tasks).await;
    let mut all = Tally::default();
    while let Ok(tally) = collected.try_recv() {
        all.join(tally);
    }
    all.timings.sort_unstable();
    all.elapsed = Duration::from_nanos(now() - start);
    all
}

/// One connection, opened when it is needed.
#[derive(Debug, Default)]
struct Client(Option<(TcpStream, Inlet)>);

impl Client {
    async fn exchange(
        &mut self,
        request: &Request,
        piece: impl FnMut(&[u8], u64) -> bool,
    ) -> io::Result<u16> {
        let (mut connection, mut inlet) = match self.0.take() {
            Some(open) => open,
            None => (connect(request.address).await?, Inlet::default()),
        };
        connection.write_all(&request.bytes).await?;
        let status = inlet.answer(&mut connection, piece).await?;
        // Not reached after a failure, so that a broken connection is not used again.
        self.0 = Some((connection, inlet));
        Ok(status)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// Opens that many streams and returns them once each has seen its first event.
///
/// # Errors
///
/// Fails if any of them does, or is not answered 200.
pub async fn hold(request: &Request, count: usize) -> io::Result<Vec<TcpStream>> {
    const AT_ONCE: usize = 50;
    let mut held = Vec::with_capacity(count);
    while held.len() < count {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE.min(count - held.len()) {
            opening.spawn(first_event(request.clone()));
        }
        while let Some(opened) = opening.join_next().await {
            held.push(opened.map_err(io::Error::other)??);
        }
    }
    Ok(held)
}

async fn first_event(request: Request) -> io::Result<TcpStream> {
    let mut connection = connect(request.address).await?;
    connection.write_all(&request.bytes).await?;
    let mut stamps = Stamps::default();
    let status = Inlet::default()
        .answer(&mut connection, |piece, _| {
            let mut waits = true;
            stamps.scan(piece, |_| waits = false);
            waits
        })
        .await?;
    match status {
        200 => Ok(connection),
        _ => Err(io::Error::other(format!("status {status}"))),
    }
}

//! What an upstream saw: its requests, its connections, and the clients that left early.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use serde_json::Value;
use tokio::sync::watch;

/// One request, read whole.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path, without its query.
    pub path: String,
    /// What stood behind the `?`.
    pub query: Option<String>,
    /// The headers, in the order they came, names in lower case.
    pub headers: HeaderMap,
    /// The body, unchunked.
    pub body: Bytes,
    /// The version it came in.
    pub http_version: Version,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
}

impl Recorded {
    /// The first value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Null` if it is none, so that indexing finds nothing.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How much an upstream saw so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Requests read whole.
    pub requests: u64,
    /// Requests whose reply is being played.
    pub in_flight: u64,
    /// Replies played to the end of their script, even if the script ended in a cut.
    pub played: u64,
    /// Replies whose client left first: it closed (or half-closed) the connection, or reset the
    /// stream.
    pub gone: u64,
    /// Bytes of events that were taken off our hands: by the socket on HTTP/1.1, by the flow
    /// control on HTTP/2. Stands still while the client does not read.
    pub sent: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: watch::Sender<Counts>,
    requests: Mutex<Vec<Recorded>>,
}

impl Ledger {
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn until(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        let mut watched = self.counts.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        watched.wait_for(reached).await.map_or_else(|_| self.counts(), |counts| *counts)
    }

    /// Counts a connection in, and out again when the guard goes. Returns its number.
    pub(crate) fn connect(&self) -> (u64, OpenConnection<'_>) {
        let mut number = 0;
        self.counts.send_modify(|counts| {
            number = counts.connections;
            counts.connections += 1;
            counts.open_connections += 1;
        });
        (number, OpenConnection(self))
    }

    /// Keeps a request. Returns how many came before it.
    pub(crate) fn receive(&self, request: Recorded) -> (usize, InFlight<'_>) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = requests.len();
        requests.push(request);
        drop(requests);
        self.counts.send_modify(|counts| {
            counts.requests += 1;
            counts.in_flight += 1;
        });
        (attempt, InFlight { ledger: self, played: false })
    }
}

/// While this lives, the connection is open.
pub(crate) struct OpenConnection<'a>(&'a Ledger);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.open_connections -= 1);
    }
}

/// While this lives, the reply is being played; without [`InFlight::played`] the client left.
pub(crate) struct InFlight<'a> {
    ledger: &'a Ledger,
    played: bool,
}

impl InFlight<'_> {
    /// Counts an event that was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.ledger.counts.send_modify(|counts| counts.sent += bytes as u64);
    }

    pub(crate) fn played(mut self) {
        self.played = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.ledger.counts.send_modify(|counts| {
            counts.in_flight -= 1;
            if self.played {
                counts.played += 1;
            } else {
                counts.gone += 1;
            }
        });
    }
}

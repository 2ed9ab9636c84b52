//! What clients may send, and how long they may take for it and for what they get.

use core::num::NonZeroUsize;
use std::time::Duration;

use super::Checker;
use crate::{
    raw::{self, ByteSize, Timespan},
    read::{Field, Placed},
};

/// Bounds on what clients may send. All times are above zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes in the largest request body.
    pub request_body_bytes: u64,
    /// Requests at the same time; above zero.
    pub in_flight_requests: i64,
    /// For a request's header, from its first byte to its last.
    pub header_timeout: Duration,
    /// For a request's body, from its first byte to its last.
    pub body_timeout: Duration,
    /// Between two requests on one connection.
    pub idle_timeout: Duration,
    /// For a client to read the next piece of its answer.
    pub write_timeout: Duration,
    /// Bytes in the largest request header.
    pub header_bytes: usize,
    /// Fields in a request's header.
    pub headers: usize,
    /// Client connections at the same time.
    pub connections: usize,
    /// Client connections at the same time from one address.
    pub connections_per_address: Option<NonZeroUsize>,
    /// Requests at the same time on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Bytes in use by the process above which new requests are turned away.
    pub memory_bytes: Option<u64>,
}

const DEFAULT: Limits = Limits {
    request_body_bytes: 64 << 20,
    in_flight_requests: 10_000,
    header_timeout: Duration::from_secs(30),
    body_timeout: Duration::from_secs(300),
    idle_timeout: Duration::from_secs(75),
    write_timeout: Duration::from_secs(60),
    header_bytes: 64 << 10,
    headers: 100,
    connections: 20_000,
    connections_per_address: None,
    streams_per_connection: 100,
    memory_bytes: None,
};
/// What Pingora's parser takes at most, which is 256 fields and 1 MiB, and a little less.
const MOST_HEADERS: i64 = 250;
const LARGEST_HEADER: u64 = 1 << 20;
/// A request line and a host must fit.
const SMALLEST_HEADER: u64 = 512;
const MOST_STREAMS: i64 = 10_000;
/// As many as there are descriptors, on any system.
const MOST_CONNECTIONS: i64 = 100_000_000;

impl Checker<'_> {
    pub(super) fn limits(&self, section: Field<raw::Limits>) -> Limits {
        let section = section.value().unwrap_or_default();
        let time = |field: Field<Timespan>, default| field.value().map_or(default, |it| it.0);
        let connections = self.count(section.connections, MOST_CONNECTIONS);
        let per_address = self.count(section.connections_per_address, MOST_CONNECTIONS);
        Limits {
            request_body_bytes: bytes(section.request_body_bytes)
                .unwrap_or(DEFAULT.request_body_bytes),
            in_flight_requests: self
                .count(section.in_flight_requests, i64::MAX)
                .unwrap_or(DEFAULT.in_flight_requests),
            header_timeout: time(section.header_timeout, DEFAULT.header_timeout),
            body_timeout: time(section.body_timeout, DEFAULT.body_timeout),
            idle_timeout: time(section.idle_timeout, DEFAULT.idle_timeout),
            write_timeout: time(section.write_timeout, DEFAULT.write_timeout),
            header_bytes: self.header_bytes(section.header_bytes),
            headers: self.count(section.headers, MOST_HEADERS).unwrap_or(DEFAULT.headers),
            connections: connections.unwrap_or(DEFAULT.connections),
            connections_per_address: per_address.and_then(NonZeroUsize::new),
            streams_per_connection: self
                .count(section.streams_per_connection, MOST_STREAMS)
                .unwrap_or(DEFAULT.streams_per_connection),
            memory_bytes: bytes(section.memory_bytes),
        }
    }

    fn header_bytes(&self, field: Field<ByteSize>) -> usize {
        let Some(Placed { value: ByteSize(size), at }) = field.given() else {
            return DEFAULT.header_bytes;
        };
        let fits = (SMALLEST_HEADER..=LARGEST_HEADER).contains(&size).then_some(size);
        let message = || format!("must be {SMALLEST_HEADER} to {LARGEST_HEADER}, but is {size}");
        let fits = self.problems.note(&at, fits.ok_or_else(message));
        fits.and_then(|size| usize::try_from(size).ok()).unwrap_or(DEFAULT.header_bytes)
    }

    /// A number from 1 to `most`.
    fn count<T: TryFrom<i64>>(&self, field: Field<i64>, most: i64) -> Option<T> {
        let Placed { value, at } = field.given()?;
        let fits = (1..=most).contains(&value).then_some(value);
        let fits = fits.and_then(|value| T::try_from(value).ok());
        let range = || match most {
            i64::MAX => format!("must be at least 1, but is {value}"),
            _ => format!("must be 1 to {most}, but is {value}"),
        };
        self.problems.note(&at, fits.ok_or_else(range))
    }
}

fn bytes(field: Field<ByteSize>) -> Option<u64> {
    field.value().map(|ByteSize(size)| size)
}

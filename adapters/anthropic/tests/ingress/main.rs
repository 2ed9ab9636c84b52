//! The ingress side against golden files: what was asked, how it is answered, and what passes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests: a surprise is a failed test")]

mod paths;
mod requests;
mod responses;
mod round_trip;
mod streams;
mod taps;

//! The egress side against golden files: what is asked, what was answered, what was streamed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests: a surprise is a failed test")]

mod order;
mod requests;
mod responses;
mod streams;

//! The Responses dialect seen from outside: fixtures in, values or bytes out.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod answers;
mod drive;
mod encoder;
mod paths;
mod requests;
mod seals;
mod streams;
mod tap;

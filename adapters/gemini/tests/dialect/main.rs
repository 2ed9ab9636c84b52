//! What Gemini is asked and what it answers, and what its clients ask and are answered, against the fixtures in `tests/fixtures/gemini`.
//!
//! One binary: it links once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

mod asked;
mod order;
mod passing;
mod requests;
mod responses;
mod said;
mod streams;

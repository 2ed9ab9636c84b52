//! Recorded answers of providers, replayed: through the decoder of the dialect they are in, and from
//! there through the encoder of every client dialect.
//!
//! What a transcript says is read a second time by [`read`], which shares no code with the adapters
//! and knows nothing but `serde_json::Value`; both readings must agree, however the bytes are cut.
//! What an encoder writes is read by the same readers.
//!
//! The transcripts are not part of the project. They are looked for in `../shared/transcripts` beside
//! the checkout, or where `PENSTOCK_TRANSCRIPTS` says; without them there is nothing to check, and
//! the tests say so.
//!
//! | module    | answers                                                   |
//! |-----------|-----------------------------------------------------------|
//! | [`said`]  | what does an answer say, whatever dialect it is in?       |
//! | [`read`]  | what does a transcript say?                               |
//! | [`meant`] | what do the adapters say that it says?                    |
//! | [`files`] | which transcripts are there, and what bytes were they?    |
//! | [`cut`]   | where are the bytes cut?                                  |
//! | [`sides`] | which adapters are judged? A new dialect is one line there |

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is a test: one that cannot go on has failed"
)]

pub mod cut;
pub mod files;
pub mod meant;
pub mod read;
pub mod said;
pub mod sides;

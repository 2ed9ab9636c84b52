//! Server-sent events: finds the borders of frames in a byte stream, however it is cut.
//!
//! Framing only. What a frame's data says is for the dialects to know.
//!
//! | module     | answers                                  |
//! |------------|------------------------------------------|
//! | [`decode`] | which frames are complete by now?        |
//! | [`encode`] | how is a frame written?                  |
//!
//! Spec: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

pub mod decode;
pub mod encode;

pub use decode::{Decoder, Frame, FrameTooLarge};

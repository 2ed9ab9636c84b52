//! What Gemini's bytes look like. Lenient with what comes in: an unknown member is no error, and
//! `null` stands for absent.

pub mod error;
pub mod request;
pub mod response;
mod text;

pub use text::Str;

//! What Gemini's bytes look like. Lenient with what comes in: an unknown member is no error, and
//! `null` stands for absent.

pub(crate) mod answer;
pub(crate) mod asked;
pub mod error;
pub(crate) mod mime;
pub(crate) mod object;
mod part;
pub mod request;
pub mod response;

pub(crate) use part::whole_part;

//! The client's side: what was asked of us, and how we answer.

mod chunk;
mod envelope;
mod error;
mod message;
mod models;
mod opening;
mod request;
mod response;
mod stream;
mod tool;

pub use envelope::Envelope;
pub use error::encode_failure;
pub use models::{Model, encode_model, encode_models};
pub use opening::Opening;
pub use request::decode_request;
pub use response::encode_response;
pub use stream::ChatStreamEncoder;

pub use chunk::StreamErrors;

pub(crate) use chunk::{Chunks, done};
pub(crate) use envelope::Options;
pub(crate) use message::located;
pub(crate) use response::completion_id;

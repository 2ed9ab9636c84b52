//! What the bytes look like. Nothing here knows what they mean.
//!
//! Objects that come in several kinds are read as one struct whose fields are all optional, not
//! as tagged enums: serde would buffer a tagged enum, which costs a copy and loses the path of
//! an error.

pub(crate) mod annotation;
pub(crate) mod answer;
pub(crate) mod content;
pub(crate) mod request;
pub(crate) mod usage;

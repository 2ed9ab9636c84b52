//! The provider's side: how we ask one that speaks Responses, and what it answered.

pub(crate) mod error;

//! What the bytes look like: types that mirror the Messages API and know nothing else.
//!
//! Lenient where the provider speaks (unknown fields pass, nearly everything is optional) and
//! exact where we speak.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod request;

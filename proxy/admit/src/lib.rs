//! Whether this caller may ask at all. Later: how much, and what it cost.
//!
//! Knows keys, not HTTP: the caller takes the credential out of its header.

pub mod key;

pub use key::KeyRing;

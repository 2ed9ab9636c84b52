//! Reads the workspace, so that `tests/walls.rs` can hold it against the rules of its layout.
//!
//! | module     | answers                                                    |
//! |------------|------------------------------------------------------------|
//! | [`graph`]  | which crates are there, and what does each depend on?      |
//! | [`source`] | what does a file of Rust say, once comments are left out?  |

pub mod graph;
pub mod source;

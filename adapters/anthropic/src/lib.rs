//! Anthropic Messages API: its wire format, and translation from and to the canonical chat.
//!
//! Bytes in, values out. Nothing here opens a socket, reads a clock or spawns a task, and nothing
//! here decides policy: what Anthropic cannot express comes back as a
//! [`Loss`](adapters_canonical::loss::Loss) beside the value, and what it cannot be asked at all
//! as an error that names the client's path.
//!
//! | module          | answers                                                                   |
//! |-----------------|---------------------------------------------------------------------------|
//! | [`ingress`]     | what did a client that speaks Anthropic ask of us, and how do we answer?  |
//! | [`egress`]      | how do we ask Anthropic, and what did it answer?                          |
//! | [`passthrough`] | how do bytes get from an Anthropic client to Anthropic unchanged?         |
//! | `seal`          | how do thoughts of other providers travel through this dialect and back?  |
//! | `citation`      | where do words come from?                                                 |
//! | `hosted`        | what of tools that the provider runs itself?                              |
//! | `arguments`     | how does the text of a call's arguments become an object?                 |
//! | `wire`          | what do the bytes look like?                                              |
//! | `capability`    | what does which model take?                                               |
//!
//! Spec: <https://platform.claude.com/docs/en/api/messages>, `anthropic-version` 2023-06-01 and
//! 2026-10-21.

#![deny(clippy::wildcard_enum_match_arm)]

mod arguments;
mod capability;
mod citation;
pub mod egress;
mod hosted;
pub mod ingress;
pub mod passthrough;
mod seal;
mod wire;

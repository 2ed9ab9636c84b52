//! OpenAI Responses: the wire format, and both faces of it.
//!
//! Bytes in, values out. Nothing here opens a socket, reads a clock or spawns a task, and nothing
//! here knows another provider.
//!
//! | module        | answers                                                                     |
//! |---------------|-----------------------------------------------------------------------------|
//! | `wire`        | what do the bytes look like?                                                |
//! | [`ingress`]   | what did a client that speaks Responses ask of us, and how do we answer it? |
//! | [`egress`]    | how do we ask a provider that speaks Responses, and what did it answer?     |
//! | `hosted`      | what of tools that the provider runs itself?                                |
//! | [`count`]     | how many tokens would a request have, on both sides?                        |
//! | `passthrough` | how does a stream get from such a provider to such a client unchanged?      |
//! | [`seal`]      | how does the seal of another provider travel through this dialect?          |
//!
//! The gateway keeps no answers: a request is served as if it said `store: false`, and one that
//! goes on from an earlier answer by its id is refused.
//!
//! # Extensions
//!
//! | what                          | where                                                        |
//! |-------------------------------|--------------------------------------------------------------|
//! | the seals of other providers  | `encrypted_content` of a reasoning item, see [`seal`]        |
//! | kinds of tokens nobody else reports | `usage.*_tokens_details`, beside OpenAI's members      |
//! | why a stream broke off        | `response.error`: `type`, `param`, `reason`, `request_id`, `provider` |
//!
//! Spec: <https://platform.openai.com/docs/api-reference/responses>.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod count;
pub mod egress;
mod hosted;
pub mod ingress;
mod passthrough;
pub mod seal;
mod wire;

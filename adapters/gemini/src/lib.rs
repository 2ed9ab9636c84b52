//! Gemini `generateContent`: its wire format, and translation between it and the canonical chat.
//!
//! Bytes in, values out. Nothing here opens a socket, reads a clock or spawns a task, and nothing
//! here knows of OpenAI or Anthropic, except that a [`Loss`] names what was lost in the words of
//! the canonical request, which are OpenAI's.
//!
//! | module          | answers                                                         |
//! |-----------------|-----------------------------------------------------------------|
//! | [`wire`]        | what do the bytes look like?                                    |
//! | [`ingress`]     | what did a client that speaks Gemini ask of us?                 |
//! | [`egress`]      | how do we ask Gemini, and what did it answer?                   |
//! | [`count_tokens`]| how many tokens would a request have?                           |
//! | [`hosted`]      | what of tools that the provider runs itself?                    |
//! | [`embedding`]   | what are texts as vectors?                                      |
//! | [`passthrough`] | how does a Gemini client reach Gemini with its bytes unchanged? |
//!
//! What Gemini cannot express (`logit_bias`, `parallel_tool_calls: false`) comes back as a
//! [`Loss`] beside the value. Whether a loss is refused, logged or ignored is policy, and policy
//! lives elsewhere.
//!
//! Spec: <https://ai.google.dev/api/generate-content>, version `v1beta`.
//!
//! [`Loss`]: adapters_canonical::loss::Loss

#![deny(clippy::wildcard_enum_match_arm)]

mod call_id;
pub mod count_tokens;
pub mod egress;
pub mod embedding;
pub mod hosted;
pub mod ingress;
pub mod passthrough;
pub mod wire;

//! OpenAI chat completions: the wire format, and both faces of it.
//!
//! Bytes in, values out. Nothing here opens a socket, reads a clock or spawns a task, and nothing
//! here knows another provider.
//!
//! | module          | answers                                                                 |
//! |-----------------|-------------------------------------------------------------------------|
//! | `wire`          | what do the bytes look like?                                            |
//! | [`ingress`]     | what did a client that speaks OpenAI ask of us, and how do we answer it? |
//! | [`egress`]      | how do we ask a provider that speaks OpenAI, and what did it answer?    |
//! | `hosted`        | how is the web searched?                                                |
//! | [`embedding`]   | what are texts as vectors, on both sides?                               |
//! | [`multipart`]   | where does a form say which model it wants?                             |
//! | [`passthrough`] | how do bytes get from an OpenAI client to an OpenAI provider unchanged? |
//! | [`quirk`]       | in what may a server differ from OpenAI?                                |
//! | [`preset`]      | which servers are known, and in what do they differ?                    |
//!
//! # Extensions
//!
//! The dialect has no words for some of what other providers say. Where a widely read extension
//! exists we write and read that one; official SDKs keep such fields and raise on none of them.
//!
//! | what                          | where                                                    |
//! |-------------------------------|----------------------------------------------------------|
//! | thoughts to read              | `reasoning_content`                                      |
//! | thoughts to send back         | `reasoning_details`, in the shape that `thought` describes |
//! | the seal on a tool call       | `tool_calls[].extra_content.google.thought_signature`, and in the call's id: see `call_id` |
//! | the seal on words             | a `reasoning_details` without words, `id: "content"`     |
//! | pictures the model drew       | `message.images[].image_url.url`                         |
//! | citations of files, documents | `message.citations`, beside `annotations`: see `citation` |
//! | the end of a cached prefix    | `cache_control` on a message, a content part or a tool   |
//! | how to think                  | `reasoning: {effort, max_tokens, exclude, enabled}`      |
//! | time to live of cache writes  | `usage.prompt_tokens_details.cache_write_{5m,1h}_tokens` |
//! | sound read from a cache       | `usage.prompt_tokens_details.cached_tokens_details.audio_tokens` |
//! | searches of the web           | `usage.server_tool_use.web_search_requests`              |
//! | what vectors are for          | `task_type` and `title` of embeddings, in Gemini's words |
//! | why a stream broke off        | `gateway_error` in its last chunk                        |
//!
//! Spec: <https://platform.openai.com/docs/api-reference/chat>.

#![deny(clippy::wildcard_enum_match_arm)]

mod address;
mod call_id;
mod citation;
pub mod egress;
pub mod embedding;
mod hosted;
pub mod ingress;
pub mod multipart;
pub mod passthrough;
pub mod preset;
pub mod quirk;
mod thought;
mod wire;

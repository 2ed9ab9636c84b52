//! What OpenAI's dialects, chat completions and Responses, say in the same words: the members that
//! decide where a request goes, errors and the list of models.
//!
//! Knows neither of the two. Bytes in, values out.
//!
//! | module      | answers                                         |
//! |-------------|-------------------------------------------------|
//! | [`envelope`] | which members of a request decide where it goes? |
//! | [`failure`] | how do we say why there is no answer?           |
//! | [`refusal`] | what does a provider mean when it says no?      |
//! | [`models`]  | how do we list the models?                      |
//! | [`wire`]    | what do the bytes of an error look like?        |

#![deny(clippy::wildcard_enum_match_arm)]

pub mod envelope;
pub mod failure;
pub mod models;
pub mod refusal;
pub mod wire;

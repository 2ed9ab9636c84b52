//! One provider-neutral conversation: what is asked, what is answered, what it cost, what failed,
//! and the shape of a dialect that translates it.
//!
//! Values only. Nothing here knows how any provider writes them, opens a socket or reads a clock.
//!
//! | module         | answers                                                              |
//! |----------------|----------------------------------------------------------------------|
//! | [`chat`]       | what did the client ask, what did the model answer?                  |
//! | [`annotation`] | where do the words of an answer come from, and how likely were they? |
//! | [`hosted`]     | what did a provider do with tools of its own?                        |
//! | [`delta`]      | what does one step of a streamed answer say?                         |
//! | [`collect`]    | what does a streamed answer say as a whole?                          |
//! | [`embedding`]  | what are texts as vectors?                                           |
//! | [`usage`]      | how many tokens of which kind?                                       |
//! | [`failure`]    | why was there no answer?                                             |
//! | [`loss`]       | what could a translation not carry over?                             |
//! | [`media`]      | what of a request must somebody fetch, and where does it go?         |
//! | [`unsaid`]     | what of an answer has a client's dialect no words for?               |
//! | [`dialect`]    | what must a provider's dialect be able to do?                        |
//! | [`ingress`]    | what must a client's dialect be able to do?                          |
//! | [`operation`]  | … beside answering: to count tokens, to make vectors of texts        |

pub mod annotation;
pub mod chat;
pub mod collect;
pub mod delta;
pub mod dialect;
pub mod embedding;
pub mod failure;
pub mod hosted;
pub mod ingress;
pub mod loss;
pub mod media;
pub mod operation;
pub mod unsaid;
pub mod usage;

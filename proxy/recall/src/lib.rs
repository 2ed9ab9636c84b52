//! What a provider sealed of the model's turns, remembered for clients that forget it.
//!
//! A provider that thinks wants its thoughts back, byte for byte, with the seal it put on them. In the
//! client's dialect they travel in fields that many clients drop. So when an answer with seals goes by,
//! they are kept here, and when the same turn comes back without them, they are put where they were.
//!
//! | module       | answers                                                |
//! |--------------|--------------------------------------------------------|
//! | [`turn`]     | what of an answer is kept?                             |
//! | [`recorder`] | the same, of an answer that is streamed                |
//! | [`key`]      | under which names is it kept, and who may ask by them? |
//! | [`memory`]   | what is kept at present, and what goes first?          |
//! | [`recall`]   | which turns of a request lack their seals?             |
//! | `rebuild`    | what does such a turn look like with them?             |
//!
//! Knows no provider and no policy of routing; does no I/O and reads no clock. What is kept are words of a
//! model: nothing here prints them.

pub mod key;
pub mod memory;
mod rebuild;
pub mod recall;
pub mod recorder;
pub mod turn;

//! What may be fetched on behalf of a client, from where, and whether what came is what was asked
//! for. Decides and does nothing: who looks names up and opens connections asks here first.
//!
//! | module    | answers                                                              |
//! |-----------|----------------------------------------------------------------------|
//! | `link`    | is this an address to fetch from, and where does a redirection lead? |
//! | `reach`   | may this host be connected to?                                       |
//! | `content` | is what came a picture, a sound, a film, a document?                 |
//! | `fault`   | why not, for the log and for the client?                             |
//!
//! The caller connects to the very address that [`Reach::choose`](reach::Reach::choose) gave it,
//! without looking the name up again: a name server that changes its mind changes nothing.

pub mod content;
pub mod fault;
pub mod link;
pub mod reach;

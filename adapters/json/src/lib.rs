//! JSON as the dialects read and write it: borrowed where it can be, with the path of what did not
//! fit.
//!
//! Knows no dialect. Bytes in, values out.
//!
//! | module        | answers                                                          |
//! |---------------|------------------------------------------------------------------|
//! | [`edit`]      | how is a part of a body replaced, and nothing else?              |
//! | [`mod@object`] | which members does an object have, and what of the others?      |
//! | [`read`]      | what does the body say, and if it does not fit, where?           |
//! | [`scan`]      | what is one member, whatever the others are?                     |
//! | [`string`]    | how is a string read without a copy, and what may stand for one? |
//! | [`mod@write`] | how does a value get into a buffer?                              |

pub mod edit;
pub mod object;
pub mod read;
pub mod scan;
pub mod string;
pub mod write;

//! Where a request goes: which targets a model name stands for, and which account serves one.
//!
//! Pure decisions over the configuration. Chance comes in as an argument; sockets, clocks and
//! what became of earlier attempts are for the callers to know.
//!
//! | module      | answers                                             |
//! |-------------|-----------------------------------------------------|
//! | [`resolve`] | which targets does this model name stand for?       |
//! | [`balance`] | which account of a provider is next?                |

pub mod balance;
pub mod resolve;

//! Checked identifiers that everybody refers to, and the one type that holds a secret.
//!
//! Holding a name proves that it was checked: it is short, and has no byte that could break a log
//! line, a metric label or a path. Names are compared byte for byte, are cheap to clone, and look
//! up in a map by `&str`.
//!
//! Nothing here knows what a name refers to, or where a secret was read from.

mod name;
mod secret;

pub use name::{AccountName, InvalidName, KeyName, ModelName, ProviderName};
pub use secret::Secret;

//! Reads the configuration, the environment and secret files, and publishes a new plan when the
//! file changes.
//!
//! The only crate that reads any of them. What they mean is `conf-schema`'s to say; who acts on a
//! plan is nobody's concern here.
//!
//! | module  | answers                                                        |
//! |---------|----------------------------------------------------------------|
//! | `env`   | what is in this environment variable, in this file?            |
//! | `file`  | what does this configuration say, and what is wrong with it?   |
//! | `watch` | what does it say now?                                          |

mod env;
mod file;
mod watch;

pub use env::Environment;
pub use file::{LoadError, Loaded, Source, quickstart, read};
pub use watch::Watcher;

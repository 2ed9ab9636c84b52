//! Whether this caller may ask at all. Later: how much, and what it cost.
//!
//! Bytes and values in, verdicts out: who may connect and in whose name, what counts as a request,
//! whose key it is. The caller does the reading and the closing.
//!
//! | module           | answers                                                            |
//! |------------------|--------------------------------------------------------------------|
//! | `proxy_protocol` | whom does a load balancer say it speaks for?                       |
//! | `address`        | who is the client, if proxies stand between?                       |
//! | `request_head`   | can this HTTP/1.1 header be read in one way only?                  |
//! | `key`            | whose key is this?                                                 |

pub mod address;
pub mod key;
pub mod proxy_protocol;
pub mod request_head;

pub use key::KeyRing;

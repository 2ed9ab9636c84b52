//! Side-by-side benchmark: the gateway beside nginx and a bare Pingora, in one run.
//!
//! Absolute figures depend on the machine, so what counts are the ratios to the bare Pingora that
//! the same run measured. Nothing is asserted.
//!
//! | module      | answers                                                     |
//! |-------------|-------------------------------------------------------------|
//! | [`answer`]  | how is an answer read off a connection, cheaply?            |
//! | [`load`]    | what do the clients do, and how long does it take?          |
//! | [`process`] | what does a process cost in CPU and memory?                 |
//! | [`server`]  | how is each server under test started?                      |
//! | [`runner`]  | what is measured, in which order?                           |
//! | [`report`]  | how is it printed, and which targets are met?               |
//!
//! ```text
//! cargo build --profile dist -p tests-mock -p tests-bench -p proxy-gateway
//! target/dist/penstock-bench
//! ```

pub mod answer;
pub mod load;
pub mod process;
pub mod report;
pub mod runner;
pub mod server;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

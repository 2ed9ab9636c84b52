//! Side-by-side benchmark: the gateway beside nginx and a bare Pingora, in one run.
//!
//! Absolute figures depend on the machine, so what counts are the ratios to the bare Pingora that
//! the same run measured. Even these are mostly noise where each server is measured once: on a
//! virtual machine the same binary varies by a fifth from one second to the next. So a run goes
//! round over all servers several times. Noise only ever adds CPU time, hence the least of the
//! rounds is the truest; latencies are the median of the rounds. Nothing is asserted.
//!
//! | module      | answers                                                     |
//! |-------------|-------------------------------------------------------------|
//! | [`answer`]  | how is an answer read off a connection, cheaply?            |
//! | [`load`]    | what do the clients do, and how long does it take?          |
//! | [`process`] | what does a process cost in CPU and memory?                 |
//! | [`server`]  | how is each server under test started?                      |
//! | [`runner`]  | what is measured, in which order?                           |
//! | [`rounds`]  | what do the rounds say together?                            |
//! | [`translation`] | what does translating cost by itself, without a server? |
//! | [`machine`] | where, when and on which revision was it measured?          |
//! | [`report`]  | how is it printed, and which targets are met?               |
//!
//! ```text
//! cargo build --profile dist -p tests-mock -p tests-bench -p proxy-gateway
//! target/dist/penstock-bench
//! ```

pub mod answer;
pub mod load;
pub mod machine;
pub mod process;
pub mod report;
pub mod rounds;
pub mod runner;
pub mod server;
pub mod translation;

use std::time::Duration;

use nix::time::ClockId;

/// Nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share; 0 without the clock.
#[must_use]
pub fn now() -> u64 {
    since_start_of(ClockId::CLOCK_MONOTONIC).as_nanos().try_into().unwrap_or(u64::MAX)
}

/// What a clock shows; 0 if the machine does not have it.
fn since_start_of(clock: ClockId) -> Duration {
    clock.now().map(Duration::from).unwrap_or_default()
}

//! The `penstock` binary: builds every part, joins them, stops them in order.

mod cli;
mod door;
mod listening;
mod logging;
mod memory;
mod serve;
mod shutdown;
mod tls;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

/// Remembers freed memory by size, so that thousands of waiting streams do not scatter it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve(arguments) => serve::run(&arguments, cli.log_format),
        Command::Check(arguments) => cli::check(&arguments),
        Command::Schema => cli::schema(),
        Command::Version => cli::version(),
    }
}

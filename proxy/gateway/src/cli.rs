//! What the command line understands, and the commands that end at once.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use conf_load::{LoadError, Loaded};
use conf_schema::Severity;

use crate::logging::LogFormat;

/// One OpenAI-compatible API in front of many model providers.
#[derive(Debug, Parser)]
#[command(name = "penstock", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  penstock serve                            serve the built-in quick start on 127.0.0.1:8080
  penstock check --config gateway.yaml      say everything that is wrong with a configuration
  penstock schema > penstock.schema.json    JSON Schema of the configuration, for editors

SIGHUP, or a change of the file, reloads the configuration; SIGTERM finishes what is in flight.")]
pub(crate) struct Cli {
    /// The form of log lines, which go to standard error; RUST_LOG says which.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve requests until told to stop.
    Serve(Configuration),
    /// Say everything that is wrong with a configuration; exit status 1 if it cannot be used.
    Check(Configuration),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print the version.
    Version,
}

#[derive(Args, Debug)]
pub(crate) struct Configuration {
    /// The configuration file [default: conf/quickstart.yaml, or the copy built in]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Configuration {
    /// Reads the file that was named, else the quick start: the file if there is one here, so that
    /// it can be edited, else the copy built in.
    pub(crate) fn load(&self) -> Result<Loaded, LoadError> {
        let here = PathBuf::from("conf/quickstart.yaml");
        match &self.config {
            Some(file) => conf_load::read(file),
            None if here.exists() => conf_load::read(here),
            None => conf_load::quickstart(),
        }
    }
}

/// Prints every problem, and whether the configuration can be used.
pub(crate) fn check(arguments: &Configuration) -> ExitCode {
    match arguments.load() {
        Ok(loaded) => {
            let lines = loaded.warnings.iter().map(|w| format!("{}\n", w.display(&loaded.name)));
            let verdict = match loaded.warnings.len() {
                0 => "ok".to_owned(),
                count => format!("ok, with {count} warning{}", plural(count)),
            };
            let lines: String = lines.collect();
            print(&format!("{lines}{}: {verdict}\n", loaded.name), ExitCode::SUCCESS)
        }
        Err(error) => {
            let mut text = format!("{error}\n");
            if let Some(cause) = error.source() {
                text = format!("{error}: {cause}\n");
            }
            if let LoadError::Invalid { name, problems } = &error {
                let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
                text.push_str(&format!("{name}: {errors} error{}\n", plural(errors)));
            }
            print(&text, ExitCode::FAILURE)
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

pub(crate) fn schema() -> ExitCode {
    print(&format!("{:#}\n", conf_schema::json_schema()), ExitCode::SUCCESS)
}

pub(crate) fn version() -> ExitCode {
    print(concat!("penstock ", env!("CARGO_PKG_VERSION"), "\n"), ExitCode::SUCCESS)
}

/// `println!` would panic at the end of a pipe that nobody reads.
fn print(text: &str, status: ExitCode) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => status,
        Err(_) => ExitCode::FAILURE,
    }
}

//! Runs the side-by-side benchmark and prints it as Markdown, or as JSON.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use tests_bench::machine::Machine;
use tests_bench::process::Process;
use tests_bench::report::Report;
use tests_bench::runner::{self, Plan};
use tests_bench::server::{Kind, Site};
use tests_bench::translation;

/// The gateway's: what is measured in this program costs what it costs there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Compares the gateway with nginx and a bare Pingora: CPU, delay and memory, in one run of about
/// three and a half minutes. Each server has one core to itself; upstreams and clients share another.
/// What translating costs by itself is measured in this program.
#[derive(Parser)]
struct Flags {
    /// How often to go round over all servers; memory is measured once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each load of a round lasts.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// What to measure.
    #[arg(long, value_delimiter = ',', default_value = "translation,whole,streamed,memory")]
    only: Vec<Part>,
    /// Which servers to measure.
    #[arg(long, value_delimiter = ',', default_value = "direct,nginx,bare,penstock")]
    servers: Vec<Name>,
    /// The gateway's binary; else the one beside this program.
    #[arg(long)]
    penstock: Option<PathBuf>,
    /// nginx's binary.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    /// The core of the server under test.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of upstreams and clients.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Let the core of upstreams and clients sleep when they wait. Whoever wakes it pays for that, and
    /// the slower a server, the more often.
    #[arg(long)]
    let_sleep: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Part {
    Translation,
    Whole,
    Streamed,
    Memory,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Name {
    Direct,
    Nginx,
    Bare,
    Penstock,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let machine = Machine::ask();
    prepare(flags.load_core)?;
    let scratch = tempfile::tempdir()?;
    let programs = env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let site = Site {
        gateway: flags.penstock.clone().unwrap_or_else(|| programs.join("penstock")),
        programs,
        nginx: flags.nginx.clone(),
        scratch: scratch.path().to_owned(),
        server_core: flags.server_core,
        load_core: flags.load_core,
    };
    let plan = flags.plan();
    // Progress is a courtesy; the report goes to stdout.
    let progress = |next: &str| {
        writeln!(io::stderr(), "{next}").ok();
    };
    let translations = match flags.only.contains(&Part::Translation) {
        true => {
            progress("translation");
            translation::measure().map_err(io::Error::other)?
        }
        false => Vec::new(),
    };
    let _awake = match flags.let_sleep {
        true => None,
        false => Some(Process::keep_awake(flags.load_core)?),
    };
    let figures = runner::run(&plan, &site, progress).await?;
    let report = Report { machine, plan, figures, translations };
    match flags.json {
        true => writeln!(io::stdout(), "{:#}", report.json()),
        false => writeln!(io::stdout(), "{report}"),
    }
}

impl Flags {
    fn plan(&self) -> Plan {
        let wanted = |kind: &Kind| {
            self.servers.contains(&match kind {
                Kind::Direct => Name::Direct,
                Kind::Nginx => Name::Nginx,
                Kind::Bare => Name::Bare,
                Kind::Penstock => Name::Penstock,
            })
        };
        Plan {
            awake: !self.let_sleep,
            rounds: self.rounds.into(),
            length: Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0)),
            whole: self.only.contains(&Part::Whole),
            streamed: self.only.contains(&Part::Streamed),
            memory: self.only.contains(&Part::Memory),
            kinds: Kind::ALL.into_iter().filter(wanted).collect(),
        }
    }
}

/// Binds this process, and with it the clients, to their core, and raises the limit of open files,
/// which the children inherit.
fn prepare(load_core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(load_core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(())
}

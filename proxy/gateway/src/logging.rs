//! Where log lines go, and in which form.

mod line;

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged unless `RUST_LOG` says otherwise. Pingora warns of every client that leaves.
const DEFAULT_FILTER: &str = "info,pingora=error,pingora_core=error,pingora_proxy=error";
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// How much waits at most for a reader that is too slow; what comes after it is lost.
const MOST_WAITING: usize = 4 << 20;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Sends log lines to standard error until the result is dropped.
pub(crate) fn start(format: LogFormat) -> Logs {
    let logs = Logs::default();
    let gathering = logs.clone();
    thread::spawn(move || gathering.write_forever());
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Gather(logs.clone()));
    let started = match format {
        LogFormat::Text => builder.event_format(line::Text::new()).finish().try_init(),
        LogFormat::Json => builder.json().event_format(line::Object::new()).finish().try_init(),
    };
    // Fails only if somebody else has started it, and then lines go where they said.
    drop(started);
    logs
}

/// Lines on their way to standard error.
///
/// They are gathered in memory and written together by a thread of its own: a request neither
/// waits for a slow reader nor wakes a thread for each line, which would cost more than the line.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    some: Condvar,
    /// Held while writing, so that lines keep their order.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    lost: u64,
}

impl Logs {
    /// Writes what is waiting. Call before the process ends.
    pub(crate) fn flush(&self) {
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Lines { waiting, lost } = mem::take(&mut *self.lines());
        let mut out = io::stderr().lock();
        // Where nobody reads the log there is nobody to tell.
        let _ = out.write_all(&waiting);
        if lost > 0 {
            let _ = writeln!(out, "{{\"level\":\"WARN\",\"lost_log_lines\":{lost}}}");
        }
    }

    fn push(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.waiting.len() + line.len() > MOST_WAITING {
            lines.lost += 1;
            return;
        }
        let first = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if first {
            self.0.some.notify_one();
        }
    }

    fn write_forever(&self) {
        loop {
            let lines = self.lines();
            let waited = self.0.some.wait_while(lines, |lines| lines.waiting.is_empty());
            drop(waited);
            thread::sleep(GATHER);
            self.flush();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes [`Logs`] a place that `tracing` can write to.
struct Gather(Logs);

impl<'a> MakeWriter<'a> for Gather {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// One line: `tracing` writes each with one call.
struct Line<'a>(&'a Logs);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

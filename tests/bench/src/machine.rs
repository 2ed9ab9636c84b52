//! Where, when and on which revision a run was measured.

use std::fmt::{self, Display};
use std::fs;
use std::process::Command;
use std::time::SystemTime;

use nix::time::ClockId;
use serde_json::{Value, json};

use crate::since_start_of;

/// A load average above this, before anything was started, means that somebody else is at work.
const QUIET: f64 = 0.5;

/// What is known of the machine as a run begins.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Date and time in UTC.
    pub date: String,
    /// The CPU's model.
    pub cpu: String,
    /// Its cores.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// What git calls the checkout this program was built in, with `-dirty` if it was changed
    /// since; `None` away from it.
    pub revision: Option<String>,
    /// The load average of the last minute.
    pub load: Option<f64>,
}

impl Machine {
    /// Asks the machine, before anything is started on it.
    #[must_use]
    pub fn ask() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let date = SystemTime::UNIX_EPOCH + since_start_of(ClockId::CLOCK_REALTIME);
        let (cpu, cores) = processors(&read("/proc/cpuinfo"));
        Self {
            date: httpdate::fmt_http_date(date).replace("GMT", "UTC"),
            cpu,
            cores,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            revision: revision(),
            load: read("/proc/loadavg").split(' ').next().and_then(|it| it.parse().ok()),
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "date": self.date,
            "cpu": self.cpu,
            "cores": self.cores,
            "kernel": self.kernel,
            "revision": self.revision,
            "load_average": self.load,
            "busy_at_start": self.is_busy(),
        })
    }

    fn is_busy(&self) -> bool {
        self.load.is_some_and(|it| it > QUIET)
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, cpu, cores, kernel, revision, load } = self;
        let revision = revision.as_deref().unwrap_or("unknown");
        writeln!(f, "{date}; {cpu}, {cores} cores; Linux {kernel}; revision {revision}.")?;
        match load {
            Some(load) if self.is_busy() => write!(
                f,
                "**WARNING: load average {load:.2} at start, above {QUIET}: something else is at \
                 work, and these figures are worth little.**"
            ),
            Some(load) => write!(f, "Load average {load:.2} at start."),
            None => f.write_str("Load average unknown."),
        }
    }
}

/// Model and number of the processors in `/proc/cpuinfo`.
fn processors(about: &str) -> (String, usize) {
    let value = |key: &str| {
        let mut lines = about.lines().filter_map(|it| it.split_once(':'));
        lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let cores = about.lines().filter(|it| it.starts_with("processor")).count();
    (value("model name").unwrap_or_else(|| "unknown CPU".to_owned()), cores)
}

fn revision() -> Option<String> {
    let flags = ["--no-optional-locks", "-C", env!("CARGO_MANIFEST_DIR")];
    let describe = ["describe", "--always", "--dirty", "--abbrev=12"];
    let said = Command::new("git").args(flags).args(describe).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    Some(said.trim().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Machine, processors};

    fn machine(load: f64) -> Machine {
        Machine {
            date: "Mon, 02 Nov 2026 08:00:00 UTC".to_owned(),
            cpu: "Mill".to_owned(),
            cores: 2,
            kernel: "6.18".to_owned(),
            revision: None,
            load: Some(load),
        }
    }

    #[test]
    fn a_busy_machine_is_warned_of() {
        assert!(machine(0.51).to_string().contains("WARNING: load average 0.51"));
        assert!(!machine(0.5).to_string().contains("WARNING"));
    }

    #[test]
    fn processors_are_counted_and_named() {
        let about = "processor\t: 0\nmodel name\t: Mill 3: fast\n\nprocessor\t: 1\n\
                     model name\t: Mill 3: fast\n";
        assert_eq!(processors(about), ("Mill 3: fast".to_owned(), 2));
        assert_eq!(processors(""), ("unknown CPU".to_owned(), 0));
    }
}

//! A child process bound to one core, and what it costs.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// How often to look whether a child has ended by itself, before it is killed: for five seconds.
const LOOKS: u32 = 1000;

/// A running child; it is interrupted when it is dropped, and killed if that does not end it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program on that core; what it prints goes into the log file.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be written or `taskset` cannot be started.
    pub fn start(core: usize, command: &[&str], log: &Path) -> io::Result<Self> {
        let log = File::create(log)?;
        let child = pinned(core, command).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self(child))
    }

    /// Keeps a core from sleeping, with a loop that runs only when nobody else wants to.
    ///
    /// To wake a core that sleeps costs whoever wakes it, and on a virtual machine it costs much. The
    /// quicker a server, the less its clients and upstreams sleep: without this the slower one would
    /// be charged for the sleep of others.
    ///
    /// # Errors
    ///
    /// Fails if `chrt` cannot be started.
    pub fn keep_awake(core: usize) -> io::Result<Self> {
        let mut idle = Command::new("chrt");
        idle.args(["--idle", "0", "taskset", "-c", &core.to_string()]);
        idle.args(["sh", "-c", "while :; do :; done"]);
        Ok(Self(idle.stdin(Stdio::null()).spawn()?))
    }

    /// Starts a program on that core and returns the first line it prints.
    ///
    /// # Errors
    ///
    /// Fails if `taskset` cannot be started, or nothing is printed.
    pub fn start_and_hear(core: usize, command: &[&str]) -> io::Result<(Self, String)> {
        let mut child = pinned(core, command).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let process = Self(child);
        match line.trim() {
            "" => Err(io::Error::other(format!("{} printed nothing", command.join(" ")))),
            line => Ok((process, line.to_owned())),
        }
    }

    /// CPU time of all threads so far, in microseconds. Taken from the process's clock, for what
    /// `/proc` tells is rounded to 10 ms: far too coarse for a load of one second.
    ///
    /// # Errors
    ///
    /// Fails if the process is gone.
    pub fn cpu_micros(&self) -> io::Result<f64> {
        let id = i32::try_from(self.0.id()).map_err(io::Error::other)?;
        let spent = clock_getcpuclockid(Pid::from_raw(id)).and_then(ClockId::now)?;
        Ok(Duration::from(spent).as_nanos() as f64 / 1e3)
    }

    /// Memory resident now, in bytes.
    ///
    /// # Errors
    ///
    /// Fails if the process is gone.
    pub fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map(|it| it * 1024).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What was built to count how often its code runs, writes that down at its end.
        if let (Ok(None), Ok(id)) = (self.0.try_wait(), i32::try_from(self.0.id())) {
            kill(Pid::from_raw(id), Signal::SIGINT).ok();
            let lives = |_: &u32| matches!(self.0.try_wait(), Ok(None));
            for _ in (0..LOOKS).take_while(lives) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        // It may have ended by itself, and then there is nothing to kill.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// `taskset` replaces itself by the program, so the child's id is the program's.
fn pinned(core: usize, command: &[&str]) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).args(command).stdin(Stdio::null());
    pinned
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn cpu_time_of_a_busy_process_is_told_finer_than_a_clock_tick() {
        let busy = ["sh", "-c", "echo ready; while :; do :; done"];
        let (process, _) = Process::start_and_hear(0, &busy).unwrap();
        let tick = 10_000.0;
        let readings = std::iter::repeat_with(|| process.cpu_micros().unwrap());
        let between = readings.take(1_000_000).find(|it| it % tick != 0.0).unwrap();
        let later = std::iter::repeat_with(|| process.cpu_micros().unwrap());
        assert!(later.take(1_000_000).any(|it| it > between && it < between + tick));
    }
}

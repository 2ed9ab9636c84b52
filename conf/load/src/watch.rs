//! Follows a configuration file, and the files of keys and certificates it refers to, and publishes
//! what it means now.
//!
//! Editors replace files, Kubernetes swaps a symlink two steps away, and some file systems send no
//! events at all. So an event only says *look*: whether anything changed is decided by comparing
//! the text, directories are watched rather than the file, and a slow poll backs it all up.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use conf_schema::{Checked, Plan};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

use crate::{
    env::Remembering,
    file::{self, Source},
};

/// How long a directory must be quiet before the file is read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// A directory that is never quiet is not waited for longer than this many times.
const MAX_QUIET_WAITS: usize = 10;

/// For changes that no event tells of.
const POLL: Duration = Duration::from_secs(10);

/// Symlinks to follow from the path as given.
const MAX_LINKS: usize = 16;

/// Follows one file with a thread of its own, until dropped.
///
/// A file that has mistakes, or is gone, changes nothing: the problems are logged, and the plan
/// stays as it is.
#[derive(Debug)]
pub struct Watcher {
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Signal {
    /// Something happened near the file.
    Look,
    /// Read everything again, changed or not.
    Reload,
    Stop,
}

impl Watcher {
    /// Keeps `plan` at what the file of `source` says.
    ///
    /// `observer` is called after each attempt to take over a change, with whether it succeeded;
    /// it runs on the watcher's thread and must not drop the watcher.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn spawn(
        source: Source,
        plan: Arc<ArcSwap<Plan>>,
        observer: impl Fn(bool) + Send + 'static,
    ) -> io::Result<Self> {
        let (signals, received) = channel();
        let directories = Directories::new(&source, signals.clone());
        let follower = Follower { source, plan, observer: Box::new(observer), directories };
        // The file may have changed between its reading and the first watch.
        let _ = signals.send(Signal::Look);
        let thread = thread::Builder::new()
            .name("conf-watch".to_owned())
            .spawn(move || follower.run(&received))?;
        Ok(Self { signals, thread: Some(thread) })
    }

    /// Reads the file, the secret files and the environment again, changed or not. Does not wait.
    pub fn reload(&self) {
        // The thread ends only after `Stop`, which only `drop` sends.
        let _ = self.signals.send(Signal::Reload);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Follower {
    source: Source,
    plan: Arc<ArcSwap<Plan>>,
    observer: Box<dyn Fn(bool) + Send>,
    directories: Directories,
}

impl Follower {
    fn run(mut self, signals: &Receiver<Signal>) {
        loop {
            let mut forced = false;
            match signals.recv_timeout(POLL) {
                Ok(Signal::Look) => match settle(signals) {
                    Some(reload) => forced = reload,
                    None => return,
                },
                Ok(Signal::Reload) => forced = true,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look(forced);
        }
    }

    /// Reads the file, and takes over what it says if that is new or `forced`.
    fn look(&mut self, forced: bool) {
        // First watch, then read: what changes in between is seen by the next look.
        self.directories.follow(&self.source);
        let read = fs::read_to_string(&self.source.path);
        let changed = read.as_ref().ok() != self.source.text.as_ref();
        if !forced && !changed && !self.source.files.have_changed() {
            return;
        }
        let name = self.source.path.display().to_string();
        let taken_over = match &read {
            Ok(text) => self.take_over(&name, text),
            Err(error) => {
                tracing::error!("{name}: cannot be read: {error}");
                false
            }
        };
        if !taken_over {
            tracing::error!("{name}: the configuration stays as it was");
        }
        self.source.text = read.ok();
        (self.observer)(taken_over);
    }

    /// Publishes what `text` means, unless it has mistakes.
    fn take_over(&mut self, name: &str, text: &str) -> bool {
        let secrets = Remembering::default();
        let Checked { plan, problems } = conf_schema::check(text, &secrets);
        self.source.files = secrets.into_files();
        self.directories.follow(&self.source);
        file::log(&problems, name);
        let Some(plan) = plan.map(Arc::new) else { return false };
        let old = self.plan.swap(plan.clone());
        tracing::info!("{name}: the configuration is in force");
        for key in plan.restart_needed(&old) {
            tracing::warn!("{name}: {key}: the change takes effect after a restart");
        }
        true
    }
}

/// Waits until no signal comes for a while. Whether one of them was a reload; `None` to stop.
fn settle(signals: &Receiver<Signal>) -> Option<bool> {
    let mut reload = false;
    for _ in 0..MAX_QUIET_WAITS {
        thread::sleep(QUIET);
        let mut quiet = true;
        for signal in signals.try_iter() {
            quiet = false;
            match signal {
                Signal::Look => {}
                Signal::Reload => reload = true,
                Signal::Stop => return None,
            }
        }
        if quiet {
            break;
        }
    }
    Some(reload)
}

/// The directories in which a change of the file can show.
struct Directories {
    /// Absent if the system gives none; then there is only the poll.
    notifier: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Directories {
    fn new(source: &Source, signals: Sender<Signal>) -> Self {
        let notifier = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !may_change_a_file(event.kind)) {
                return;
            }
            let _ = signals.send(Signal::Look);
        });
        let notifier = notifier
            .inspect_err(|error| {
                tracing::warn!("changes of the configuration are seen late: {error}");
            })
            .ok();
        let mut directories = Self { notifier, watched: BTreeSet::new() };
        directories.follow(source);
        directories
    }

    /// Watches what there is to watch now. Anew each time: a directory that was deleted and made
    /// again under its old name is not watched any more, and nothing says so.
    fn follow(&mut self, source: &Source) {
        let Some(notifier) = &mut self.notifier else { return };
        for directory in &self.watched {
            // It may be gone, and its watch with it.
            let _ = notifier.unwatch(directory);
        }
        let files = source.files.paths().map(Path::new);
        self.watched = files.chain([source.path.as_path()]).flat_map(directories_of).collect();
        self.watched.retain(|directory| {
            let watched = notifier.watch(directory, RecursiveMode::NonRecursive);
            if let Err(error) = &watched {
                tracing::debug!("{}: cannot be watched: {error}", directory.display());
            }
            watched.is_ok()
        });
    }
}

/// Reading is an event too, ours included: following those would never end.
fn may_change_a_file(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// The directory of the path as given, of each symlink on the way, and of the file itself.
fn directories_of(path: &Path) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let mut next = std::path::absolute(path).ok();
    for _ in 0..MAX_LINKS {
        let Some(current) = next.take() else { break };
        let Some(directory) = current.parent() else { break };
        directories.insert(directory.to_owned());
        next = fs::read_link(&current).ok().map(|target| directory.join(target));
    }
    let real = fs::canonicalize(path).ok();
    directories.extend(real.as_deref().and_then(Path::parent).map(Path::to_owned));
    directories
}

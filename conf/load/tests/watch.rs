//! A change of the file is in force soon after, however it was made; a mistake changes nothing.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may stop at once")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use conf_load::{Watcher, read};
use conf_schema::Plan;
use tempfile::TempDir;

/// A running watcher and what it said.
struct Bench {
    plan: Arc<ArcSwap<Plan>>,
    outcomes: Arc<Mutex<Vec<bool>>>,
    watcher: Watcher,
}

impl Bench {
    fn start(path: &Path) -> Self {
        let loaded = read(path).unwrap();
        let plan = Arc::new(ArcSwap::from(loaded.plan));
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let seen = outcomes.clone();
        let observer = move |ok| seen.lock().unwrap().push(ok);
        let watcher = Watcher::spawn(loaded.source.unwrap(), plan.clone(), observer).unwrap();
        Self { plan, outcomes, watcher }
    }

    fn outcomes(&self) -> Vec<bool> {
        self.outcomes.lock().unwrap().clone()
    }

    /// Waits until the plan has a model of this name.
    #[track_caller]
    fn wait_for(&self, model: &str) {
        eventually(model, || self.plan.load().model(model).is_some());
    }
}

/// Waits for a condition; gives up after 30 s, long enough for the slowest machine.
#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

fn text(model: &str) -> String {
    format!(
        "models: [{{name: {model}, targets: [{{provider: m, model: m}}]}}]
providers: [{{name: m, dialect: mock}}]
"
    )
}

fn directory_with(model: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.yaml");
    fs::write(&path, text(model)).unwrap();
    (dir, path)
}

#[test]
fn a_file_written_in_place_is_taken_over() {
    let (_dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    fs::write(&path, text("two")).unwrap();
    bench.wait_for("two");
    eventually("the outcome", || bench.outcomes() == [true]);
}

#[test]
fn a_file_replaced_by_rename_is_taken_over_every_time() {
    let (dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    for model in ["two", "three", "four"] {
        let new = dir.path().join("gateway.yaml.new");
        fs::write(&new, text(model)).unwrap();
        fs::rename(&new, &path).unwrap();
        bench.wait_for(model);
    }
    assert!(bench.outcomes().iter().all(|ok| *ok));
}

/// As Kubernetes does: `gateway.yaml` → `..data/gateway.yaml`, `..data` → `..1`, later `..2`.
#[cfg(unix)]
#[test]
fn a_config_map_swapped_by_symlink_is_taken_over_every_time() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let publish = |version: &str, model: &str| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("gateway.yaml"), text(model)).unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    publish("..1", "one");
    symlink("..data/gateway.yaml", at("gateway.yaml")).unwrap();
    let bench = Bench::start(&at("gateway.yaml"));
    for (old, new, model) in [("..1", "..2", "two"), ("..2", "..3", "three")] {
        publish(new, model);
        fs::remove_dir_all(at(old)).unwrap();
        bench.wait_for(model);
    }
}

#[test]
fn a_mistake_keeps_the_old_plan_and_its_repair_is_noticed() {
    let (_dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    fs::write(&path, "models: [{nme: two}]").unwrap();
    eventually("the refusal", || bench.outcomes().last() == Some(&false));
    assert!(bench.plan.load().model("one").is_some());
    // Back to the text the plan was made from: nothing new, but right again.
    fs::write(&path, text("one")).unwrap();
    eventually("the repair", || bench.outcomes().last() == Some(&true));
}

#[test]
fn a_file_that_is_gone_keeps_the_old_plan_and_its_return_is_noticed() {
    let (_dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    fs::remove_file(&path).unwrap();
    eventually("the refusal", || bench.outcomes().last() == Some(&false));
    assert!(bench.plan.load().model("one").is_some());
    fs::write(&path, text("two")).unwrap();
    bench.wait_for("two");
}

fn text_with_key(key: &Path) -> String {
    let keys = format!("[{{name: k, key: {{file: '{}'}}}}]", key.display());
    format!("{}auth: {{mode: keys, keys: {keys}}}\n", text("one"))
}

#[test]
fn a_key_file_that_changes_is_taken_over_though_the_configuration_is_the_same() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, key) = (dir.path().join("gateway.yaml"), elsewhere.path().join("key"));
    fs::write(&key, "old\n").unwrap();
    fs::write(&path, text_with_key(&key)).unwrap();
    let bench = Bench::start(&path);
    assert_eq!(bench.plan.load().auth.keys[0].key.expose(), "old");
    for new in ["new", "newer"] {
        let beside = elsewhere.path().join("beside");
        fs::write(&beside, format!("{new}\n")).unwrap();
        fs::rename(&beside, &key).unwrap();
        eventually(new, || bench.plan.load().auth.keys[0].key.expose() == new);
    }
}

#[test]
fn a_key_file_that_comes_with_a_change_of_the_configuration_is_followed_too() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, key) = (dir.path().join("gateway.yaml"), elsewhere.path().join("key"));
    fs::write(&path, text("one")).unwrap();
    let bench = Bench::start(&path);
    fs::write(&path, text_with_key(&key)).unwrap();
    eventually("the change", || bench.outcomes() == [true]);
    assert!(bench.plan.load().auth.keys.is_empty(), "the file is not there yet");
    fs::write(&key, "new\n").unwrap();
    eventually("the key", || bench.plan.load().auth.keys.len() == 1);
}

#[test]
fn a_reload_reads_everything_again_though_nothing_changed() {
    let (_dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    bench.watcher.reload();
    eventually("the reload", || bench.outcomes() == [true]);
}

#[test]
fn other_files_in_the_directory_cause_no_reload() {
    let (dir, path) = directory_with("one");
    let bench = Bench::start(&path);
    for n in 0..20 {
        fs::write(dir.path().join(format!("other-{n}")), "x").unwrap();
    }
    fs::write(&path, text("two")).unwrap();
    bench.wait_for("two");
    eventually("the outcome", || bench.outcomes() == [true]);
}

#[test]
fn a_dropped_watcher_stops() {
    let (_dir, path) = directory_with("one");
    let Bench { plan, outcomes, watcher } = Bench::start(&path);
    drop(watcher);
    // The thread has ended, and with it went its share of both.
    assert_eq!((Arc::strong_count(&plan), Arc::strong_count(&outcomes)), (1, 1));
}

//! The walls between the crates: what may import what, and which technology enters through which
//! door. Each failure names the rule that was broken; the rules are those of `ARCHITECTURE.md`.
//!
//! Crates may stand in a table before they are born.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::iter;

use tests_architecture::graph::{Crate, workspace};
use tests_architecture::source::Source;

/// What each crate may use inside the workspace. `tests-*` may use anything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("conf-name", &[]),
    ("conf-schema", &["conf-name"]),
    ("conf-load", &["conf-schema", "conf-name"]),
    ("adapters-canonical", &[]),
    ("adapters-sse", &[]),
    ("adapters-json", &["adapters-canonical"]),
    ("adapters-openai-words", &["adapters-canonical", "adapters-json"]),
    (
        "adapters-openai",
        &["adapters-canonical", "adapters-json", "adapters-openai-words", "adapters-sse"],
    ),
    (
        "adapters-responses",
        &["adapters-canonical", "adapters-json", "adapters-openai-words", "adapters-sse"],
    ),
    ("adapters-anthropic", &["adapters-canonical", "adapters-json", "adapters-sse"]),
    ("adapters-gemini", &["adapters-canonical", "adapters-json", "adapters-sse"]),
    ("adapters-mock", &["adapters-canonical"]),
    ("state-crdt", &[]),
    ("state-event", &["conf-name"]),
    ("state-replica", &["state-crdt", "state-event", "conf-name"]),
    ("state-embedded", &["state-event", "conf-name"]),
    ("state-postgres", &["state-event", "conf-name"]),
    ("state-sync", &["state-event", "state-replica"]),
    ("proxy-route", &["conf-schema", "conf-name"]),
    ("proxy-admit", &["conf-schema", "conf-name", "adapters-canonical"]),
    ("proxy-recall", &["adapters-canonical"]),
    ("proxy-fetch", &["adapters-canonical"]),
    ("proxy-telemetry", &["adapters-canonical", "conf-name"]),
    ("proxy-admin-api", &["conf-schema", "conf-name"]),
    (
        "proxy-admin",
        &[
            "proxy-admin-api",
            "proxy-telemetry",
            "state-replica",
            "state-event",
            "conf-schema",
            "conf-name",
        ],
    ),
    (
        "proxy-pingora",
        &[
            "proxy-route",
            "proxy-admit",
            "proxy-recall",
            "proxy-fetch",
            "proxy-telemetry",
            "adapters-canonical",
            "adapters-sse",
            "adapters-openai",
            "adapters-responses",
            "adapters-anthropic",
            "adapters-gemini",
            "adapters-mock",
            "state-replica",
            "state-event",
            "conf-schema",
            "conf-name",
        ],
    ),
    ("dashboard", &["proxy-admin-api", "conf-schema", "conf-name"]),
];

/// The composition root, which may use every crate but the dashboard and the tests.
const ROOT: &str = "proxy-gateway";

/// Crates without I/O, clock or randomness of their own.
const PURE: &[&str] = &[
    "conf-name",
    "conf-schema",
    "adapters-canonical",
    "adapters-sse",
    "adapters-json",
    "adapters-openai-words",
    "adapters-openai",
    "adapters-responses",
    "adapters-anthropic",
    "adapters-gemini",
    "adapters-mock",
    "state-crdt",
    "state-event",
    "state-replica",
    "proxy-route",
    "proxy-admit",
    "proxy-recall",
    "proxy-fetch",
    "proxy-admin-api",
];

/// Rule 1: what a pure crate may not depend on. `*` stands for any ending.
const IMPURE_DEPENDENCIES: &[&str] = &[
    "tokio*",
    "pingora*",
    "hyper*",
    "axum*",
    "reqwest",
    "rusqlite",
    "opentelemetry*",
    "hickory-*",
    "notify",
    "rustix",
    "socket2",
];

/// Rule 1: what a pure crate may not name. Addresses are values: `core::net` has them.
const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "SystemTime::now",
    "Instant::now",
    "rand::rng",
    "rand::random",
    "rand::thread_rng",
    "Uuid::now_v7",
    "Uuid::new_v4",
];

/// Rule 6: a technology and the only crates that may name it. `*` stands for any ending.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("axum*", &["proxy-admin"]),
    ("cargo_metadata", &["tests-architecture"]),
    ("clap*", &["proxy-gateway", "tests-bench"]),
    ("gloo*", &["dashboard"]),
    ("h2", &["tests-mock", "tests-e2e"]),
    ("hickory-*", &["proxy-pingora"]),
    ("url", &["proxy-fetch"]),
    ("hyper*", &["tests-e2e"]),
    ("leptos*", &["dashboard"]),
    ("notify*", &["conf-load"]),
    ("opentelemetry*", &["proxy-telemetry"]),
    ("pingora*", &["proxy-pingora", "proxy-gateway", "proxy-admin", "tests-bench"]),
    ("prometheus", &["proxy-telemetry"]),
    ("rcgen", &["tests-mock", "tests-e2e"]),
    ("reqwest", &["tests-e2e"]),
    ("rusqlite", &["state-embedded"]),
    ("saphyr*", &["conf-schema"]),
    ("tikv-jemalloc*", &["proxy-gateway", "tests-bench"]),
    ("tokio-postgres", &["state-postgres"]),
    ("tokio-rustls", &["tests-mock", "tests-e2e"]),
    ("tracing-subscriber", &["proxy-gateway"]),
    ("wasm-bindgen*", &["dashboard"]),
];

/// Rule 9: names that say nothing.
const JUNK: &[&str] = &[
    "common", "core", "helper", "helpers", "manager", "misc", "prelude", "shared", "types", "util",
    "utils",
];

/// A file's lines of code before its tests.
const LONGEST_FILE: usize = 400;

#[track_caller]
fn check(broken: impl Fn(&Crate) -> Vec<String>) {
    let broken: Vec<String> = workspace().unwrap().iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn is_tests(name: &str) -> bool {
    name.starts_with("tests-")
}

/// The dialects, which share a shape and must not know each other.
fn is_dialect(name: &str) -> bool {
    name.starts_with("adapters-") && !["adapters-canonical", "adapters-sse"].contains(&name)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// The rule that an edge outside the table breaks.
fn rule(from: &str, to: &str) -> u8 {
    let is = |name: &str, room: &str| name.starts_with(room);
    match () {
        () if is_tests(to) || to == ROOT || to == "dashboard" => 11,
        () if is_dialect(from) && is_dialect(to) => 2,
        () if is(from, "adapters-") && !is(to, "adapters-") => 3,
        () if is(from, "state-") && (is(to, "adapters-") || is(to, "proxy-")) => 4,
        () if ["proxy-route", "proxy-admit"].contains(&from) => 5,
        () if from == "dashboard" => 7,
        () => 0,
    }
}

fn may_use(from: &str, to: &str, dev: bool) -> bool {
    let allowed = || MAY_USE.iter().find(|(name, _)| *name == from).map_or(&[][..], |row| row.1);
    match () {
        () if is_tests(from) => true,
        () if to == "tests-golden" => dev,
        () if from == ROOT => !is_tests(to) && to != "dashboard",
        () => allowed().contains(&to),
    }
}

#[test]
fn every_crate_has_a_row() {
    let rows: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).chain([ROOT]).collect();
    check(|it| {
        let known = rows.contains(it.name.as_str()) || is_tests(&it.name);
        (!known).then(|| format!("{}: give it a row in MAY_USE", it.name)).into_iter().collect()
    });
}

#[test]
fn crates_use_only_what_their_row_allows() {
    check(|from| {
        let forbidden = from.dependencies.iter().filter(|to| to.internal);
        let forbidden = forbidden.filter(|to| !may_use(&from.name, &to.name, to.dev));
        let broken = |to: &str| match rule(&from.name, to) {
            0 => format!("{} → {to}: not in its row of MAY_USE", from.name),
            rule => format!("{} → {to}: rule {rule}", from.name),
        };
        forbidden.map(|to| broken(&to.name)).collect()
    });
}

#[test]
fn pure_crates_depend_on_nothing_impure() {
    check(|from| {
        let impure = |name: &str| IMPURE_DEPENDENCIES.iter().any(|it| matches(it, name));
        let broken = from.dependencies.iter().filter(|to| !to.dev && impure(&to.name));
        let pure = PURE.contains(&from.name.as_str());
        broken.filter(|_| pure).map(|to| format!("{} → {}: rule 1", from.name, to.name)).collect()
    });
}

#[test]
fn pure_crates_name_nothing_impure() {
    check(|it| {
        let sources = it.sources.iter().filter(|source| source.in_src);
        let sources = sources.filter(|_| PURE.contains(&it.name.as_str()));
        let broken = |source: &Source| {
            let named = IMPURE_PATHS.iter().filter(|path| source.names(path));
            let shown = source.path.display();
            named.map(|path| format!("{shown} names `{path}`: rule 1")).collect::<Vec<_>>()
        };
        sources.flat_map(broken).collect()
    });
}

#[test]
fn a_technology_enters_through_its_door_only() {
    check(|from| {
        let closed = |to: &str| {
            let doors = ONLY_IN.iter().find(|(pattern, _)| matches(pattern, to));
            doors.is_some_and(|(_, doors)| !doors.contains(&from.name.as_str()))
        };
        let broken = from.dependencies.iter().filter(|to| closed(&to.name));
        broken.map(|to| format!("{} → {}: rule 6", from.name, to.name)).collect()
    });
}

#[test]
fn no_crate_and_no_module_is_a_junk_room() {
    check(|it| {
        let of_crate = it.name.split('-').map(|part| (part.to_owned(), it.name.clone()));
        let of_modules = it.sources.iter().flat_map(|source| {
            let files = source.path.iter().filter_map(|part| part.to_str());
            let files = files.map(|part| part.trim_end_matches(".rs"));
            let declared = source.modules();
            files.chain(declared).map(|name| (name.to_owned(), source.path.display().to_string()))
        });
        let junk = of_crate.chain(of_modules).filter(|(name, _)| JUNK.contains(&name.as_str()));
        junk.map(|(name, place)| format!("{place}: a room called `{name}`: rule 9")).collect()
    });
}

#[test]
fn no_crate_exports_what_another_one_owns() {
    let crates = workspace().unwrap();
    let owners: BTreeSet<String> = crates.iter().map(|it| it.name.replace('-', "_")).collect();
    check(|it| {
        let own = it.name.replace('-', "_");
        let exported =
            it.sources.iter().flat_map(|source| source.exports().zip(iter::repeat(source)));
        let foreign = exported.filter(|(name, _)| owners.contains(*name) && *name != own);
        foreign.map(|(name, at)| format!("{} exports {name}: rule 10", at.path.display())).collect()
    });
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    check(|it| {
        let is_wire =
            |source: &Source| source.path.iter().any(|it| it == "wire" || it == "wire.rs");
        let counted = it.sources.iter().filter(|source| source.in_src && !is_wire(source));
        let long = counted.filter(|source| source.lines_of_code() > LONGEST_FILE);
        let shown = |it: &Source| format!("{}: {} lines", it.path.display(), it.lines_of_code());
        long.map(shown).collect()
    });
}

#[test]
fn every_file_says_what_it_is_for() {
    check(|it| {
        let silent = it.sources.iter().filter(|source| !source.documented);
        silent.map(|source| format!("{}: no `//!` on top", source.path.display())).collect()
    });
}

#[test]
fn the_tables_agree_with_themselves() {
    let rows: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.len(), MAY_USE.len(), "a crate has two rows");
    for (name, used) in MAY_USE {
        for used in *used {
            assert!(rows.contains(used), "{name} may use {used}, which has no row");
            let below = MAY_USE.iter().find(|row| row.0 == *used).unwrap().1;
            assert!(!below.contains(name), "{name} and {used} may use each other");
        }
    }
    for name in PURE {
        let (_, used) = MAY_USE.iter().find(|row| row.0 == *name).unwrap();
        for used in *used {
            assert!(PURE.contains(used), "{name} is pure, {used} is not: rule 1");
        }
    }
}

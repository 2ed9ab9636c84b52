//! Finds fixtures and compares with what was expected of them.
//!
//! `UPDATE_GOLDEN=1` rewrites what was expected; the diff is then read like any other change.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder `tests/fixtures/<provider>`.
#[must_use]
pub fn fixture(provider: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(provider)
}

/// The bytes of a fixture.
///
/// # Panics
///
/// If it cannot be read, with its path.
#[track_caller]
#[must_use]
#[expect(clippy::panic, reason = "a test helper: a missing fixture is a failed test")]
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares two JSON values, whatever the order of their members and their spaces.
///
/// # Panics
///
/// If they differ, with both written out.
#[track_caller]
#[expect(clippy::panic, reason = "a test helper: a missing fixture is a failed test")]
pub fn assert_json(path: impl AsRef<Path>, got: &Value) {
    let path = path.as_ref();
    if updating() {
        return write(path, &format!("{got:#}\n"));
    }
    let expected: Value = serde_json::from_slice(&read(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(&expected == got, "{} expects\n{expected:#}\nbut got\n{got:#}", path.display());
}

/// Compares two texts byte for byte.
///
/// # Panics
///
/// If they differ, with both written out.
#[track_caller]
pub fn assert_text(path: impl AsRef<Path>, got: &str) {
    let path = path.as_ref();
    if updating() {
        return write(path, got);
    }
    let expected = String::from_utf8_lossy(&read(path)).into_owned();
    assert!(expected == got, "{} expects\n{expected}\nbut got\n{got}", path.display());
}

#[expect(clippy::disallowed_methods, reason = "a test helper, not the product")]
fn updating() -> bool {
    std::env::var("UPDATE_GOLDEN").is_ok_and(|set| set == "1")
}

#[track_caller]
#[expect(clippy::panic, reason = "a test helper: an unwritable fixture is a failed test")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

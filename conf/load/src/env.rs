//! The environment of this process and the files it can read.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
};

use conf_schema::SecretSource;

/// Real environment variables and real files. Relative paths start at the working directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

/// Keys and certificates are small; a path to something endless is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl SecretSource for Environment {
    /// A value that is not UTF-8 could not be sent anyway, and counts as not set.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err("more than 1 MiB".to_owned());
        }
        Ok(bytes)
    }
}

/// The same, and remembers which files it was asked for and what was in them.
#[derive(Debug, Default)]
pub(crate) struct Remembering(RefCell<Files>);

impl Remembering {
    /// What was read.
    pub(crate) fn into_files(self) -> Files {
        self.0.into_inner()
    }
}

impl SecretSource for Remembering {
    fn env(&self, name: &str) -> Option<String> {
        Environment.env(name)
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let read = Environment.file(path);
        self.0.borrow_mut().0.insert(path.to_owned(), print(&read));
        read
    }
}

/// Files as they were when last read: their paths, and prints of what was in them, which is often
/// secret and not kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(BTreeMap<String, u64>);

impl Files {
    /// The paths, as they are written in the configuration.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether one of them is not what it was.
    pub(crate) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, then)| print(&Environment.file(path)) != *then)
    }
}

fn print(read: &Result<Vec<u8>, String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_found_and_what_is_not_is_not() {
        assert!(Environment.env("PATH").is_some());
        assert_eq!(Environment.env("PENSTOCK_TEST_OF_WHAT_IS_NOT_SET"), None);
    }

    #[test]
    fn files_are_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "k\n").unwrap();
        assert_eq!(Environment.file(path.to_str().unwrap()), Ok(b"k\n".to_vec()));
        assert!(Environment.file("/nowhere/at/all").is_err());
        #[cfg(unix)]
        assert_eq!(Environment.file("/dev/zero"), Err("more than 1 MiB".to_owned()));
    }
}

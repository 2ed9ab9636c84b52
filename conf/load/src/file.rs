//! One configuration, read once.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use conf_schema::{Checked, Plan, Problem, Severity};

use crate::env::{Files, Remembering};

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub plan: Arc<Plan>,
    /// What was hardly meant, in the order of the file.
    pub warnings: Vec<Problem>,
    /// Where it was read from, as messages call it.
    pub name: String,
    /// For a [`Watcher`](crate::Watcher); absent if it is built in and cannot change.
    pub source: Option<Source>,
}

impl Loaded {
    /// Logs every warning.
    pub fn log_warnings(&self) {
        log(&self.warnings, &self.name);
    }
}

/// A configuration file as it was when last read.
#[derive(Clone)]
pub struct Source {
    pub(crate) path: PathBuf,
    /// `None` if it could not be read.
    pub(crate) text: Option<String>,
    /// What it refers to.
    pub(crate) files: Files,
}

/// Without the text, which may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why there is no configuration. Its text is for the operator: one line per problem.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read, or is not UTF-8.
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The file has mistakes.
    Invalid {
        /// The file.
        name: String,
        /// All of them, and the warnings too, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { name, .. } => write!(f, "{name}: cannot be read"),
            Self::Invalid { name, problems } => {
                for (index, problem) in problems.iter().enumerate() {
                    let line_end = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_end}{}", problem.display(name))?;
                }
                Ok(())
            }
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Invalid { .. } => None,
        }
    }
}

/// Reads the configuration at `path`, and the secrets it refers to.
///
/// # Errors
///
/// [`LoadError`] with every mistake in the file.
pub fn read(path: impl AsRef<Path>) -> Result<Loaded, LoadError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|source| LoadError::Unreadable { name: name.clone(), source })?;
    let source =
        Source { path: path.to_owned(), text: Some(text.clone()), files: Files::default() };
    load(name, &text, Some(source))
}

/// The configuration for a first try, which needs no file. It uses the keys in the environment.
///
/// # Errors
///
/// None in a build whose tests pass.
pub fn quickstart() -> Result<Loaded, LoadError> {
    let text = include_str!("../../quickstart.yaml");
    load("conf/quickstart.yaml (built in)".to_owned(), text, None)
}

fn load(name: String, text: &str, source: Option<Source>) -> Result<Loaded, LoadError> {
    let secrets = Remembering::default();
    let Checked { plan, problems } = conf_schema::check(text, &secrets);
    let source = source.map(|source| Source { files: secrets.into_files(), ..source });
    match plan {
        Some(plan) => Ok(Loaded { plan: plan.into(), warnings: problems, name, source }),
        None => Err(LoadError::Invalid { name, problems }),
    }
}

/// Logs each problem of the file `name` as loudly as it is bad.
pub(crate) fn log(problems: &[Problem], name: &str) {
    for problem in problems {
        match problem.severity {
            Severity::Error => tracing::error!("{}", problem.display(name)),
            Severity::Warning => tracing::warn!("{}", problem.display(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_start_is_built_in_and_right() {
        let loaded = quickstart().unwrap();
        assert!(loaded.plan.model("mock").is_some());
        assert!(loaded.source.is_none());
    }

    #[test]
    fn every_problem_has_its_line_of_the_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf.yaml");
        fs::write(&path, "a: 1\nb: 2\n").unwrap();
        let said = read(&path).unwrap_err().to_string();
        let lines: Vec<&str> = said.lines().collect();
        let name = path.display();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with(&format!("{name}:1:1: a: unknown key")), "{said}");
        assert!(lines[1].starts_with(&format!("{name}:1:1: warning: no providers")), "{said}");
        assert!(lines[2].starts_with(&format!("{name}:2:1: b: unknown key")), "{said}");
    }

    #[test]
    fn a_secret_in_the_file_is_not_in_what_debug_prints() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf.yaml");
        fs::write(&path, "auth: {mode: keys, keys: [{name: k, key: hunter2}]}").unwrap();
        let loaded = read(&path).unwrap();
        assert_eq!(loaded.plan.auth.keys[0].key.expose(), "hunter2");
        assert!(!format!("{loaded:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read("/nowhere/conf.yaml").unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/conf.yaml: cannot be read");
        assert!(error.source().is_some());
    }
}

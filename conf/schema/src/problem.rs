//! What is wrong with a configuration, and where.

use std::{cell::RefCell, fmt};

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what was meant.
    Warning,
}

/// One mistake in a configuration file. Never quotes a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// Where in the configuration, such as `providers[0].accounts[0].weight`; empty for the whole.
    pub key: String,
    /// What is wrong: one sentence, lower case, no full stop.
    pub message: String,
}

impl Problem {
    /// The problem on one line, as `<file>:<line>:<column>: <key>: <message>`.
    ///
    /// A warning says so before the key.
    pub fn display(&self, file: &str) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{file}:{self}"))
    }
}

/// As [`Problem::display`], without the file.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Where a value stands, in the file and in the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) key: String,
}

impl Place {
    /// The same line and column, for the key `name` that should have been here.
    pub(crate) fn child(&self, name: &str) -> Self {
        let key = match self.key.as_str() {
            "" => name.to_owned(),
            parent => format!("{parent}.{name}"),
        };
        Self { key, ..*self }
    }
}

/// Collects problems while reading goes on. Shared by reference: readers only ever add.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(crate) fn error(&self, at: &Place, message: impl Into<String>) {
        self.add(Severity::Error, at, message.into());
    }

    pub(crate) fn warning(&self, at: &Place, message: impl Into<String>) {
        self.add(Severity::Warning, at, message.into());
    }

    /// The value of `result`, or nothing after its error was noted.
    pub(crate) fn note<T, E: fmt::Display>(&self, at: &Place, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(at, error.to_string())).ok()
    }

    /// All problems in the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by_key(|problem| (problem.line, problem.column));
        all.dedup();
        all
    }

    fn add(&self, severity: Severity, at: &Place, message: String) {
        let Place { line, column, key } = at.clone();
        self.0.borrow_mut().push(Problem { severity, line, column, key, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_like_a_compiler_message() {
        let mut problem = Problem {
            severity: Severity::Error,
            line: 12,
            column: 5,
            key: "providers[0].dialect".into(),
            message: "is missing".into(),
        };
        assert_eq!(
            problem.display("conf.yaml").to_string(),
            "conf.yaml:12:5: providers[0].dialect: is missing"
        );
        problem.severity = Severity::Warning;
        problem.key.clear();
        assert_eq!(problem.display("c").to_string(), "c:12:5: warning: is missing");
    }

    #[test]
    fn problems_come_in_the_order_of_the_file() {
        let problems = Problems::default();
        for line in [3, 1, 2, 1] {
            problems.error(&Place { line, column: 1, key: String::new() }, "x");
        }
        let lines: Vec<usize> = problems.into_sorted().iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }
}

//! The configuration as written, the configuration as meant, and every way it can be wrong.
//!
//! Text in, values out. Nothing here opens a file, reads the environment, resolves a host name or
//! asks a clock: what a configuration refers to comes through a [`SecretSource`].
//!
//! ```text
//! text ──▶ tree (YAML with positions) ──▶ raw (as written) ──▶ Plan (as meant)
//!            └───────────────── Problem, Problem, Problem ──────────┘
//! ```
//!
//! Every mistake is found in one go, each with its line and its key. A plan that exists is right:
//! its names are unique, its targets exist, its addresses, URLs and weights are of the right kind.
//!
//! ```
//! # struct Nowhere;
//! # impl conf_schema::SecretSource for Nowhere {
//! #     fn env(&self, _: &str) -> Option<String> { None }
//! #     fn file(&self, _: &str) -> Result<Vec<u8>, String> { Err("no such file".into()) }
//! # }
//! let text = "providers:\n  - {name: demo, dialct: mock}\n";
//! let checked = conf_schema::check(text, &Nowhere);
//! assert!(checked.plan.is_none());
//! assert_eq!(
//!     checked.problems[1].display("demo.yaml").to_string(),
//!     "demo.yaml:2:18: providers[0].dialct: unknown key; did you mean `dialect`?",
//! );
//! ```

pub mod plan;

mod problem;
mod raw;
mod read;
mod schema;
mod tree;

pub use plan::Plan;
use problem::Problems;
pub use problem::{Problem, Severity};
pub use schema::json_schema;

/// Where environment variables and files are read, so that this crate need not.
pub trait SecretSource {
    /// The value of an environment variable, if it is set.
    fn env(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, in words for the operator, without the path.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// What [`check`] found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// There if no problem is an error.
    pub plan: Option<Plan>,
    /// All of them, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a configuration: YAML `text`, and what it refers to from `secrets`.
///
/// A secret that cannot be found is a warning and puts its account or key out of use; everything
/// else that is wrong is an error, and there is no plan.
#[must_use]
pub fn check(text: &str, secrets: &dyn SecretSource) -> Checked {
    let problems = Problems::default();
    let plan = tree::parse(text, &problems)
        .and_then(|tree| read::root(&tree, &problems))
        .map(|config| plan::build(config, secrets, &problems));
    let problems = problems.into_sorted();
    let usable = problems.iter().all(|problem| problem.severity != Severity::Error);
    Checked { plan: plan.filter(|_| usable), problems }
}

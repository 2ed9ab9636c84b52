//! The crates of the workspace and their direct dependencies.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::source::Source;

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Everything its manifest names, of every kind and for every target.
    pub dependencies: Vec<Dependency>,
    /// All its files of Rust.
    pub sources: Vec<Source>,
}

/// A direct dependency.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package's name, whatever the manifest renames it to.
    pub name: String,
    /// Whether only tests see it.
    pub dev: bool,
    /// Whether it is a crate of this workspace, or of this repository.
    pub internal: bool,
}

/// Asks cargo for the workspace this crate is part of. Needs no network and no lock file.
///
/// # Errors
///
/// Fails if cargo does, or a file cannot be read.
pub fn workspace() -> io::Result<Vec<Crate>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .map_err(io::Error::other)?;
    let packages = metadata.workspace_packages();
    packages.iter().map(|package| read(package, &metadata)).collect()
}

fn read(package: &Package, metadata: &Metadata) -> io::Result<Crate> {
    let dependencies = package
        .dependencies
        .iter()
        .map(|it| Dependency {
            name: it.name.clone(),
            dev: it.kind == DependencyKind::Development,
            internal: it.path.is_some(),
        })
        .collect();
    let folder = package.manifest_path.as_std_path().parent().unwrap_or(Path::new("."));
    let mut paths = Vec::new();
    for part in ["src", "tests", "examples", "benches", "build.rs"] {
        collect(&folder.join(part), &mut paths)?;
    }
    paths.sort();
    let root = metadata.workspace_root.as_std_path();
    let sources = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path)?;
            let shown = path.strip_prefix(root).unwrap_or(path).to_owned();
            let within = path.strip_prefix(folder).unwrap_or(path);
            let is_test = within.iter().any(|part| part == "tests" || part == "tests.rs");
            let in_src = within.starts_with("src") && !is_test;
            Ok(Source::new(shown, in_src, &text))
        })
        .collect::<io::Result<_>>()?;
    Ok(Crate { name: package.name.to_string(), dependencies, sources })
}

/// All files of Rust at or below a path, which need not exist.
fn collect(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), found)?;
        }
    } else if path.is_file() && path.extension() == Some(OsStr::new("rs")) {
        found.push(path.to_owned());
    }
    Ok(())
}

//! Manifests from files, folders and standard input.

use anyhow::Context as _;
use portolan_policy::{Object, parse_manifest};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// What the manifests hold.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// The objects that were understood.
    pub(crate) objects: Vec<Object>,
    /// The documents that were not, each with its file and the mend.
    pub(crate) problems: Vec<String>,
    /// Kinds that Portolan has no use for.
    pub(crate) ignored: Vec<String>,
}

/// Reads every manifest below these paths; `-` is standard input. A bad document costs only itself.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut read = Manifests::default();
    for path in paths {
        for file in files(path)? {
            let manifest = parse_manifest(&text(&file)?);
            let name = file.display();
            read.objects.extend(manifest.objects);
            read.problems.extend(manifest.errors.iter().map(|error| format!("{name}: {error}")));
            read.ignored.extend(manifest.ignored.iter().map(|kind| kind.kind.clone()));
        }
    }
    Ok(read)
}

/// The file itself, or the YAML and JSON files of a folder and its folders, in order of name.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = || format!("cannot list the folder {}", path.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).with_context(cannot)? {
        entries.push(entry.with_context(cannot)?.path());
    }
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            found.extend(files(&entry)?);
        } else if is_manifest(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

fn text(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read manifests from standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read the manifest {}", path.display()))
}

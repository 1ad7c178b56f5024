//! Manifests from files, folders and standard input.

use anyhow::{Context as _, bail};
use portolan_policy::{Object, parse_manifest};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// Reads every manifest below these paths; `-` is standard input.
///
/// A document that cannot be understood is named, all of them in one error.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Object>> {
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        for file in files(path)? {
            let text = text(&file)?;
            let manifest = parse_manifest(&text);
            objects.extend(manifest.objects);
            problems.extend(manifest.errors.iter().map(|error| format!("{}: {error}", file.display())));
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(objects)
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

//! Manifests from files, folders and standard input, and the cluster state that they make.

use anyhow::{Context as _, anyhow};
use portolan_policy::{Cluster, Object, parse_manifest};
use std::{
    collections::BTreeSet,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Standard input among paths.
pub(crate) const STDIN: &str = "-";

/// What the manifests hold.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// The objects that were understood.
    pub(crate) objects: Vec<Object>,
    /// The documents that were not, each with its file and the mend.
    pub(crate) problems: Vec<String>,
    /// Kinds that Portolan has no use for.
    pub(crate) ignored: Vec<String>,
    /// Each file, and the number of objects before its first.
    files: Vec<(usize, PathBuf)>,
}

impl Manifests {
    /// The file that an object came from.
    pub(crate) fn file(&self, object: usize) -> &Path {
        let after = self.files.partition_point(|(first, _)| *first <= object);
        self.files.get(after.saturating_sub(1)).map_or(Path::new(STDIN), |(_, file)| file)
    }

    /// The cluster that the objects make, and those that cannot be part of it, each with its file
    /// and the mend. Of two objects of one name the later is taken.
    pub(crate) fn cluster(&self) -> (Cluster, Vec<String>) {
        let mut cluster = Cluster::default();
        let mut problems = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            if let Err(error) = cluster.apply(object.clone()) {
                problems.push(format!("{}: {error}", self.file(index).display()));
            }
        }
        (cluster, problems)
    }

    fn take(&mut self, file: &Path, text: &str) {
        let manifest = parse_manifest(text);
        let name = file.display();
        self.files.push((self.objects.len(), file.to_owned()));
        self.objects.extend(manifest.objects);
        self.problems.extend(manifest.errors.iter().map(|error| format!("{name}: {error}")));
        self.ignored.extend(manifest.ignored.iter().map(|kind| kind.kind.clone()));
    }
}

/// Reads every manifest below these paths; `-` is standard input. A bad document costs only itself,
/// and so does a file of a folder that cannot be read; a path that was named must be there.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut read = Manifests::default();
    for path in paths {
        if path.is_dir() {
            for file in files(path)? {
                match text(&file) {
                    Ok(text) => read.take(&file, &text),
                    Err(error) => read.problems.push(format!("{error:#}")),
                }
            }
        } else {
            read.take(path, &text(path)?);
        }
    }
    Ok(read)
}

/// The YAML and JSON files of a folder and its folders, in order of name.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut walk = Walk { entered: BTreeSet::new(), found: Vec::new() };
    walk.enter(folder)?;
    Ok(walk.found)
}

/// A walk through folders.
struct Walk {
    /// Each folder by its true name, so that a link to one above does not lead in again.
    entered: BTreeSet<PathBuf>,
    found: Vec<PathBuf>,
}

impl Walk {
    fn enter(&mut self, folder: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot list the folder {}", folder.display());
        if !self.entered.insert(folder.canonicalize().with_context(cannot)?) {
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(cannot)? {
            entries.push(entry.with_context(cannot)?.path());
        }
        entries.sort();
        for entry in entries.into_iter().filter(|entry| !is_hidden(entry)) {
            if entry.is_dir() {
                self.enter(&entry)?;
            } else if is_manifest(&entry) {
                self.found.push(entry);
            }
        }
        Ok(())
    }
}

/// Kubernetes keeps the versions of a mounted ConfigMap in hidden folders; so does git its own.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

fn text(path: &Path) -> anyhow::Result<String> {
    let (bytes, name) = if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read manifests from standard input")?;
        (bytes, "standard input".to_owned())
    } else {
        let name = path.display().to_string();
        (std::fs::read(path).with_context(|| format!("cannot read the manifest {name}"))?, name)
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow!("{name} is no UTF-8 text from byte {at} on; save it as UTF-8")
    })
}

//! Manifests from files, folders and standard input, and the cluster state that they make.

use crate::failure::{Failure, say};
use anyhow::{Context as _, anyhow};
use portolan_policy::{
    Cluster, IgnoredKind, Manifest, ManifestError, Object, WorkloadTemplate, parse_manifest,
};
use std::{
    collections::BTreeSet,
    fmt,
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
    /// The workloads, of which only the pod templates are known.
    pub(crate) workloads: Vec<WorkloadTemplate>,
    /// The documents that were not.
    pub(crate) problems: Vec<Problem>,
    /// Kinds that Portolan has no use for.
    pub(crate) ignored: Vec<String>,
    /// The same kinds, as each file has them.
    pub(crate) unread: Vec<IgnoredKind>,
    /// Keys that are no fields of the objects that were understood.
    pub(crate) slips: Vec<Problem>,
    /// Each file, and the number of objects before its first.
    files: Vec<(usize, PathBuf)>,
}

/// Something in a file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) file: String,
    /// What is wrong, where, and the mend.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.text)
    }
}

impl Manifests {
    /// The file that an object came from.
    pub(crate) fn file(&self, object: usize) -> String {
        let after = self.files.partition_point(|(first, _)| *first <= object);
        self.files.get(after.saturating_sub(1)).map_or_else(String::new, |(_, file)| named(file))
    }

    /// The cluster that the objects make, and those that cannot be part of it. Of two objects of one
    /// name the later is taken.
    pub(crate) fn cluster(&self) -> (Cluster, Vec<Problem>) {
        let mut cluster = Cluster::default();
        let mut problems = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            if let Err(error) = cluster.apply(object.clone()) {
                problems.push(Problem { file: self.file(index), text: error.to_string() });
            }
        }
        (cluster, problems)
    }

    /// Takes a file of a folder: what was never meant as an object is passed over.
    fn take_found(&mut self, file: &Path, text: &str) {
        let mut manifest = parse_manifest(text);
        let (foreign, errors): (Vec<_>, _) = manifest.errors.into_iter().partition(|error| error.is_foreign);
        manifest.errors = errors;
        say_passed_over(file, &foreign);
        self.take(file, manifest);
    }

    fn take(&mut self, file: &Path, manifest: Manifest) {
        self.files.push((self.objects.len(), file.to_owned()));
        self.objects.extend(manifest.objects);
        self.workloads.extend(manifest.workloads);
        let problem = |text: String| Problem { file: named(file), text };
        self.problems.extend(manifest.errors.iter().map(|error| problem(error.to_string())));
        self.slips.extend(manifest.slips.iter().map(|slip| problem(slip.to_string())));
        self.ignored.extend(manifest.ignored.iter().map(|kind| kind.kind.clone()));
        self.unread.extend(manifest.ignored);
    }
}

/// Says which documents of a file are passed over.
fn say_passed_over(file: &Path, foreign: &[ManifestError]) {
    for ManifestError { document, line, .. } in foreign {
        say(format_args!(
            "warning: {}: document {document} (line {line}) is passed over: it has no kind, so it is \
             no Kubernetes object",
            named(file)
        ));
    }
}

/// Standard input can be read once.
pub(crate) fn check_stdin(paths: &[&Path]) -> Result<(), Failure> {
    if paths.iter().filter(|path| **path == Path::new(STDIN)).count() > 1 {
        return Err(Failure::usage(anyhow!(
            "standard input (`-`) can be given once; put the rest into files"
        )));
    }
    Ok(())
}

/// Reads every manifest below these paths; `-` is standard input. A bad document costs only itself,
/// and so does a file of a folder that cannot be read; a path that was named must be there.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut read = Manifests::default();
    for path in paths {
        if path.is_dir() {
            for file in files(path)? {
                match text(&file) {
                    Ok(text) => read.take_found(&file, &text),
                    Err(text) => read.problems.push(Problem { file: named(&file), text }),
                }
            }
        } else {
            let text = text(path).map_err(|problem| anyhow!("the manifest {}: {problem}", named(path)))?;
            read.take(path, parse_manifest(&text));
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
            } else if is_manifest(&entry) && !is_waiting(&entry) {
                self.found.push(entry);
            }
        }
        Ok(())
    }
}

/// What is no file, such as a pipe in a folder, would be waited for without an end; a link to nothing
/// is named where it is read.
fn is_waiting(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| !about.is_file())
}

/// Kubernetes keeps the versions of a mounted ConfigMap in hidden folders; so does git its own.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

/// The text of a file, or what is wrong with it.
fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new(STDIN) {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("no UTF-8 text from byte {at} on; save it as UTF-8")
    })
}

/// The path as people are told it.
fn named(path: &Path) -> String {
    if path == Path::new(STDIN) { "standard input".to_owned() } else { path.display().to_string() }
}

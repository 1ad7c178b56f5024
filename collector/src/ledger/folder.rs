//! The folder of a collector: one process at a time, and damage set aside.

use super::disk::{DiskStore, OpenError};
use crate::metrics::Metrics;
use jiff::Timestamp;
use std::{
    error::Error as StdError,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};
use tracing::error;

/// Where the store is, in the folder.
const STORE: &str = "ledger";

/// How the names of stores begin that were set aside.
const DAMAGED: &str = "damaged-";

/// How many of those are left for whoever wants to look into them.
const LEFT: usize = 2;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFolderError {
    /// Another collector has it.
    #[error("another collector uses {}: end it, or give this one a folder of its own", .0.display())]
    Locked(PathBuf),
    /// The file system says no.
    #[error("cannot {operation} {}: is it there, writable for this user, and has it room?", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be opened, though nothing says that it is damaged.
    #[error("cannot open the store in {}: is it writable for this user, and has it room?", path.display())]
    Store {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// A folder that is ours while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes a folder and opens its store. One that is damaged is set aside, and a new one begun.
    pub(super) fn open(
        path: &Path,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<(Self, DiskStore), OpenFolderError> {
        fs::create_dir_all(path).map_err(|source| failed("make", path, source))?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        let inside = path.join(STORE);
        let store = match DiskStore::open(&inside) {
            Err(OpenError::Damaged(cause)) => {
                let aside = folder.set_aside(&inside, now)?;
                metrics.damaged.inc();
                error!(%cause, store = %inside.display(), aside = %aside.display(),
                    "Store damaged: set aside, its flows are gone from here. A new one begins.");
                DiskStore::open(&inside)
            }
            other => other,
        };
        let store = store.map_err(|error| match error {
            OpenError::Locked => OpenFolderError::Locked(path.to_owned()),
            OpenError::Damaged(source) | OpenError::Failed(source) => {
                OpenFolderError::Store { path: inside, source }
            }
        })?;
        Ok((folder, store))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames a store, so that a new one can be made; forgets those that were set aside long ago.
    fn set_aside(&self, store: &Path, now: Timestamp) -> Result<PathBuf, OpenFolderError> {
        let name = format!("{DAMAGED}{}", now.strftime("%Y%m%dT%H%M%S%3fZ"));
        let aside = self.path.join(name);
        fs::rename(store, &aside).map_err(|source| failed("rename", store, source))?;
        let entries = fs::read_dir(&self.path).map_err(|source| failed("list", &self.path, source))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut damaged: Vec<_> = paths.filter(|path| is_damaged(path)).collect();
        damaged.sort_unstable();
        let surplus = damaged.len().saturating_sub(LEFT);
        for old in &damaged[..surplus] {
            fs::remove_dir_all(old).map_err(|source| failed("remove", old, source))?;
        }
        Ok(aside)
    }
}

fn is_damaged(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DAMAGED))
}

fn lock(path: &Path) -> Result<File, OpenFolderError> {
    let name = path.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|source| failed("open", &name, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenFolderError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &name, source)),
    }
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> OpenFolderError {
    OpenFolderError::Io { operation, path: path.to_owned(), source }
}

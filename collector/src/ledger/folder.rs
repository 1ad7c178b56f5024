//! The folder of a collector: one process at a time, and damage set aside.
//!
//! ```text
//! ledger/         the store
//! lock            held while a collector runs
//! opening         how often in a row the store was being opened when the collector ended
//! suspect         there if a run could not write, until everything was read since
//! spoilt          there if damage was found by that: the store is set aside at the next start
//! damaged-<time>  a store that was set aside
//! ```

use super::{
    disk::{DiskStore, OpenError},
    proof::{Found, Proof},
    store::StoreError,
    trial,
};
use crate::metrics::Metrics;
use jiff::Timestamp;
use std::{
    error::Error as StdError,
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::{error, info, warn};

const STORE: &str = "ledger";
const LOCK: &str = "lock";
const OPENING: &str = "opening";
const SUSPECT: &str = "suspect";
const SPOILT: &str = "spoilt";
const DAMAGED: &str = "damaged-";

/// How many stores that were set aside are left for whoever wants to look into them.
const LEFT: usize = 2;

/// How often in a row the process may end while it opens the store before the store is suspected. The engine
/// may abort on some wrong bytes; but somebody may also have killed it.
const TRIES: usize = 3;

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
    /// Reads a store that is suspect.
    proof: Option<Proof>,
    _lock: File,
}

impl Folder {
    /// Takes a folder and opens its store. One that is damaged is set aside, and a new one begun.
    pub(super) fn open(
        path: &Path,
        opener: Option<&Path>,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<(Self, Arc<DiskStore>), OpenFolderError> {
        fs::create_dir_all(path).map_err(|source| failed("make", path, source))?;
        let mut folder = Self { path: path.to_owned(), proof: None, _lock: lock(path)? };
        let tries = folder.note_try()?;
        let opened = match opener.filter(|_| tries > TRIES).and_then(|opener| folder.ends_who_opens(opener)) {
            Some(signal) => Err(OpenError::Damaged(format!("who opens it ends by signal {signal}").into())),
            None => folder.open_store(),
        };
        let opened = match opened {
            Err(OpenError::Damaged(cause)) => {
                metrics.damaged.inc();
                folder.set_aside(&cause, now)?;
                folder.open_store()
            }
            other => other,
        };
        folder.forget(OPENING)?;
        let store = opened.map_err(|error| match error {
            OpenError::Locked => OpenFolderError::Locked(path.to_owned()),
            OpenError::Damaged(source) | OpenError::Failed(source) => {
                OpenFolderError::Store { path: path.join(STORE), source }
            }
        })?;
        let store = Arc::new(store);
        folder.prove(&store)?;
        Ok((folder, store))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the store could not be written.
    pub(super) fn suspect(&mut self) {
        // What was read so far says nothing any more.
        self.proof = None;
        if let Err(error) = File::create(self.path.join(SUSPECT)) {
            warn!(%error, "Cannot note that the store could not be written.");
        }
    }

    /// Damage that was found since the start: the store must not be used any longer.
    pub(super) fn damage(&self) -> Option<StoreError> {
        let damage = self.proof.as_ref()?.damage()?;
        let operation = format!("{}, which is set aside at the next start", damage.operation);
        Some(StoreError { operation, damaged: true, source: damage.source.to_string().into() })
    }

    /// The signal that ended a process which did nothing but open the store.
    fn ends_who_opens(&self, opener: &Path) -> Option<i32> {
        let store = self.path.join(STORE);
        info!(store = %store.display(), "Several runs ended while they opened the store: another process opens it first.");
        trial::signal(opener, &store).unwrap_or_else(|error| {
            warn!(%error, opener = %opener.display(), "Cannot have the store opened by another process.");
            None
        })
    }

    /// Opens the store, unless it is known to be damaged.
    fn open_store(&self) -> Result<DiskStore, OpenError> {
        if let Ok(cause) = fs::read_to_string(self.path.join(SPOILT)) {
            return Err(OpenError::Damaged(cause.into()));
        }
        let store = DiskStore::open(&self.path.join(STORE))?;
        // What ends the process from here on is not the engine's way of opening.
        self.forget(OPENING).map_err(|error| OpenError::Failed(error.into()))?;
        Ok(store)
    }

    /// Has a store read that the last run could not write: damage that only the engine's own upkeep comes upon would
    /// else end every run.
    fn prove(&mut self, store: &Arc<DiskStore>) -> Result<(), OpenFolderError> {
        let (suspect, spoilt) = (self.path.join(SUSPECT), self.path.join(SPOILT));
        if !suspect.exists() {
            return Ok(());
        }
        info!("A run could not write: everything is read in the background.");
        let note = move |found: Found<'_>| {
            let noted = match found {
                Found::Sound => fs::remove_file(&suspect),
                Found::Damaged(error) => fs::write(&spoilt, error.source.to_string()),
            };
            info!(?found, "The store was read.");
            if let Err(error) = noted {
                warn!(%error, "Cannot note what the store was found to be.");
            }
        };
        let proof = Proof::begin(Arc::clone(store), note);
        self.proof = Some(proof.map_err(|source| failed("read", &self.path.join(STORE), source))?);
        Ok(())
    }

    /// Notes that the store is being opened, a letter for each time.
    fn note_try(&self) -> Result<usize, OpenFolderError> {
        let path = self.path.join(OPENING);
        let tries = fs::metadata(&path).map_or(0, |known| known.len() as usize) + 1;
        fs::write(&path, "o".repeat(tries)).map_err(|source| failed("write", &path, source))?;
        Ok(tries)
    }

    /// Removes a note.
    fn forget(&self, note: &str) -> Result<(), OpenFolderError> {
        let path = self.path.join(note);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Renames the store, so that a new one can be made, and says so; forgets those that were set aside
    /// long ago.
    fn set_aside(&self, cause: &dyn fmt::Display, now: Timestamp) -> Result<(), OpenFolderError> {
        let store = self.path.join(STORE);
        let aside = self.path.join(format!("{DAMAGED}{}", now.strftime("%Y%m%dT%H%M%S%3fZ")));
        match fs::rename(&store, &aside) {
            // Another run was killed behind this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|source| failed("rename", &store, source))?,
        }
        error!(%cause, store = %store.display(), aside = %aside.display(),
            "Store damaged: set aside, with its flows. A new one begins.");
        self.forget(SUSPECT)?;
        self.forget(SPOILT)?;
        let mut damaged = self.damaged().map_err(|source| failed("list", &self.path, source))?;
        damaged.sort_unstable();
        let surplus = damaged.len().saturating_sub(LEFT);
        for old in &damaged[..surplus] {
            fs::remove_dir_all(old).map_err(|source| failed("remove", old, source))?;
        }
        Ok(())
    }

    /// The stores that were set aside.
    fn damaged(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(DAMAGED) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

fn lock(path: &Path) -> Result<File, OpenFolderError> {
    let name = path.join(LOCK);
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

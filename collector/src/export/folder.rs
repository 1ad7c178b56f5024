//! The folder of an export. A file appears only whole, and what is there says what has been exported.
//!
//! ```text
//! .writing                                 the file that is being written; gone after a kill
//! date=2026-01-31/flows-….parquet          whole files
//! date=2026-01-31/flows-….parquet.damaged  the newest file, if it was found damaged
//! ```
//!
//! Only whole files end in `.parquet`: what readers ask for by that may take hidden files too.

use super::{
    name::{FileName, is_date},
    notes::{Covers, is_damage},
};
use crate::ledger::StoreError;
use jiff::Timestamp;
use parquet::errors::ParquetError;
use std::{
    cmp::Reverse,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};
use tracing::warn;

const WRITING: &str = ".writing";
const DAMAGED: &str = ".damaged";

/// Why the export cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
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
    /// A file cannot be written or read.
    #[error("cannot {operation} {}: is it readable and writable for this user, and has it room?", path.display())]
    Parquet {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: ParquetError,
    },
    /// The ledger cannot be read now.
    #[error("cannot read flows from the ledger")]
    Ledger(#[source] StoreError),
    /// Another collector has the folder.
    #[error("another collector exports to {}: end it, or give this one a folder of its own", .0.display())]
    Locked(PathBuf),
    /// The files hold flows that the ledger has not made yet.
    #[error(
        "{} holds flows up to ordinal {last}, the ledger only made {made}: was it put back from a copy? \
         Give the export another folder", path.display()
    )]
    Ahead {
        /// The folder.
        path: PathBuf,
        /// The last ordinal in it.
        last: u64,
        /// How many flows the ledger made.
        made: u64,
    },
    /// It was ahead once.
    #[error(
        "{} holds flows of a ledger that was put back from a copy since: give the export another folder, or remove {AHEAD} \
         there if flows may be missing", .0.display()
    )]
    WasAhead(PathBuf),
}

/// Says that the folder was ahead of the ledger. It stays so: when the ledger has made as many flows again, they are
/// others.
const AHEAD: &str = "AHEAD-OF-THE-LEDGER";

/// A folder that is ours while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// What is exported already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exported {
    /// The file with the last flows.
    pub(super) newest: FileName,
    /// The ordinal of the last one.
    pub(super) last: u64,
    /// When the flow began that began last in it.
    pub(super) time: Option<Timestamp>,
}

impl Folder {
    /// Takes a folder, and removes what a killed run was writing. It must be there: a volume that is not
    /// mounted must not be taken for an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        let lock = File::open(path).map_err(failed("open", path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ExportError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.give_up()?;
        Ok(folder)
    }

    /// Whether it was ahead of the ledger once.
    pub(super) fn was_ahead(&self) -> bool {
        self.path.join(AHEAD).exists()
    }

    /// Notes that it is ahead of the ledger.
    pub(super) fn note_ahead(&self) -> Result<(), ExportError> {
        let path = self.path.join(AHEAD);
        File::create(&path).map_err(failed("make", &path))?;
        sync(&self.path)
    }

    /// Where the file is that is being written.
    pub(super) fn writing(&self) -> PathBuf {
        self.path.join(WRITING)
    }

    /// Begins a file.
    pub(super) fn begin(&self) -> Result<File, ExportError> {
        let path = self.writing();
        File::create(&path).map_err(failed("make", &path))
    }

    /// Removes the file that is being written, if there is one.
    pub(super) fn give_up(&self) -> Result<(), ExportError> {
        let path = self.writing();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Gives the file that was written its name. When this returns, it is there whatever happens; if it
    /// fails, it may be there or not.
    pub(super) fn publish(&self, file: &File, name: FileName) -> Result<(), ExportError> {
        let writing = self.writing();
        file.sync_all().map_err(failed("sync", &writing))?;
        let folder = self.path.join(name.folder());
        match fs::create_dir(&folder) {
            Ok(()) => sync(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &folder)(error)),
        }
        let path = folder.join(name.file());
        fs::rename(&writing, &path).map_err(failed("rename to", &path))?;
        sync(&folder)
    }

    /// What is exported of a store. A damaged file in the way is set aside: its flows are exported again.
    pub(super) fn exported(&self, store: &str) -> Result<Option<Exported>, ExportError> {
        for (name, path) in self.files()? {
            let file = File::open(&path).map_err(failed("open", &path))?;
            match Covers::read(&file) {
                Ok(Some(covers)) if covers.store == store => {
                    return Ok(Some(Exported { newest: name, last: covers.last, time: covers.newest }));
                }
                Ok(_) => {}
                Err(error) if is_damage(&error) => set_aside(name, &path, &error)?,
                Err(source) => return Err(ExportError::Parquet { operation: "read", path, source }),
            }
        }
        Ok(None)
    }

    /// Removes the files begun before some time, but not the newest, which says where to go on. Says how many.
    pub(super) fn forget(&self, before: Timestamp, newest: FileName) -> Result<u64, ExportError> {
        let mut removed = 0;
        for (name, path) in self.files()? {
            if name.begun >= before || name == newest {
                continue;
            }
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            removed += 1;
            // It stays while there are others in it.
            path.parent().and_then(|folder| fs::remove_dir(folder).ok());
        }
        Ok(removed)
    }

    /// All files, those with the greatest ordinals first.
    fn files(&self) -> Result<Vec<(FileName, PathBuf)>, ExportError> {
        let mut files = Vec::new();
        for folder in names(&self.path)?.into_iter().filter(|name| is_date(name)) {
            let folder = self.path.join(folder);
            let named = names(&folder)?.into_iter().filter_map(|file| Some((FileName::parse(&file)?, file)));
            files.extend(named.map(|(name, file)| (name, folder.join(file))));
        }
        files.sort_by_key(|(name, _)| Reverse((name.first, name.begun)));
        Ok(files)
    }
}

/// What is in a folder, of which all our names are text.
fn names(folder: &Path) -> Result<Vec<String>, ExportError> {
    let entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let names: io::Result<Vec<_>> = names.collect();
    Ok(names.map_err(failed("list", folder))?.into_iter().flatten().collect())
}

fn set_aside(name: FileName, path: &Path, error: &ParquetError) -> Result<(), ExportError> {
    warn!(file = %path.display(), %error, "Exported file damaged, set aside; its flows are exported again.");
    let aside = path.with_file_name(format!("{}{DAMAGED}", name.file()));
    fs::rename(path, &aside).map_err(failed("set aside", path))
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<(), ExportError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> ExportError {
    move |source| ExportError::Io { operation, path: path.to_owned(), source }
}

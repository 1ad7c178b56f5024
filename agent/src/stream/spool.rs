//! The spool: a folder with a file for each batch that the collector has not acknowledged.
//!
//! It does what the outbox decides, and tells what earlier runs left. Never decides what is lost.

mod frame;
mod name;
mod syncer;

pub use name::{Id, Name, NameError};

use prost::bytes::Bytes;
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use syncer::Syncer;
use tracing::{info, warn};

const LOCK: &str = "lock";
const DAMAGED: &str = "damaged";
/// Damaged files that are kept to be looked at.
const MOST_DAMAGED: usize = 4;
/// No batch is larger, so no more of a file is read.
const MOST_BYTES: u64 = 64 << 20;

/// Where a spool is and how large.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The folder.
    pub folder: PathBuf,
    /// What the batches may take on disk.
    pub bytes: u64,
}

/// There is no spool to be had.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder cannot be made, read or written.
    #[error("cannot use {folder} as spool: give a folder on a disk that can be written to (--spool)")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent has it.
    #[error("another agent uses the spool {folder}: end it, or give this one a folder of its own (--spool)")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// A batch cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// And never will be.
    #[error("it is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk says so now; it may be readable another time.
    #[error("the disk does not give it")]
    Disk(#[source] io::Error),
}

/// Where batches are put, read and removed.
pub trait Store {
    /// Keeps a batch; after an error nothing of it is kept.
    fn write(&mut self, name: &Name, body: &Bytes) -> io::Result<()>;
    /// The batch as it was written.
    fn read(&mut self, name: &Name) -> Result<Bytes, Unreadable>;
    /// The batch is not needed any more.
    fn remove(&mut self, name: &Name);
    /// The batch is damaged and out of the way, to be looked at by somebody.
    fn set_aside(&mut self, name: &Name);
    /// What a batch of this length takes.
    fn room(length: u64) -> u64;
}

/// A batch of an earlier run.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// Its name.
    pub name: Name,
    /// The length of its body.
    pub length: u64,
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct Left {
    /// Batches, in their order.
    pub batches: Vec<Spooled>,
    /// Files that claim to be batches and do not say which.
    pub nameless: u64,
}

impl Left {
    /// The number of the run that comes after.
    pub fn next_run(&self) -> u64 {
        self.batches.last().map_or(1, |last| last.name.id.run.saturating_add(1))
    }
}

/// A folder that is ours alone.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    syncer: Syncer,
    /// Whether the last writing failed, which has been said.
    failing: bool,
    /// Ours as long as it is open.
    _lock: File,
}

impl Spool {
    /// Takes the folder for itself, makes it where there is none, and finds what earlier runs left.
    pub fn open(folder: &Path) -> Result<(Self, Left), SpoolError> {
        let wrong = |source| SpoolError::Folder { folder: folder.to_owned(), source };
        // Who talks to whom is nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
        let lock = lock(folder)?;
        let syncer = Syncer::start(folder).map_err(wrong)?;
        let spool = Self { folder: folder.to_owned(), syncer, failing: false, _lock: lock };
        let left = spool.find().map_err(wrong)?;
        info!(folder = %folder.display(), batches = left.batches.len(), "The spool is open.");
        Ok((spool, left))
    }

    fn find(&self) -> io::Result<Left> {
        let mut left = Left::default();
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            let text = entry.file_name().to_string_lossy().into_owned();
            if !Name::is_claimed(&text) || !entry.file_type()?.is_file() {
                continue;
            }
            if let Ok(name) = text.parse() {
                let length = entry.metadata()?.len().saturating_sub(frame::HEADER as u64);
                left.batches.push(Spooled { name, length });
            } else {
                warn!(file = %entry.path().display(), "This is not the name of a batch; it is set aside.");
                left.nameless += 1;
                self.set_file_aside(&entry.path());
            }
        }
        left.batches.sort_by_key(|batch| batch.name.id);
        Ok(left)
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn set_file_aside(&self, path: &Path) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".");
        aside.push(DAMAGED);
        let done = std::fs::rename(path, aside).and_then(|()| self.keep_few_damaged());
        if let Err(error) = done {
            warn!(file = %path.display(), %error, "A damaged file cannot be set aside.");
        }
    }

    fn keep_few_damaged(&self) -> io::Result<()> {
        let paths = self.folder.read_dir()?.map(|entry| Ok(entry?.path()));
        let mut damaged = paths.collect::<io::Result<Vec<PathBuf>>>()?;
        damaged.retain(|path| path.extension().is_some_and(|extension| extension == DAMAGED));
        damaged.sort();
        let excess = damaged.len().saturating_sub(MOST_DAMAGED);
        damaged[..excess].iter().try_for_each(std::fs::remove_file)
    }

    fn note_write(&mut self, written: &io::Result<()>) {
        match written {
            Err(error) if !self.failing => {
                warn!(folder = %self.folder.display(), %error, "The spool cannot be written; batches stay in memory.");
            }
            Ok(()) if self.failing => {
                info!(folder = %self.folder.display(), "The spool can be written again.");
            }
            _ => {}
        }
        self.failing = written.is_err();
    }
}

impl Store for Spool {
    fn write(&mut self, name: &Name, body: &Bytes) -> io::Result<()> {
        let path = self.path(name);
        let written = write(&path, &frame::encode(name, body));
        if written.is_err() {
            // What was written of it would be found damaged; there may be nothing.
            std::fs::remove_file(&path).ok();
        } else {
            self.syncer.push(path);
        }
        self.note_write(&written);
        written
    }

    fn read(&mut self, name: &Name) -> Result<Bytes, Unreadable> {
        let path = self.path(name);
        let read = read(&path).and_then(|file| {
            frame::decode(name, &file.into()).map_err(|error| Unreadable::Damaged(Box::new(error)))
        });
        if let Err(error) = &read {
            let why = crate::capture::chain(error);
            warn!(file = %path.display(), error = why, "A batch in the spool cannot be read.");
        }
        read
    }

    fn remove(&mut self, name: &Name) {
        let path = self.path(name);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            warn!(file = %path.display(), %error, "A batch that is done stays in the spool, and is sent again.");
        }
    }

    fn set_aside(&mut self, name: &Name) {
        let path = self.path(name);
        if path.exists() {
            self.set_file_aside(&path);
        }
    }

    fn room(length: u64) -> u64 {
        /// What file systems give at a time.
        const BLOCK: u64 = 4096;
        (length + frame::HEADER as u64).next_multiple_of(BLOCK)
    }
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let wrong = |source| SpoolError::Folder { folder: folder.to_owned(), source };
    let options = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).to_owned();
    let file = options.open(folder.join(LOCK)).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let disk = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Unreadable::Damaged(Box::new(error)),
        _ => Unreadable::Disk(error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(disk)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(disk)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

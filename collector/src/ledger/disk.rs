//! The engine on disk: fjall, a log-structured store. The only file that knows it.
//!
//! State is one keyspace, each segment of flows another: a keyspace that is dropped gives its files
//! back at once, which deleting its rows would not.

use super::{
    keys,
    store::{Change, Row, Space, Store, StoreError},
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use nix::errno::Errno;
use std::{
    error::Error as StdError,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// The form of all rows; a store of another form is not ours to change.
const FORM: &[u8] = &[2];

/// What is replayed at start; the engine wants no less.
const JOURNAL: u64 = 64 * 1024 * 1024;

/// What is written to files in one go.
const MEMTABLE: u64 = 16 * 1024 * 1024;

/// Blocks of files that are kept in memory.
const CACHE: u64 = 32 * 1024 * 1024;

const STATE: &str = "state";
const SEGMENT: &str = "flows-";

/// Why a folder cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another process has it open.
    Locked,
    /// Its content is not what was written.
    Damaged(Box<dyn StdError + Send + Sync>),
    /// The file system says no.
    Failed(Box<dyn StdError + Send + Sync>),
}

/// A store in a folder.
pub(crate) struct DiskStore {
    folder: PathBuf,
    database: Database,
    state: Keyspace,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Opens the store in `folder`, or makes one there.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let new = !folder.exists();
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(folder).max_journaling_size(JOURNAL).cache_size(CACHE).open()?;
            let state = database.keyspace(STATE, options)?;
            Ok(Self { folder: folder.to_owned(), database, state })
        };
        // The engine checks nearly everything; bytes that make it panic are damaged no less.
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(store)) => store.check_form(new),
            Ok(Err(fjall::Error::Locked)) => Err(OpenError::Locked),
            Ok(Err(error)) if is_damage(&error) => Err(OpenError::Damaged(error.into())),
            Ok(Err(error)) => Err(OpenError::Failed(error.into())),
            Err(_) => Err(OpenError::Damaged("the engine gave up on what it read".into())),
        }
    }

    /// The store, if it is new or has a form that this version knows.
    fn check_form(self, new: bool) -> Result<Self, OpenError> {
        match self.get(Space::State, keys::FORM) {
            Ok(Some(form)) if form == FORM => Ok(self),
            Ok(Some(form)) => Err(OpenError::Failed(
                format!("it has form {form:?}, this version knows {FORM:?}: use the version that made it, or another folder")
                    .into(),
            )),
            Ok(None) if new => {
                let form = Change::Put(Space::State, keys::FORM.to_vec(), FORM.to_vec());
                self.commit(vec![form]).map_err(|error| OpenError::Failed(error.source))?;
                Ok(self)
            }
            Ok(None) => Err(OpenError::Damaged("its state is gone".into())),
            Err(error) if error.damaged => Err(OpenError::Damaged(error.source)),
            Err(error) => Err(OpenError::Failed(error.source)),
        }
    }

    /// Reads everything; the first row that cannot be read is the error.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        let segments = self.segments().into_iter().map(Space::Segment);
        for space in segments.chain([Space::State]) {
            let Some(keyspace) = self.find(space)? else { continue };
            for guard in keyspace.iter() {
                guard.into_inner().map_err(|error| self.failed("read", "rows", error))?;
            }
        }
        Ok(())
    }

    /// The keyspace of a space, if it is there.
    fn find(&self, space: Space) -> Result<Option<Keyspace>, StoreError> {
        match space {
            Space::State => Ok(Some(self.state.clone())),
            Space::Segment(number) => {
                let name = name(number);
                if !self.database.keyspace_exists(&name) {
                    return Ok(None);
                }
                self.make(&name).map(Some)
            }
        }
    }

    fn make(&self, name: &str) -> Result<Keyspace, StoreError> {
        self.database.keyspace(name, segment_options).map_err(|error| self.failed("open", name, error))
    }

    fn make_space(&self, space: Space) -> Result<Keyspace, StoreError> {
        match space {
            Space::State => Ok(self.state.clone()),
            Space::Segment(number) => self.make(&name(number)),
        }
    }

    fn failed(&self, verb: &str, what: &str, error: fjall::Error) -> StoreError {
        StoreError {
            operation: format!("cannot {verb} {what} of the store in {}", self.folder.display()),
            damaged: is_damage(&error),
            source: error.into(),
        }
    }
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE)
}

/// Blocks of flows are large: they are written once more, and then left where they are.
fn segment_options() -> KeyspaceCreateOptions {
    options().with_kv_separation(Some(KvSeparationOptions::default()))
}

fn name(segment: u64) -> String {
    format!("{SEGMENT}{segment:020}")
}

/// Whether an error tells of wrong bytes, and not of a disk that is full or a folder that is not ours.
fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => !is_outside(error),
        fjall::Error::Locked | fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted => false,
        _ => true,
    }
}

/// Whether the reason lies outside of the files: other bytes in them would not help.
fn is_outside(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
        || matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::ResourceBusy
                | io::ErrorKind::Interrupted
        )
}

impl Store for DiskStore {
    fn durable(&self) -> bool {
        true
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for change in changes {
            match change {
                Change::Put(space, key, value) => batch.insert(&self.make_space(space)?, key, value),
                Change::Delete(space, key) => batch.remove(&self.make_space(space)?, key),
            }
        }
        batch.commit().map_err(|error| self.failed("commit", "a transaction", error))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(keyspace) = self.find(space)? else { return Ok(None) };
        let value = keyspace.get(key).map_err(|error| self.failed("read", "a row", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>> {
        let keyspace = match self.find(space) {
            Ok(Some(keyspace)) => keyspace,
            Ok(None) => return Vec::new(),
            Err(error) => return vec![Err(error)],
        };
        let mut rows = Vec::new();
        for guard in keyspace.prefix(prefix).take(most) {
            match guard.into_inner() {
                Ok((key, value)) => rows.push(Ok((key.to_vec(), value.to_vec()))),
                Err(error) => {
                    rows.push(Err(self.failed("read", "rows", error)));
                    break;
                }
            }
        }
        rows
    }

    fn segments(&self) -> Vec<u64> {
        let names = self.database.list_keyspace_names();
        let mut segments: Vec<u64> =
            names.iter().filter_map(|name| name.strip_prefix(SEGMENT)?.parse().ok()).collect();
        segments.sort_unstable();
        segments
    }

    fn drop_segment(&self, segment: u64) -> Result<(), StoreError> {
        let Some(keyspace) = self.find(Space::Segment(segment))? else { return Ok(()) };
        let dropped = self.database.delete_keyspace(keyspace);
        dropped.map_err(|error| self.failed("drop", &name(segment), error))
    }

    fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or_default()
    }
}

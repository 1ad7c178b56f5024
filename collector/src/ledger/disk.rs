//! The engine on disk: fjall, a log-structured store. The only file that knows it.
//!
//! State is one keyspace, each segment of flows another: a keyspace that is dropped gives its files
//! back at once, which deleting its rows would not.

use super::{
    background::Stop,
    keys,
    store::{Change, Row, Space, Store, StoreError},
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use nix::errno::Errno;
use std::{
    collections::BTreeMap,
    error::Error as StdError,
    fmt,
    fs::{self, File},
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

/// The form of all rows; a store of another form is not ours to change.
const FORM: &[u8] = &[3];

/// What is replayed at start; the engine wants no less.
const JOURNAL: u64 = 64 * 1024 * 1024;

/// What is written to files in one go.
const MEMTABLE: u64 = 16 * 1024 * 1024;

/// Blocks of files that are kept in memory.
const CACHE: u64 = 32 * 1024 * 1024;

const STATE: &str = "state";
const SEGMENT: &str = "flows-";
const GRAPH: &str = "graph";
const MINUTES: &str = "minutes-";

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
    /// The spaces that are there. The engine makes one that it is asked for, so who reads asks here.
    spaces: RwLock<BTreeMap<Space, Keyspace>>,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Opens the store in `folder`, or makes one there. One that is being made has another name until it has its form:
    /// whoever is killed meanwhile leaves nothing that looks damaged.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        if !folder.exists() {
            let making = folder.with_extension("new");
            let failed = |error: io::Error| OpenError::Failed(error.into());
            match fs::remove_dir_all(&making) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => drop(Self::open_as(&making, true)?),
            }
            fs::rename(&making, folder).map_err(failed)?;
            sync_parent(folder).map_err(failed)?;
        }
        Self::open_as(folder, false)
    }

    fn open_as(folder: &Path, new: bool) -> Result<Self, OpenError> {
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(folder).max_journaling_size(JOURNAL).cache_size(CACHE).open()?;
            let mut spaces = BTreeMap::from([(Space::State, database.keyspace(STATE, options)?)]);
            for space in database.list_keyspace_names().iter().filter_map(|name| space(name)) {
                spaces.insert(space, database.keyspace(&name(space), options_of(space))?);
            }
            Ok(Self { folder: folder.to_owned(), database, spaces: RwLock::new(spaces) })
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

    /// Reads everything; the first row that cannot be read is the error. False where it was to stop before the end.
    pub(super) fn verify(&self, stop: &Stop) -> Result<bool, StoreError> {
        let spaces: Vec<Space> = self.known().keys().copied().collect();
        for keyspace in spaces.into_iter().filter_map(|space| self.find(space)) {
            for guard in keyspace.iter() {
                if stop.is_asked() {
                    return Ok(false);
                }
                guard.into_inner().map_err(|error| self.failed("read", "rows", error))?;
            }
        }
        Ok(true)
    }

    /// The keyspace of a space, if it is there.
    fn find(&self, space: Space) -> Option<Keyspace> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).get(&space).cloned()
    }

    /// The keyspace of a space, which is made if it is not there.
    fn make(&self, space: Space) -> Result<Keyspace, StoreError> {
        if let Some(keyspace) = self.find(space) {
            return Ok(keyspace);
        }
        let name = name(space);
        let made = self.database.keyspace(&name, options_of(space));
        let made = made.map_err(|error| self.failed("open", &name, error))?;
        self.known().insert(space, made.clone());
        Ok(made)
    }

    /// Gives the room of a space back.
    fn drop_space(&self, space: Space) -> Result<(), StoreError> {
        let Some(keyspace) = self.find(space) else { return Ok(()) };
        let dropped = self.database.delete_keyspace(keyspace);
        dropped.map_err(|error| self.failed("drop", &name(space), error))?;
        self.known().remove(&space);
        Ok(())
    }

    fn known(&self) -> RwLockWriteGuard<'_, BTreeMap<Space, Keyspace>> {
        self.spaces.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, verb: &str, what: &str, error: fjall::Error) -> StoreError {
        StoreError {
            operation: format!("cannot {verb} {what} of the store in {}", self.folder.display()),
            damaged: is_damage(&error),
            source: error.into(),
        }
    }
}

/// Makes a renamed folder's name outlive a loss of power.
fn sync_parent(folder: &Path) -> io::Result<()> {
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// The rows behind damage, which ends any way through it: from the end backwards to the damage, or to the key before
/// it.
fn behind(keyspace: &Keyspace, prefix: &[u8], last: Option<&[u8]>) -> Vec<Result<Row, StoreError>> {
    let rows = keyspace.prefix(prefix).rev().map_while(|guard| guard.into_inner().ok());
    let rows = rows.map(owned).take_while(|(key, _)| last.is_none_or(|last| key.as_slice() > last));
    let mut rows: Vec<_> = rows.map(Ok).collect();
    rows.reverse();
    rows
}

fn owned((key, value): (fjall::Slice, fjall::Slice)) -> Row {
    (key.to_vec(), value.to_vec())
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE)
}

/// Blocks of flows and chunks of the graph are large: they are written once more, and then left where they are.
fn options_of(space: Space) -> fn() -> KeyspaceCreateOptions {
    match space {
        Space::State => options,
        Space::Segment(_) | Space::Graph | Space::Minutes(_) => {
            || options().with_kv_separation(Some(KvSeparationOptions::default()))
        }
    }
}

/// The keyspace of a space.
fn name(space: Space) -> String {
    match space {
        Space::State => STATE.to_owned(),
        Space::Graph => GRAPH.to_owned(),
        Space::Segment(segment) => format!("{SEGMENT}{segment:020}"),
        Space::Minutes(day) => format!("{MINUTES}{day:010}"),
    }
}

/// The space of a keyspace; none of the state, which is always there.
fn space(name: &str) -> Option<Space> {
    let segment = || Some(Space::Segment(name.strip_prefix(SEGMENT)?.parse().ok()?));
    let minutes = || Some(Space::Minutes(name.strip_prefix(MINUTES)?.parse().ok()?));
    let graph = || (name == GRAPH).then_some(Space::Graph);
    segment().or_else(minutes).or_else(graph)
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
                Change::Put(space, key, value) => batch.insert(&self.make(space)?, key, value),
                Change::Delete(space, key) => batch.remove(&self.make(space)?, key),
            }
        }
        batch.commit().map_err(|error| self.failed("commit", "a transaction", error))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(keyspace) = self.find(space) else { return Ok(None) };
        let value = keyspace.get(key).map_err(|error| self.failed("read", "a row", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>> {
        let Some(keyspace) = self.find(space) else { return Vec::new() };
        let mut rows = Vec::new();
        for guard in keyspace.prefix(prefix).take(most) {
            match guard.into_inner() {
                Ok(row) => rows.push(Ok(owned(row))),
                Err(error) => {
                    let last =
                        rows.iter().rev().find_map(|row: &Result<Row, _>| Some(row.as_ref().ok()?.0.clone()));
                    rows.push(Err(self.failed("read", "rows", error)));
                    rows.extend(behind(&keyspace, prefix, last.as_deref()));
                    rows.truncate(most);
                    break;
                }
            }
        }
        rows
    }

    fn visit(
        &self,
        space: Space,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(keyspace) = self.find(space) else { return Ok(()) };
        for guard in keyspace.prefix(prefix) {
            let key = guard.key().map_err(|error| self.failed("read", "keys", error))?;
            if visit(&key).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn segments(&self) -> Vec<u64> {
        let number = |space: &Space| if let Space::Segment(number) = space { Some(*number) } else { None };
        self.known().keys().filter_map(number).collect()
    }

    fn drop_segment(&self, segment: u64) -> Result<(), StoreError> {
        self.drop_space(Space::Segment(segment))
    }

    fn minutes(&self) -> Vec<u32> {
        let day = |space: &Space| if let Space::Minutes(day) = space { Some(*day) } else { None };
        self.known().keys().filter_map(day).collect()
    }

    fn drop_minutes(&self, day: u32) -> Result<(), StoreError> {
        self.drop_space(Space::Minutes(day))
    }

    fn drop_graph(&self) -> Result<(), StoreError> {
        self.drop_space(Space::Graph)
    }

    fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or_default()
    }
}

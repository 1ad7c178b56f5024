//! [`Store`]: the shared handle on the state, for the server and for test code.
//!
//! Holds the only locks: short critical sections around the pure core, never across an await. Reads the clock
//! that the core does not have.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::admission::{Part, Strictness};
use super::error::ApiError;
use super::faults::{Faults, Pending, named};
use super::kinds::KindRef;
use super::meta;
use super::patch::Patch;
use super::selectors::Filter;
use super::store::{AtRevision, Core, Key, Preconditions, WriteOptions};

/// The namespaces that every cluster begins with.
const FIRST_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Field manager of test code.
const MANAGER: &str = "lab";

/// How a store begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// How many changes are remembered; a watch from before them gets 410 Gone.
    pub history: usize,
    /// Resource version to begin with. A restarted server should begin above its predecessor.
    pub first_revision: u64,
    /// Seed of uids and generated names; without one they differ from run to run.
    pub seed: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { history: 10_000, first_revision: 1, seed: None }
    }
}

/// A cloneable handle on one cluster's objects.
///
/// Test code writes with the semantics of the API (validation, defaults, versions), with two liberties: the
/// status is written along with the rest, and the identity and time of deletion of an object may be chosen,
/// because test code plays the controllers and kubelets.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Mutex<Core>,
    pending: Mutex<Pending>,
    /// Position behind the newest change; watches wait for it to move.
    end: watch::Sender<u64>,
    /// One token a kind; every open watch holds a clone.
    open: Vec<Arc<()>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// A cluster with the usual first namespaces and nothing else.
    pub fn new() -> Self {
        Self::with_options(StoreOptions::default())
    }

    /// A cluster that begins as told.
    pub fn with_options(options: StoreOptions) -> Self {
        let seed = options.seed.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
        });
        let core = Core::new(seed, options.first_revision, options.history);
        let shared = Shared {
            core: Mutex::new(core),
            pending: Mutex::new(Pending::default()),
            end: watch::Sender::new(0),
            open: KindRef::all().map(|_| Arc::new(())).collect(),
        };
        let store = Self { shared: Arc::new(shared) };
        for name in FIRST_NAMESPACES {
            store
                .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
                .expect("a fresh store takes the first namespaces");
        }
        store
    }

    /// Creates an object or brings it to this configuration (a forced server-side apply).
    pub fn apply(&self, object: Value) -> Result<Value, ApiError> {
        let (kind, key) = identify(&object)?;
        let patch = Patch::Apply { config: object, force: true };
        self.with_core(|core| core.patch(kind, &key, &patch, &options()))
            .map(|done| done.object.as_ref().clone())
    }

    /// Creates an object.
    pub fn create(&self, object: Value) -> Result<Value, ApiError> {
        let (kind, key) = identify(&object)?;
        self.with_core(|core| core.create(kind, &key.namespace, object, &options()))
            .map(|done| done.object.as_ref().clone())
    }

    /// Replaces an object that exists.
    pub fn update(&self, object: Value) -> Result<Value, ApiError> {
        let (kind, key) = identify(&object)?;
        self.with_core(|core| core.update(kind, &key, object, &options()))
            .map(|done| done.object.as_ref().clone())
    }

    /// Changes parts of an object by a JSON merge patch. Kinds are called as people call them; cluster-scoped
    /// objects have an empty namespace.
    pub fn patch(&self, kind: &str, namespace: &str, name: &str, change: Value) -> Result<Value, ApiError> {
        let (kind, key) = (named(kind)?, Key::new(namespace, name));
        let patch = Patch::Merge(change);
        self.with_core(|core| core.patch(kind, &key, &patch, &options()))
            .map(|done| done.object.as_ref().clone())
    }

    /// Deletes an object, and with a namespace all that is in it. The answer is its last state.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let (kind, key) = (named(kind)?, Key::new(namespace, name));
        self.with_core(|core| core.delete(kind, &key, &Preconditions::default(), Timestamp::now(), false))
            .map(|object| object.as_ref().clone())
    }

    /// One object.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let (kind, key) = (named(kind)?, Key::new(namespace, name));
        self.with_core(|core| core.get(kind, &key)).map(|object| object.as_ref().clone())
    }

    /// All objects of a kind, in one namespace or in all, ordered by namespace and name.
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
        let kind = named(kind)?;
        let filter = Filter::parse(kind, namespace, None, None)?;
        let listed = self.with_core(|core| core.list(kind, &filter, AtRevision::Latest, None, 0))?;
        Ok(listed.items.into_iter().map(|(_, object)| object.as_ref().clone()).collect())
    }

    /// Files anything under a key, unvalidated and without defaults, to see how clients take it. Where its
    /// metadata is an object the resource version is stamped; nothing else is changed.
    pub fn insert_raw(&self, kind: &str, namespace: &str, name: &str, object: Value) -> Result<(), ApiError> {
        let kind = named(kind)?;
        self.with_core(|core| core.insert_raw(kind, Key::new(namespace, name), object));
        Ok(())
    }

    /// The newest resource version.
    pub fn revision(&self) -> u64 {
        self.with_core(|core| core.revision())
    }

    /// How many watches of a kind are open, to wait for a client before something is done to it.
    pub fn open_watches(&self, kind: &str) -> Result<usize, ApiError> {
        let kind = named(kind)?;
        Ok(Arc::strong_count(&self.shared.open[kind.index()]) - 1)
    }

    /// What an open watch holds on to.
    pub(super) fn watch_token(&self, kind: KindRef) -> Arc<()> {
        Arc::clone(&self.shared.open[kind.index()])
    }

    /// The switches for faults.
    pub fn faults(&self) -> Faults {
        Faults::new(self.clone())
    }

    /// Runs something on the state and wakes the watches when it changed.
    pub(super) fn with_core<R>(&self, work: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = lock(&self.shared.core);
        let result = work(&mut core);
        let end = core.history().end();
        self.shared.end.send_if_modified(|known| std::mem::replace(known, end) != end);
        result
    }

    pub(super) fn with_pending<R>(&self, work: impl FnOnce(&mut Pending) -> R) -> R {
        work(&mut lock(&self.shared.pending))
    }

    /// Moves whenever there are new changes to read.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.end.subscribe()
    }
}

/// A panic inside a test's closure must not take the whole server down with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn options() -> WriteOptions {
    WriteOptions {
        now: Timestamp::now(),
        manager: MANAGER.to_owned(),
        part: Part::All,
        strictness: Strictness::Strict,
        dry_run: false,
    }
}

/// Kind and key of an object by what it says of itself; namespaced objects without one go to `default`.
fn identify(object: &Value) -> Result<(KindRef, Key), ApiError> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let kind = KindRef::by_object(version, kind).ok_or_else(|| {
        ApiError::bad_request(format!(
            "no matches for kind {kind:?} in version {version:?}; see the table in kinds.rs"
        ))
    })?;
    let namespace = match meta::text(object, "namespace") {
        Some(namespace) if kind.namespaced => namespace,
        _ if kind.namespaced => "default",
        _ => "",
    };
    Ok((kind, Key::new(namespace, meta::text(object, "name").unwrap_or_default())))
}

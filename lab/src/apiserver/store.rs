//! The state of the cluster: objects by kind and key, one revision counter, and the log of changes.
//!
//! A pure core: no I/O, no clock, no locks. Time comes with each write.
//!
//! ```text
//! request -> Core::{create, update, patch, delete} -> admission -> commit -> history
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::admission::{self, Admitted, Part, Strictness};
use super::error::ApiError;
use super::history::{Change, Entry, Forgotten, History};
use super::kinds::KindRef;
use super::meta;
use super::patch::{self, Patch};
use super::selectors::Filter;

/// Where an object is filed inside its kind; cluster-scoped objects have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// Who writes, when and how.
#[derive(Debug, Clone)]
pub(super) struct WriteOptions {
    pub(super) now: Timestamp,
    /// Field manager, such as `kubectl-client-side-apply`.
    pub(super) manager: String,
    pub(super) part: Part,
    pub(super) strictness: Strictness,
    pub(super) dry_run: bool,
}

/// Result of a write.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) object: Arc<Value>,
    pub(super) created: bool,
    pub(super) warnings: Vec<String>,
}

/// Conditions of a delete.
#[derive(Debug, Clone, Default)]
pub(super) struct Preconditions {
    pub(super) uid: Option<String>,
    pub(super) revision: Option<String>,
}

/// Which version a list wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtRevision {
    Latest,
    NotOlderThan(u64),
    Exact(u64),
}

/// Objects of a list with the revision they show.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) revision: u64,
    pub(super) items: Vec<(Key, Arc<Value>)>,
    /// Where the next page begins, after this key.
    pub(super) next: Option<Key>,
    /// How many matching objects the limit cut off.
    pub(super) remaining: usize,
}

/// The whole state.
#[derive(Debug)]
pub(super) struct Core {
    objects: Vec<BTreeMap<Key, Arc<Value>>>,
    revision: u64,
    history: History,
    ids: meta::Ids,
    /// Deletes of the next objects leave no trace in the log.
    swallowed_deletes: u32,
}

impl Core {
    pub(super) fn new(seed: u64, first_revision: u64, history: usize) -> Self {
        Self {
            objects: KindRef::all().map(|_| BTreeMap::new()).collect(),
            revision: first_revision,
            history: History::new(history, first_revision),
            ids: meta::Ids::new(seed),
            swallowed_deletes: 0,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn forget_history(&mut self) {
        self.history.forget(self.revision);
    }

    pub(super) fn swallow_deletes(&mut self, count: u32) {
        self.swallowed_deletes = count;
    }

    pub(super) fn of(&self, kind: KindRef) -> &BTreeMap<Key, Arc<Value>> {
        &self.objects[kind.index()]
    }

    pub(super) fn find(&self, kind: KindRef, key: &Key) -> Option<Arc<Value>> {
        self.of(kind).get(key).cloned()
    }

    pub(super) fn get(&self, kind: KindRef, key: &Key) -> Result<Arc<Value>, ApiError> {
        self.find(kind, key).ok_or_else(|| ApiError::not_found(kind, &key.name))
    }

    /// Lists one page.
    pub(super) fn list(
        &self,
        kind: KindRef,
        filter: &Filter,
        at: AtRevision,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed, ApiError> {
        let wanted = match at {
            AtRevision::Latest => 0,
            AtRevision::NotOlderThan(wanted) | AtRevision::Exact(wanted) => wanted,
        };
        if wanted > self.revision {
            return Err(ApiError::too_large_version(wanted, self.revision));
        }
        let past = match at {
            AtRevision::Exact(wanted) => Some(self.past(kind, wanted)?),
            AtRevision::Latest | AtRevision::NotOlderThan(_) => None,
        };
        let revision = if past.is_some() { wanted } else { self.revision };
        let objects = past.as_ref().unwrap_or_else(|| self.of(kind));
        let mut wanted = objects
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| *key > after))
            .filter(|(key, object)| filter.matches(&key.namespace, object));
        let take = if limit == 0 { usize::MAX } else { limit };
        let items: Vec<_> =
            wanted.by_ref().take(take).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        let remaining = wanted.count();
        let next = (remaining > 0).then(|| items.last().map(|(key, _)| key.clone())).flatten();
        Ok(Listed { revision, items, next, remaining })
    }

    /// The objects of a kind as they were, by undoing what came later.
    fn past(&self, kind: KindRef, revision: u64) -> Result<BTreeMap<Key, Arc<Value>>, ApiError> {
        let mut objects = self.of(kind).clone();
        let undo = self
            .history
            .undo_to(revision)
            .map_err(|Forgotten { oldest }| ApiError::expired(revision, oldest))?;
        for entry in undo.filter(|entry| entry.kind == kind) {
            let Change::Object { before, .. } = &entry.change else { continue };
            match before {
                Some(object) => objects.insert(entry.key.clone(), Arc::clone(object)),
                None => objects.remove(&entry.key),
            };
        }
        Ok(objects)
    }

    pub(super) fn create(
        &mut self,
        kind: KindRef,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let name = meta::settle_name(kind, namespace, &mut object, &mut self.ids)?;
        let key = Key::new(namespace, &name);
        if self.of(kind).contains_key(&key) {
            return Err(ApiError::already_exists(kind, &name));
        }
        self.write(kind, &key, object, options)
    }

    pub(super) fn update(
        &mut self,
        kind: KindRef,
        key: &Key,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        self.get(kind, key)?;
        self.write(kind, key, object, options)
    }

    pub(super) fn patch(
        &mut self,
        kind: KindRef,
        key: &Key,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if let Patch::Apply { config, force } = patch {
            return self.apply(kind, key, config, *force, options);
        }
        let live = self.get(kind, key)?;
        let patched = patch::patched(kind, &live, patch)?;
        self.write(kind, key, patched, options)
    }

    /// Server-side apply: creates what is missing.
    fn apply(
        &mut self,
        kind: KindRef,
        key: &Key,
        config: &Value,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let live = self.find(kind, key);
        if live.is_none() && options.part == Part::Status {
            return Err(ApiError::not_found(kind, &key.name));
        }
        let admitted = admission::apply(kind, key, live.as_deref(), config, force, options)?;
        self.commit_admitted(kind, key, live, admitted, options)
    }

    /// Writes an object that replaces the live one, or a new one.
    fn write(
        &mut self,
        kind: KindRef,
        key: &Key,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let live = self.find(kind, key);
        let admitted = admission::write(kind, key, live.as_deref(), object, options)?;
        self.commit_admitted(kind, key, live, admitted, options)
    }

    fn commit_admitted(
        &mut self,
        kind: KindRef,
        key: &Key,
        live: Option<Arc<Value>>,
        admitted: Admitted,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let Admitted { mut object, warnings } = admitted;
        let created = live.is_none();
        if created {
            self.require_namespace(kind, key)?;
            meta::stamp_new(&mut object, &mut self.ids, options);
        }
        if let Some(live) = live.filter(|live| **live == object) {
            return Ok(Written { object: live, created: false, warnings });
        }
        if options.dry_run {
            return Ok(Written { object: Arc::new(object), created, warnings });
        }
        let finished = meta::is_finished(&object);
        let object = self.commit(kind, key.clone(), object);
        if finished && kind.plural == "namespaces" {
            self.finish_namespace(&key.name);
        } else if finished {
            self.remove(kind, key);
        }
        Ok(Written { object, created, warnings })
    }

    /// Files an object as it is, without any check, under any key.
    pub(super) fn insert_raw(&mut self, kind: KindRef, key: Key, object: Value) -> Arc<Value> {
        self.commit(kind, key, object)
    }

    fn commit(&mut self, kind: KindRef, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        meta::set_revision(&mut object, self.revision);
        let object = Arc::new(object);
        let before = self.objects[kind.index()].insert(key.clone(), Arc::clone(&object));
        let change = Change::Object { before, after: Some(Arc::clone(&object)) };
        self.history.push(Entry { revision: self.revision, kind, key, change });
        object
    }

    /// Deletes one object; with finalizers it only becomes terminating. Namespaces take their content along.
    pub(super) fn delete(
        &mut self,
        kind: KindRef,
        key: &Key,
        conditions: &Preconditions,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Arc<Value>, ApiError> {
        let live = self.get(kind, key)?;
        meta::check_preconditions(kind, &key.name, &live, conditions)?;
        if dry_run {
            return Ok(live);
        }
        if kind.plural == "namespaces" {
            self.empty_namespace(&key.name, now);
        }
        if meta::has_finalizers(&live) || (kind.plural == "namespaces" && self.has_content(&key.name)) {
            return Ok(self.mark_terminating(kind, key, &live, now));
        }
        Ok(self.remove(kind, key).unwrap_or(live))
    }

    fn mark_terminating(
        &mut self,
        kind: KindRef,
        key: &Key,
        live: &Arc<Value>,
        now: Timestamp,
    ) -> Arc<Value> {
        if meta::is_terminating(live) {
            return Arc::clone(live);
        }
        let mut object = Value::clone(live);
        meta::set_terminating(&mut object, kind, now);
        self.commit(kind, key.clone(), object)
    }

    /// Takes an object out for good. Its namespace follows when it was only waiting for that.
    pub(super) fn remove(&mut self, kind: KindRef, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects[kind.index()].remove(key)?;
        self.revision += 1;
        if self.swallowed_deletes > 0 {
            self.swallowed_deletes -= 1;
        } else {
            let change = Change::Object { before: Some(Arc::clone(&before)), after: None };
            self.history.push(Entry { revision: self.revision, kind, key: key.clone(), change });
        }
        if kind.namespaced {
            self.finish_namespace(&key.namespace);
        }
        Some(before)
    }

    /// Puts a fault into the log, for the watches of the kind that are open now.
    pub(super) fn inject(&mut self, kind: KindRef, change: Change) {
        self.history.push(Entry { revision: self.revision, kind, key: Key::new("", ""), change });
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

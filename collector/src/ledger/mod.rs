//! The ledger: makes the effects of batches durable, and keeps the flows.
//!
//! ```text
//! effects ──► one transaction ──► durable ──► shelf: catalog, subscribers ──► acks
//!             │ state: runs, losses, views that wait, connections told alone, flows of late
//!             └ segments: blocks of flows, dropped as a whole when they are old
//! ```
//!
//! One thread writes ([`crate::writer`]). Readers take from the [`Shelf`] what is durable.

mod background;
mod block;
mod catalog;
mod disk;
mod extent;
#[cfg(test)]
mod failing;
mod folder;
mod keys;
mod memory;
mod met;
mod name;
mod proof;
mod restore;
mod retention;
mod seal;
mod shelf;
mod store;
mod tail;
mod told;
mod trial;
mod views;
mod waiting;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;

pub(crate) use block::{BlockError, pack, unpack, unpack_bytes};
pub(crate) use catalog::{Catalog, Facts, Fresh};
pub(crate) use folder::OpenFolderError;
pub(crate) use memory::MemoryStore;
pub(crate) use name::StoreName;
pub(crate) use shelf::{Reach, Shelf, Subscription};
pub(crate) use store::{Change, SharedStore, Space, StoreError};
pub(crate) use tail::{Step, Tail};
pub use trial::{OPEN_STORE, open_store};
#[cfg(test)]
pub(crate) use {failing::Failing, store::Store};

use crate::{
    config::Config,
    dedup::Progress,
    intake::{Effects, NodeRun, Restored},
    join::{Changes, Told},
    made::Made,
    metrics::Metrics,
};
use folder::Folder;
use jiff::{SignedDuration, Timestamp};
use portolan_policy::Loss;
use portolan_proto::Connection;
use retention::Retention;
use seal::Segments;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Instant,
};
use told::ToldHours;
use waiting::WaitingRows;

/// Owns the store's content; there is one.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: SharedStore,
    shelf: Arc<Shelf>,
    metrics: Arc<Metrics>,
    catalog: Catalog,
    segments: Segments,
    waiting: WaitingRows,
    told: ToldHours,
    retention: Retention,
    /// Segments that nobody sees any more and that the store still has.
    leaving: BTreeSet<u64>,
    resend: SignedDuration,
    /// Keeps the folder ours.
    folder: Option<Folder>,
}

impl Ledger {
    /// A ledger in the configured folder, or in memory. Returns what an earlier run left behind.
    pub(crate) fn open(
        config: &Config,
        metrics: Arc<Metrics>,
        now: Timestamp,
    ) -> Result<(Self, Restored), OpenFolderError> {
        let (store, folder): (SharedStore, _) = match &config.data {
            Some(path) => {
                let (folder, store) = Folder::open(path, config.opener.as_deref(), &metrics, now)?;
                (store, Some(folder))
            }
            None => (Arc::new(MemoryStore::default()), None),
        };
        let (mut ledger, restored) = restore::restore(store, config, metrics, now);
        ledger.folder = folder;
        Ok((ledger, restored))
    }

    /// What readers see.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf)
    }

    /// Where everything is kept.
    pub(crate) fn store(&self) -> SharedStore {
        Arc::clone(&self.store)
    }

    /// Where its bytes are, unless they are in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.folder.as_ref().map(Folder::path)
    }

    /// Whether what is committed outlives the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.durable()
    }

    /// An error if the store was found to be damaged, so that it cannot be used any longer.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.folder.as_ref().and_then(Folder::damage).map_or(Ok(()), Err)
    }

    /// The connections with this tuple that were told alone and began at about the same time.
    pub(crate) fn told(&self, connection: &Connection) -> Vec<Told> {
        self.told.find(&self.store, connection).unwrap_or_else(|error| {
            self.metrics.report(&error);
            Vec::new()
        })
    }

    /// Makes effects durable, then shows them. When this returns, they may be acknowledged. Gives the flows
    /// that were made.
    pub(crate) fn commit(&mut self, effects: Effects, now: Timestamp) -> Result<Vec<Arc<Made>>, StoreError> {
        let begin = Instant::now();
        let Effects { flows, join, runs, untold } = effects;
        let mut changes = Vec::new();
        if self.store.durable() {
            write_runs(runs, &mut changes);
            write_untold(untold, &mut changes);
            self.write_join(join, &mut changes);
        }
        let mut catalog = self.catalog.clone();
        let made = |(ordinal, flow)| Arc::new(Made::new(ordinal, flow));
        let flows: Vec<_> = (catalog.next..).zip(flows).map(made).collect();
        self.segments.keep(&flows, now, &mut catalog, &mut changes);
        if changes.is_empty() {
            return Ok(flows);
        }
        if let Err(error) = self.store.commit(changes) {
            self.folder.iter_mut().for_each(Folder::suspect);
            return Err(error);
        }
        self.catalog = catalog;
        self.shelf.show(self.catalog.clone(), &flows);
        self.metrics.count(&flows);
        self.metrics.commits.inc();
        self.metrics.commit_seconds.observe(begin.elapsed().as_secs_f64());
        Ok(flows)
    }

    fn write_join(&mut self, join: Changes, changes: &mut Vec<Change>) {
        let Changes { waits, resolved, told, untold } = join;
        self.waiting.resolve(resolved, changes);
        self.waiting.wait(waits, changes);
        self.told.write(&told, &untold, changes);
    }

    /// Lets go of what is too old or too much, if all flows of a segment have ordinals below `counted`: others
    /// are wanted again. To be called now and then.
    pub(crate) fn clean(&mut self, now: Timestamp, counted: u64) -> Result<(), StoreError> {
        for segment in self.retention.too_much(&self.catalog, self.segments.current, now) {
            if self.catalog.segments.get(&segment).is_some_and(|extent| extent.greatest >= counted) {
                break;
            }
            // Readers lose sight of it first.
            self.metrics.evicted.inc_by(self.catalog.forget(segment));
            self.metrics.segments_dropped.inc();
            self.shelf.show(self.catalog.clone(), &[]);
            self.leaving.insert(segment);
        }
        // One that the store does not let go of now is tried again the next time.
        while let Some(&segment) = self.leaving.first() {
            let count = keys::number(keys::SEGMENT, segment);
            self.store.commit(vec![Change::Delete(Space::State, count)])?;
            self.store.drop_segment(segment)?;
            self.leaving.remove(&segment);
        }
        self.told.learn();
        let changes = self.told.forget(&self.store, self.resend, now)?;
        self.store.commit(changes)?;
        self.metrics.store_bytes.set(self.store.bytes() as i64);
        Ok(())
    }
}

fn write_runs(runs: BTreeMap<NodeRun, Option<Progress>>, changes: &mut Vec<Change>) {
    for (run, progress) in runs {
        let key = keys::run(&run);
        changes.push(match progress {
            Some(Progress { ranges, heard }) => {
                let row = (heard.as_nanosecond(), ranges);
                let value = postcard::to_stdvec(&row).expect("numbers always have a form");
                Change::Put(Space::State, key, value)
            }
            None => Change::Delete(Space::State, key),
        });
    }
}

fn write_untold(untold: BTreeMap<String, Vec<Loss>>, changes: &mut Vec<Change>) {
    for (node, losses) in untold {
        let key = keys::untold(&node);
        changes.push(if losses.is_empty() {
            Change::Delete(Space::State, key)
        } else {
            let value = postcard::to_stdvec(&losses).expect("losses always have a form");
            Change::Put(Space::State, key, value)
        });
    }
}

/// The flows in the order of their time; those of one time in the order in which they were made.
fn by_time(mut flows: Vec<Arc<Made>>) -> Vec<Arc<Made>> {
    flows.sort_unstable_by_key(|made| (made.flow.time, made.ordinal));
    flows
}

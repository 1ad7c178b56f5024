//! What the ledger must be told, so that a restart finds the join as it was.

use super::{memory::Telling, side::Side};
use portolan_proto::{Connection, Observation};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A view that waits for the other side's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// The same for no two views that wait.
    pub(crate) number: u64,
    /// The side that it tells of.
    pub(crate) side: Side,
    /// The view.
    pub(crate) view: Arc<Observation>,
}

/// A connection of which only one side was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// As that side saw it.
    pub(crate) connection: Connection,
    /// Which one.
    pub(crate) side: Side,
    /// Which of its tellings; they are known apart.
    pub(crate) telling: Telling,
}

/// What has changed in a join.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Views that wait now and did not before, by number.
    pub(crate) waits: BTreeMap<u64, Waits>,
    /// Views that waited before and do not now.
    pub(crate) resolved: BTreeSet<u64>,
    /// Connections told alone.
    pub(crate) told: Vec<Told>,
    /// Those whose other side has come since. They come after those told.
    pub(crate) untold: Vec<Told>,
}

impl Changes {
    pub(super) fn wait(&mut self, waits: Waits) {
        self.waits.insert(waits.number, waits);
    }

    /// A view that comes and goes between two commits leaves nothing behind.
    pub(super) fn resolve(&mut self, number: u64) {
        if self.waits.remove(&number).is_none() {
            self.resolved.insert(number);
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    pub(super) fn untell(&mut self, told: Told) {
        self.untold.push(told);
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { waits, resolved, told, untold } = self;
        waits.is_empty() && resolved.is_empty() && told.is_empty() && untold.is_empty()
    }
}

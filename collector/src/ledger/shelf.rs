//! What readers see: what is durable, and nothing else. They never wait for a commit.

use super::{
    block,
    catalog::Catalog,
    keys,
    name::StoreName,
    store::{SharedStore, Space, StoreError},
};
use crate::{
    filter::Filters,
    made::Made,
    metrics::Metrics,
    subscribe::{Item, Subscribers, Wanted},
};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tracing::warn;

/// What becomes of somebody who wants to follow.
#[derive(Debug)]
pub(crate) enum Subscription {
    /// They do.
    Follows {
        /// Every kept flow.
        kept: Catalog,
        /// What comes after the last of them, without a gap.
        queue: mpsc::Receiver<Item>,
    },
    /// They would have to read too much first: while they did, the queue might overflow.
    Behind,
    /// Too many follow already.
    Refused,
}

/// How far behind the present somebody may begin to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Not at all.
    Present,
    /// A little, which they can read while the queue fills.
    Near,
}

#[derive(Debug)]
struct Shown {
    catalog: Catalog,
    subscribers: Subscribers,
}

/// The kept flows and who follows.
#[derive(Debug)]
pub(crate) struct Shelf {
    name: StoreName,
    store: SharedStore,
    metrics: Arc<Metrics>,
    shown: Mutex<Shown>,
}

impl Shelf {
    pub(super) fn new(
        name: StoreName,
        store: SharedStore,
        metrics: Arc<Metrics>,
        subscriber_queue: usize,
        catalog: Catalog,
    ) -> Self {
        let subscribers = Subscribers::new(subscriber_queue, metrics.missed.clone());
        let shelf = Self { name, store, metrics, shown: Mutex::new(Shown { catalog, subscribers }) };
        shelf.measure(&shelf.shown());
        shelf
    }

    /// The queue of flows to come, for who has all that were made before the ordinal `from`, or needs none of them.
    pub(crate) fn subscribe(&self, wanted: Wanted, from: Option<u64>, reach: Reach) -> Subscription {
        let mut shown = self.shown();
        let behind = from.map_or(0, |from| shown.catalog.next.saturating_sub(from));
        let most = match reach {
            Reach::Present => 0,
            Reach::Near => shown.subscribers.reach(),
        };
        if behind > most {
            return Subscription::Behind;
        }
        let Some(queue) = shown.subscribers.add(wanted) else { return Subscription::Refused };
        self.measure(&shown);
        Subscription::Follows { kept: shown.catalog.clone(), queue }
    }

    /// The flows of a block.
    pub(crate) fn block(&self, segment: u64, number: u64) -> Result<Vec<Made>, StoreError> {
        self.pick(segment, number, &Filters::default(), |_, _| true)
    }

    /// The flows of a block that filters take and that may be, by time and ordinal. A block that retention took
    /// meanwhile has none; one that is damaged has none either, is said and counted. An error is one that may pass: the
    /// flows are there.
    pub(crate) fn pick(
        &self,
        segment: u64,
        number: u64,
        filters: &Filters,
        may_be: impl FnMut(Timestamp, u64) -> bool,
    ) -> Result<Vec<Made>, StoreError> {
        self.metrics.blocks_read.inc();
        let bytes = match self.store.get(Space::Segment(segment), &keys::number(keys::BLOCK, number)) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Vec::new()),
            Err(error) if error.damaged => {
                self.damaged(segment, number, &error);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        Ok(block::pick(&bytes, filters, may_be).unwrap_or_else(|error| {
            self.damaged(segment, number, &error);
            Vec::new()
        }))
    }

    fn damaged(&self, segment: u64, number: u64, error: &dyn std::error::Error) {
        self.metrics.damaged.inc();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        warn!(segment, block = number, %error, cause, "Block damaged, its flows are left out.");
    }

    /// The name of the store.
    pub(crate) fn name(&self) -> StoreName {
        self.name
    }

    /// What is kept, now.
    pub(crate) fn catalog(&self) -> Catalog {
        self.shown().catalog.clone()
    }

    /// How many follow.
    pub(crate) fn subscribers(&self) -> usize {
        self.shown().subscribers.len()
    }

    /// Shows what has become durable: the flows to who follows, the catalog to who comes.
    pub(super) fn show(&self, catalog: Catalog, flows: &[Arc<Made>]) {
        let mut shown = self.shown();
        shown.catalog = catalog;
        for made in flows {
            shown.subscribers.publish(made);
        }
        self.measure(&shown);
    }

    /// Lets time pass for who follows.
    pub(crate) fn tick(&self) {
        let mut shown = self.shown();
        shown.subscribers.tick();
        self.measure(&shown);
    }

    /// Ends every subscription after what is queued.
    pub(crate) fn close(&self) {
        self.shown().subscribers.close();
    }

    fn measure(&self, shown: &Shown) {
        self.metrics.kept.set(shown.catalog.len() as i64);
        self.metrics.blocks.set(shown.catalog.blocks.len() as i64);
        self.metrics.subscribers.set(shown.subscribers.len() as i64);
    }

    /// A panic elsewhere must not end the collector: the state is sound after every step.
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

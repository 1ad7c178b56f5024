//! A store that fails while a test wants it to, as one does whose disk is in trouble that passes.

use super::{
    memory::MemoryStore,
    store::{Change, Row, Space, Store, StoreError},
};
use std::sync::atomic::{AtomicBool, Ordering};

/// An engine that fails for a while.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    store: MemoryStore,
    /// Single rows cannot be read.
    pub(crate) rows: AtomicBool,
    /// Minutes of the graph cannot be read.
    pub(crate) minutes: AtomicBool,
    /// Minutes of the graph cannot be dropped.
    pub(crate) drops: AtomicBool,
}

fn passing() -> StoreError {
    StoreError { operation: "cannot do it now".to_owned(), damaged: false, source: "too many files".into() }
}

impl Store for Failing {
    fn durable(&self) -> bool {
        self.store.durable()
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.store.commit(changes)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.rows.load(Ordering::SeqCst) { Err(passing()) } else { self.store.get(space, key) }
    }

    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>> {
        if matches!(space, Space::Minutes(_)) && self.minutes.load(Ordering::SeqCst) {
            return vec![Err(passing())];
        }
        self.store.scan(space, prefix, most)
    }

    fn segments(&self) -> Vec<u64> {
        self.store.segments()
    }

    fn drop_segment(&self, segment: u64) -> Result<(), StoreError> {
        self.store.drop_segment(segment)
    }

    fn minutes(&self) -> Vec<u32> {
        self.store.minutes()
    }

    fn drop_minutes(&self, day: u32) -> Result<(), StoreError> {
        if self.drops.load(Ordering::SeqCst) { Err(passing()) } else { self.store.drop_minutes(day) }
    }

    fn drop_graph(&self) -> Result<(), StoreError> {
        self.store.drop_graph()
    }

    fn bytes(&self) -> u64 {
        self.store.bytes()
    }
}

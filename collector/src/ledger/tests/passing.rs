//! A store that cannot be read for a while: nobody takes that for damage, and nothing is left out.

use super::*;
use crate::ledger::store::{Row, Store, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
struct Passing {
    store: MemoryStore,
    away: AtomicBool,
}

impl Store for Passing {
    fn durable(&self) -> bool {
        self.store.durable()
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.store.commit(changes)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            let operation = "cannot read".to_owned();
            return Err(StoreError { operation, damaged: false, source: "no file is left".into() });
        }
        self.store.get(space, key)
    }

    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>> {
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
        self.store.drop_minutes(day)
    }

    fn drop_graph(&self) -> Result<(), StoreError> {
        self.store.drop_graph()
    }

    fn bytes(&self) -> u64 {
        self.store.bytes()
    }
}

#[test]
fn what_cannot_be_read_for_a_while_is_an_error_and_then_all_there() {
    let store = Arc::new(Passing::default());
    let shared: SharedStore = store.clone();
    let (mut ledger, mut number) = (open(&shared, 5), 0);
    commit(&mut ledger, made(&(0..20).collect::<Vec<_>>(), &mut number));
    let shelf = ledger.shelf();
    let mut reader = Tail::new(Arc::clone(&shelf), &shelf.catalog(), 0);
    store.away.store(true, Ordering::Relaxed);
    assert!(reader.next().is_err() && reader.next().is_err());
    let (kept, wanted) = (shelf.catalog(), Wanted::default());
    let query = Query { shelf, before: kept.next, kept, wanted, last: None, after: None };
    assert!(query.run(|made| panic!("{made:?}")).is_err());
    store.away.store(false, Ordering::Relaxed);
    let steps = std::iter::from_fn(|| reader.next().unwrap());
    assert_eq!(steps.filter(|step| matches!(step, Step::Made(_))).count(), 20);
    assert_eq!(ledger.metrics.damaged.get(), 0);
}

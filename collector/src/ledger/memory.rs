//! The engine that forgets: for a collector without a folder.

use super::store::{Change, Row, Space, Store, StoreError};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    spaces: Mutex<BTreeMap<Space, Rows>>,
}

impl MemoryStore {
    fn spaces(&self) -> MutexGuard<'_, BTreeMap<Space, Rows>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(rows: &Rows) -> u64 {
    rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
}

impl Store for MemoryStore {
    fn durable(&self) -> bool {
        false
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut spaces = self.spaces();
        for change in changes {
            match change {
                Change::Put(space, key, value) => {
                    spaces.entry(space).or_default().insert(key, value);
                }
                Change::Delete(space, key) => {
                    if let Some(rows) = spaces.get_mut(&space) {
                        rows.remove(&key);
                    }
                }
            }
        }
        Ok(())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.spaces().get(&space).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, space: Space, prefix: &[u8], most: usize) -> Vec<Result<Row, StoreError>> {
        let spaces = self.spaces();
        let Some(rows) = spaces.get(&space) else { return Vec::new() };
        let from = rows.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        from.take(most).map(|(key, value)| Ok((key.clone(), value.clone()))).collect()
    }

    fn segments(&self) -> Vec<u64> {
        let spaces = self.spaces();
        let segments = spaces.keys().filter_map(|space| match space {
            Space::Segment(number) => Some(*number),
            _ => None,
        });
        segments.collect()
    }

    fn drop_segment(&self, segment: u64) -> Result<(), StoreError> {
        self.spaces().remove(&Space::Segment(segment));
        Ok(())
    }

    fn minutes(&self) -> Vec<u32> {
        let spaces = self.spaces();
        let days = spaces.keys().filter_map(|space| match space {
            Space::Minutes(day) => Some(*day),
            _ => None,
        });
        days.collect()
    }

    fn drop_minutes(&self, day: u32) -> Result<(), StoreError> {
        self.spaces().remove(&Space::Minutes(day));
        Ok(())
    }

    fn drop_graph(&self) -> Result<(), StoreError> {
        self.spaces().remove(&Space::Graph);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.spaces().values().map(size).sum()
    }
}

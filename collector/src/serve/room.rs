//! Room for batches that are read and not applied yet: however many agents send at once, they take so much memory.

use portolan_proto::v1;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all of them may take, in KiB.
const ALL: u32 = 256 * 1024;

/// What a record takes when it is read, in KiB: what it names is shared, and counted with the first.
const RECORD: u32 = 1;

/// How much larger a batch is when it is read, where it says nothing of its records.
const GROWTH: u32 = 32;

/// The room that is left.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ALL as usize)))
    }

    /// Waits until there is room for a batch, in the order in which they came. It is taken until what is returned
    /// is dropped.
    pub(super) async fn enter(&self, batch: &v1::Batch) -> OwnedSemaphorePermit {
        let entered = Arc::clone(&self.0).acquire_many_owned(weight(batch)).await;
        entered.expect("nobody closes it")
    }
}

/// What a batch takes, about. One that would take more than all comes alone.
fn weight(batch: &v1::Batch) -> u32 {
    let by_records = batch.records.saturating_mul(RECORD);
    let by_length = (batch.content_length >> 10).saturating_mul(GROWTH);
    by_records.max(by_length).clamp(1, ALL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn batch(records: u32) -> v1::Batch {
        v1::Batch { records, ..v1::Batch::default() }
    }

    #[test]
    fn full_batches_wait_for_each_other_and_small_ones_hardly_count() {
        let room = Room::new();
        let enter = |batch: &v1::Batch| room.enter(batch).now_or_never();
        let entered: Vec<_> = std::iter::from_fn(|| enter(&batch(4096))).collect();
        assert_eq!(entered.len(), 64);
        assert!(enter(&batch(1)).is_none(), "it is full");
        drop(entered);
        let entered: Vec<_> = (0..1000).map_while(|_| enter(&batch(10))).collect();
        assert_eq!(entered.len(), 1000);
    }

    #[test]
    fn a_batch_that_says_too_little_or_too_much_of_itself_is_weighed_all_the_same() {
        assert_eq!(weight(&batch(u32::MAX)), ALL, "it comes alone, and it comes");
        assert_eq!(weight(&v1::Batch { content_length: 4 << 20, ..batch(0) }), 128 * 1024);
        assert_eq!(weight(&batch(0)), 1);
    }
}

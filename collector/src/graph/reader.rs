//! Reads what is in the store. What cannot be read costs itself, is counted and said.

use super::{
    Counters,
    addition::Addition,
    chunk::Chunk,
    level::Bucket,
    state::State,
    sums::Sums,
    words::{Sizes, Words},
    writing::{STATE, chunk_of, words_prefix},
};
use crate::ledger::{SharedStore, Space, StoreError, unpack};
use jiff::Timestamp;
use std::error::Error;
use tracing::warn;

/// The store, and what is counted.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) store: SharedStore,
    pub(super) counters: Counters,
}

/// What there was of a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// How many chunks.
    pub(super) chunks: u64,
    /// How many of them cannot be read.
    pub(super) damaged: u64,
    /// Whether another try may find more: bytes were not seen to be damaged.
    pub(super) may_pass: bool,
}

impl Reader {
    /// The state that was written last, or that of a new graph. Without it the rows of a graph mean nothing:
    /// then all go, and what the ledger still has is counted again.
    pub(super) fn state(&self, now: Timestamp) -> State {
        match self.store.get(Space::Graph, STATE) {
            Ok(None) => return State::new(now),
            Ok(Some(bytes)) => match State::decode(&bytes) {
                Ok(state) => return state,
                Err(problem) => self.damaged("its state", &*Box::<dyn Error>::from(problem)),
            },
            Err(error) => self.damaged("its state", &error),
        }
        if let Err(error) = self.clear() {
            self.damaged("what was left of it", &error);
        }
        State::new(now)
    }

    /// Takes everything away.
    fn clear(&self) -> Result<(), StoreError> {
        self.store.minutes().into_iter().try_for_each(|day| self.store.drop_minutes(day))?;
        self.store.drop_graph()
    }

    /// The words of a day as they were in a state, and how many rows of them are damaged.
    pub(super) fn words(&self, day: u32, state: &State) -> (Words, u64) {
        let most = state.days.get(&day).map_or_else(Sizes::default, |day| day.sizes);
        let (mut words, mut damaged) = (Words::default(), 0);
        for row in self.store.scan(Space::Graph, &words_prefix(day), usize::MAX) {
            damaged += u64::from(!self.understood("names of a day", row, |key, bytes| {
                if chunk_of(key) >= state.chunk {
                    return Ok(());
                }
                let addition: Addition = unpack(bytes).map_err(|error| error.to_string())?;
                words.add(addition, most).map_err(ToOwned::to_owned)
            }));
        }
        words.fill(most);
        (words, damaged)
    }

    /// Adds a bucket to the sums of so many cells, as it was before the chunk `below` was written.
    pub(super) fn add_bucket(&self, bucket: Bucket, cells: u32, below: u64, sums: &mut Sums) -> Found {
        let mut found = Found::default();
        for row in self.store.scan(bucket.space(), &bucket.prefix(), usize::MAX) {
            found.chunks += 1;
            found.may_pass |= row.as_ref().is_err_and(|error| !error.damaged);
            found.damaged += u64::from(!self.understood("a chunk", row, |key, bytes| {
                if chunk_of(key) < below {
                    Chunk::decode(bytes, cells).map_err(|error| error.to_string())?.add_to(sums);
                }
                Ok(())
            }));
        }
        found
    }

    /// The rows of a bucket that can be read, and how long they are.
    pub(super) fn rows(&self, bucket: Bucket) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.store.scan(bucket.space(), &bucket.prefix(), usize::MAX).into_iter().flatten().collect()
    }

    /// Whether a row was read and understood.
    fn understood(
        &self,
        what: &str,
        row: Result<(Vec<u8>, Vec<u8>), StoreError>,
        read: impl FnOnce(&[u8], &[u8]) -> Result<(), String>,
    ) -> bool {
        let problem: Option<Box<dyn Error>> = match row {
            Ok((key, bytes)) => read(&key, &bytes).err().map(Into::into),
            Err(error) => Some(error.into()),
        };
        if let Some(problem) = &problem {
            self.damaged(what, &**problem);
        }
        problem.is_none()
    }

    fn damaged(&self, what: &str, error: &dyn Error) {
        self.counters.damaged.inc();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        warn!(%error, cause, "Graph damaged, goes on without {what}.");
    }
}

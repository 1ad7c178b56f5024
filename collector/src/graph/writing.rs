//! One transaction of the graph: chunks, words and the state that tells of them.
//!
//! ```text
//! graph    v                          the state
//!          d day number               words that were new, by the number of what was written
//!          h hour number, y day number  chunks
//! minutes  m minute number            chunks
//! ```

use super::{
    addition::Addition,
    chunk,
    level::{Bucket, Level},
    log::Place,
    state::State,
    sum::Sum,
    words::Sizes,
};
use crate::ledger::{Change, Space, pack};

/// The key of the state.
pub(super) const STATE: &[u8] = b"v";

/// What is to be written, and the state when it is.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) state: State,
    changes: Vec<Change>,
    /// How many chunks are among it.
    pub(super) chunks: u64,
}

impl Writing {
    /// Goes on from a state.
    pub(super) const fn new(state: State) -> Self {
        Self { state, changes: Vec::new(), chunks: 0 }
    }

    /// Adds words of a day, of which there are so many then.
    pub(super) fn words(&mut self, day: u32, addition: Addition, sizes: Sizes) {
        self.state.days.entry(day).or_default().sizes = sizes;
        for piece in addition.pieces() {
            let bytes = pack(&piece);
            self.state.days.entry(day).or_default().words += bytes.len() as u64;
            let number = self.number();
            self.changes.push(Change::Put(Space::Graph, numbered(words_prefix(day), number), bytes));
        }
    }

    /// Adds cells, in their order, to a bucket.
    pub(super) fn bucket(&mut self, bucket: Bucket, cells: &[(Place, &Sum)]) {
        for cells in chunk::parts(cells) {
            let bytes = chunk::encode(bucket.base(), cells);
            let known = self.state.days.entry(bucket.day()).or_default();
            known.chunks[bucket.level as usize] += bytes.len() as u64;
            let number = self.number();
            self.chunks += 1;
            self.changes.push(Change::Put(bucket.space(), numbered(bucket.prefix(), number), bytes));
        }
    }

    /// Writes cells in the place of rows that they were read from, and under their last keys: who reads sees either. False
    /// where there are too few of these.
    pub(super) fn rewrite(
        &mut self,
        bucket: Bucket,
        rows: &[(Vec<u8>, u64)],
        cells: &[(Place, &Sum)],
    ) -> bool {
        let parts: Vec<_> = chunk::parts(cells).map(|cells| chunk::encode(bucket.base(), cells)).collect();
        let Some(gone) = rows.len().checked_sub(parts.len()) else { return false };
        let (gone, kept) = rows.split_at(gone);
        self.remove(bucket, gone);
        // A transaction may name a key once.
        for ((key, bytes), part) in kept.iter().zip(parts) {
            self.weigh(bucket, *bytes, part.len() as u64);
            self.changes.push(Change::Put(bucket.space(), key.clone(), part));
        }
        true
    }

    /// Takes rows of a bucket away.
    pub(super) fn remove(&mut self, bucket: Bucket, rows: &[(Vec<u8>, u64)]) {
        self.weigh(bucket, rows.iter().map(|(_, bytes)| bytes).sum(), 0);
        self.changes.extend(rows.iter().map(|(key, _)| Change::Delete(bucket.space(), key.clone())));
    }

    /// A bucket has lost and won so many bytes.
    fn weigh(&mut self, bucket: Bucket, lost: u64, won: u64) {
        if let Some(day) = self.state.days.get_mut(&bucket.day()) {
            let bytes = &mut day.chunks[bucket.level as usize];
            *bytes = bytes.saturating_sub(lost) + won;
        }
    }

    /// Takes a row away.
    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.changes.push(Change::Delete(Space::Graph, key));
    }

    /// Everything that changes.
    pub(super) fn finish(mut self) -> (Vec<Change>, State) {
        let state = postcard::to_stdvec(&self.state).expect("numbers always have a form");
        self.changes.push(Change::Put(Space::Graph, STATE.to_vec(), state));
        (self.changes, self.state)
    }

    fn number(&mut self) -> u64 {
        let number = self.state.chunk;
        self.state.chunk += 1;
        number
    }
}

/// The buckets at whose levels a minute is written: its own, and those that are rolled up already.
pub(super) fn targets(state: &State, minute: u32) -> impl Iterator<Item = Bucket> {
    let levels = Level::ALL.into_iter().map(move |level| level.of(minute));
    levels.filter(|bucket| state.has(*bucket))
}

/// The beginning of the keys of a day's words.
pub(super) fn words_prefix(day: u32) -> Vec<u8> {
    [b"d", &day.to_be_bytes()[..]].concat()
}

fn numbered(prefix: Vec<u8>, number: u64) -> Vec<u8> {
    [prefix, number.to_be_bytes().to_vec()].concat()
}

/// The number at the end of a key.
pub(super) fn chunk_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(u64::MAX, |number| u64::from_be_bytes(*number))
}

//! Putting small chunks of a bucket together: what comes late comes in little pieces, and each costs whoever reads.

use super::{chunk::Chunk, level::Bucket, reader::Reader, state::State, sums::Sums, writing::Writing};
use std::collections::BTreeMap;

/// So many chunks may come to a bucket before they are put together.
const MOST: u32 = if cfg!(test) { 4 } else { 64 };

/// So many buckets are put in order at a time: the writer waits for no more.
const AT_ONCE: usize = 32;

/// Chunks of so many bytes and more stay as they are: nothing is written again more often than it takes to get there.
const SMALL: usize = 256 * 1024;

/// How many chunks have come to each bucket since the start, or since they were put together.
#[derive(Debug, Default)]
pub(super) struct Crowds(BTreeMap<Bucket, u32>);

impl Crowds {
    /// A chunk came to each of these.
    pub(super) fn came(&mut self, buckets: impl Iterator<Item = Bucket>) {
        for bucket in buckets {
            *self.0.entry(bucket).or_default() += 1;
        }
    }

    /// Buckets that too many have come to. They count anew.
    pub(super) fn next(&mut self) -> Vec<Bucket> {
        let crowded = self.0.iter().filter(|(_, count)| **count > MOST).map(|(bucket, _)| *bucket);
        let crowded: Vec<_> = crowded.take(AT_ONCE).collect();
        self.0.retain(|bucket, _| !crowded.contains(bucket));
        crowded
    }

    /// Forgets what is not kept any more.
    pub(super) fn retain(&mut self, state: &State) {
        self.0.retain(|bucket, _| state.has(*bucket));
    }
}

/// Puts the small chunks of a bucket together; how many these were. What cannot be read stays as it is, and is told of to
/// whoever asks.
pub(super) fn merge(bucket: Bucket, reader: &Reader, writing: &mut Writing) -> u64 {
    let cells = writing.state.days.get(&bucket.day()).map_or(0, |day| day.sizes.cells);
    let (mut sums, mut rows) = (Sums::default(), Vec::new());
    for (key, bytes) in reader.rows(bucket).into_iter().filter(|(_, bytes)| bytes.len() < SMALL) {
        if let Ok(chunk) = Chunk::decode(&bytes, cells) {
            chunk.add_to(&mut sums);
            rows.push((key, bytes.len() as u64));
        }
    }
    let cells = sums.into_some();
    let cells: Vec<_> = cells.iter().map(|(cell, sum)| (*cell, sum)).collect();
    let is_less = rows.len() > 1 && writing.rewrite(bucket, &rows, &cells);
    if is_less { rows.len() as u64 } else { 0 }
}

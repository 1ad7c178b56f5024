//! Chunks: the sums of some cells in one bucket, as bytes. A bucket is the sum of its chunks.

use super::{
    columns::Columns,
    latencies::Latencies,
    log::Place,
    pile::Part,
    sum::{Figures, Sum},
    sums::Sums,
};
use crate::ledger::{BlockError, pack, unpack_bytes};
use serde::Serialize;

/// The most cells in a chunk.
const MOST: usize = 65_536;

/// The most buckets of latency in a chunk, beside which those of one more cell fit: one is 13 bytes at the most, and
/// what is unpacked has an end.
const MOST_BINS: usize = 1 << 20;

/// A column for each part of a sum, written in this order.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(PartialEq, serde::Deserialize))]
pub(super) struct Chunk {
    /// The first microsecond of the bucket.
    base: i64,
    /// Since the cell before.
    cells: Vec<Place>,
    attempts: Vec<u64>,
    packets: Vec<u64>,
    bytes: Vec<u64>,
    retransmits: Vec<u64>,
    revised: Vec<u64>,
    /// Since the base.
    first: Vec<i64>,
    /// Since the first.
    last: Vec<u64>,
    /// How many buckets of latency each cell has.
    bins: Vec<u16>,
    /// These, all cells in a row.
    latencies: Vec<u16>,
    counts: Vec<u64>,
}

/// Why bytes are no chunk.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkError {
    /// They cannot be read.
    #[error("cannot be read")]
    Block(#[from] BlockError),
    /// They say what no chunk says.
    #[error("the {0} of a chunk are not what was written")]
    Shape(&'static str),
}

/// Cells, in parts that each fit in a chunk.
pub(super) fn parts<'cells, 'sum>(
    mut cells: &'cells [(Place, &'sum Sum)],
) -> impl Iterator<Item = &'cells [(Place, &'sum Sum)]> {
    std::iter::from_fn(move || {
        let mut bins = 0;
        let fits = cells.iter().take(MOST).take_while(|(_, sum)| {
            let fits = bins < MOST_BINS;
            bins += sum.latencies.buckets().count();
            fits
        });
        let (part, rest) = cells.split_at(fits.count());
        cells = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// The chunk of these cells, which are in order.
pub(super) fn encode(base: i64, cells: &[(Place, &Sum)]) -> Vec<u8> {
    let mut chunk = Chunk { base, ..Chunk::default() };
    let mut before = 0;
    for (cell, sum) in cells {
        chunk.cells.push(cell - before);
        before = *cell;
        chunk.push(sum);
    }
    pack(&chunk)
}

impl Chunk {
    fn push(&mut self, sum: &Sum) {
        let Sum { figures, latencies } = sum;
        let Figures { attempts, packets, bytes, retransmits, revised, first, last } = figures;
        self.attempts.push(*attempts);
        self.packets.push(*packets);
        self.bytes.push(*bytes);
        self.retransmits.push(*retransmits);
        self.revised.push(*revised);
        self.first.push(first.wrapping_sub(self.base));
        self.last.push(last.wrapping_sub(*first) as u64);
        self.bins.push(latencies.buckets().count() as u16);
        for (bucket, count) in latencies.buckets() {
            self.latencies.push(bucket);
            self.counts.push(count);
        }
    }

    /// Reads a chunk; one that is read can be added to sums of `cells` cells.
    pub(super) fn decode(bytes: &[u8], cells: u32) -> Result<Self, ChunkError> {
        let chunk = Self::read(&unpack_bytes(bytes)?).ok_or(ChunkError::Shape("columns"))?;
        chunk.check(cells)?;
        Ok(chunk)
    }

    /// What was written as plain bytes.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut columns = Columns::new(bytes);
        Some(Self {
            base: columns.signed()?,
            cells: columns.next()?,
            attempts: columns.next()?,
            packets: columns.next()?,
            bytes: columns.next()?,
            retransmits: columns.next()?,
            revised: columns.next()?,
            first: columns.next_signed()?,
            last: columns.next()?,
            bins: columns.next()?,
            latencies: columns.next()?,
            counts: columns.next()?,
        })
    }

    fn check(&self, cells: u32) -> Result<(), ChunkError> {
        let Self {
            base: _,
            attempts,
            packets,
            bytes,
            retransmits,
            revised,
            first,
            last,
            bins,
            latencies,
            counts,
            ..
        } = self;
        let lengths = [
            attempts.len(),
            packets.len(),
            bytes.len(),
            retransmits.len(),
            revised.len(),
            first.len(),
            last.len(),
            bins.len(),
        ];
        let places = self.cells.iter().map(|step| u64::from(*step)).sum::<u64>();
        let count: u64 = bins.iter().map(|bins| u64::from(*bins)).sum();
        if lengths.iter().any(|length| *length != self.cells.len()) {
            Err(ChunkError::Shape("columns"))
        } else if places >= u64::from(cells) {
            Err(ChunkError::Shape("cells"))
        } else if count != latencies.len() as u64
            || latencies.len() != counts.len()
            || latencies.iter().any(|bucket| *bucket >= Latencies::BUCKETS)
        {
            Err(ChunkError::Shape("latencies"))
        } else {
            Ok(())
        }
    }

    /// Adds the chunk to sums.
    pub(super) fn add_to(mut self, sums: &mut Sums) {
        let mut cell = 0;
        for index in 0..self.cells.len() {
            cell += self.cells[index];
            self.cells[index] = cell;
            sums.figures(cell).add(&self.figures(index));
        }
        let Self { cells, bins, latencies, counts, .. } = self;
        sums.latencies(Part { cells, bins, buckets: latencies, counts });
    }

    fn figures(&self, index: usize) -> Figures {
        let first = self.first[index].wrapping_add(self.base);
        Figures {
            attempts: self.attempts[index],
            packets: self.packets[index],
            bytes: self.bytes[index],
            retransmits: self.retransmits[index],
            revised: self.revised[index],
            first,
            last: first.wrapping_add(self.last[index] as i64).max(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn sum() -> impl Strategy<Value = Sum> {
        let latencies = vec((any::<u64>(), 1..9_u64), 0..5);
        (any::<[u64; 5]>(), any::<i32>(), any::<u32>(), latencies).prop_map(
            |(numbers, first, span, figures)| {
                let mut latencies = Latencies::default();
                for (micros, count) in figures {
                    latencies.record_n(micros, count);
                }
                let [attempts, packets, bytes, retransmits, revised] = numbers;
                let (first, last) = (i64::from(first), i64::from(first) + i64::from(span));
                let figures = Figures { attempts, packets, bytes, retransmits, revised, first, last };
                Sum { figures, latencies }
            },
        )
    }

    #[test]
    fn cells_with_very_many_latencies_go_into_several_chunks() {
        let mut latencies = Latencies::default();
        (0..Latencies::BUCKETS).for_each(|bucket| latencies.add(bucket, u64::MAX));
        let figures = Figures { attempts: 1, first: 0, last: 0, ..Figures::default() };
        let sum = Sum { figures, latencies };
        let most = MOST_BINS / usize::from(Latencies::BUCKETS) + 1;
        let cells: Vec<_> = (0..most as Place + 5).map(|cell| (cell, &sum)).collect();
        let counts: Vec<_> = parts(&cells).map(<[_]>::len).collect();
        assert_eq!(counts, [most, 5]);
        assert!(Chunk::decode(&encode(0, &cells[..most]), most as u32).is_ok());
    }

    proptest! {
        #[test]
        fn a_chunk_is_read_as_it_was_written(
            cells in prop::collection::btree_map(0..5000_u32, sum(), 0..30), base in any::<i32>(),
        ) {
            let rows: Vec<_> = cells.iter().map(|(cell, sum)| (*cell, sum)).collect();
            let bytes = encode(i64::from(base), &rows);
            let mut sums = Sums::default();
            Chunk::decode(&bytes, 5000).unwrap().add_to(&mut sums);
            prop_assert_eq!(sums.into_some(), cells.clone().into_iter().collect::<Vec<_>>());
            let most = cells.keys().max().copied().unwrap_or(0);
            prop_assert!(Chunk::decode(&bytes, most).is_err() || cells.is_empty());
        }

        #[test]
        fn what_the_library_reads_is_read_the_same(
            cells in prop::collection::btree_map(0..5000_u32, sum(), 0..30), noise in vec(any::<u8>(), 0..60),
        ) {
            let rows: Vec<_> = cells.iter().map(|(cell, sum)| (*cell, sum)).collect();
            let written = unpack_bytes(&encode(7, &rows)).unwrap();
            for bytes in [written, noise] {
                if let Ok(expected) = postcard::from_bytes::<Chunk>(&bytes) {
                    prop_assert_eq!(Chunk::read(&bytes), Some(expected));
                }
            }
        }

        #[test]
        fn any_bytes_are_a_chunk_or_an_error(
            numbers in vec(any::<u8>(), 0..200), lengths in vec(0..4_usize, 11), plain in any::<bool>(),
        ) {
            let column = |index: usize| numbers.iter().map(|byte| u64::from(*byte)).take(lengths[index]).collect();
            let small = |index: usize| numbers.iter().map(|byte| u16::from(*byte) * 17).take(lengths[index]).collect();
            let chunk = Chunk {
                base: i64::MAX,
                cells: numbers.iter().map(|byte| u32::from(*byte) << 20).take(lengths[0]).collect(),
                attempts: column(1),
                packets: column(2),
                bytes: column(3),
                retransmits: column(4),
                first: vec![i64::MAX; lengths[5]],
                last: column(6),
                bins: small(7),
                latencies: small(8),
                counts: column(9),
                revised: column(10),
            };
            let bytes = if plain { numbers.clone() } else { pack(&chunk) };
            if let Ok(chunk) = Chunk::decode(&bytes, 1 << 16) {
                chunk.add_to(&mut Sums::default());
            }
        }

        #[test]
        fn a_flipped_bit_is_a_chunk_or_an_error(sum in sum(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut bytes = encode(0, &[(3, &sum)]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            if let Ok(chunk) = Chunk::decode(&bytes, 4) {
                chunk.add_to(&mut Sums::default());
            }
        }
    }
}

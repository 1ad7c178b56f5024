//! Latencies of very many cells: piled up as they come, and put together once, for those whom somebody wants.

use super::{
    latencies::{Bin, Latencies},
    log::Place,
};
use std::ops::Range;

/// So many bins are piled up at least before what is the same is put together.
const LEAST: usize = if cfg!(test) { 64 } else { 8 * 1024 * 1024 };

/// Columns as chunks have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) cells: Vec<Place>,
    /// How many bins each cell has.
    pub(super) bins: Vec<u16>,
    /// These, all cells in a row: the bucket, and the count.
    pub(super) buckets: Vec<u16>,
    pub(super) counts: Vec<u64>,
}

impl Part {
    /// Adds those of a cell.
    fn push(&mut self, cell: Place, latencies: &Latencies) {
        self.cells.push(cell);
        self.bins.push(latencies.bins().len() as u16);
        for (bucket, count) in latencies.buckets() {
            self.buckets.push(bucket);
            self.counts.push(count);
        }
    }

    /// The cells, each with the range of its bins.
    fn ranges(&self) -> impl Iterator<Item = (Place, Range<usize>)> {
        let mut end = 0;
        self.cells.iter().zip(&self.bins).map(move |(cell, bins)| {
            let begin = end;
            end += usize::from(*bins);
            (*cell, begin..end)
        })
    }
}

/// All parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Pile {
    parts: Vec<Part>,
    /// Where single cells go.
    last: Part,
    bins: usize,
    /// How many there were when they were put together.
    together: usize,
}

impl Pile {
    /// Adds the latencies of a cell.
    pub(super) fn push(&mut self, cell: Place, latencies: &Latencies) {
        if !latencies.bins().is_empty() {
            self.last.push(cell, latencies);
            self.grew(latencies.bins().len());
        }
    }

    /// Adds those of many.
    pub(super) fn take(&mut self, part: Part) {
        let bins = part.buckets.len();
        self.parts.push(part);
        self.grew(bins);
    }

    /// Takes another one in.
    pub(super) fn absorb(&mut self, Self { parts, last, .. }: Self) {
        parts.into_iter().chain([last]).for_each(|part| self.take(part));
    }

    /// Cells have other places now.
    pub(super) fn relocate(&mut self, places: &[Place]) {
        for cell in self.parts.iter_mut().chain([&mut self.last]).flat_map(|part| &mut part.cells) {
            *cell = places[*cell as usize];
        }
    }

    /// The histograms of so many owners, and whose a cell is.
    pub(super) fn of_owners(&self, owners: usize, owner: impl Fn(Place) -> Option<usize>) -> Histograms {
        let parts = || self.parts.iter().chain([&self.last]);
        let mut ends = vec![0; owners];
        for (cell, range) in parts().flat_map(Part::ranges) {
            if let Some(owner) = owner(cell) {
                ends[owner] += range.len();
            }
        }
        let mut sum = 0;
        for end in &mut ends {
            // Where it begins, until its bins are there.
            (*end, sum) = (sum, sum + *end);
        }
        let mut bins = vec![Bin::default(); sum];
        for part in parts() {
            for (cell, range) in part.ranges() {
                let Some(owner) = owner(cell) else { continue };
                for (bucket, count) in part.buckets[range.clone()].iter().zip(&part.counts[range]) {
                    bins[ends[owner]] = Bin::new(*bucket, *count);
                    ends[owner] += 1;
                }
            }
        }
        Histograms { ends, bins }
    }

    fn grew(&mut self, bins: usize) {
        self.bins += bins;
        if self.bins >= LEAST.max(2 * self.together) {
            self.put_together();
        }
    }

    fn put_together(&mut self) {
        let cells = self.parts.iter().chain([&self.last]).flat_map(|part| &part.cells);
        let count = cells.max().map_or(0, |cell| *cell as usize + 1);
        let all = self.of_owners(count, |cell| Some(cell as usize));
        *self = Self::default();
        for cell in 0..count {
            let latencies = all.of(cell);
            if !latencies.bins().is_empty() {
                self.last.push(cell as Place, &latencies);
            }
        }
        self.bins = self.last.buckets.len();
        self.together = self.bins;
    }
}

/// The bins of each owner, beside each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histograms {
    ends: Vec<usize>,
    bins: Vec<Bin>,
}

impl Histograms {
    /// That of an owner.
    pub(crate) fn of(&self, owner: usize) -> Latencies {
        Latencies::gathered(&self.bins[self.range(owner)])
    }

    fn range(&self, owner: usize) -> Range<usize> {
        let begin = owner.checked_sub(1).map_or(0, |before| self.ends[before]);
        begin..self.ends[owner]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn a_pile_holds_what_was_put_on_it(
            all in vec((0..20_u32, 0..30_u16, 1..5_u64), 0..400), split in 0..400_usize, turn in 0..20_u32,
        ) {
            let (mut piles, mut expected) = ([Pile::default(), Pile::default()], vec![Latencies::default(); 20]);
            for (number, (cell, bucket, count)) in all.into_iter().enumerate() {
                piles[usize::from(number < split)].push(cell, &Latencies::gathered(&[Bin::new(bucket, count)]));
                expected[((cell + turn) % 20) as usize].add(bucket, count);
            }
            let [mut pile, other] = piles;
            pile.absorb(other);
            prop_assert!(pile.bins <= 2 * 20 * 30 + LEAST);
            pile.relocate(&(0..20).map(|cell| (cell + turn) % 20).collect::<Vec<_>>());
            let found = pile.of_owners(20, |cell| Some(cell as usize));
            let odd = pile.of_owners(10, |cell| (cell % 2 == 1).then_some(cell as usize / 2));
            for (cell, expected) in expected.iter().enumerate() {
                prop_assert_eq!(&found.of(cell), expected);
                prop_assert!(cell % 2 == 0 || odd.of(cell / 2) == *expected);
            }
        }
    }
}

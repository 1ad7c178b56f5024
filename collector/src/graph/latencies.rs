//! How long handshakes took: a histogram with HdrHistogram's buckets (two digits), of which only those
//! are kept that hold something. A full one takes 24 KB, and there are a million edges.

use smallvec::SmallVec;

/// So many leading bits of a figure are kept: it is wrong by less than a hundredth.
const BITS: u32 = 8;

/// Half of what a figure of so many bits can be: the buckets of each power of two.
const HALF: u64 = 1 << (BITS - 1);

/// The longest handshake that is told apart, ten minutes.
const MOST: u64 = 600_000_000;

/// Below a bucket's number in a bin: its count.
const COUNT_BITS: u32 = 52;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// A bucket's number above its count, so that bins sort by bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bin(u64);

impl Bin {
    pub(super) fn new(bucket: u16, count: u64) -> Self {
        Self(u64::from(bucket) << COUNT_BITS | count.min(COUNT))
    }

    const fn bucket(self) -> u16 {
        (self.0 >> COUNT_BITS) as u16
    }

    const fn count(self) -> u64 {
        self.0 & COUNT
    }
}

/// Figures in microseconds, each with how often it occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latencies(SmallVec<[Bin; 2]>);

impl Latencies {
    /// The number of buckets.
    pub(crate) const BUCKETS: u16 = bucket(MOST) + 1;

    /// What bins in no order come to.
    pub(super) fn gathered(bins: &[Bin]) -> Self {
        let mut bins: SmallVec<[Bin; 2]> = SmallVec::from_slice(bins);
        bins.sort_unstable();
        bins.dedup_by(|next, kept| {
            let is_same = next.bucket() == kept.bucket();
            if is_same {
                *kept = Bin::new(kept.bucket(), kept.count().saturating_add(next.count()));
            }
            is_same
        });
        Self(bins)
    }

    /// Adds a figure that occurred so often.
    pub(crate) fn record_n(&mut self, micros: u64, count: u64) {
        self.add(bucket(micros), count);
    }

    /// Adds to a bucket.
    pub(crate) fn add(&mut self, bucket: u16, count: u64) {
        match self.0.binary_search_by_key(&bucket, |bin| bin.bucket()) {
            Ok(place) => {
                let known = self.0[place].count();
                self.0[place] = Bin::new(bucket, known.saturating_add(count));
            }
            Err(place) => self.0.insert(place, Bin::new(bucket, count)),
        }
    }

    pub(super) fn bins(&self) -> &[Bin] {
        &self.0
    }

    /// The buckets that hold something, in order, each with its count.
    pub(crate) fn buckets(&self) -> impl DoubleEndedIterator<Item = (u16, u64)> + '_ {
        self.0.iter().map(|bin| (bin.bucket(), bin.count()))
    }

    /// The least figure of each bucket that holds something, in order, with the bucket's count.
    pub(crate) fn counts(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.buckets().map(|(bucket, count)| (lowest(bucket), count))
    }

    /// How many figures there are.
    pub(crate) fn len(&self) -> u64 {
        self.buckets().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The least figure; too low by less than a hundredth, as the others are.
    pub(crate) fn min(&self) -> Option<u64> {
        self.counts().next().map(|(micros, _)| micros)
    }

    /// The greatest figure.
    pub(crate) fn max(&self) -> Option<u64> {
        self.counts().next_back().map(|(micros, _)| micros)
    }

    /// The figure that so many of a thousand do not exceed.
    pub(crate) fn per_mille(&self, wanted: u64) -> Option<u64> {
        let rank = (u128::from(self.len()) * u128::from(wanted)).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.counts().find(|(_, count)| {
            seen += u128::from(*count);
            seen >= rank
        });
        reached.map(|(micros, _)| micros).or_else(|| self.max())
    }
}

/// The bucket of a figure.
const fn bucket(micros: u64) -> u16 {
    let micros = if micros > MOST { MOST } else { micros };
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(BITS);
    (HALF * shift as u64 + (micros >> shift)) as u16
}

/// The least figure of a bucket.
const fn lowest(bucket: u16) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / HALF).saturating_sub(1);
    (bucket - HALF * shift) << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn buckets_are_those_of_hdrhistogram(micros in 0..=MOST) {
            let histogram = Histogram::<u64>::new_with_bounds(1, MOST, 2).unwrap();
            prop_assert_eq!(lowest(bucket(micros)), histogram.lowest_equivalent(micros));
        }

        #[test]
        fn merged_histograms_tell_what_one_of_all_figures_tells(
            one in vec(0..2 * MOST, 0..40), other in vec(1..5000_u64, 0..40), wanted in 0..=1000_u64,
        ) {
            let of = |figures: &[u64]| {
                let mut latencies = Latencies::default();
                for micros in figures {
                    latencies.record_n(*micros, 1);
                }
                latencies
            };
            let merged = Latencies::gathered(&[of(&other).bins(), of(&one).bins()].concat());
            let all = [one, other].concat();
            prop_assert_eq!(&merged, &of(&all));
            let mut exact: Vec<u64> = all.iter().map(|micros| lowest(bucket(*micros))).collect();
            exact.sort_unstable();
            let rank = (exact.len() * wanted as usize).div_ceil(1000).max(1);
            prop_assert_eq!(merged.per_mille(wanted), exact.get(rank - 1).copied());
            prop_assert_eq!((merged.min(), merged.max()), (exact.first().copied(), exact.last().copied()));
            prop_assert_eq!(merged.len(), exact.len() as u64);
        }
    }

    #[test]
    fn a_figure_beyond_all_bounds_counts_as_the_longest() {
        let mut latencies = Latencies::default();
        latencies.record_n(u64::MAX, u64::MAX);
        latencies.record_n(0, 1);
        assert!(latencies.buckets().all(|(bucket, _)| bucket < Latencies::BUCKETS));
        assert_eq!((latencies.min(), latencies.len()), (Some(0), COUNT + 1));
    }
}

//! How long many handshakes took: a histogram that says little of itself on the wire, and that others can take in.

use portolan_policy::Latency;

/// So many leading bits of a figure are kept: it is wrong by less than a hundredth.
const BITS: u32 = 8;

/// Figures in microseconds, each with how often it occurred; the least and the most are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(Vec<(u64, u64)>);

impl Latencies {
    /// The histogram of these.
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let (least, most) = (micros.first().copied(), micros.last().copied());
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for value in micros {
            let is_extreme = Some(value) == least || Some(value) == most;
            let value = if is_extreme { value } else { rounded(value).max(least.unwrap_or(0)) };
            match counts.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => counts.push((value, 1)),
            }
        }
        Self(counts)
    }

    /// The histogram of these figures with their counts, whoever tells them.
    pub fn from_counts(counts: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        counts.sort_unstable();
        counts.dedup_by(|(next, more), (value, count)| {
            let same = next == value;
            *count = if same { count.saturating_add(*more) } else { *count };
            same
        });
        Self(counts)
    }

    /// Every figure with its count, from the least to the most.
    pub fn counts(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// What a flow tells of it.
    pub fn latency(&self) -> Option<Latency> {
        let counts = &self.0;
        let (min, max) = (counts.first()?.0, counts.last()?.0);
        let total = counts.iter().fold(0_u64, |total, (_, count)| total.saturating_add(*count));
        Some(Latency { min, p50: percentile(counts, total, 50), p99: percentile(counts, total, 99), max })
    }
}

/// The least figure that so many of a hundred do not exceed.
fn percentile(counts: &[(u64, u64)], total: u64, percent: u64) -> u64 {
    let rank = (u128::from(total) * u128::from(percent)).div_ceil(100);
    let mut seen = 0;
    let reached = counts.iter().find(|(_, count)| {
        seen += u128::from(*count);
        seen >= rank
    });
    reached.or(counts.last()).map_or(0, |(value, _)| *value)
}

/// The figure without what stands behind its leading bits.
const fn rounded(micros: u64) -> u64 {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(BITS);
    micros >> shift << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn a_histogram_is_wrong_by_less_than_a_hundredth(micros in vec(0..10_000_000_u64, 1..300)) {
            let told = Latencies::of(micros.clone()).latency().unwrap();
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
            prop_assert_eq!((told.min, told.max), (sorted[0], sorted[sorted.len() - 1]));
            for (told, exact) in [(told.p50, at(50)), (told.p99, at(99))] {
                prop_assert!(told <= exact && exact - told <= exact / 100, "{} for {}", told, exact);
            }
        }

        #[test]
        fn a_histogram_counts_everything_in_order(micros in vec(any::<u64>(), 0..100)) {
            let histogram = Latencies::of(micros.clone());
            prop_assert_eq!(histogram.counts().iter().map(|(_, count)| count).sum::<u64>(), micros.len() as u64);
            prop_assert!(histogram.counts().is_sorted_by(|(one, _), (next, _)| one < next));
        }
    }

    #[test]
    fn counts_told_in_any_order_make_one_histogram() {
        let told = Latencies::from_counts([(7, 1), (3, 0), (5, 2), (7, u64::MAX)]);
        assert_eq!(told.counts(), [(5, 2), (7, u64::MAX)]);
    }

    #[test]
    fn one_figure_is_its_own_histogram() {
        assert_eq!(Latencies::of(vec![123_457]).latency(), Some(Latency::single(123_457)));
        assert_eq!(Latencies::of(Vec::new()).latency(), None);
    }
}

//! Which batches of a node have been applied: (node, boot, sequence) counts once.

use std::collections::VecDeque;

/// Runs of an agent that are remembered; an agent that starts more often replays nothing older.
const BOOTS: usize = 8;

/// Gaps that are remembered within a run.
const RANGES: usize = 1024;

/// The batches applied from one node.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The runs, the one heard of last at the back.
    boots: VecDeque<(String, Sequences)>,
}

impl Applied {
    /// Marks a batch as applied. False when it had been before.
    pub(crate) fn insert(&mut self, boot: &str, sequence: u64) -> bool {
        let known = self.boots.iter().position(|(known, _)| known == boot);
        let (boot, mut sequences) = known
            .and_then(|index| self.boots.remove(index))
            .unwrap_or_else(|| (boot.to_owned(), Sequences::default()));
        let fresh = sequences.insert(sequence);
        if self.boots.len() == BOOTS {
            self.boots.pop_front();
        }
        self.boots.push_back((boot, sequences));
        fresh
    }

    /// The run heard of last, and the highest sequence applied of it.
    pub(crate) fn latest(&self) -> Option<(&str, u64)> {
        self.boots.back().map(|(boot, sequences)| (boot.as_str(), sequences.highest()))
    }
}

/// A set of sequence numbers as sorted ranges, neither touching nor overlapping.
///
/// Batches come nearly in order, so there is nearly always one range.
#[derive(Debug, Default)]
struct Sequences(Vec<(u64, u64)>);

impl Sequences {
    fn insert(&mut self, sequence: u64) -> bool {
        let Self(ranges) = self;
        let at = ranges.partition_point(|(_, last)| *last < sequence);
        if ranges.get(at).is_some_and(|(first, _)| *first <= sequence) {
            return false;
        }
        let extends_left = at > 0 && ranges[at - 1].1 + 1 == sequence;
        let extends_right = ranges.get(at).is_some_and(|(first, _)| sequence + 1 == *first);
        match (extends_left, extends_right) {
            (true, true) => {
                ranges[at - 1].1 = ranges[at].1;
                ranges.remove(at);
            }
            (true, false) => ranges[at - 1].1 = sequence,
            (false, true) => ranges[at].0 = sequence,
            (false, false) => ranges.insert(at, (sequence, sequence)),
        }
        if ranges.len() > RANGES {
            // The oldest gap is given up: what was skipped so long ago was cut by the agent.
            ranges[1].0 = ranges[0].0;
            ranges.remove(0);
        }
        true
    }

    fn highest(&self) -> u64 {
        self.0.last().map_or(0, |(_, last)| *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn the_ranges_agree_with_a_set(sequences in prop::collection::vec(1_u64..60, 0..200)) {
            let (mut ranges, mut set) = (Sequences::default(), HashSet::new());
            for sequence in sequences {
                prop_assert_eq!(ranges.insert(sequence), set.insert(sequence));
                prop_assert_eq!(ranges.highest(), set.iter().copied().max().unwrap_or(0));
                prop_assert!(ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
        }
    }

    #[test]
    fn the_same_sequence_of_another_run_is_another_batch() {
        let mut applied = Applied::default();
        assert!(applied.insert("a", 1));
        assert!(applied.insert("b", 1));
        assert!(!applied.insert("a", 1), "an old run that replays is still known");
        assert!(applied.insert("a", 2));
        assert_eq!(applied.latest(), Some(("a", 2)));
    }

    #[test]
    fn runs_and_gaps_are_bounded() {
        let mut applied = Applied::default();
        for boot in 0..100 {
            applied.insert(&boot.to_string(), 1);
        }
        assert_eq!(applied.boots.len(), BOOTS);
        let mut sequences = Sequences::default();
        for gap in 0..5_000 {
            assert!(sequences.insert(gap * 2));
        }
        assert_eq!(sequences.0.len(), RANGES);
        assert_eq!(sequences.highest(), 9_998);
    }

    #[test]
    fn the_largest_sequence_does_not_overflow() {
        let mut sequences = Sequences::default();
        assert!(sequences.insert(u64::MAX));
        assert!(sequences.insert(u64::MAX - 1));
        assert!(!sequences.insert(u64::MAX));
    }
}

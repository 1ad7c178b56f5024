//! Which batches of a node have been applied: (cluster, node, boot, sequence) counts once.

use std::collections::VecDeque;

/// Runs of an agent that are remembered, those heard of last: one that starts every quarter of an hour
/// makes so many in five days. Only what was not acknowledged is sent again, so never all of them.
const BOOTS: usize = 512;

/// Gaps that are remembered within a run.
const RANGES: usize = 1024;

/// One run of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The cluster that the agent says it is in.
    pub(crate) cluster: String,
    /// The boot that it says this is.
    pub(crate) boot: String,
}

/// What an insertion did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The batch had been applied before.
    Known,
    /// It had not, and an old run may have been forgotten for it.
    New {
        /// The run that is forgotten.
        forgotten: Option<Run>,
    },
}

/// The batches applied from one node.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The runs, the one heard of last at the back.
    runs: VecDeque<(Run, Sequences)>,
}

impl Applied {
    /// Marks a batch as applied.
    pub(crate) fn insert(&mut self, cluster: &str, boot: &str, sequence: u64) -> Inserted {
        let known = self.runs.iter().rposition(|(run, _)| run.boot == boot && run.cluster == cluster);
        let (run, mut sequences) = known.and_then(|index| self.runs.remove(index)).unwrap_or_else(|| {
            (Run { cluster: cluster.to_owned(), boot: boot.to_owned() }, Sequences::default())
        });
        let fresh = sequences.insert(sequence);
        let forgotten = if self.runs.len() == BOOTS { self.runs.pop_front() } else { None };
        self.runs.push_back((run, sequences));
        let forgotten = forgotten.map(|(run, _)| run);
        if fresh { Inserted::New { forgotten } } else { Inserted::Known }
    }

    /// Whether a batch was applied.
    pub(crate) fn contains(&self, cluster: &str, boot: &str, sequence: u64) -> bool {
        self.find(cluster, boot).is_some_and(|(_, sequences)| sequences.contains(sequence))
    }

    /// Goes on where an earlier run of the collector stopped. Runs heard of last come last.
    pub(crate) fn restore(&mut self, run: Run, ranges: Vec<(u64, u64)>) {
        self.runs.push_back((run, Sequences::from_ranges(ranges)));
    }

    /// The runs that are remembered.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().map(|(run, _)| run)
    }

    /// The ranges of sequences applied of a run, if it is remembered.
    pub(crate) fn ranges(&self, cluster: &str, boot: &str) -> Option<(&Run, &[(u64, u64)])> {
        let (run, Sequences(ranges)) = self.find(cluster, boot)?;
        Some((run, ranges))
    }

    fn find(&self, cluster: &str, boot: &str) -> Option<&(Run, Sequences)> {
        self.runs.iter().rfind(|(run, _)| run.boot == boot && run.cluster == cluster)
    }

    /// The run heard of last, and the highest sequence applied of it.
    pub(crate) fn latest(&self) -> Option<(&str, u64)> {
        self.runs.back().map(|(run, sequences)| (run.boot.as_str(), sequences.highest()))
    }
}

/// A set of sequence numbers as sorted ranges, neither touching nor overlapping.
///
/// Batches come nearly in order, so there is nearly always one range.
#[derive(Debug, Default)]
struct Sequences(Vec<(u64, u64)>);

impl Sequences {
    /// Takes ranges as they were written; what is no range is left out.
    fn from_ranges(ranges: Vec<(u64, u64)>) -> Self {
        let mut known = Self::default();
        for (first, last) in ranges {
            let follows = known.0.last().is_none_or(|(_, before)| before.saturating_add(1) < first);
            if first <= last && follows {
                known.0.push((first, last));
            }
        }
        known
    }

    fn insert(&mut self, sequence: u64) -> bool {
        if self.contains(sequence) {
            return false;
        }
        let Self(ranges) = self;
        let at = ranges.partition_point(|(_, last)| *last < sequence);
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

    fn contains(&self, sequence: u64) -> bool {
        let Self(ranges) = self;
        let at = ranges.partition_point(|(_, last)| *last < sequence);
        ranges.get(at).is_some_and(|(first, _)| *first <= sequence)
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
        let new = Inserted::New { forgotten: None };
        assert_eq!(applied.insert("c", "a", 1), new);
        assert_eq!(applied.insert("c", "b", 1), new);
        assert_eq!(applied.insert("other", "a", 1), new, "another cluster");
        assert_eq!(applied.insert("c", "a", 1), Inserted::Known, "an old run that replays is still known");
        assert_eq!(applied.insert("c", "a", 2), new);
        assert_eq!(applied.latest(), Some(("a", 2)));
    }

    #[test]
    fn a_run_goes_on_where_it_was() {
        let mut applied = Applied::default();
        for sequence in [1, 2, 5] {
            applied.insert("c", "a", sequence);
        }
        let (run, ranges) = applied.ranges("c", "a").unwrap();
        let mut again = Applied::default();
        again.restore(run.clone(), ranges.to_vec());
        assert_eq!(again.insert("c", "a", 2), Inserted::Known);
        assert_eq!(again.insert("c", "a", 3), Inserted::New { forgotten: None });
        assert_eq!(again.ranges("c", "a").unwrap().1, [(1, 3), (5, 5)]);
        let wrong = Sequences::from_ranges(vec![(5, 4), (6, 8), (7, 9), (9, 9), (10, 12)]);
        assert_eq!(wrong.0, [(6, 8), (10, 12)]);
    }

    #[test]
    fn runs_and_gaps_are_bounded() {
        let mut applied = Applied::default();
        for boot in 0..BOOTS + 36 {
            let forgotten = boot.checked_sub(BOOTS).map(|boot| boot.to_string());
            let forgotten = forgotten.map(|boot| Run { cluster: "c".to_owned(), boot });
            assert_eq!(applied.insert("c", &boot.to_string(), 1), Inserted::New { forgotten });
        }
        assert_eq!(applied.runs().count(), BOOTS);
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

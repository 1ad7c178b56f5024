//! Which batches of a node have been applied: (cluster, node, boot, sequence) counts once.

use jiff::Timestamp;
use std::collections::VecDeque;

/// Runs of an agent that are remembered, those heard of last: one that starts every quarter of an hour
/// makes so many in five days. Only what was not acknowledged is sent again, so never all of them.
const BOOTS: usize = 512;

/// Runs that are remembered beside them though they never spoke: an agent names them when it gives up what they
/// left, and may name what it likes.
const NAMED: usize = 64;

/// When a run spoke that was only named.
const NEVER: Timestamp = Timestamp::MIN;

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

/// What was applied of a run, and when last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The sequences, as ranges.
    pub(crate) ranges: Vec<(u64, u64)>,
    /// When the last of them came; long before all time of a run that never spoke.
    pub(crate) heard: Timestamp,
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

/// A run that is remembered.
#[derive(Debug)]
struct Known {
    run: Run,
    sequences: Sequences,
    heard: Timestamp,
}

impl Known {
    fn new(cluster: &str, boot: &str) -> Self {
        let run = Run { cluster: cluster.to_owned(), boot: boot.to_owned() };
        Self { run, sequences: Sequences::default(), heard: NEVER }
    }

    fn is(&self, cluster: &str, boot: &str) -> bool {
        self.run.boot == boot && self.run.cluster == cluster
    }
}

/// The batches applied from one node.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The runs that spoke, the one heard of last at the back.
    runs: VecDeque<Known>,
    /// The runs that were only named, the one named last at the back.
    named: VecDeque<Known>,
}

impl Applied {
    /// Marks a batch as applied, which came now.
    pub(crate) fn insert(&mut self, cluster: &str, boot: &str, sequence: u64, now: Timestamp) -> Inserted {
        let mut known = take(&mut self.runs, cluster, boot)
            .or_else(|| take(&mut self.named, cluster, boot))
            .unwrap_or_else(|| Known::new(cluster, boot));
        known.heard = now;
        let fresh = known.sequences.insert(sequence);
        let forgotten = remember(&mut self.runs, known, BOOTS);
        if fresh { Inserted::New { forgotten } } else { Inserted::Known }
    }

    /// Marks a batch as applied that will never come. Its run has not spoken by that.
    pub(crate) fn give_up(&mut self, cluster: &str, boot: &str, sequence: u64) -> Inserted {
        let mut runs = self.runs.iter_mut().rev().chain(self.named.iter_mut().rev());
        if let Some(known) = runs.find(|known| known.is(cluster, boot)) {
            let fresh = known.sequences.insert(sequence);
            return if fresh { Inserted::New { forgotten: None } } else { Inserted::Known };
        }
        let mut known = Known::new(cluster, boot);
        known.sequences.insert(sequence);
        Inserted::New { forgotten: remember(&mut self.named, known, NAMED) }
    }

    /// Whether a batch was applied.
    pub(crate) fn contains(&self, cluster: &str, boot: &str, sequence: u64) -> bool {
        self.find(cluster, boot).is_some_and(|known| known.sequences.contains(sequence))
    }

    /// Goes on where an earlier run of the collector stopped. Runs heard of last come last.
    pub(crate) fn restore(&mut self, run: Run, Progress { ranges, heard }: Progress) {
        let known = Known { run, sequences: Sequences::from_ranges(ranges), heard };
        if heard == NEVER { &mut self.named } else { &mut self.runs }.push_back(known);
    }

    /// The runs that are remembered.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().chain(&self.named).map(|known| &known.run)
    }

    /// What was applied of a run, if it is remembered.
    pub(crate) fn progress(&self, cluster: &str, boot: &str) -> Option<(&Run, Progress)> {
        let Known { run, sequences: Sequences(ranges), heard } = self.find(cluster, boot)?;
        Some((run, Progress { ranges: ranges.clone(), heard: *heard }))
    }

    fn find(&self, cluster: &str, boot: &str) -> Option<&Known> {
        self.runs.iter().rev().chain(self.named.iter().rev()).find(|known| known.is(cluster, boot))
    }

    /// The run heard of last, and the highest sequence applied of it.
    pub(crate) fn latest(&self) -> Option<(&str, u64)> {
        self.runs.back().map(|known| (known.run.boot.as_str(), known.sequences.highest()))
    }
}

fn take(runs: &mut VecDeque<Known>, cluster: &str, boot: &str) -> Option<Known> {
    let index = runs.iter().rposition(|known| known.is(cluster, boot))?;
    runs.remove(index)
}

/// Remembers a run, and so many at the most. Returns the one that is forgotten for it.
fn remember(runs: &mut VecDeque<Known>, known: Known, most: usize) -> Option<Run> {
    runs.push_back(known);
    let surplus = runs.len() > most;
    surplus.then(|| runs.pop_front()).flatten().map(|known| known.run)
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
    use crate::build::at;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn insert(applied: &mut Applied, cluster: &str, boot: &str, sequence: u64) -> Inserted {
        applied.insert(cluster, boot, sequence, at(0))
    }

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
        assert_eq!(insert(&mut applied, "c", "a", 1), new);
        assert_eq!(insert(&mut applied, "c", "b", 1), new);
        assert_eq!(insert(&mut applied, "other", "a", 1), new, "another cluster");
        assert_eq!(
            insert(&mut applied, "c", "a", 1),
            Inserted::Known,
            "an old run that replays is still known"
        );
        assert_eq!(insert(&mut applied, "c", "a", 2), new);
        assert_eq!(applied.latest(), Some(("a", 2)));
    }

    #[test]
    fn a_run_goes_on_where_it_was() {
        let mut applied = Applied::default();
        for sequence in [1, 2, 5] {
            insert(&mut applied, "c", "a", sequence);
        }
        let (run, progress) = applied.progress("c", "a").unwrap();
        let mut again = Applied::default();
        again.restore(run.clone(), progress);
        assert_eq!(insert(&mut again, "c", "a", 2), Inserted::Known);
        assert_eq!(insert(&mut again, "c", "a", 3), Inserted::New { forgotten: None });
        assert_eq!(again.progress("c", "a").unwrap().1.ranges, [(1, 3), (5, 5)]);
        let wrong = Sequences::from_ranges(vec![(5, 4), (6, 8), (7, 9), (9, 9), (10, 12)]);
        assert_eq!(wrong.0, [(6, 8), (10, 12)]);
    }

    #[test]
    fn runs_and_gaps_are_bounded() {
        let mut applied = Applied::default();
        for boot in 0..BOOTS + 36 {
            let forgotten = boot.checked_sub(BOOTS).map(|boot| boot.to_string());
            let forgotten = forgotten.map(|boot| Run { cluster: "c".to_owned(), boot });
            assert_eq!(insert(&mut applied, "c", &boot.to_string(), 1), Inserted::New { forgotten });
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
    fn runs_that_are_only_named_push_out_none_that_spoke_also_after_a_restart() {
        let mut applied = Applied::default();
        for boot in 0..BOOTS {
            insert(&mut applied, "c", &boot.to_string(), 1);
        }
        let named = |boot: usize| format!("named-{boot}");
        for boot in 0..BOOTS + NAMED {
            let forgotten = boot.checked_sub(NAMED);
            let forgotten = forgotten.map(|boot| Run { cluster: "c".to_owned(), boot: named(boot) });
            assert_eq!(applied.give_up("c", &named(boot), 1), Inserted::New { forgotten });
        }
        assert_eq!(applied.give_up("c", "3", 1), Inserted::Known, "it came");
        assert_eq!(applied.give_up("c", "3", 2), Inserted::New { forgotten: None });
        let spoke = |applied: &Applied| (0..BOOTS).all(|boot| applied.contains("c", &boot.to_string(), 1));
        assert!(spoke(&applied) && applied.contains("c", "3", 2));
        assert_eq!(applied.latest(), Some(("511", 1)), "to be named is not to speak");
        let mut again = Applied::default();
        for run in applied.runs() {
            let (run, progress) = applied.progress("c", &run.boot).unwrap();
            again.restore(run.clone(), progress);
        }
        again.give_up("c", "one more", 1);
        assert!(spoke(&again) && again.runs().count() == BOOTS + NAMED);
        let first = Run { cluster: "c".to_owned(), boot: "0".to_owned() };
        let late = named(BOOTS + NAMED - 1);
        assert_eq!(insert(&mut again, "c", &late, 2), Inserted::New { forgotten: Some(first) }, "it speaks");
        assert!(again.contains("c", &late, 1), "and is the run that was named");
    }

    #[test]
    fn the_largest_sequence_does_not_overflow() {
        let mut sequences = Sequences::default();
        assert!(sequences.insert(u64::MAX));
        assert!(sequences.insert(u64::MAX - 1));
        assert!(!sequences.insert(u64::MAX));
    }
}

//! What could not be kept: how much of what, and between which two looks. Pure.
//!
//! Sums are exact, whatever becomes of single words: what cannot be told yet is told later.

use crate::event::Nanos;
use portolan_ebpf_types::lost;
use std::{collections::BTreeMap, time::Duration};

/// Between two words about one cause.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Where something was lost. `docs/operations.md` says for each what one of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossCause {
    /// A record that may have been the only one of an opening found the ring to the agent full.
    RingOpenings,
    /// Another record found the ring full.
    Ring,
    /// A conversation found the map of conversations full.
    Conversations,
    /// A program did not run because it was running on that CPU.
    ProbeMissed,
    /// A record was of a kind that this version does not know.
    UnknownRecord,
    /// An opening found the table of attempts full.
    AttemptTable,
    /// An attempt found the queue to attribution full.
    AttemptQueue,
    /// A device could not be attached to.
    AttachFailed,
    /// The programs of a device were moved to their place among others, and saw nothing meanwhile.
    ProgramsMoved,
    /// The kernel had more to tell of interfaces than its buffer for us holds.
    Interfaces,
    /// Steps of traced packets found no room.
    TraceSteps,
    /// What the trace knew of an opening was forgotten for want of room.
    TraceRulings,
    /// Notes of the witness found their ring full.
    WitnessRing,
    /// What the witness noted of an opening was forgotten for want of room.
    WitnessNotes,
}

impl LossCause {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 14] = [
        Self::RingOpenings,
        Self::Ring,
        Self::Conversations,
        Self::ProbeMissed,
        Self::UnknownRecord,
        Self::AttemptTable,
        Self::AttemptQueue,
        Self::AttachFailed,
        Self::ProgramsMoved,
        Self::Interfaces,
        Self::TraceSteps,
        Self::TraceRulings,
        Self::WitnessRing,
        Self::WitnessNotes,
    ];

    /// The name in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RingOpenings => "kernel-ring-full-openings",
            Self::Ring => "kernel-ring-full",
            Self::Conversations => "kernel-map-full",
            Self::ProbeMissed => "probe-missed",
            Self::UnknownRecord => "unknown-record",
            Self::AttemptTable => "attempt-table-full",
            Self::AttemptQueue => "attempt-queue-full",
            Self::AttachFailed => "attach-failed",
            Self::ProgramsMoved => "programs-moved",
            Self::Interfaces => "interfaces-overrun",
            Self::TraceSteps => "trace-steps",
            Self::TraceRulings => "trace-rulings",
            Self::WitnessRing => "witness-ring-full",
            Self::WitnessNotes => "witness-notes",
        }
    }
}

/// What the kernel's counters count, by index.
pub(crate) const KERNEL_LOSSES: [LossCause; lost::COUNT as usize] =
    [LossCause::RingOpenings, LossCause::Ring, LossCause::Conversations];

/// A loss to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where.
    pub cause: LossCause,
    /// How many.
    pub count: u64,
    /// Until here nothing was lost that is not told of already.
    pub from: Nanos,
    /// When the last of it was noticed.
    pub to: Nanos,
}

/// The losses that nobody was told of yet.
#[derive(Debug)]
pub(super) struct Losses {
    begun: Nanos,
    untold: BTreeMap<LossCause, Lost>,
    looked: BTreeMap<LossCause, Nanos>,
    told: BTreeMap<LossCause, Nanos>,
}

impl Losses {
    /// Nothing lost since now.
    pub(super) fn new(now: Nanos) -> Self {
        Self { begun: now, untold: BTreeMap::new(), looked: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Takes in what was lost since the last look at this cause.
    pub(super) fn look(&mut self, cause: LossCause, count: u64, now: Nanos) {
        let from = self.looked.insert(cause, now).unwrap_or(self.begun);
        if count == 0 {
            return;
        }
        let lost = self.untold.entry(cause).or_insert(Lost { cause, count: 0, from, to: now });
        lost.count += count;
        lost.to = now;
    }

    /// Takes in something that was lost right now.
    pub(super) fn lose(&mut self, cause: LossCause, count: u64, now: Nanos) {
        self.looked.insert(cause, now);
        self.look(cause, count, now);
    }

    /// Tells what is due to be told; what `tell` does not take stays.
    pub(super) fn tell(&mut self, now: Nanos, mut tell: impl FnMut(Lost) -> bool) {
        let Self { untold, told, .. } = self;
        untold.retain(|cause, lost| {
            let is_due = told.get(cause).is_none_or(|at| now.saturating_sub(*at) >= nanos(TELL_EVERY));
            let is_told = is_due && tell(*lost);
            if is_told {
                told.insert(*cause, now);
            }
            !is_told
        });
    }

    /// Takes all that is left, for the end.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Lost> {
        std::mem::take(&mut self.untold).into_values()
    }
}

const fn nanos(duration: Duration) -> Nanos {
    duration.as_nanos() as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn told(losses: &mut Losses, now: Nanos) -> Vec<Lost> {
        let mut all = Vec::new();
        losses.tell(now, |lost| {
            all.push(lost);
            true
        });
        all
    }

    fn ring(count: u64, from: Nanos, to: Nanos) -> Lost {
        Lost { cause: LossCause::Ring, count, from, to }
    }

    #[test]
    fn a_loss_lies_between_the_last_look_that_found_none_and_this_one() {
        let mut losses = Losses::new(0);
        losses.look(LossCause::Ring, 0, 5);
        losses.look(LossCause::Ring, 3, 9);
        assert_eq!(told(&mut losses, 9), [ring(3, 5, 9)]);
        assert_eq!(told(&mut losses, 10), []);
    }

    #[test]
    fn one_cause_is_told_of_every_few_seconds_at_the_most() {
        let mut losses = Losses::new(0);
        losses.look(LossCause::Ring, 1, SECOND);
        assert_eq!(told(&mut losses, SECOND).len(), 1, "the first at once");
        losses.look(LossCause::Ring, 2, SECOND + 20);
        losses.look(LossCause::Ring, 4, 2 * SECOND);
        assert_eq!(told(&mut losses, 2 * SECOND), []);
        losses.look(LossCause::Conversations, 1, 2 * SECOND);
        assert_eq!(told(&mut losses, 2 * SECOND).len(), 1, "another cause has its own time");
        assert_eq!(told(&mut losses, 3 * SECOND), [ring(6, SECOND, 2 * SECOND)]);
    }

    #[test]
    fn what_nobody_takes_is_added_up() {
        let mut losses = Losses::new(0);
        for round in 1..=10 {
            losses.look(LossCause::Ring, round, round * 10 * SECOND);
            losses.tell(round * 10 * SECOND, |_| false);
        }
        assert_eq!(losses.take().collect::<Vec<_>>(), [ring(55, 0, 100 * SECOND)]);
        assert_eq!(losses.take().count(), 0);
    }

    #[test]
    fn what_is_lost_right_now_has_no_length() {
        let mut losses = Losses::new(0);
        losses.lose(LossCause::Ring, 1, 7);
        losses.lose(LossCause::Ring, 1, 9);
        assert_eq!(told(&mut losses, 9), [ring(2, 7, 9)]);
    }

    #[test]
    fn every_cause_has_its_own_name_and_a_line_in_the_documentation() {
        let names: std::collections::BTreeSet<_> = LossCause::ALL.map(LossCause::as_str).into();
        assert_eq!(names.len(), LossCause::ALL.len());
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let page = std::fs::read_to_string(page).unwrap();
        for name in names {
            assert!(page.contains(&format!("| `{name}` |")), "docs/operations.md says nothing of {name}");
        }
    }
}

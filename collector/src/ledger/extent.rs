//! What is known of a segment without looking at each of its blocks.

use super::catalog::Facts;
use jiff::{SignedDuration, Timestamp};

/// How far an agent's clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// A segment: what its blocks have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The numbers of its first block and its last.
    pub(super) numbers: (u64, u64),
    /// When its first flow began.
    pub(crate) first: Timestamp,
    /// When its last flow began.
    pub(crate) last: Timestamp,
    /// The same of blocks that were not from the future when they were added; those say nothing of its age.
    pub(super) sound: Option<Timestamp>,
    /// The least ordinal in it.
    pub(crate) least: u64,
    /// The greatest ordinal in it.
    pub(crate) greatest: u64,
    /// How many blocks it has.
    pub(super) blocks: u64,
    /// How many flows they hold.
    pub(super) flows: u64,
    /// How many bytes they take.
    pub(super) bytes: u64,
}

impl Extent {
    /// Of one block.
    pub(super) fn of(number: u64, facts: &Facts, now: Timestamp) -> Self {
        let Facts { segment: _, first, last, least, greatest, flows, bytes } = *facts;
        Self {
            numbers: (number, number),
            first,
            last,
            sound: (last <= future(now)).then_some(last),
            least,
            greatest,
            blocks: 1,
            flows: flows.into(),
            bytes: bytes.into(),
        }
    }

    /// When its last flow began that is not from the future.
    pub(super) fn last_sound(&self, now: Timestamp) -> Option<Timestamp> {
        if self.last <= future(now) { Some(self.last) } else { self.sound }
    }

    /// With another block.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            numbers: (self.numbers.0.min(other.numbers.0), self.numbers.1.max(other.numbers.1)),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            sound: self.sound.max(other.sound),
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            blocks: self.blocks + other.blocks,
            flows: self.flows + other.flows,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What is later than this is wrong.
fn future(now: Timestamp) -> Timestamp {
    now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX)
}

//! Buckets of time: minutes, hours and days since 1970, in UTC.

use crate::ledger::Space;
use serde::{Deserialize, Serialize};

pub(super) const HOUR: u32 = 60;
pub(super) const DAY: u32 = 24 * HOUR;
pub(super) const HOURS_OF_DAY: u32 = 24;

/// The last day of which all minutes have numbers: in ten thousand years.
pub(super) const LAST_DAY: u32 = u32::MAX / DAY - 1;

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Level {
    Minute,
    Hour,
    Day,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// In minutes.
    pub(super) const fn length(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// The bucket of this level that a minute is in.
    pub(super) const fn of(self, minute: u32) -> Bucket {
        Bucket { level: self, number: minute / self.length() }
    }

    /// The buckets that those of this level are made of.
    pub(super) const fn finer(self) -> Option<Self> {
        match self {
            Self::Minute => None,
            Self::Hour => Some(Self::Minute),
            Self::Day => Some(Self::Hour),
        }
    }

    const fn letter(self) -> u8 {
        match self {
            Self::Minute => b'm',
            Self::Hour => b'h',
            Self::Day => b'y',
        }
    }
}

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bucket {
    pub(super) level: Level,
    pub(super) number: u32,
}

impl Bucket {
    /// Its first minute.
    pub(super) const fn begin(self) -> u32 {
        self.number.saturating_mul(self.level.length())
    }

    pub(super) const fn day(self) -> u32 {
        self.begin() / DAY
    }

    /// Its first microsecond.
    pub(super) const fn base(self) -> i64 {
        micros_of(self.begin())
    }

    /// The buckets that it is made of.
    pub(super) fn parts(self) -> impl Iterator<Item = Self> {
        let finer = self.level.finer().into_iter();
        finer.flat_map(move |level| {
            let count = self.level.length() / level.length();
            let first = self.begin() / level.length();
            (first..first + count).map(move |number| Self { level, number })
        })
    }

    /// Whether another one is a part of it.
    pub(super) fn has_part(self, other: Self) -> bool {
        self.level.finer() == Some(other.level) && self.level.of(other.begin()) == self
    }

    /// Where its chunks are.
    pub(super) const fn space(self) -> Space {
        match self.level {
            Level::Minute => Space::Minutes(self.day()),
            Level::Hour | Level::Day => Space::Graph,
        }
    }

    /// The beginning of their keys.
    pub(super) fn prefix(self) -> Vec<u8> {
        [&[self.level.letter()][..], &self.number.to_be_bytes()].concat()
    }
}

/// The minute of a microsecond; 0 before 1970.
pub(super) fn minute_of(micros: i64) -> u32 {
    u32::try_from(micros.div_euclid(MICROS_PER_MINUTE).max(0)).unwrap_or(u32::MAX)
}

/// The first microsecond of a minute.
pub(super) const fn micros_of(minute: u32) -> i64 {
    minute as i64 * MICROS_PER_MINUTE
}

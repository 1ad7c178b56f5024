//! What the graph must know to go on: how far it has come, and which buckets there are.

use super::{
    level::{Bucket, DAY, HOUR, HOURS_OF_DAY, LAST_DAY, Level, minute_of},
    words::Sizes,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far flows have been taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Every flow with a smaller ordinal.
    pub(super) through: u64,
    /// The last minute of a flow whose time was believed.
    pub(super) newest: u32,
    /// The last minute of any flow.
    pub(super) latest: u32,
    /// The first minute of any flow, or that in which the graph began.
    pub(super) oldest: u32,
}

/// What there is of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Day {
    pub(super) sizes: Sizes,
    /// The bytes of its words.
    pub(super) words: u64,
    /// The bytes of its chunks, by level.
    pub(super) chunks: [u64; 3],
    /// How many chunks could not be read when coarser ones were made of them.
    pub(super) damaged: u64,
}

impl Day {
    pub(super) fn bytes(&self) -> u64 {
        self.words + self.chunks.iter().sum::<u64>()
    }
}

/// One row, written with everything that it tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) progress: Progress,
    /// The number of the next chunk. Readers take no chunk that is newer than what they know.
    pub(super) chunk: u64,
    /// Hours before this one have chunks of their own.
    pub(super) hours_until: u32,
    /// Days before this one have.
    pub(super) days_until: u32,
    /// Of days before this one minutes are kept no more, of those before the next hours, then days.
    pub(super) minutes_from: u32,
    pub(super) hours_from: u32,
    pub(super) days_from: u32,
    pub(super) days: BTreeMap<u32, Day>,
    /// Minutes of hours before this one are kept no more either, where there was no room for them.
    pub(super) minutes_from_hour: u32,
}

impl State {
    /// Of a graph that begins now. What is older comes late.
    pub(super) fn new(now: Timestamp) -> Self {
        let now = minute_of(now.as_microsecond());
        Self {
            hours_until: Level::Hour.of(now).number,
            days_until: Level::Day.of(now).number,
            progress: Progress { oldest: now, ..Progress::default() },
            ..Self::default()
        }
    }

    /// Reads a state.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let state: Self = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        if state.is_sound() { Ok(state) } else { Err("it tells of days that will never be".to_owned()) }
    }

    fn is_sound(&self) -> bool {
        let Self { progress, hours_until, minutes_from_hour, .. } = *self;
        let Self { days_until, minutes_from, hours_from, days_from, days, .. } = self;
        let mut days = days.keys().chain([days_until, minutes_from, hours_from, days_from]);
        days.all(|day| *day <= LAST_DAY)
            && hours_until.max(minutes_from_hour) / HOURS_OF_DAY <= LAST_DAY
            && progress.newest.max(progress.latest).max(progress.oldest) / DAY <= LAST_DAY
    }

    /// Whether a bucket has chunks of its own, and they are kept.
    pub(super) fn has(&self, bucket: Bucket) -> bool {
        let day = bucket.day();
        match bucket.level {
            Level::Minute => self.has_minutes(bucket.begin()),
            Level::Hour => bucket.number < self.hours_until && day >= self.hours_from,
            Level::Day => bucket.number < self.days_until && day >= self.days_from,
        }
    }

    fn has_minutes(&self, minute: u32) -> bool {
        minute / DAY >= self.minutes_from && minute / HOUR >= self.minutes_from_hour
    }

    /// The finest level that is kept of a minute.
    pub(super) fn finest(&self, minute: u32) -> Level {
        let day = minute / DAY;
        if self.has_minutes(minute) {
            Level::Minute
        } else if day >= self.hours_from {
            Level::Hour
        } else {
            Level::Day
        }
    }

    /// Whether all hours of a day have chunks of their own.
    pub(super) fn has_hours(&self, day: u32) -> bool {
        u64::from(self.hours_until) >= (u64::from(day) + 1) * u64::from(HOURS_OF_DAY)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.days.values().map(Day::bytes).sum()
    }
}

//! Making an hour out of minutes, or a day out of hours, a part at a time: the writer waits for no more than one.

use super::{
    level::{Bucket, HOUR, HOURS_OF_DAY, Level},
    log::Place,
    reader::Reader,
    state::State,
    sum::Sum,
    sums::Sums,
    writing::Writing,
};
use std::collections::VecDeque;

/// How long after an hour it is made: most flows that come late have come then.
const GRACE: u32 = 5;

/// A bucket on its way.
#[derive(Debug)]
pub(super) struct Rolling {
    pub(super) bucket: Bucket,
    /// The parts that are still to be read.
    left: VecDeque<Bucket>,
    sums: Sums,
    /// How many chunks of them could not be read.
    damaged: u64,
}

/// How far a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to read.
    More,
    /// Everything has been read.
    Done,
    /// A part could not be read that is perhaps not damaged: it is to begin anew.
    Failed,
}

impl Rolling {
    /// What is to be made next when time has passed up to the minute `clock`.
    pub(super) fn next(state: &State, clock: u32) -> Option<Self> {
        let hour = Bucket { level: Level::Hour, number: state.hours_until };
        let day = Bucket { level: Level::Day, number: state.days_until };
        let bucket = if state.has_hours(day.number) {
            day
        } else if hour.begin().saturating_add(HOUR + GRACE) <= clock {
            hour
        } else {
            return None;
        };
        let left =
            if state.days.contains_key(&bucket.day()) { bucket.parts().collect() } else { VecDeque::new() };
        Some(Self { bucket, left, sums: Sums::default(), damaged: 0 })
    }

    /// Reads on until there was something to read. On the last try what cannot be read counts as damaged.
    pub(super) fn step(&mut self, reader: &Reader, state: &State, is_last_try: bool) -> Progress {
        let cells = state.days.get(&self.bucket.day()).map_or(0, |day| day.sizes.cells);
        while let Some(part) = self.left.pop_front() {
            let found = reader.add_bucket(part, cells, u64::MAX, &mut self.sums);
            self.damaged += found.damaged;
            if found.may_pass && !is_last_try {
                return Progress::Failed;
            }
            if found.chunks > 0 {
                break;
            }
        }
        if self.left.is_empty() { Progress::Done } else { Progress::More }
    }

    /// A chunk came to a part that has been read.
    pub(super) fn take_in(&mut self, bucket: Bucket, cells: &[(Place, &Sum)]) {
        if self.bucket.has_part(bucket) && !self.left.contains(&bucket) {
            for (cell, sum) in cells {
                self.sums.add(*cell, sum);
            }
        }
    }

    /// Writes the bucket.
    pub(super) fn finish(self, writing: &mut Writing) {
        let Self { bucket, left: _, sums, damaged } = self;
        let cells = sums.into_some();
        let cells: Vec<_> = cells.iter().map(|(cell, sum)| (*cell, sum)).collect();
        writing.bucket(bucket, &cells);
        let state = &mut writing.state;
        if let Some(day) = state.days.get_mut(&bucket.day()) {
            day.damaged += damaged;
        }
        match bucket.level {
            Level::Day => state.days_until = bucket.number + 1,
            Level::Hour | Level::Minute => state.hours_until = next_hour(state, bucket.number),
        }
    }
}

/// The hour after one; where a day has nothing at all, its end.
fn next_hour(state: &State, hour: u32) -> u32 {
    let day = hour / HOURS_OF_DAY;
    if state.days.contains_key(&day) { hour + 1 } else { (day + 1) * HOURS_OF_DAY }
}

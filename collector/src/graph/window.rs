//! Which buckets make up a window: the coarsest that lie in it, and at its ends the finest that are kept.

use super::{
    answer::{AskError, Question},
    level::{Bucket, DAY, HOUR, Level, micros_of, minute_of},
    state::{Progress, State},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is to be read for a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The buckets, by day.
    pub(super) days: BTreeMap<u32, Vec<Bucket>>,
    /// The first minute that is covered.
    pub(super) from: u32,
    /// The minute after the last one.
    pub(super) until: u32,
}

impl Plan {
    /// For a question to a graph that has come so far, and knows everything before the minute `complete`.
    pub(super) fn new(
        question: &Question,
        state: &State,
        progress: Progress,
        complete: u32,
    ) -> Result<Self, AskError> {
        if let Question { since: Some(since), until: Some(until) } = *question
            && until < since
        {
            return Err(AskError::Backwards { since, until });
        }
        let (from, until) = span(question, state, progress, complete);
        let mut days = BTreeMap::new();
        if from < until {
            for day in state.days.range(from / DAY..=(until - 1) / DAY).map(|(day, _)| *day) {
                let begin = day * DAY;
                days.insert(day, buckets(state, from.max(begin), until.min(begin + DAY)));
            }
        }
        Ok(Self { days, from, until })
    }

    /// Whether everything to be read is still there.
    pub(super) fn holds(&self, state: &State) -> bool {
        self.days.values().flatten().all(|bucket| state.has(*bucket))
    }
}

/// The minutes that are covered, none from before there was a graph and none that are still to come: ends lie between
/// buckets of the finest level that is kept there.
fn span(question: &Question, state: &State, progress: Progress, complete: u32) -> (u32, u32) {
    let Question { since, until } = question;
    let begin = progress.oldest.max(state.days_from.saturating_mul(DAY));
    let seen = if state.days.is_empty() { begin } else { progress.latest.saturating_add(1) };
    let end = seen.max(complete).min(u32::MAX - DAY);
    let until = until.map_or(end, minute_after).min(end);
    let from = since.map_or(begin, |since| minute_of(since.as_microsecond())).max(begin);
    if until <= from {
        return (from, from);
    }
    let [first, last] = [from, until - 1].map(|minute| state.finest(minute).of(minute));
    (first.begin(), last.begin() + last.level.length())
}

/// The first minute that begins no earlier.
fn minute_after(time: Timestamp) -> u32 {
    let micros = time.as_microsecond();
    let minute = minute_of(micros);
    minute.saturating_add(u32::from(micros_of(minute) < micros))
}

/// The buckets of a part of a day.
fn buckets(state: &State, from: u32, until: u32) -> Vec<Bucket> {
    let day = Level::Day.of(from);
    if until - from == DAY && state.has(day) {
        return vec![day];
    }
    let hours = from / HOUR..=(until - 1) / HOUR;
    hours.flat_map(|hour| in_hour(state, from.max(hour * HOUR), until.min(hour * HOUR + HOUR))).collect()
}

fn in_hour(state: &State, from: u32, until: u32) -> Vec<Bucket> {
    let hour = Level::Hour.of(from);
    if until - from == HOUR && state.has(hour) {
        return vec![hour];
    }
    (from..until).map(|minute| Level::Minute.of(minute)).collect()
}

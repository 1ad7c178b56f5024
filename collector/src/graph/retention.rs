//! What the graph lets go of: minutes after a day, hours after a month, days after a year, and the oldest of the
//! finest where it is too large. Pure: it chooses, others drop. Only what has become part of something coarser
//! goes.

use super::{
    level::{DAY, Level},
    state::State,
};
use std::time::Duration;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    /// For how long minutes are, in whole days of them.
    pub(crate) minutes: Duration,
    /// For how long hours are.
    pub(crate) hours: Duration,
    /// For how long days are.
    pub(crate) days: Duration,
    /// In how many bytes all of it is.
    pub(crate) bytes: u64,
}

impl Keep {
    /// What goes next, if anything does: the oldest day at its finest level.
    pub(super) fn too_much(&self, state: &State, clock: u32) -> Option<(Level, u32)> {
        let aged = Level::ALL.into_iter().find_map(|level| {
            let day = droppable(state, level)?;
            (ended(day, self.age(level)) <= u64::from(clock)).then_some((level, day))
        });
        aged.or_else(|| {
            let is_large = state.bytes() > self.bytes;
            Level::ALL
                .into_iter()
                .find_map(|level| Some((level, droppable(state, level)?)))
                .filter(|_| is_large)
        })
    }

    const fn age(&self, level: Level) -> Duration {
        match level {
            Level::Minute => self.minutes,
            Level::Hour => self.hours,
            Level::Day => self.days,
        }
    }
}

/// The oldest day that may lose a level: it has lost the finer ones, and has the coarser one.
fn droppable(state: &State, level: Level) -> Option<u32> {
    let mut days = state.days.keys().copied();
    match level {
        Level::Minute => days.find(|day| *day >= state.minutes_from).filter(|day| state.has_hours(*day)),
        Level::Hour => days
            .find(|day| *day >= state.hours_from)
            .filter(|day| *day < state.minutes_from && *day < state.days_until),
        Level::Day => days.find(|day| *day >= state.days_from).filter(|day| *day < state.hours_from),
    }
}

/// The minute in which a day has been over for so long.
fn ended(day: u32, age: Duration) -> u64 {
    (u64::from(day) + 1) * u64::from(DAY) + age.as_secs() / 60
}

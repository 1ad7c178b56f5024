//! What the graph lets go of: minutes after a day, hours after a month, days after a year, and the oldest of the
//! finest where it is too large, minutes of today hour by hour. Pure: it chooses, others drop. Only what has become part
//! of something coarser goes.

use super::{
    level::{DAY, HOURS_OF_DAY, Level},
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

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// A level of a day that is too old.
    Aged(Level, u32),
    /// A level of a day for which there is no room.
    Level(Level, u32),
    /// The minutes of an hour of a day that has others, for which there is no room.
    Hour(u32),
}

impl Keep {
    /// What goes next, if anything does: the oldest day at its finest level.
    pub(super) fn too_much(&self, state: &State, clock: u32) -> Option<Excess> {
        let aged = Level::ALL.into_iter().find_map(|level| {
            let day = droppable(state, level)?;
            (ended(day, self.age(level)) <= u64::from(clock)).then_some(Excess::Aged(level, day))
        });
        aged.or_else(|| {
            let mut levels = Level::ALL.into_iter().filter(|level| self.is_too_large(state, *level));
            levels.find_map(|level| {
                let day = droppable(state, level).map(|day| Excess::Level(level, day));
                day.or_else(|| hour(state).filter(|_| level == Level::Minute).map(Excess::Hour))
            })
        })
    }

    /// Whether a level must make room. What cannot go yet, what is of the last hour or two and of the hours of today,
    /// may take half of the room from hours and days, and no more: else one busy day would end the year.
    fn is_too_large(&self, state: &State, level: Level) -> bool {
        let over: u64 = state.days.range(..state.days_until).map(|(_, day)| day.bytes()).sum();
        state.bytes() > self.bytes && (level == Level::Minute || over > self.bytes / 2)
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

/// The first hour with minutes, if it has been made an hour of its own.
fn hour(state: &State) -> Option<u32> {
    let mut days = state
        .days
        .iter()
        .filter(|(day, known)| **day >= state.minutes_from && known.chunks[Level::Minute as usize] > 0);
    let (day, _) = days.next()?;
    let hour = state.minutes_from_hour.max(day * HOURS_OF_DAY);
    (hour < state.hours_until && hour / HOURS_OF_DAY == *day).then_some(hour)
}

/// The minute in which a day has been over for so long.
fn ended(day: u32, age: Duration) -> u64 {
    (u64::from(day) + 1) * u64::from(DAY) + age.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use super::{super::state::Day, *};
    use std::collections::BTreeMap;

    const KEEP: Keep =
        Keep { minutes: Duration::MAX, hours: Duration::MAX, days: Duration::MAX, bytes: 1000 };

    /// Nine days that are over and have no minutes any more, and a tenth.
    fn state(each: u64, today: u64) -> State {
        let day = |day| (day, Day { chunks: [0, each, 0], ..Day::default() });
        let mut days: BTreeMap<_, _> = (0..9).map(day).collect();
        days.insert(9, Day { chunks: [today, 0, 0], ..Day::default() });
        State { days, hours_until: 9 * 24 + 5, days_until: 9, minutes_from: 9, ..State::default() }
    }

    #[test]
    fn a_busy_day_takes_half_of_the_room_at_most() {
        let state = |each, today| State { minutes_from_hour: 9 * 24 + 5, ..state(each, today) };
        assert_eq!(KEEP.too_much(&state(50, 1_000_000), 0), None);
        assert_eq!(KEEP.too_much(&state(60, 1_000_000), 0), Some(Excess::Level(Level::Hour, 0)));
        assert_eq!(KEEP.too_much(&state(60, 400), 0), None);
    }

    #[test]
    fn minutes_of_days_that_are_over_go_first_then_those_of_today_hour_by_hour() {
        let older = State { minutes_from: 8, ..state(50, 1_000_000) };
        assert_eq!(KEEP.too_much(&older, 0), Some(Excess::Level(Level::Minute, 8)));
        let mut today = state(50, 1_000_000);
        for hour in 0..5 {
            assert_eq!(KEEP.too_much(&today, 0), Some(Excess::Hour(9 * 24 + hour)));
            today.minutes_from_hour = 9 * 24 + hour + 1;
        }
        assert_eq!(KEEP.too_much(&today, 0), None, "the hour that is not made yet stays");
    }
}

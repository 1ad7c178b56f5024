//! What the writer adds to and askers look at, under one lock.

use super::{
    Settings,
    addition::Addition,
    answer::{AskError, Question},
    dictionary::Dictionary,
    level::{DAY, minute_of},
    open::Open,
    reader::Reader,
    state::{Progress, State},
    window::Plan,
    words::{Sizes, Words},
};
use crate::made::Made;
use jiff::{SignedDuration, Timestamp};
use portolan_policy::Flow;
use std::{collections::BTreeMap, sync::Arc};

/// How far a node's clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// So many days that are over, to which flows came last, keep their words in memory: reading them again for each
/// connection that was open for long would make the writer wait.
const LATE_DAYS: usize = 3;

/// The state between two steps.
#[derive(Debug)]
pub(super) struct Shared {
    /// As it is on disk, but for days that are not.
    state: Arc<State>,
    progress: Progress,
    /// The ordinal after that of the last flow that is kept.
    kept: u64,
    /// The words of the days to which flows come.
    days: BTreeMap<u32, Dictionary>,
    /// The ordinal of the last flow of each.
    used: BTreeMap<u32, u64>,
    open: Open,
    /// How often rows that somebody may be reading were written anew.
    rewrites: u64,
    /// What was open when somebody asked.
    frozen: Vec<Arc<Open>>,
}

/// What somebody asks about, as it is at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) plan: Plan,
    pub(super) behind: u64,
    rewrites: u64,
    pub(super) state: Arc<State>,
    pub(super) open: Vec<Arc<Open>>,
    /// The words that need not be read.
    pub(super) words: BTreeMap<u32, Words>,
}

/// What must not have changed meanwhile.
#[derive(Debug)]
pub(super) struct Seen {
    plan: Plan,
    rewrites: u64,
}

impl Snapshot {
    pub(super) fn seen(&self) -> Seen {
        Seen { plan: self.plan.clone(), rewrites: self.rewrites }
    }
}

/// What a checkpoint is to write.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) state: State,
    pub(super) open: Vec<Arc<Open>>,
    /// The words that are new.
    pub(super) words: BTreeMap<u32, (Addition, Sizes)>,
}

/// When a flow counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct When {
    minute: u32,
    first: i64,
    last: i64,
    /// Whether this is what the flow says.
    is_believed: bool,
    /// Whether it says what cannot be.
    is_clamped: bool,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let progress = state.progress;
        let state = Arc::new(state);
        Self {
            state,
            progress,
            kept: progress.through,
            days: BTreeMap::new(),
            used: BTreeMap::new(),
            open: Open::default(),
            rewrites: 0,
            frozen: Vec::new(),
        }
    }

    /// Every flow with a smaller ordinal is in.
    pub(super) const fn through(&self) -> u64 {
        self.progress.through
    }

    /// Flows with smaller ordinals are kept.
    pub(super) fn keeps(&mut self, ordinal: u64) {
        self.kept = self.kept.max(ordinal);
    }

    /// How many flows are kept and not in.
    pub(super) const fn behind(&self) -> u64 {
        self.kept.saturating_sub(self.progress.through)
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// How many flows wait for a checkpoint, those that were handed to askers too.
    pub(super) fn flows(&self) -> u64 {
        self.open.flows() + self.frozen.iter().map(|open| open.flows()).sum::<u64>()
    }

    /// The minute up to which time has passed for buckets: neither the own clock nor that of agents alone
    /// takes anything away.
    pub(super) fn clock(&self, now: Timestamp) -> u32 {
        self.progress.newest.min(minute_of(now.as_microsecond()))
    }

    pub(super) fn add(&mut self, made: &Made, reader: &Reader, settings: &Settings, now: Timestamp) {
        let When { minute, first, last, is_believed, is_clamped } = self.when(&made.flow, settings, now);
        if is_believed {
            self.progress.newest = self.progress.newest.max(minute);
        }
        reader.counters.clamped.inc_by(u64::from(is_clamped));
        self.progress.latest = self.progress.latest.max(minute);
        self.progress.oldest = self.progress.oldest.min(minute);
        let dictionary = dictionary(&mut self.days, &mut self.state, minute / DAY, reader);
        let cell = dictionary.cell(&made.flow, settings.bounds, &reader.counters);
        self.open.of(minute, cell).add(&made.flow, made.latencies.as_ref(), first, last);
        self.used.insert(minute / DAY, made.ordinal);
        self.progress.through = made.ordinal + 1;
    }

    /// Flows that are gone count as taken in.
    pub(super) fn skip_to(&mut self, ordinal: u64) {
        self.progress.through = self.progress.through.max(ordinal);
    }

    /// A flow counts at its start, however long it was open; what agents may still send is a matter of its end.
    fn when(&self, flow: &Flow, settings: &Settings, now: Timestamp) -> When {
        let (start, end) = (flow.time, flow.end_time.max(flow.time));
        let ahead = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let first = start.as_microsecond();
        let is_believed = start <= ahead
            && now.duration_since(end) <= settings.past
            && now.duration_since(start) <= settings.oldest_start()
            && first >= 0
            && minute_of(first) / DAY >= self.state.days_from;
        if is_believed {
            let (last, is_clamped) = (end.min(ahead).as_microsecond(), end > ahead);
            When { minute: minute_of(first), first, last, is_believed, is_clamped }
        } else {
            let now = now.as_microsecond();
            // Even if the own clock is where nothing is kept any more.
            let minute = minute_of(now).max(self.state.days_from * DAY);
            When { minute, first: now, last: now, is_believed, is_clamped: true }
        }
    }

    /// What a question is to be answered from. What is open is handed out, and another begun.
    pub(super) fn snapshot(&mut self, question: &Question, now: Timestamp) -> Result<Snapshot, AskError> {
        let behind = self.behind();
        let complete = if behind == 0 { minute_of(now.as_microsecond()).saturating_add(1) } else { 0 };
        let plan = Plan::new(question, &self.state, self.progress, complete)?;
        self.freeze();
        let words = plan.days.keys().filter_map(|day| Some((*day, self.days.get(day)?.words()))).collect();
        let (state, open, rewrites) = (Arc::clone(&self.state), self.frozen.clone(), self.rewrites);
        Ok(Snapshot { plan, behind, rewrites, state, open, words })
    }

    /// Rows are about to be written anew, with the numbers that they had. Who asks from now on finds the same in either.
    pub(super) const fn rewrite(&mut self) {
        self.rewrites += 1;
    }

    /// Whether what was read was there all the time.
    pub(super) fn holds(&self, seen: &Seen) -> bool {
        seen.plan.holds(&self.state) && seen.rewrites == self.rewrites
    }

    fn freeze(&mut self) {
        if !self.open.is_empty() {
            self.frozen.push(Arc::new(std::mem::take(&mut self.open)));
        }
    }

    /// What has come since the last checkpoint; None where nothing has.
    pub(super) fn hand_out(&mut self) -> Option<Frozen> {
        self.freeze();
        if self.frozen.is_empty() && self.progress == self.state.progress {
            return None;
        }
        let words = self.days.iter().map(|(day, dictionary)| {
            let words = dictionary.words();
            (*day, (words.since(dictionary.written()), words.sizes()))
        });
        let state = State { progress: self.progress, ..(*self.state).clone() };
        let words = words.filter(|(_, (addition, _))| !addition.is_empty()).collect();
        Some(Frozen { state, open: self.frozen.clone(), words })
    }

    /// A checkpoint is durable: what it wrote is read from now on.
    pub(super) fn wrote(&mut self, state: State, words: &BTreeMap<u32, Sizes>) {
        self.frozen.clear();
        for (day, sizes) in words {
            if let Some(dictionary) = self.days.get_mut(day) {
                dictionary.wrote(*sizes);
            }
        }
        self.replace(state);
    }

    /// The state on disk is another; the words of days to which nothing comes any more are let go of.
    pub(super) fn replace(&mut self, state: State) {
        if self.frozen.is_empty() && self.open.is_empty() {
            self.forget(&state);
        }
        self.state = Arc::new(state);
    }

    /// Lets go of the words of days that are over, but for those that were needed last.
    fn forget(&mut self, state: &State) {
        let mut late: Vec<_> = self.used.range(..state.days_until).map(|(day, used)| (*used, *day)).collect();
        late.sort_unstable();
        late.truncate(late.len().saturating_sub(LATE_DAYS));
        let gone = |day: u32| day < state.days_from || late.iter().any(|(_, late)| *late == day);
        self.days.retain(|day, _| !gone(*day));
        self.used.retain(|day, _| !gone(*day));
    }

    /// The days whose words need not be read.
    #[cfg(test)]
    pub(super) fn days_in_memory(&self) -> Vec<u32> {
        self.days.keys().copied().collect()
    }

    /// Edges and cells of the newest day.
    pub(super) fn newest(&self) -> Sizes {
        self.days.last_key_value().map(|(_, newest)| newest.sizes()).unwrap_or_default()
    }
}

/// The words of a day: those that are there, those on disk, or new ones.
fn dictionary<'days>(
    days: &'days mut BTreeMap<u32, Dictionary>,
    state: &mut Arc<State>,
    day: u32,
    reader: &Reader,
) -> &'days mut Dictionary {
    days.entry(day).or_insert_with(|| {
        if !state.days.contains_key(&day) {
            Arc::make_mut(state).days.entry(day).or_default();
            return Dictionary::from(Words::default());
        }
        Dictionary::from(reader.words(day, state).0)
    })
}

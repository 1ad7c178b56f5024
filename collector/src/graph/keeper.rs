//! What the writing thread does for the graph: adds flows, writes checkpoints, rolls up, lets go.

use super::{
    Counters, Graph, Settings,
    level::{Bucket, HOUR, HOURS_OF_DAY, Level},
    log::Place,
    merging::{Crowds, merge},
    open::Open,
    retention::Excess,
    rolling::{Progress, Rolling},
    state::State,
    sum::Sum,
    writing::{Writing, targets, words_prefix},
};
use crate::{
    clock::Now,
    ledger::{SharedStore, Shelf, Space, Step, StoreError, Tail},
    made::Made,
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// How often what is open is written.
const EVERY: Duration = Duration::from_secs(10);

/// So many flows are written at once: as many as a start after a kill takes in again.
const FLOWS: u64 = 500_000;

/// How long what failed and can wait is left alone.
const PAUSE: Duration = Duration::from_mins(1);

/// So often is a bucket tried to be made of parts that cannot all be read.
const TRIES: u32 = 10;

/// Flows that are taken in at a time by a graph that is behind, if no more come meanwhile.
const GROUP: usize = 4096;

/// The writer's side of a graph.
#[derive(Debug)]
pub(crate) struct Keeper {
    graph: Arc<Graph>,
    rolling: Option<Rolling>,
    /// When the last checkpoint was, by the time since the start.
    checked: Duration,
    /// Days of which something is left in the store that the state tells nothing of any more.
    leaving: Vec<u32>,
    /// Until then none of them is tried again.
    leave_after: Duration,
    /// Until then nothing is rolled up, after so many tries that failed.
    roll_after: Duration,
    tries: u32,
    /// The flows of the ledger that are to be taken in before new ones.
    behind: Option<Tail>,
    /// Flows that have come since some were taken in.
    meanwhile: usize,
    crowds: Crowds,
}

impl Keeper {
    /// Goes on where an earlier run on the store stopped.
    pub(crate) fn open(store: SharedStore, counters: Counters, settings: Settings, now: Timestamp) -> Self {
        let graph = Arc::new(Graph::open(store, counters, settings, now));
        let from = graph.shared().state().minutes_from;
        let leaving = graph.reader.store.minutes().into_iter().filter(|day| *day < from).collect();
        Self {
            graph,
            rolling: None,
            checked: Duration::ZERO,
            leaving,
            leave_after: Duration::ZERO,
            roll_after: Duration::ZERO,
            tries: 0,
            behind: None,
            meanwhile: 0,
            crowds: Crowds::default(),
        }
    }

    /// What is asked.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        Arc::clone(&self.graph)
    }

    /// Has still to take in what the ledger has and the graph does not.
    pub(crate) fn follow(&mut self, shelf: Arc<Shelf>) {
        let kept = shelf.catalog();
        let mut shared = self.graph.shared();
        shared.keeps(kept.next);
        if shared.behind() > 0 {
            self.behind = Some(Tail::new(shelf, &kept, shared.through()));
        }
        self.graph.reader.counters.behind.set(shared.behind() as i64);
    }

    /// Whether there are flows of the ledger that are still to be taken in.
    pub(crate) const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Takes in some of the flows that the ledger has and the graph does not.
    fn catch_up(&mut self, tail: &mut Tail, now: Timestamp) -> Result<(), StoreError> {
        // More than what has come meanwhile, or it would never end.
        let most = GROUP.max(2 * std::mem::take(&mut self.meanwhile));
        let mut flows = Vec::with_capacity(most);
        while flows.len() < most
            && let Some(step) = tail.next()?
        {
            match step {
                Step::Made(made) => flows.push(made),
                Step::Gone(count) => self.miss(count),
            }
        }
        self.graph.add(&flows, now);
        self.graph.shared().skip_to(tail.position());
        Ok(())
    }

    /// Takes in some flows, where there are any to be taken in.
    fn follow_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(mut tail) = self.behind.take() else { return Ok(()) };
        tail.go_on();
        self.catch_up(&mut tail, now)?;
        let behind = self.graph.shared().behind();
        self.graph.reader.counters.behind.set(behind as i64);
        if behind > 0 {
            self.behind = Some(tail);
        } else {
            info!("Graph has caught up.");
        }
        Ok(())
    }

    fn miss(&self, count: u64) {
        self.graph.reader.counters.missed.inc_by(count);
        warn!(flows = count, "Flows are gone that the graph had not counted yet.");
    }

    /// Adds flows that are durable, or leaves them for the time when those before them are in.
    pub(crate) fn add(&mut self, flows: &[Arc<Made>], now: Timestamp) {
        if self.is_behind() {
            self.meanwhile += flows.len();
            let ordinals = flows.iter().map(|made| made.ordinal + 1);
            ordinals.max().into_iter().for_each(|ordinal| self.graph.shared().keeps(ordinal));
        } else {
            self.graph.add(flows, now);
        }
    }

    /// Lets time pass: a checkpoint, if one is due, or else a part of what else there is to do.
    pub(crate) fn step(&mut self, now: Now) -> Result<(), StoreError> {
        self.follow_up(now.wall)?;
        let is_due = now.uptime.saturating_sub(self.checked) >= EVERY;
        if is_due || self.graph.shared().flows() >= FLOWS {
            self.checked = now.uptime;
            return self.checkpoint();
        }
        self.upkeep(now)
    }

    /// Every flow with a smaller ordinal has been counted for good.
    pub(crate) fn through(&self) -> u64 {
        self.graph.shared().state().progress.through
    }

    /// Writes what has come since the last time.
    pub(crate) fn checkpoint(&mut self) -> Result<(), StoreError> {
        let begin = Instant::now();
        let Some(frozen) = self.graph.shared().hand_out() else { return Ok(()) };
        let mut writing = Writing::new(frozen.state);
        let sizes: BTreeMap<_, _> = frozen.words.iter().map(|(day, (_, sizes))| (*day, *sizes)).collect();
        for (day, (addition, sizes)) in frozen.words {
            writing.words(day, addition, sizes);
        }
        let buckets = gather(&frozen.open, &writing.state);
        for (bucket, cells) in &buckets {
            writing.bucket(*bucket, cells);
        }
        let state = self.commit(writing)?;
        if let Some(rolling) = &mut self.rolling {
            for (bucket, cells) in &buckets {
                rolling.take_in(*bucket, cells);
            }
        }
        self.crowds.came(buckets.keys().copied());
        self.graph.shared().wrote(state, &sizes);
        let counters = &self.graph.reader.counters;
        counters.checkpoints.inc();
        counters.checkpoint_seconds.observe(begin.elapsed().as_secs_f64());
        self.measure();
        self.merge()
    }

    fn measure(&self) {
        let shared = self.graph.shared();
        let (sizes, counters) = (shared.newest(), &self.graph.reader.counters);
        counters.edges.set(i64::from(sizes.edges) - 1);
        counters.cells.set(i64::from(sizes.cells) - 1);
        counters.bytes.set(shared.state().bytes() as i64);
    }

    /// Makes a transaction durable.
    fn commit(&self, writing: Writing) -> Result<State, StoreError> {
        self.graph.reader.counters.chunks.inc_by(writing.chunks);
        let (changes, state) = writing.finish();
        self.graph.reader.store.commit(changes)?;
        Ok(state)
    }

    /// A part of what is to be done now and then.
    fn upkeep(&mut self, now: Now) -> Result<(), StoreError> {
        if self.leave(now.uptime) {
            return Ok(());
        }
        let (state, clock) = {
            let shared = self.graph.shared();
            (Arc::clone(shared.state()), shared.clock(now.wall))
        };
        let next = || Rolling::next(&state, clock).filter(|_| now.uptime >= self.roll_after);
        let Some(rolling) = self.rolling.take().or_else(next) else {
            return self.make_room(&state, clock);
        };
        self.roll(rolling, &state, now.uptime)
    }

    /// A part of a roll-up. One that fails begins anew some time later.
    fn roll(&mut self, mut rolling: Rolling, state: &State, uptime: Duration) -> Result<(), StoreError> {
        match rolling.step(&self.graph.reader, state, self.tries >= TRIES) {
            Progress::More => self.rolling = Some(rolling),
            Progress::Failed => {
                self.tries += 1;
                self.roll_after = uptime + PAUSE;
            }
            Progress::Done => {
                self.tries = 0;
                self.finish(rolling, state)?;
            }
        }
        Ok(())
    }

    /// Gives the room of a day's minutes back, if there are any to be rid of. A failure costs room, not truth: it
    /// is said, and tried again.
    fn leave(&mut self, uptime: Duration) -> bool {
        let Some(day) = self.leaving.pop_if(|_| uptime >= self.leave_after) else { return false };
        if let Err(error) = self.graph.reader.store.drop_minutes(day) {
            warn!(%error, cause = %error.source, "Old minutes of the graph stay, dropping them failed.");
            self.leaving.push(day);
            self.leave_after = uptime + PAUSE;
        }
        true
    }

    fn finish(&self, rolling: Rolling, state: &State) -> Result<(), StoreError> {
        let mut writing = Writing::new(state.clone());
        rolling.finish(&mut writing);
        let state = self.commit(writing)?;
        self.graph.shared().replace(state);
        self.graph.reader.counters.rolled.inc();
        Ok(())
    }

    /// Puts chunks together where there are too many. In one go: who asks meanwhile asks once more.
    fn merge(&mut self) -> Result<(), StoreError> {
        let mut writing = Writing::new(State::clone(self.graph.shared().state()));
        let buckets = self.crowds.next().into_iter();
        let merged: u64 = buckets.map(|bucket| merge(bucket, &self.graph.reader, &mut writing)).sum();
        if merged == 0 {
            return Ok(());
        }
        // Who asked before may know some of the numbers that are gone, and not the last.
        self.graph.shared().rewrite();
        let state = self.commit(writing)?;
        self.graph.shared().replace(state);
        self.graph.reader.counters.merged.inc_by(merged);
        Ok(())
    }

    /// Lets go of what is too old or too much, if anything is.
    fn make_room(&mut self, state: &State, clock: u32) -> Result<(), StoreError> {
        let Some(excess) = self.graph.settings.keep.too_much(state, clock) else { return Ok(()) };
        let is_early = !matches!(excess, Excess::Aged(..));
        self.graph.reader.counters.crowded_out.inc_by(u64::from(is_early));
        match excess {
            Excess::Aged(level, day) | Excess::Level(level, day) => self.let_go(level, day),
            Excess::Hour(hour) => self.let_minutes_go(hour),
        }
    }

    /// Lets go of the minutes of an hour. Readers lose sight of them first.
    fn let_minutes_go(&mut self, hour: u32) -> Result<(), StoreError> {
        // What is open may be of that hour.
        self.checkpoint()?;
        let mut writing = Writing::new(State::clone(self.graph.shared().state()));
        writing.state.minutes_from_hour = hour + 1;
        for minute in hour * HOUR..(hour + 1) * HOUR {
            let bucket = Level::Minute.of(minute);
            let rows = self.graph.reader.rows(bucket);
            let rows: Vec<_> = rows.into_iter().map(|(key, bytes)| (key, bytes.len() as u64)).collect();
            writing.remove(bucket, &rows);
        }
        self.gone(writing)
    }

    /// What is written does not tell of something any more.
    fn gone(&mut self, writing: Writing) -> Result<(), StoreError> {
        // Who asks between the two would find a hole.
        self.graph.shared().replace(writing.state.clone());
        let state = self.commit(writing)?;
        self.crowds.retain(&state);
        self.graph.shared().replace(state);
        self.measure();
        Ok(())
    }

    /// Lets go of a level of a day. Readers lose sight of it first.
    fn let_go(&mut self, level: Level, day: u32) -> Result<(), StoreError> {
        // What is open may be of that day.
        self.checkpoint()?;
        let mut writing = Writing::new(State::clone(self.graph.shared().state()));
        let hours = day * HOURS_OF_DAY..(day + 1) * HOURS_OF_DAY;
        match level {
            Level::Minute => {
                writing.state.minutes_from = day + 1;
                self.leaving.push(day);
            }
            Level::Hour => {
                writing.state.hours_from = day + 1;
                hours.for_each(|number| self.delete(&Bucket { level, number }.prefix(), &mut writing));
            }
            Level::Day => {
                writing.state.days_from = day + 1;
                self.delete(&Bucket { level, number: day }.prefix(), &mut writing);
                self.delete(&words_prefix(day), &mut writing);
                writing.state.days.remove(&day);
            }
        }
        if let Some(day) = writing.state.days.get_mut(&day) {
            day.chunks[level as usize] = 0;
        }
        self.gone(writing)
    }

    fn delete(&self, prefix: &[u8], writing: &mut Writing) {
        let rows = self.graph.reader.store.scan(Space::Graph, prefix, usize::MAX);
        rows.into_iter().flatten().for_each(|(key, _)| writing.delete(key));
    }
}

/// The cells of each bucket that is to be written, in their order. One that was open twice is there twice.
fn gather<'open>(open: &'open [Arc<Open>], state: &State) -> BTreeMap<Bucket, Vec<(Place, &'open Sum)>> {
    let mut buckets: BTreeMap<Bucket, Vec<_>> = BTreeMap::new();
    for (minute, cells) in open.iter().flat_map(|open| open.minutes()) {
        let cells: Vec<_> = cells.collect();
        for bucket in targets(state, minute) {
            buckets.entry(bucket).or_default().extend_from_slice(&cells);
        }
    }
    for cells in buckets.values_mut() {
        cells.sort_unstable_by_key(|(cell, _)| *cell);
    }
    buckets
}

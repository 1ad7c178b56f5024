//! Joining the two nodes' views of one connection into one flow.
//!
//! Owns which connections were heard of from which side, for as long as the other side may still
//! speak. Reads no clock: time is the collector's uptime, given by the caller.
//!
//! ```text
//! view ──► stands for many attempts?    ──► flow at once
//!     └──► heard before from this side? ──► nothing
//!     └──► revises what was told?       ──► flow at once, when that was told; whichever side says so first
//!     └──► other side waits?            ──► merge ──► flow
//!     └──► other side's flow was made?  ──► nothing, counted late (long ago: the ledger knows)
//!     └──► other side can speak?        ──► wait for a while, then alone
//!     └──► else                         ──► flow at once
//! ```

mod changes;
mod memory;
mod merge;
mod revise;
mod side;

#[cfg(test)]
mod merging_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod revising_tests;
#[cfg(test)]
mod tests;

pub(crate) use changes::{Changes, Told, Waits};
pub(crate) use memory::Telling;
pub(crate) use side::Side;

use crate::made::Joined;
use jiff::{SignedDuration, Timestamp};
use memory::{Entry, Finding, Id, Memory, Waiting};
use portolan_policy::Loss;
use portolan_proto::{Connection, Observation};
use prometheus_client::metrics::counter::Counter;
use side::Certainty;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// How much later than a view its other half may say that the connection began.
const SLACK: Duration = Duration::from_mins(5);

/// How the join waits and remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a view waits for the other side's.
    pub(crate) window: Duration,
    /// How long it waits where the other side has certainly seen the attempt.
    pub(crate) patience: Duration,
    /// How far apart the sides may tell the start.
    pub(crate) skew: Duration,
    /// How long a connection is remembered after its flow was made.
    pub(crate) remember: Duration,
    /// How many views may wait.
    pub(crate) max_pending: usize,
    /// How many connections are remembered.
    pub(crate) max_remembered: usize,
}

/// What the join counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Second views that came after the flow was made.
    pub(crate) late: Counter,
    /// Views that had been heard before.
    pub(crate) repeated: Counter,
    /// Views that could not wait their time because too many did.
    pub(crate) cut_short: Counter,
    /// Connections forgotten before their time because too many were remembered.
    pub(crate) forgotten: Counter,
}

/// The views that wait and the connections that are remembered.
#[derive(Debug)]
pub(crate) struct Join {
    limits: Limits,
    counters: Counters,
    memory: Memory,
    /// Views that wait, by deadline and age.
    deadlines: BTreeMap<(Duration, u64), Id>,
    /// Connections whose flow was made, by the time they may be forgotten.
    expiries: VecDeque<(Duration, Id)>,
    /// Connections that began up to then may have been forgotten here.
    horizon: Option<Timestamp>,
    /// What the ledger has not been told yet.
    changes: Changes,
    /// Losses on views that made no flow.
    unplaced: Vec<Loss>,
}

impl Join {
    /// A join that has heard nothing.
    pub(crate) fn new(limits: Limits, counters: Counters) -> Self {
        Self {
            memory: Memory::new(limits.skew),
            limits,
            counters,
            deadlines: BTreeMap::new(),
            expiries: VecDeque::new(),
            horizon: None,
            changes: Changes::default(),
            unplaced: Vec::new(),
        }
    }

    /// Goes on where an earlier run stopped: with a view that waits. It waits anew, since the agents
    /// need time to find the way back.
    pub(crate) fn restore(&mut self, now: Duration, Waits { number, side, view }: Waits) {
        let connection = view.connection;
        let deadline = now + self.limits.patience;
        let mut entry = Entry::heard(side, &connection);
        let telling = Telling::of(&view);
        entry.waiting = Some(Waiting { view, side, deadline });
        let id = self.memory.insert_as(number, entry, &connection, telling);
        self.deadlines.insert((deadline, number), id);
        if telling == Telling::Again {
            self.stand_behind(&connection, id);
        }
    }

    /// Gives new views numbers from here on.
    pub(crate) fn begin_at(&mut self, number: u64) {
        self.memory.begin_at(number);
    }

    /// An earlier run may have told of connections that began up to then.
    pub(crate) fn begin_after(&mut self, horizon: Timestamp) {
        self.horizon = self.horizon.max(Some(horizon));
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// How many views wait.
    pub(crate) fn pending(&self) -> usize {
        self.deadlines.len()
    }

    /// Takes one view from `node`, and adds the flows that it completes.
    ///
    /// `speaks` says whether the agent of a node is there to tell its side. `told` knows of connections
    /// told alone that are forgotten here.
    pub(crate) fn observe(
        &mut self,
        now: Duration,
        node: &str,
        observation: Observation,
        speaks: impl FnOnce(&str) -> bool,
        told: impl FnOnce(&Connection) -> Vec<Told>,
        flows: &mut Vec<Joined>,
    ) {
        let side = Side::of(&observation, node);
        if observation.flow.attempts > 1 && observation.flow.source.port().is_none() {
            // Agents fold only what no other one tells of. Folds have no port by which they could be told apart.
            return flows.push(merge::alone(observation, side));
        }
        let telling = Telling::of(&observation);
        match self.memory.find(side, &observation.connection, telling) {
            Finding::Repeat => {
                self.counters.repeated.inc();
                self.without_flow(observation);
            }
            Finding::Partner(id) => self.on_second_view(now, id, side, observation, flows),
            Finding::New if self.was_told(now, side, &observation, told) => self.without_flow(observation),
            Finding::New if telling == Telling::Again => self.revise(now, side, observation, node, flows),
            Finding::New => {
                let peer = side::peer(side, &observation.flow, node);
                let may_come = peer.is_some();
                let wait = peer.filter(|peer| speaks(peer.node)).map(|peer| match peer.certainty {
                    Certainty::MayHaveSeen => self.limits.window,
                    Certainty::HasSeen => self.limits.patience,
                });
                match wait {
                    Some(wait) => self.wait(now, side, observation, wait, flows),
                    None => flows.push(self.tell_alone(now, side, observation, may_come)),
                }
            }
        }
    }

    /// Returns the flows whose other view did not come in time, and forgets what is old.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Joined> {
        let mut flows = Vec::new();
        while self.deadlines.first_key_value().is_some_and(|((deadline, _), _)| *deadline <= now) {
            flows.extend(self.give_up_first(now));
        }
        while self.expiries.front().is_some_and(|(expiry, _)| *expiry <= now) {
            self.forget_oldest();
        }
        flows
    }

    /// Returns every view that waits as a flow of its own: nothing more will come.
    pub(crate) fn flush(&mut self, now: Duration) -> Vec<Joined> {
        let mut flows = Vec::new();
        while !self.deadlines.is_empty() {
            flows.extend(self.give_up_first(now));
        }
        flows
    }

    /// Whether the flow of a connection that is forgotten here was made long ago.
    fn was_told(
        &mut self,
        now: Duration,
        side: Side,
        view: &Observation,
        told: impl FnOnce(&Connection) -> Vec<Told>,
    ) -> bool {
        let (connection, telling) = (&view.connection, Telling::of(view));
        if self.horizon.is_none_or(|horizon| connection.start.duration_since(horizon) > slack()) {
            return false;
        }
        let mut known = told(connection);
        known.retain(|told| told.telling == telling);
        let entry = |told: &Told| Entry::heard(told.side, &told.connection);
        if known.iter().any(|told| entry(told).repeats(side, connection)) {
            self.counters.repeated.inc();
            return true;
        }
        let near = known.iter().filter_map(|told| Some((entry(told).distance(side, connection)?, told)));
        let near = near.filter(|(distance, _)| Entry::is_near(*distance, connection, self.limits.skew));
        let Some((_, partner)) = near.min_by_key(|(distance, _)| *distance) else { return false };
        self.counters.late.inc();
        self.changes.untell(*partner);
        let mut entry = entry(partner);
        entry.hear(side, connection.start);
        let id = self.memory.insert(entry, connection, telling);
        self.remember(now, id);
        true
    }

    fn tell_alone(&mut self, now: Duration, side: Side, view: Observation, may_come: bool) -> Joined {
        let (connection, telling) = (view.connection, Telling::of(&view));
        let mut entry = Entry::heard(side, &connection);
        entry.told = Some(view.flow.outcome);
        let id = self.memory.insert(entry, &connection, telling);
        self.remember(now, id);
        if may_come {
            self.changes.tell(Told { connection, side, telling });
        }
        merge::alone(view, side)
    }

    fn wait(
        &mut self,
        now: Duration,
        side: Side,
        view: Observation,
        wait: Duration,
        flows: &mut Vec<Joined>,
    ) {
        let (connection, telling) = (view.connection, Telling::of(&view));
        let (view, deadline) = (Arc::new(view), now + wait);
        let mut entry = Entry::heard(side, &connection);
        entry.waiting = Some(Waiting { view: Arc::clone(&view), side, deadline });
        let id = self.memory.insert(entry, &connection, telling);
        self.deadlines.insert((deadline, id.number), id);
        if telling == Telling::Again {
            self.stand_behind(&connection, id);
        }
        self.changes.wait(Waits { number: id.number, side, view });
        while self.deadlines.len() > self.limits.max_pending {
            flows.extend(self.give_up_first(now));
            self.counters.cut_short.inc();
        }
    }

    /// A view that tells nothing new; what was lost beside it is told elsewhere.
    fn without_flow(&mut self, view: Observation) {
        self.unplaced.extend(view.flow.losses);
    }

    /// Losses on views that made no flow, since this was last asked.
    pub(crate) fn take_unplaced(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.unplaced)
    }

    fn on_second_view(
        &mut self,
        now: Duration,
        id: Id,
        side: Side,
        view: Observation,
        flows: &mut Vec<Joined>,
    ) {
        let entry = self.memory.get(id).expect("the memory has just found it");
        let (side_told, telling) = (side.other(), Telling::of(&view));
        let told = entry.other_start(side).map(|start| {
            let connection = Connection { start, ..view.connection };
            Told { connection, side: side_told, telling }
        });
        let is_told = entry.waiting.is_none();
        entry.hear(side, view.connection.start);
        // Of two that revise the first one is told, be it in a while.
        let waiting = if telling == Telling::First { entry.waiting.take() } else { None };
        let Some(Waiting { view: first, side: _, deadline }) = waiting else {
            self.counters.late.inc();
            if let Some(told) = told.filter(|_| is_told) {
                self.changes.untell(told);
            }
            return self.without_flow(view);
        };
        self.deadlines.remove(&(deadline, id.number));
        self.changes.resolve(id.number);
        self.remember(now, id);
        let first = Arc::unwrap_or_clone(first);
        let joined = match side {
            Side::Source => merge::both(view, first),
            Side::Destination | Side::Both => merge::both(first, view),
        };
        let entry = self.memory.get(id);
        let behind = entry.and_then(|entry| {
            entry.told = Some(joined.flow.outcome);
            entry.behind.take()
        });
        let revising = behind.and_then(|id| self.give_up(now, id));
        flows.extend([joined].into_iter().chain(revising));
    }

    /// Lets the view with the first deadline go alone.
    fn give_up_first(&mut self, now: Duration) -> Option<Joined> {
        let (_, id) = self.deadlines.pop_first()?;
        self.give_up(now, id)
    }

    /// Lets a view that waits go alone.
    fn give_up(&mut self, now: Duration, id: Id) -> Option<Joined> {
        let entry = self.memory.get(id)?;
        let Waiting { view, side, deadline } = entry.waiting.take()?;
        self.deadlines.remove(&(deadline, id.number));
        entry.told = Some(view.flow.outcome);
        let is_heard_alone = entry.side() == side;
        self.changes.resolve(id.number);
        self.remember(now, id);
        let mut view = Arc::unwrap_or_clone(view);
        let (connection, telling) = (view.connection, Telling::of(&view));
        if telling == Telling::Again {
            view = self.revising(view)?;
        }
        if is_heard_alone {
            self.changes.tell(Told { connection, side, telling });
        }
        Some(merge::alone(view, side))
    }

    fn remember(&mut self, now: Duration, id: Id) {
        self.expiries.push_back((now + self.limits.remember, id));
        while self.expiries.len() > self.limits.max_remembered {
            self.forget_oldest();
            self.counters.forgotten.inc();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, id)) = self.expiries.pop_front() else { return };
        if let Some(start) = self.memory.remove(id).and_then(|entry| entry.start()) {
            self.begin_after(start);
        }
    }
}

#[cfg(test)]
impl Join {
    /// The flows that a view completes.
    fn on_observation(
        &mut self,
        now: Duration,
        node: &str,
        observation: Observation,
        speaks: impl FnOnce(&str) -> bool,
        told: impl FnOnce(&Connection) -> Vec<Told>,
    ) -> Vec<Joined> {
        let mut flows = Vec::new();
        self.observe(now, node, observation, speaks, told, &mut flows);
        flows
    }
}

fn slack() -> SignedDuration {
    SignedDuration::try_from(SLACK).expect("minutes are few")
}

//! Joining the two nodes' views of one connection into one flow.
//!
//! Owns which connections were heard of from which side, for as long as the other side may still
//! speak. Reads no clock: time is the collector's uptime, given by the caller.
//!
//! ```text
//! view ──► stands for many attempts?    ──► flow at once
//!     └──► heard before from this side? ──► nothing
//!     └──► other side waits?            ──► merge ──► flow
//!     └──► other side's flow was made?  ──► nothing, counted late
//!     └──► other side can speak?        ──► wait for a while, then alone
//!     └──► else                         ──► flow at once
//! ```

mod memory;
mod merge;
mod side;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use memory::{Entry, Finding, Id, Memory, Waiting};
use portolan_policy::Flow;
use portolan_proto::Observation;
use prometheus_client::metrics::counter::Counter;
use side::{Certainty, Side};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

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
        }
    }

    /// How many views wait.
    pub(crate) fn pending(&self) -> usize {
        self.deadlines.len()
    }

    /// Takes one view from `node` and returns the flows that it completes.
    ///
    /// `speaks` says whether the agent of a node is there to tell its side.
    pub(crate) fn on_observation(
        &mut self,
        now: Duration,
        node: &str,
        observation: Observation,
        speaks: impl FnOnce(&str) -> bool,
    ) -> Vec<Flow> {
        let side = Side::of(&observation, node);
        if observation.flow.attempts > 1 && observation.flow.source.port().is_none() {
            // Agents fold only what no other one tells of. Folds have no port by which they could be told apart.
            return vec![merge::alone(observation, side)];
        }
        match self.memory.find(side, &observation.connection) {
            Finding::Repeat => {
                self.counters.repeated.inc();
                Vec::new()
            }
            Finding::Partner(id) => self.on_second_view(now, id, side, observation),
            Finding::New => {
                let peer = side::peer(side, &observation.flow, node).filter(|peer| speaks(peer.node));
                let wait = peer.map(|peer| match peer.certainty {
                    Certainty::MayHaveSeen => self.limits.window,
                    Certainty::HasSeen => self.limits.patience,
                });
                self.on_first_view(now, side, observation, wait)
            }
        }
    }

    /// Returns the flows whose other view did not come in time, and forgets what is old.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Flow> {
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
    pub(crate) fn flush(&mut self, now: Duration) -> Vec<Flow> {
        let mut flows = Vec::new();
        while !self.deadlines.is_empty() {
            flows.extend(self.give_up_first(now));
        }
        flows
    }

    fn on_first_view(
        &mut self,
        now: Duration,
        side: Side,
        view: Observation,
        wait: Option<Duration>,
    ) -> Vec<Flow> {
        let Some(wait) = wait else {
            let id = self.memory.insert(Entry::heard(side, &view.connection), &view.connection);
            self.remember(now, id);
            return vec![merge::alone(view, side)];
        };
        let connection = view.connection;
        let mut entry = Entry::heard(side, &connection);
        let deadline = now + wait;
        entry.waiting = Some(Waiting { view: Box::new(view), deadline });
        let id = self.memory.insert(entry, &connection);
        self.deadlines.insert((deadline, id.number), id);
        let mut flows = Vec::new();
        while self.deadlines.len() > self.limits.max_pending {
            flows.extend(self.give_up_first(now));
            self.counters.cut_short.inc();
        }
        flows
    }

    fn on_second_view(&mut self, now: Duration, id: Id, side: Side, view: Observation) -> Vec<Flow> {
        let entry = self.memory.get(id).expect("the memory has just found it");
        entry.hear(side, view.connection.start);
        let Some(Waiting { view: first, deadline }) = entry.waiting.take() else {
            self.counters.late.inc();
            return Vec::new();
        };
        self.deadlines.remove(&(deadline, id.number));
        self.remember(now, id);
        let flow = match side {
            Side::Source => merge::both(view, *first),
            Side::Destination | Side::Both => merge::both(*first, view),
        };
        vec![flow]
    }

    /// Lets the view with the first deadline go alone.
    fn give_up_first(&mut self, now: Duration) -> Option<Flow> {
        let (_, id) = self.deadlines.pop_first()?;
        let entry = self.memory.get(id)?;
        let Waiting { view, deadline: _ } = entry.waiting.take()?;
        let side = entry.side();
        self.remember(now, id);
        Some(merge::alone(*view, side))
    }

    fn remember(&mut self, now: Duration, id: Id) {
        self.expiries.push_back((now + self.limits.remember, id));
        while self.expiries.len() > self.limits.max_remembered {
            self.forget_oldest();
            self.counters.forgotten.inc();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.expiries.pop_front() {
            self.memory.remove(id);
        }
    }
}

//! Joining the two nodes' views of one connection into one flow.
//!
//! Owns which connections were heard of from which side, for as long as the other side may still
//! speak. Reads no clock: time is the collector's uptime, given by the caller.
//!
//! ```text
//! view ──► heard before from this side? ──► nothing
//!     └──► other side waits?            ──► merge ──► flow
//!     └──► other side's flow was made?  ──► nothing, counted late
//!     └──► other side can speak?        ──► wait up to the window, then alone
//!     └──► else                         ──► flow at once
//! ```

mod memory;
mod merge;
mod side;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use memory::{Entry, Finding, Id, Memory};
use portolan_policy::Flow;
use portolan_proto::Observation;
use prometheus_client::metrics::counter::Counter;
use side::Side;
use std::{collections::VecDeque, time::Duration};

/// How the join waits and remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a view waits for the other side's.
    pub(crate) window: Duration,
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
    /// Views that wait, by deadline. One whose partner came is left in and skipped.
    deadlines: VecDeque<(Duration, Id)>,
    pending: usize,
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
            deadlines: VecDeque::new(),
            pending: 0,
            expiries: VecDeque::new(),
        }
    }

    /// How many views wait.
    pub(crate) fn pending(&self) -> usize {
        self.pending
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
        match self.memory.find(side, &observation.connection) {
            Finding::Repeat => {
                self.counters.repeated.inc();
                Vec::new()
            }
            Finding::Partner(id) => self.on_second_view(now, id, side, observation),
            Finding::New => {
                let wait = side::waits_for(side, &observation.flow, node).is_some_and(speaks);
                self.on_first_view(now, side, observation, wait)
            }
        }
    }

    /// Returns the flows whose other view did not come in time, and forgets what is old.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Flow> {
        let mut flows = Vec::new();
        while self.deadlines.front().is_some_and(|(deadline, _)| *deadline <= now) {
            flows.extend(self.give_up_oldest(now));
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
            flows.extend(self.give_up_oldest(now));
        }
        flows
    }

    fn on_first_view(&mut self, now: Duration, side: Side, view: Observation, wait: bool) -> Vec<Flow> {
        if !wait {
            let id = self.memory.insert(Entry::heard(side, &view.connection), &view.connection);
            self.remember(now, id);
            return vec![merge::alone(view, side)];
        }
        let connection = view.connection;
        let mut entry = Entry::heard(side, &connection);
        entry.waiting = Some(Box::new(view));
        let id = self.memory.insert(entry, &connection);
        self.deadlines.push_back((now + self.limits.window, id));
        self.pending += 1;
        let mut flows = Vec::new();
        while self.pending > self.limits.max_pending {
            let flow = self.give_up_oldest(now);
            self.counters.cut_short.inc_by(u64::from(flow.is_some()));
            flows.extend(flow);
        }
        flows
    }

    fn on_second_view(&mut self, now: Duration, id: Id, side: Side, view: Observation) -> Vec<Flow> {
        let entry = self.memory.get(id).expect("the memory has just found it");
        entry.hear(side, view.connection.start);
        let Some(first) = entry.waiting.take() else {
            self.counters.late.inc();
            return Vec::new();
        };
        self.pending -= 1;
        self.remember(now, id);
        let flow = match side {
            Side::Source => merge::both(view, *first),
            Side::Destination | Side::Both => merge::both(*first, view),
        };
        vec![flow]
    }

    /// Takes the oldest deadline. None when its partner has come in the meantime.
    fn give_up_oldest(&mut self, now: Duration) -> Option<Flow> {
        let (_, id) = self.deadlines.pop_front()?;
        let entry = self.memory.get(id)?;
        let view = entry.waiting.take()?;
        let side = entry.side();
        self.pending -= 1;
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

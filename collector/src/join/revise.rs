//! Views that revise what was told: an attempt was told as one that did not get through, and did.

use super::{
    Join,
    memory::{Id, Waiting},
    side::{self, Side},
};
use crate::made::Joined;
use portolan_proto::{Connection, Observation};
use std::time::Duration;

impl Join {
    /// The flow of the first view that revises what was told of its connection. While that is still to be told, this
    /// waits as long.
    pub(super) fn revise(
        &mut self,
        now: Duration,
        side: Side,
        view: Observation,
        node: &str,
        flows: &mut Vec<Joined>,
    ) {
        let first = self.memory.revised(&view.connection).and_then(|id| self.memory.get(id));
        if let Some(Waiting { deadline, .. }) = first.and_then(|entry| entry.waiting.as_ref()) {
            let wait = deadline.saturating_sub(now);
            return self.wait(now, side, view, wait, flows);
        }
        let may_come = side::peer(side, &view.flow, node).is_some();
        let view = self.revising(view);
        flows.extend(view.map(|view| self.tell_alone(now, side, view, may_come)));
    }

    /// A view that waits is told as soon as what it revises is.
    pub(super) fn stand_behind(&mut self, connection: &Connection, id: Id) {
        let first = self.memory.revised(connection).and_then(|first| self.memory.get(first));
        if let Some(entry) = first.filter(|entry| entry.waiting.is_some()) {
            entry.behind = Some(id);
        }
    }

    /// The view as it is told beside what was told of its connection; none where that was right, for the other side
    /// knew better and was heard in time.
    pub(super) fn revising(&mut self, mut view: Observation) -> Option<Observation> {
        let first = self.memory.revised(&view.connection).and_then(|id| self.memory.get(id));
        let told = first.and_then(|entry| entry.told);
        if told == Some(view.flow.outcome) {
            self.counters.late.inc();
            self.unplaced.extend(view.flow.losses);
            return None;
        }
        view.flow.revises = told.or(view.flow.revises);
        Some(view)
    }
}

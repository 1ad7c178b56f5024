//! Views that revise what was told: an attempt was told as one that did not get through, and did.

use super::{
    Join,
    side::{self, Side},
};
use crate::made::Joined;
use portolan_proto::Observation;
use std::time::Duration;

impl Join {
    /// The flow of the first view that revises what was told of its connection; a second flow, for the first was
    /// told. What its side told before and still waits goes first.
    pub(super) fn revise(
        &mut self,
        now: Duration,
        side: Side,
        mut view: Observation,
        node: &str,
    ) -> Vec<Joined> {
        let mut flows = Vec::new();
        if let Some(id) = self.memory.revised(&view.connection) {
            let waits =
                self.memory.get(id).is_some_and(|entry| entry.waiting.is_some() && entry.side() == side);
            flows.extend(waits.then(|| self.give_up(now, id)).flatten());
            let told = self.memory.get(id).and_then(|entry| entry.told);
            if told == Some(view.flow.outcome) {
                // The other side knew better, and was heard in time.
                self.counters.late.inc();
                flows.extend(self.without_flow(view));
                return flows;
            }
            view.flow.revises = told.or(view.flow.revises);
        }
        let may_come = side::peer(side, &view.flow, node).is_some();
        flows.push(self.tell_alone(now, side, view, may_come));
        flows
    }
}

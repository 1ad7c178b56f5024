//! From attempts to flows: who it was, what the policies say, and so the verdict. Pure.
//!
//! ```text
//! attempt + history -> relation (ends, service, decision)   kept: many attempts share it
//!                   -> conclusion -> record
//! ```

mod kept;
mod record;
mod relation;

pub use record::Record;
pub use relation::Relation;

use crate::{
    clock::Clock,
    connections::{Attempt, Conclusion, Locality, conclude},
    event::{Address, FiveTuple},
    kernel::Places,
    reasons::Reasons,
};
use jiff::Timestamp;
use kept::Kept;
use portolan_policy::{Evidence, History, Outcome, Reporter, judge};
use portolan_proto::{Connection, Witness};
use relation::Key;
use std::{net::SocketAddr, sync::Arc};

/// Relations that are kept at the least: as many as a node's pods have in use.
const RELATIONS: usize = 1024;

/// Attributes the attempts of one node.
#[derive(Debug)]
pub struct Attributor {
    /// The node's name in the cluster; unknown names make no address local.
    node: Option<String>,
    reasons: Reasons,
    /// The kernel's functions that drop, as far as they were learned.
    pub places: Places,
    relations: Kept<Key, Arc<Relation>>,
}

impl Attributor {
    /// Attributes on the node of this name, where one is known, with the kernel's names for drops.
    pub fn new(node: Option<String>, reasons: Reasons, places: Places) -> Self {
        Self { node, reasons, places, relations: Kept::new(RELATIONS) }
    }

    /// Makes the record of an attempt; `None` when it is no business of this node's pods. An opening
    /// to a service whose backend was not seen is asked about by `backend`.
    pub fn attribute(
        &mut self,
        attempt: &mut Attempt,
        history: &History,
        clock: Clock,
        backend: impl FnOnce(&FiveTuple) -> Option<FiveTuple>,
    ) -> Option<Record> {
        let time = clock.timestamp(attempt.started);
        let mut relation = self.relation(attempt, history, time);
        if attempt.translated.is_none() && relation.is_to_service() {
            attempt.translated = backend(&attempt.original);
            relation = self.relation(attempt, history, time);
        }
        let locality = relation.locality(attempt);
        is_ours(attempt, locality, &relation).then(|| self.record(attempt, relation, history, clock))
    }

    fn record(
        &mut self,
        attempt: &Attempt,
        relation: Arc<Relation>,
        history: &History,
        clock: Clock,
    ) -> Record {
        let time = clock.timestamp(attempt.started);
        let locality = relation.locality(attempt);
        let Conclusion {
            outcome,
            drop_reason,
            drop_location,
            reached_pod,
            dropped_in_pod,
            filtered,
            no_way,
            forbidden,
        } = conclude(attempt, locality, &self.reasons, &self.places);
        let recently_changed = self.has_changed(attempt, &relation, history, clock);
        let evidence = Evidence { reached_pod, dropped_in_pod, filtered, recently_changed };
        let judgement = judge(outcome, &relation.decision, evidence);
        let effective = attempt.effective();
        let (packets, bytes) = attempt.traffic();
        let revises = attempt.told_as();
        attempt.tell_as(outcome);
        Record {
            end_time: clock.timestamp(attempt.last),
            source_port: relation::port(attempt.original.source, effective.protocol),
            outcome,
            revises,
            drop_reason,
            drop_location,
            enforced_by: None,
            passed_netfilter: None,
            verdict: judgement.verdict,
            inferred: judgement.inferred,
            reporter: reporter(locality),
            tries: attempt.tries().into(),
            packets,
            bytes,
            latency_us: attempt
                .latency()
                .filter(|_| outcome == Outcome::Established)
                .map(|nanos| nanos / 1000),
            retransmits: attempt.retransmits,
            srtt_us: attempt.srtt_us,
            connection: Connection {
                protocol: effective.protocol,
                source: socket_address(effective.source),
                destination: socket_address(effective.destination),
                tcp_isn: attempt.sequence,
                start: time,
            },
            witness: Witness {
                source_local: locality.source,
                destination_local: locality.destination,
                reached_pod,
                dropped_in_pod,
                recently_changed,
                filtered,
                no_way,
                forbidden,
            },
            relation,
        }
    }

    /// Whether a pod or a policy that matters changed when the attempt was made, or until it got through where that
    /// was so much later that it had been told before: then it is no wonder that it did.
    fn has_changed(
        &mut self,
        attempt: &Attempt,
        relation: &Relation,
        history: &History,
        clock: Clock,
    ) -> bool {
        let changed_near = |time| history.changed_near(time, [&relation.source, &relation.destination]);
        let changed = changed_near(clock.timestamp(attempt.started));
        if changed || attempt.told_as().is_none() {
            return changed;
        }
        let through = clock.timestamp(attempt.answered_at());
        let then = self.relation(attempt, history, through);
        changed_near(through) || then.decision.admits() != relation.decision.admits()
    }

    /// The relation that the attempt belongs to, as it was at a time.
    fn relation(&mut self, attempt: &Attempt, history: &History, time: Timestamp) -> Arc<Relation> {
        let (then, now) = (history.version_at(time), history.latest_version());
        if !history.knows(time) {
            return Arc::new(Relation::new(attempt, [then, now], self.node.as_deref(), false));
        }
        let key = Key::of(attempt, then.number);
        if let Some(relation) = self.relations.get(&key)
            && relation.holds_in(now.number)
        {
            return Arc::clone(relation);
        }
        let relation = Arc::new(Relation::new(attempt, [then, now], self.node.as_deref(), true));
        self.relations.insert(key, Arc::clone(&relation));
        relation
    }
}

/// Pods of this node are our business; so is what the node itself sent to a pod elsewhere and
/// nobody but us saw dropped.
fn is_ours(attempt: &Attempt, locality: Locality, relation: &Relation) -> bool {
    let dropped_here = attempt.drops.node.is_some();
    locality.source || locality.destination || (dropped_here && relation.is_from_node_to_pod())
}

const fn reporter(locality: Locality) -> Reporter {
    match (locality.source, locality.destination) {
        (true, true) => Reporter::Both,
        (false, true) => Reporter::Destination,
        _ => Reporter::Source,
    }
}

const fn socket_address(address: Address) -> SocketAddr {
    SocketAddr::new(address.ip, address.port)
}

#[cfg(test)]
mod tests;

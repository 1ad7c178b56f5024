//! What is told of one attempt: its own part, and the relation that it shares with others.

use super::relation::Relation;
use jiff::Timestamp;
use portolan_policy::{Enforcer, Flow, Latency, Outcome, Reporter, Verdict};
use portolan_proto::{Connection, View, Witness};
use std::sync::Arc;

/// What is told of one attempt.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it shares with others.
    pub relation: Arc<Relation>,
    /// When the last evidence about it was seen; its start stands in `connection`.
    pub end_time: Timestamp,
    /// The port that it was opened from.
    pub source_port: Option<u16>,
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// The outcome that an earlier record of the same attempt told.
    pub revises: Option<Outcome>,
    /// The kernel's name for the drop.
    pub drop_reason: Option<String>,
    /// What sort of place in the kernel dropped it.
    pub drop_location: Option<String>,
    /// The rule of the node's firewall that decided, where a sample says so.
    pub enforced_by: Option<Enforcer>,
    /// Whether netfilter let it pass, where a witness stands there.
    pub passed_netfilter: Option<bool>,
    /// Outcome and decision together.
    pub verdict: Verdict,
    /// Whether the verdict rests on silence.
    pub inferred: bool,
    /// Who saw it.
    pub reporter: Reporter,
    /// How often the opening packet was sent.
    pub tries: u64,
    /// Packets seen, both directions.
    pub packets: u64,
    /// Payload bytes, both directions.
    pub bytes: u64,
    /// How long the handshake took, in microseconds.
    pub latency_us: Option<u64>,
    /// Segments sent again.
    pub retransmits: Option<u64>,
    /// The smoothed round trip.
    pub srtt_us: Option<u64>,
    /// The key by which the other node's view is found.
    pub connection: Connection,
    /// What this agent itself saw.
    pub witness: Witness,
}

impl Record {
    /// When the attempt was made.
    pub const fn time(&self) -> Timestamp {
        self.connection.start
    }

    /// The record as a flow of its own.
    pub fn flow(&self) -> Flow {
        let relation = &self.relation;
        Flow {
            time: self.time(),
            end_time: self.end_time,
            source: relation.source.clone().with_port(self.source_port),
            destination: relation.destination.clone(),
            service: relation.service.clone(),
            protocol: relation.protocol,
            outcome: self.outcome,
            revises: self.revises,
            drop_reason: self.drop_reason.as_deref().map(Into::into),
            drop_location: self.drop_location.as_deref().map(Into::into),
            enforced_by: self.enforced_by.clone().map(Arc::new),
            passed_netfilter: self.passed_netfilter,
            verdict: self.verdict,
            inferred: self.inferred,
            egress: Arc::clone(&relation.decision.egress),
            ingress: Arc::clone(&relation.decision.ingress),
            reporter: self.reporter,
            attempts: 1,
            tries: self.tries,
            packets: self.packets,
            bytes: self.bytes,
            latency_us: self.latency_us.map(Latency::single),
            retransmits: self.retransmits,
            srtt_us: self.srtt_us,
            lost: 0,
            losses: Vec::new(),
        }
    }

    /// The record as it goes into a batch.
    pub fn view(&self) -> View<'_> {
        let relation = &self.relation;
        View {
            time: self.time(),
            end_time: self.end_time,
            source: &relation.source,
            source_port: self.source_port,
            destination: &relation.destination,
            service: relation.service.as_deref(),
            protocol: relation.protocol,
            outcome: self.outcome,
            revises: self.revises,
            drop_reason: self.drop_reason.as_deref(),
            drop_location: self.drop_location.as_deref(),
            enforced_by: self.enforced_by.as_ref(),
            passed_netfilter: self.passed_netfilter,
            verdict: self.verdict,
            inferred: self.inferred,
            egress: &relation.decision.egress,
            ingress: &relation.decision.ingress,
            reporter: self.reporter,
            attempts: 1,
            tries: self.tries,
            packets: self.packets,
            bytes: self.bytes,
            latency_us: self.latency_us,
            latencies: None,
            retransmits: self.retransmits,
            srtt_us: self.srtt_us,
            connection: self.connection,
            witness: self.witness,
        }
    }
}

#[cfg(any(test, feature = "kernel-tests"))]
use portolan_proto::Observation;

#[cfg(test)]
impl Record {
    /// The record as an observation of its own.
    pub(crate) fn observation(&self) -> Observation {
        Observation { flow: self.flow(), latencies: None, connection: self.connection, witness: self.witness }
    }
}

#[cfg(any(test, feature = "kernel-tests"))]
impl Record {
    /// The record of which an observation of one attempt came, as far as records go.
    pub fn sample(Observation { flow, latencies: _, connection, witness }: Observation) -> Self {
        Self {
            end_time: flow.end_time,
            source_port: flow.source.port(),
            outcome: flow.outcome,
            revises: flow.revises,
            drop_reason: flow.drop_reason.as_deref().map(Into::into),
            drop_location: flow.drop_location.as_deref().map(Into::into),
            enforced_by: flow.enforced_by.as_deref().cloned(),
            passed_netfilter: flow.passed_netfilter,
            verdict: flow.verdict,
            inferred: flow.inferred,
            reporter: flow.reporter,
            tries: flow.tries,
            packets: flow.packets,
            bytes: flow.bytes,
            latency_us: flow.latency_us.map(|latency| latency.p50),
            retransmits: flow.retransmits,
            srtt_us: flow.srtt_us,
            connection: Connection { start: flow.time, ..connection },
            witness,
            relation: Arc::new(Relation::sample(flow)),
        }
    }
}

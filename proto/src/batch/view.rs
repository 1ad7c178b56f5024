//! A record as it is put into a batch: borrowed, whoever keeps it.

use crate::{Connection, Latencies, Observation, Witness};
use jiff::Timestamp;
use portolan_policy::{
    End, Enforcer, Flow, Outcome, Protocol, Reporter, ServiceRef, SideDecision, Verdict, Who,
};
use std::net::SocketAddr;

/// What a batch tells of a record. Losses are the batch's own.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// When the first attempt was made.
    pub time: Timestamp,
    /// When the last evidence about it was seen.
    pub end_time: Timestamp,
    /// Who opened it, at whatever port.
    pub source: &'a End,
    /// The port that it was opened from.
    pub source_port: Option<u16>,
    /// Whom it reached or would have reached.
    pub destination: &'a End,
    /// The service that it was opened through.
    pub service: Option<&'a ServiceRef>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// The outcome that an earlier record of the same attempt told.
    pub revises: Option<Outcome>,
    /// The kernel's name for the drop.
    pub drop_reason: Option<&'a str>,
    /// What sort of place dropped it.
    pub drop_location: Option<&'a str>,
    /// The rule of the node's firewall that decided.
    pub enforced_by: Option<&'a Enforcer>,
    /// Whether netfilter let it pass.
    pub passed_netfilter: Option<bool>,
    /// Outcome and decision together.
    pub verdict: Verdict,
    /// Whether the verdict rests on silence.
    pub inferred: bool,
    /// What the policies say at the source.
    pub egress: &'a SideDecision,
    /// What the policies say at the destination.
    pub ingress: &'a SideDecision,
    /// Who saw it.
    pub reporter: Reporter,
    /// How many attempts it stands for.
    pub attempts: u64,
    /// How often their opening packets were sent.
    pub tries: u64,
    /// Packets seen, both directions.
    pub packets: u64,
    /// Payload bytes, both directions.
    pub bytes: u64,
    /// How long the handshake took, in microseconds, where that is one figure.
    pub latency_us: Option<u64>,
    /// How long the handshakes took, where they are several.
    pub latencies: Option<&'a Latencies>,
    /// Segments sent again.
    pub retransmits: Option<u64>,
    /// The smoothed round trip.
    pub srtt_us: Option<u64>,
    /// The key by which the other node's view is found.
    pub connection: Connection,
    /// What the agent itself saw.
    pub witness: Witness,
}

impl<'a> From<&'a Observation> for View<'a> {
    fn from(Observation { flow, latencies, connection, witness }: &'a Observation) -> Self {
        let Flow {
            time,
            end_time,
            source,
            destination,
            service,
            protocol,
            outcome,
            revises,
            drop_reason,
            drop_location,
            enforced_by,
            passed_netfilter,
            verdict,
            inferred,
            egress,
            ingress,
            reporter,
            attempts,
            tries,
            packets,
            bytes,
            latency_us,
            retransmits,
            srtt_us,
            lost: _,
            losses: _,
        } = flow;
        Self {
            time: *time,
            end_time: *end_time,
            source,
            source_port: source.port(),
            destination,
            service: service.as_deref(),
            protocol: *protocol,
            outcome: *outcome,
            revises: *revises,
            drop_reason: drop_reason.as_deref(),
            drop_location: drop_location.as_deref(),
            enforced_by: enforced_by.as_deref(),
            passed_netfilter: *passed_netfilter,
            verdict: *verdict,
            inferred: *inferred,
            egress,
            ingress,
            reporter: *reporter,
            attempts: *attempts,
            tries: *tries,
            packets: *packets,
            bytes: *bytes,
            latency_us: latency_us.filter(|_| latencies.is_none()).map(|latency| latency.p50),
            latencies: latencies.as_ref(),
            retransmits: *retransmits,
            srtt_us: *srtt_us,
            connection: *connection,
            witness: *witness,
        }
    }
}

impl View<'_> {
    /// Whether another node's agent may tell of the same attempt, so that its key matters.
    ///
    /// What comes from outside may be a pod behind an address that nobody knows. What goes to a node has no device
    /// there that anyone watches, or is translated on the way, so that no key fits both views.
    pub fn may_have_a_second(&self) -> bool {
        let Witness { source_local, destination_local, .. } = self.witness;
        let leaves = matches!(self.destination.who(), Who::Pod(_));
        !(source_local && destination_local) && (destination_local || leaves)
    }

    /// The addresses that the connection has on the wire unless somebody translates them.
    pub(super) fn plain_addresses(&self) -> [SocketAddr; 2] {
        let destination = SocketAddr::new(self.destination.ip(), self.destination.port().unwrap_or(0));
        [SocketAddr::new(self.source.ip(), self.source_port.unwrap_or(0)), destination]
    }
}

//! From attempts to flows: who it was, what the policies say, and so the verdict. Pure.
//!
//! ```text
//! attempt + history -> ends, service, decision, conclusion -> observation
//! ```

use crate::{
    clock::Clock,
    connections::{Attempt, Conclusion, Locality, conclude},
    event::Address,
    kernel::Places,
    reasons::Reasons,
};
use jiff::Timestamp;
use portolan_policy::{
    Cluster, Connection, Decision, End, Evidence, Flow, History, Latency, Owner, PodEnd, Protocol, Reporter,
    SideDecision, judge,
};
use portolan_proto::{Connection as WireConnection, Observation, Witness};
use std::net::{IpAddr, SocketAddr};

/// Attributes the attempts of one node.
#[derive(Clone, Debug)]
pub struct Attributor {
    /// The node's name in the cluster; unknown names make no address local.
    pub node: Option<String>,
    /// The kernel's names for drops.
    pub reasons: Reasons,
    /// The kernel's functions that drop, as far as they were learned.
    pub places: Places,
}

impl Attributor {
    /// Makes the observation of an attempt; `None` when it is no business of this node's pods.
    pub fn attribute(&self, attempt: &Attempt, history: &History, clock: Clock) -> Option<Observation> {
        let time = clock.timestamp(attempt.started);
        let (opened, effective) = (attempt.original, attempt.effective());
        let cluster = version(history, time, [opened.source.ip, effective.destination.ip]);
        let protocol = opened.protocol;
        let source = end(cluster, opened.source, protocol);
        let destination = end(cluster, effective.destination, protocol);
        let locality = Locality {
            source: self.is_local(&source, attempt.left.is_some()),
            destination: self.is_local(&destination, attempt.arrived.is_some()),
        };
        if !self.is_ours(attempt, locality, [&source, &destination]) {
            return None;
        }
        let connection = Connection {
            source: opened.source.ip,
            destination: effective.destination.ip,
            port: port(effective.destination, protocol),
            protocol,
        };
        let decision = if history.knows(time) { cluster.decide(&connection) } else { forgotten() };
        let Conclusion { outcome, drop_reason, drop_location, reached_pod, dropped_in_pod } =
            conclude(attempt, locality, &self.reasons, &self.places);
        let recently_changed = history.changed_near(time, [&source, &destination]);
        let judgement = judge(outcome, &decision, Evidence { reached_pod, dropped_in_pod, recently_changed });
        let (packets, bytes) = attempt.traffic();
        let dialled = opened.destination;
        let service = (dialled != effective.destination || matches!(destination, End::Service { .. }))
            .then(|| cluster.service_at(dialled.ip, dialled.port, protocol))
            .flatten();
        let flow = Flow {
            time,
            end_time: clock.timestamp(attempt.last),
            source,
            destination,
            service,
            protocol,
            outcome,
            drop_reason,
            drop_location,
            enforced_by: None,
            passed_netfilter: None,
            verdict: judgement.verdict,
            inferred: judgement.inferred,
            egress: decision.egress,
            ingress: decision.ingress,
            reporter: reporter(locality),
            attempts: 1,
            tries: attempt.tries().into(),
            packets,
            bytes,
            latency_us: attempt.latency().map(|nanos| Latency::single(nanos / 1000)),
            retransmits: attempt.retransmits,
            srtt_us: attempt.srtt_us,
            lost: 0,
            losses: Vec::new(),
        };
        Some(Observation {
            flow,
            connection: WireConnection {
                protocol,
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
            },
        })
    }

    /// Whether an end is a pod of this node. A pod whose node nobody wrote down is one where it was
    /// seen on a device.
    fn is_local(&self, end: &End, seen: bool) -> bool {
        match (end, &self.node) {
            (End::Pod(PodEnd { node, .. }), _) if node.is_empty() => seen,
            (End::Pod(PodEnd { node, .. }), Some(here)) => node == here,
            _ => false,
        }
    }

    fn is_here(&self, end: &End) -> bool {
        matches!((end, &self.node), (End::Node { node, .. }, Some(here)) if node == here)
    }

    /// Pods of this node are our business; so is what the node itself sent to a pod elsewhere and
    /// nobody but us saw dropped.
    fn is_ours(&self, attempt: &Attempt, locality: Locality, [source, destination]: [&End; 2]) -> bool {
        let dropped_here = attempt.drops.node.is_some();
        locality.source
            || locality.destination
            || (dropped_here && self.is_here(source) && matches!(destination, End::Pod(_)))
    }
}

/// A connection may end long after its opening; the policies of that time are kept for an hour.
fn forgotten() -> Decision {
    const WHY: &str = "the policies of the time of its opening are no longer known";
    Decision { egress: SideDecision::undecidable(WHY), ingress: SideDecision::undecidable(WHY) }
}

/// The cluster as it was when the attempt was made. A pod may be faster than the word of it: an
/// address that nobody held then is looked up in what is known now.
fn version(history: &History, time: Timestamp, ends: [IpAddr; 2]) -> &Cluster {
    let (then, now) = (history.at(time), history.latest());
    let held = |cluster: &Cluster, ip: IpAddr| !matches!(cluster.owner(ip), Owner::External);
    if ends.into_iter().any(|ip| !held(then, ip) && held(now, ip)) { now } else { then }
}

fn end(cluster: &Cluster, address: Address, protocol: Protocol) -> End {
    cluster.end(address.ip, port(address, protocol))
}

/// The echo identifier of ICMP is no port.
fn port(address: Address, protocol: Protocol) -> Option<u16> {
    protocol.has_ports().then_some(address.port)
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

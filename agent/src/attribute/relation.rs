//! What attempts between the same ends, to the same port, have in common: who the ends are, through
//! which service, and what the policies say.

use crate::{
    connections::{Attempt, Locality},
    event::{Address, FiveTuple},
    line::Fragments,
};
use portolan_policy::{
    Cluster, Connection, Decision, End, Owner, PodEnd, Protocol, ServiceRef, SideDecision, Version, Who,
};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

/// Attempts with the same key have the same relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    version: u64,
    protocol: Protocol,
    source: IpAddr,
    destination: IpAddr,
    port: Option<u16>,
    /// What was dialled, where that was translated.
    dialled: Option<(IpAddr, Option<u16>)>,
}

impl Key {
    /// The key of an attempt that was made in this version of the cluster.
    pub(super) fn of(attempt: &Attempt, version: u64) -> Self {
        let (dialled, reached) = (attempt.original.destination, attempt.effective().destination);
        let protocol = attempt.original.protocol;
        Self {
            version,
            protocol,
            source: attempt.original.source.ip,
            destination: reached.ip,
            port: port(reached, protocol),
            dialled: (dialled != reached).then(|| (dialled.ip, port(dialled, protocol))),
        }
    }
}

/// Whether an end is a pod of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    Yes,
    No,
    /// Nobody wrote down its node: it is where it was seen on a device.
    WhereSeen,
}

impl Here {
    fn of(end: &End, node: Option<&str>) -> Self {
        match end.who() {
            Who::Pod(PodEnd { node, .. }) if node.is_empty() => Self::WhereSeen,
            Who::Pod(PodEnd { node: its, .. }) if Some(its.as_str()) == node => Self::Yes,
            _ => Self::No,
        }
    }

    const fn or(self, seen: bool) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::WhereSeen => seen,
        }
    }
}

/// What attempts between the same ends, to the same port, have in common.
#[derive(Debug)]
pub struct Relation {
    /// Who opens. Its port differs from attempt to attempt, and is not told here.
    pub source: End,
    /// Whom it reaches or would reach, after translation.
    pub destination: End,
    /// The service that it goes through.
    pub service: Option<Arc<ServiceRef>>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// What the policies say.
    pub decision: Decision,
    /// Its part of a line of JSON, once one was written.
    pub(crate) fragments: OnceLock<Fragments>,
    here: [Here; 2],
    from_node: bool,
    /// Nobody held one of the ends when the attempt was made: what is known of it hangs on the
    /// version that was then the latest.
    hangs_on: Option<u64>,
}

impl Relation {
    /// Works out the relation from the cluster as it was when the attempt was made, and as it is. A
    /// connection may end long after its opening: what the policies said may no longer be `known`.
    pub(super) fn new(
        attempt: &Attempt,
        [then, now]: [Version<'_>; 2],
        node: Option<&str>,
        known: bool,
    ) -> Self {
        let (opened, reached) = (attempt.original, attempt.effective().destination);
        let protocol = opened.protocol;
        let unheld = [opened.source.ip, reached.ip].map(|ip| (!is_held(then.cluster, ip)).then_some(ip));
        // A pod may be faster than the word of it: an address that nobody held then is looked up in
        // what is known now.
        let late = unheld.into_iter().flatten().any(|ip| is_held(now.cluster, ip));
        let cluster = if late { now.cluster } else { then.cluster };
        let connection = Connection {
            source: opened.source.ip,
            destination: reached.ip,
            port: port(reached, protocol),
            protocol,
        };
        let source = cluster.end(opened.source.ip, None);
        let destination = cluster.end(reached.ip, connection.port);
        Self {
            service: service(cluster, opened, reached, &destination).map(Arc::new),
            protocol,
            decision: if known { cluster.decide(&connection) } else { forgotten() },
            fragments: OnceLock::new(),
            here: [Here::of(&source, node), Here::of(&destination, node)],
            from_node: matches!((source.who(), node), (Who::Node { node, .. }, Some(here)) if node == here),
            hangs_on: unheld.iter().any(Option::is_some).then_some(now.number),
            source,
            destination,
        }
    }

    /// Whether it still holds when this is the number of the latest version.
    pub(super) fn holds_in(&self, latest: u64) -> bool {
        self.hangs_on.is_none_or(|number| number == latest)
    }

    /// Which ends of an attempt have their device on this node.
    pub(super) const fn locality(&self, attempt: &Attempt) -> Locality {
        let [source, destination] = self.here;
        Locality {
            source: source.or(attempt.left.is_some()),
            destination: destination.or(attempt.arrived.is_some()),
        }
    }

    /// Whether no backend of the service that was dialled is known.
    pub(super) fn is_to_service(&self) -> bool {
        matches!(self.destination.who(), Who::Service { .. })
    }

    /// Whether this node itself opened it to a pod.
    pub(super) fn is_from_node_to_pod(&self) -> bool {
        self.from_node && matches!(self.destination.who(), Who::Pod(_))
    }
}

fn is_held(cluster: &Cluster, ip: IpAddr) -> bool {
    !matches!(cluster.owner(ip), Owner::External)
}

fn service(cluster: &Cluster, opened: FiveTuple, reached: Address, destination: &End) -> Option<ServiceRef> {
    let Address { ip, port } = opened.destination;
    let is_through = opened.destination != reached || matches!(destination.who(), Who::Service { .. });
    is_through.then(|| cluster.service_at(ip, port, opened.protocol)).flatten()
}

/// The policies are kept for an hour.
fn forgotten() -> Decision {
    const WHY: &str = "the policies of the time of its opening are no longer known";
    let side = Arc::new(SideDecision::undecidable(WHY));
    Decision { egress: Arc::clone(&side), ingress: side }
}

/// The echo identifier of ICMP is no port.
pub(super) fn port(address: Address, protocol: Protocol) -> Option<u16> {
    protocol.has_ports().then_some(address.port)
}

#[cfg(any(test, feature = "kernel-tests"))]
impl Relation {
    /// The relation that a flow speaks of, on no node.
    pub(crate) fn sample(flow: portolan_policy::Flow) -> Self {
        Self {
            source: flow.source.with_port(None),
            destination: flow.destination,
            service: flow.service,
            protocol: flow.protocol,
            decision: Decision { egress: flow.egress, ingress: flow.ingress },
            fragments: OnceLock::new(),
            here: [Here::No; 2],
            from_node: false,
            hangs_on: None,
        }
    }
}

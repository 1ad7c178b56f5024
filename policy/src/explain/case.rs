//! The case at hand: one side of one connection, as everything in an explanation looks at it.

use super::{Endpoint, EndpointKind, endpoint};
use crate::{
    Cluster, Connection, Pod,
    cluster::{Inspection, Laid, Route},
    endings::Missing,
    network_policy::Direction,
    peer::{Peer, PeerMatch},
    policy_id::PolicyId,
    truth::{Fact, Truth},
};
use std::net::IpAddr;

/// One side of one connection.
pub(super) struct Case<'c, 'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) direction: Direction,
    pub(super) laid: &'c Laid<'a>,
    /// The tuple that policies see.
    pub(super) connection: Connection,
    /// The other end.
    pub(super) peer: Endpoint,
    pub(super) service: Option<DialledService>,
}

/// The service that was dialled.
pub(super) struct DialledService {
    /// `shop/web`.
    pub(super) name: String,
    /// Its address that was dialled; one that is asked for by name may have none.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
    /// How many endpoints stand behind it.
    pub(super) endpoints: usize,
}

impl<'c, 'a> Case<'c, 'a> {
    /// The side along a route; `None` where it has no subject that policies could be asked about.
    pub(super) fn new(
        cluster: &'a Cluster,
        inspection: &Inspection<'a>,
        route: &'c Route<'a>,
        direction: Direction,
    ) -> Option<Self> {
        let laid = route.laid(direction)?;
        let peer = match direction {
            Direction::Egress => endpoint::of(cluster, route.connection.destination, &route.destination),
            Direction::Ingress => endpoint::of(cluster, route.connection.source, &inspection.source),
        };
        let dialled = inspection.connection;
        let service = inspection.service.map(|service| DialledService {
            name: format!("{}/{}", service.namespace, service.name),
            ip: (!inspection.by_name).then_some(dialled.destination),
            port: dialled.port,
            endpoints: inspection.routes.len(),
        });
        Some(Self { cluster, direction, laid, connection: route.connection, peer, service })
    }

    /// Whether an entry of a list of peers matches.
    pub(super) fn matches_peer(&self, peer: &PeerMatch) -> Truth {
        peer.matches(&self.laid.question.peer, self.cluster)
    }

    /// Whether no live pod of the cluster is matched by an entry that asks for labels.
    pub(super) fn matches_nobody(&self, peer: &PeerMatch) -> bool {
        self.cluster.live_pods().all(|(_, pod)| {
            let asked = Peer { ip: self.connection.source, pod: Some(pod) };
            peer.matches(&asked, self.cluster) == Truth::No
        })
    }

    /// The name of the peer's namespace.
    pub(super) fn peer_namespace(&self) -> Option<&'a str> {
        self.laid.question.peer.pod.map(|pod| pod.template.namespace.name.as_ref())
    }

    /// A missing fact in words.
    pub(super) fn missing(&self, fact: Fact, policy: &PolicyId) -> String {
        Missing::fact(fact, policy, self.laid.side.subject, &self.laid.question).words()
    }

    /// What the peer is, where it is no pod: `198.51.100.7 is external`.
    pub(super) fn no_pod(&self) -> String {
        let Endpoint { kind, name, pods, .. } = &self.peer;
        let ip = self.laid.question.peer.ip;
        let name = name.as_deref().unwrap_or_default();
        match (kind, pods.first()) {
            (EndpointKind::Node, Some(pod)) if name.is_empty() => format!("{pod} is on the host network"),
            (EndpointKind::Node, Some(pod)) => format!("{pod} is on the host network of node {name}"),
            (EndpointKind::Node, None) => format!("{ip} is an address of node {name}"),
            (EndpointKind::Service, _) => format!("{ip} is the address of service {name}"),
            (EndpointKind::Contested, _) => format!("several nodes claim {ip}"),
            _ => format!("{ip} is external"),
        }
    }

    /// The pod whose container ports give names their meaning.
    pub(super) fn destination(&self) -> Option<&'a Pod> {
        match self.direction {
            Direction::Egress => self.laid.peer,
            Direction::Ingress => Some(self.laid.subject),
        }
    }
}

//! What the policies say about a connection: the two sides, put together from whoever holds the
//! addresses.
//!
//! ```text
//! Connection -> own address? -> service? -> [ side of the source ] [ side of the destination ]
//!                                  each backend ──┘ tiers: NetworkPolicy
//! ```

use super::{
    Cluster,
    addresses::{Belongs, Holders},
    endpoints::Backends,
};
use crate::{
    Connection, Decision, Pod, SideDecision, SideVerdict,
    network_policy::{Direction, Question},
    selector::Labels,
    tier::network_policies,
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// One end of a connection: an address and the live pods of the pod network that claim it.
#[derive(Clone, Copy)]
struct Party<'a> {
    ip: IpAddr,
    pods: &'a [Arc<Pod>],
    holders: Option<&'a Holders>,
}

impl Cluster {
    /// What the policies say about a connection, both sides.
    ///
    /// A destination that is a service address stands for its ready endpoints: what holds for all
    /// of them is decided, what differs is undecidable. Without endpoints it is a plain address.
    pub fn decide(&self, connection: &Connection) -> Decision {
        let connection = connection.canonical();
        if connection.is_own_address() {
            return both(SideDecision::plain(SideVerdict::NotApplicable));
        }
        match self.party(connection.destination).pods {
            [] => match self.backends(&connection) {
                Some(backends) => self.decide_service(&connection, &backends),
                None => self.decide_direct(&connection),
            },
            _ => self.decide_direct(&connection),
        }
    }

    /// Decides over every backend that the connection may be translated to (U2).
    fn decide_service(&self, connection: &Connection, backends: &Backends<'_>) -> Decision {
        let service = backends.service;
        let reason = || {
            format!(
                "backend not chosen: the endpoints of service {}/{} differ",
                service.namespace, service.name
            )
        };
        let (egress, ingress) = backends
            .endpoints
            .iter()
            .map(|(ip, port)| {
                let translated = Connection { destination: *ip, port: Some(*port), ..*connection };
                let decision = self.decide_backend(&translated);
                (decision.egress, decision.ingress)
            })
            .unzip();
        Decision { egress: agree(egress, reason), ingress: agree(ingress, reason) }
    }

    /// A pod that reaches itself through a service: plugins differ once it is isolated (N31).
    fn decide_backend(&self, connection: &Connection) -> Decision {
        let source = self.party(connection.source);
        let destination = self.party(connection.destination);
        let ([pod], true) = (source.pods, is_same_pod(source, destination)) else {
            return self.decide_direct(connection);
        };
        let side = |direction| {
            let side = self.tiers(pod, direction, self.question(pod, Some(pod), direction, connection));
            match side.verdict {
                SideVerdict::NotIsolated | SideVerdict::Undecidable => side,
                _ => SideDecision::undecidable(format!(
                    "hairpin: whether {}/{} may reach itself through a service is up to the network plugin",
                    pod.namespace, pod.name
                )),
            }
        };
        Decision { egress: side(Direction::Egress), ingress: side(Direction::Ingress) }
    }

    /// Decides over the tuple as it is.
    fn decide_direct(&self, connection: &Connection) -> Decision {
        let source = self.party(connection.source);
        let destination = self.party(connection.destination);
        Decision {
            egress: self.side(Direction::Egress, source, destination, connection),
            ingress: self.side(Direction::Ingress, destination, source, connection),
        }
    }

    /// One side: `subject` is the end that the direction is about.
    fn side(
        &self,
        direction: Direction,
        subject: Party<'_>,
        peer: Party<'_>,
        connection: &Connection,
    ) -> SideDecision {
        let pod = match subject.pods {
            [] => return SideDecision::plain(SideVerdict::NotApplicable),
            [pod] => pod,
            _ => return SideDecision::undecidable(contested(subject)),
        };
        match peer.pods {
            [] => self.beside_address(direction, pod, peer, connection),
            [peer] => self.beside_pod(direction, pod, peer, connection),
            claimants => {
                let sides = claimants.iter().map(|peer| self.beside_pod(direction, pod, peer, connection));
                agree(sides.collect(), || contested(peer))
            }
        }
    }

    /// The peer is a pod; a pod and itself are no matter for policies (N31).
    fn beside_pod(
        &self,
        direction: Direction,
        subject: &Pod,
        peer: &Pod,
        connection: &Connection,
    ) -> SideDecision {
        if is_pod(subject, peer) {
            return SideDecision::plain(SideVerdict::NotApplicable);
        }
        self.tiers(subject, direction, self.question(subject, Some(peer), direction, connection))
    }

    /// The peer is a plain address; what comes from the subject's own node is exempt (N32).
    fn beside_address(
        &self,
        direction: Direction,
        subject: &Pod,
        peer: Party<'_>,
        connection: &Connection,
    ) -> SideDecision {
        let tiers = || self.tiers(subject, direction, self.question(subject, None, direction, connection));
        let node = peer.holders.filter(|holders| direction == Direction::Ingress && holders.has_node());
        let Some(holders) = node else { return tiers() };
        let reason = match subject.node.as_deref().map(|node| holders.belongs_to(node)) {
            Some(Belongs::Yes) => return SideDecision::plain(SideVerdict::NotApplicable),
            Some(Belongs::No) => return tiers(),
            Some(Belongs::Contested) => format!("several nodes claim the address {}", peer.ip),
            None => format!("the node of pod {}/{} is not known", subject.namespace, subject.name),
        };
        // Exempt or not, it is allowed: the missing fact changes nothing (U2).
        Some(tiers())
            .filter(|side| side.verdict != SideVerdict::Denied)
            .unwrap_or_else(|| SideDecision::undecidable(reason))
    }

    /// Walks the tiers that speak about the subject.
    fn tiers(&self, subject: &Pod, direction: Direction, question: Question<'_>) -> SideDecision {
        match self.scopes.get(subject.namespace.as_str()) {
            Some(scope) => network_policies(&scope.policies, subject, direction, question),
            None => SideDecision::plain(SideVerdict::NotIsolated),
        }
    }

    fn question<'a>(
        &'a self,
        subject: &'a Pod,
        peer: Option<&'a Pod>,
        direction: Direction,
        connection: &Connection,
    ) -> Question<'a> {
        let (peer_ip, destination) = match direction {
            Direction::Egress => (connection.destination, peer),
            Direction::Ingress => (connection.source, Some(subject)),
        };
        Question {
            peer_ip,
            peer: peer.map(|pod| (pod, self.namespace_labels(&pod.namespace))),
            destination,
            port: connection.port,
            protocol: connection.protocol,
        }
    }

    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> Labels<'a> {
        let labels = self.scopes.get(namespace).and_then(|scope| scope.labels.as_deref());
        labels.map_or(Labels::NamespaceNamed(namespace), Labels::Known)
    }

    fn party(&self, ip: IpAddr) -> Party<'_> {
        let holders = self.addresses.holders(ip);
        Party { ip, holders, pods: holders.map_or(&[], |holders| &holders.pods) }
    }
}

/// The verdict that all alternatives share, with the policies of all; else undecidable (U2).
fn agree(sides: Vec<SideDecision>, reason: impl FnOnce() -> String) -> SideDecision {
    let mut sides = sides.into_iter();
    let Some(first) = sides.next() else { return SideDecision::undecidable(reason()) };
    let mut policies = BTreeSet::from_iter(first.policies);
    let mut reasons = BTreeSet::from_iter(first.reason);
    for side in sides {
        if side.verdict != first.verdict {
            return SideDecision::undecidable(reason());
        }
        policies.extend(side.policies);
        reasons.extend(side.reason);
    }
    SideDecision {
        verdict: first.verdict,
        policies: policies.into_iter().collect(),
        reason: (!reasons.is_empty()).then(|| reasons.into_iter().collect::<Vec<_>>().join("; ")),
    }
}

fn both(side: SideDecision) -> Decision {
    Decision { egress: side.clone(), ingress: side }
}

fn is_pod(one: &Pod, other: &Pod) -> bool {
    one.namespace == other.namespace && one.name == other.name
}

fn is_same_pod(source: Party<'_>, destination: Party<'_>) -> bool {
    matches!((source.pods, destination.pods), ([source], [destination]) if is_pod(source, destination))
}

/// Two live claimants of one address: nobody can say whose it is (M6).
fn contested(party: Party<'_>) -> String {
    let names = party.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name));
    format!("several live pods claim the address {}: {}", party.ip, names.collect::<Vec<_>>().join(", "))
}

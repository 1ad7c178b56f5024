//! What a decision is made from, laid open: an explanation asks the same policies the same question.

use super::{
    Cluster,
    addresses::Claimants,
    decide::{Asked, Parties, Party},
    endpoints::{Behind, Way},
};
use crate::{
    Connection, Pod, PolicyKind,
    evaluation::Evaluation,
    labels::LabelSet,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerPod,
    rule::Question,
    service::Service,
    tier_policy::TierPolicy,
    tiers::SideOf,
};
use std::net::IpAddr;

/// A decision with everything that it was made from.
pub(crate) struct Inspection<'a> {
    /// As it was asked, its addresses in canonical form.
    pub(crate) connection: Connection,
    pub(crate) evaluation: Evaluation<'a>,
    /// It is one end that speaks to itself.
    pub(crate) own_address: bool,
    pub(crate) source: Claim<'a>,
    pub(crate) destination: Claim<'a>,
    /// The service that was asked for, where it has endpoints and is one.
    pub(crate) service: Option<&'a Service>,
    /// It was asked for by name and has no address that is known.
    pub(crate) by_name: bool,
    /// The connection itself or, through a service, those to its endpoints.
    pub(crate) routes: Vec<Route<'a>>,
}

/// Whose an address is, as far as pods go.
pub(crate) struct Claim<'a> {
    /// The pods of the pod network that claim it.
    pub(crate) pods: Vec<&'a Pod>,
    /// The host-network pod that was asked for by name.
    pub(crate) host: Option<&'a Pod>,
}

/// One tuple that policies may see.
pub(crate) struct Route<'a> {
    pub(crate) connection: Connection,
    pub(crate) destination: Claim<'a>,
    pub(crate) evaluation: Evaluation<'a>,
    /// What the side of the source is asked, where it has one subject.
    pub(crate) egress: Option<Laid<'a>>,
    /// What the side of the destination is asked, where it has one subject.
    pub(crate) ingress: Option<Laid<'a>>,
}

/// One side laid open: whom is asked, and what.
pub(crate) struct Laid<'a> {
    pub(crate) subject: &'a Pod,
    /// The pod at the other end, the first where several claim the address.
    pub(crate) peer: Option<&'a Pod>,
    pub(crate) side: SideOf<'a>,
    pub(crate) question: Question<'a, Cluster>,
}

impl<'a> Route<'a> {
    /// What one side is asked, where it has one subject.
    pub(crate) const fn laid(&self, direction: Direction) -> Option<&Laid<'a>> {
        match direction {
            Direction::Egress => self.egress.as_ref(),
            Direction::Ingress => self.ingress.as_ref(),
        }
    }
}

impl Cluster {
    /// Decides as [`Cluster::decide_between`] does and lays open from what.
    pub(crate) fn inspect<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        destination: Option<&'a Pod>,
    ) -> Inspection<'a> {
        let connection = connection.canonical();
        let parties = self.parties(&connection, source, destination);
        let (service, routes) = self.routes(connection, &parties);
        Inspection {
            connection,
            evaluation: self.evaluate_parties(&connection, &parties),
            own_address: parties.own_address,
            source: self.claim(&parties.source),
            destination: self.claim(&parties.destination),
            service,
            by_name: false,
            routes,
        }
    }

    /// The NetworkPolicies of a namespace, by name.
    pub(crate) fn network_policies(&self, namespace: &str) -> impl Iterator<Item = &NetworkPolicy> {
        let scope = self.scopes.get(namespace);
        scope.into_iter().flat_map(|scope| scope.policies.values()).map(AsRef::as_ref)
    }

    /// The NetworkPolicy of this name.
    pub(crate) fn network_policy(&self, namespace: &str, name: &str) -> Option<&NetworkPolicy> {
        self.scopes.get(namespace)?.policies.get(name).map(AsRef::as_ref)
    }

    /// The cluster-wide policy of this kind and name, where it says anything.
    pub(crate) fn tier_policy(&self, kind: PolicyKind, name: &str) -> Option<&TierPolicy> {
        self.tiers.get(kind, name)
    }

    /// The labels of a namespace; absent while its object is not known.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> Option<&LabelSet> {
        self.scopes.get(namespace)?.labels.labels.as_ref()
    }

    /// Every live pod of the pod network, as rules ask for their peers, by namespace and name.
    pub(crate) fn live_pods(&self) -> impl Iterator<Item = (&Pod, PeerPod<'_>)> {
        self.scopes.values().flat_map(|scope| {
            let live = scope.pods.values().filter(|pod| pod.in_pod_network());
            live.map(|pod| {
                let template = pod.template.as_ref();
                let (namespace, labels) = (template.namespace.print, template.labels.prints());
                let namespace_labels = scope.labels.ask();
                (pod.as_ref(), PeerPod { namespace, labels, namespace_labels, template })
            })
        })
    }

    fn routes<'a>(
        &'a self,
        connection: Connection,
        parties: &Parties<'a>,
    ) -> (Option<&'a Service>, Vec<Route<'a>>) {
        let is_pod = !matches!(parties.destination.claims.pods, Claimants::Nobody);
        if is_pod || parties.own_address {
            let evaluation = self.evaluate_parties(&connection, parties);
            return (None, vec![self.route(connection, parties, false, evaluation)]);
        }
        let ways = self.ways(&connection);
        let routes = ways.iter().flat_map(|way| self.routes_of(way, parties)).collect();
        (service_of(&ways), routes)
    }

    pub(super) fn routes_of<'a>(&'a self, way: &Way<'a>, parties: &Parties<'a>) -> Vec<Route<'a>> {
        let direct = || self.route(way.connection, parties, false, self.evaluate_way(way, parties));
        match &way.behind {
            Behind::Address => vec![direct()],
            // Policies are asked about what stands behind, so there is nothing to lay open.
            Behind::Unknown(_) => vec![Route { egress: None, ingress: None, ..direct() }],
            Behind::Backends(backends) => {
                let endpoints = backends.endpoints.iter();
                endpoints.map(|endpoint| self.translated(way.connection, parties.source, *endpoint)).collect()
            }
        }
    }

    /// The route to one endpoint of a service.
    fn translated<'a>(
        &'a self,
        dialled: Connection,
        source: Party<'a>,
        (destination, port): (IpAddr, u16),
    ) -> Route<'a> {
        let connection = Connection { destination, port: Some(port), ..dialled };
        let parties = Parties { source, destination: self.party(destination), own_address: false };
        let side = |direction| self.side(direction, &connection, &parties, true);
        let evaluation = Evaluation { egress: side(Direction::Egress), ingress: side(Direction::Ingress) };
        self.route(connection, &parties, true, evaluation)
    }

    pub(super) fn route<'a>(
        &'a self,
        connection: Connection,
        parties: &Parties<'a>,
        through_service: bool,
        evaluation: Evaluation<'a>,
    ) -> Route<'a> {
        Route {
            evaluation,
            egress: self.lay_open(Direction::Egress, &connection, parties, through_service),
            ingress: self.lay_open(Direction::Ingress, &connection, parties, through_service),
            destination: self.claim(&parties.destination),
            connection,
        }
    }

    fn lay_open<'a>(
        &'a self,
        direction: Direction,
        connection: &Connection,
        parties: &Parties<'a>,
        through_service: bool,
    ) -> Option<Laid<'a>> {
        let (subject, peer) = match direction {
            Direction::Egress => (&parties.source, &parties.destination),
            Direction::Ingress => (&parties.destination, &parties.source),
        };
        let subject = subject.claimant?;
        let asked = Asked { cluster: self, direction, connection, peer, through_service };
        let peer = match peer.claims.pods {
            Claimants::Nobody => None,
            Claimants::One(peer) => self.claimant(peer),
            Claimants::Several(claimants) => claimants.first().and_then(|peer| self.claimant(*peer)),
        };
        Some(Laid {
            subject: self.addresses.pod(subject.holder)?,
            peer: peer.and_then(|peer| self.addresses.pod(peer.holder)).map(AsRef::as_ref),
            side: asked.side_of(subject, peer),
            question: asked.question(subject, peer),
        })
    }

    pub(super) fn claim<'a>(&'a self, party: &Party<'a>) -> Claim<'a> {
        let holders = match &party.claims.pods {
            Claimants::Nobody => &[][..],
            Claimants::One(holder) => std::slice::from_ref(holder),
            Claimants::Several(holders) => holders,
        };
        let pods = holders.iter().filter_map(|holder| self.addresses.pod(*holder)).map(AsRef::as_ref);
        Claim { pods: pods.collect(), host: party.host }
    }
}

/// The service with endpoints that is dialled in every way in which one is.
fn service_of<'a>(ways: &[Way<'a>]) -> Option<&'a Service> {
    let mut services = ways.iter().filter_map(|way| match &way.behind {
        Behind::Backends(backends) => Some(backends.service),
        Behind::Address | Behind::Unknown(_) => None,
    });
    let first = services.next()?;
    services.all(|service| service == first).then_some(first)
}

//! What the policies say to each way in which an address may be dialled, put together.

use super::{
    Cluster,
    decide::{Asked, Claimant, Parties},
    endpoints::{Behind, Way},
    slots::SlotId,
};
use crate::{
    Connection, Pod, SideVerdict,
    domain_name::DomainName,
    endings::{Endings, Missing},
    evaluation::{Evaluation, Side},
    marks::Marks,
    network_policy::Direction,
    peer::{Peer, Surroundings},
    port::Dialled,
    rule::Question,
    selector::Selector,
    service::Service,
    template::Template,
    truth::{Fact, Truth},
};
use std::{net::IpAddr, sync::Arc};

impl Cluster {
    /// Over every way in which an address that no pod holds may be dialled (U2).
    pub(super) fn evaluate_address<'a>(
        &'a self,
        connection: &Connection,
        parties: &Parties<'a>,
    ) -> Evaluation<'a> {
        self.evaluate_ways(&self.ways(connection), parties)
    }

    /// Over each of these; which one is hangs on the port.
    pub(super) fn evaluate_ways<'a>(&'a self, ways: &[Way<'a>], parties: &Parties<'a>) -> Evaluation<'a> {
        match ways {
            [way] => self.evaluate_way(way, parties),
            ways => {
                let evaluations = ways.iter().map(|way| self.evaluate_way(way, parties));
                whatever(evaluations, || "the destination port is not known".to_owned())
            }
        }
    }

    /// Over one of them.
    pub(super) fn evaluate_way<'a>(&'a self, way: &Way<'a>, parties: &Parties<'a>) -> Evaluation<'a> {
        match &way.behind {
            Behind::Address => self.evaluate_direct(&way.connection, parties),
            Behind::Backends(backends) => self.evaluate_service(&way.connection, &parties.source, backends),
            Behind::Unknown(service) => self.evaluate_unknown(&way.connection, parties, service),
        }
    }

    /// Over a service of which nobody knows what stands behind it: any pod or address but the source.
    fn evaluate_unknown<'a>(
        &'a self,
        connection: &Connection,
        parties: &Parties<'a>,
        service: &'a Service,
    ) -> Evaluation<'a> {
        let mut egress = Endings::default();
        match parties.source.claimant {
            Some(subject) => self.ask_about_hidden(subject, connection, parties, service, &mut egress),
            None => self.ask_side(Direction::Egress, connection, parties, false, &mut egress),
        }
        let mut ingress = Endings::default();
        ingress.not_applicable();
        if self.has_subject(Direction::Ingress) {
            ingress.open();
            ingress.deny([]);
            ingress.miss(Missing::backend(service, connection.destination));
        }
        Evaluation { egress: egress.side(), ingress: ingress.side() }
    }

    /// What the source may send to whoever stands behind the service.
    fn ask_about_hidden<'a>(
        &'a self,
        subject: Claimant<'a>,
        connection: &Connection,
        parties: &Parties<'a>,
        service: &'a Service,
        endings: &mut Endings<'a>,
    ) {
        let (direction, peer) = (Direction::Egress, &parties.destination);
        let asked = Asked { cluster: self, direction, connection, peer, through_service: true };
        let question = Question {
            peer: Peer { ip: connection.destination, pod: None },
            marks: Marks::ANY,
            dialled: Dialled { port: None, protocol: connection.protocol, destination: None },
            surroundings: service,
        };
        asked.side_of(subject, None).ask(&question, endings);
    }

    /// Whether any policy speaks, or may speak, about a live pod in this direction.
    fn has_subject(&self, direction: Direction) -> bool {
        self.scopes.values().any(|scope| {
            let made = scope.templates.iter().filter(|(_, made)| self.is_spoken_about(made.plan, direction));
            let spoken_about: Vec<&Arc<Template>> = made.map(|(template, _)| template).collect();
            let is_one = |pod: &Pod| spoken_about.iter().any(|one| Arc::ptr_eq(one, &pod.template));
            !spoken_about.is_empty() && scope.pods.values().any(|pod| pod.in_pod_network() && is_one(pod))
        })
    }

    fn is_spoken_about(&self, plan: SlotId, direction: Direction) -> bool {
        self.plans.get(plan).is_some_and(|plan| {
            let tiers = self.tiers.list(plan.tiers());
            !(tiers.admin.of(direction).policies.is_empty()
                && plan.network(direction).policies().is_empty()
                && tiers.baseline.of(direction).policies.is_empty())
        })
    }
}

/// A service hides who the peer is while nobody knows what stands behind it.
impl Surroundings for Service {
    fn is_of_node(&self, _: IpAddr, _: &Selector) -> Truth {
        Truth::Unknown(Fact::Backend)
    }

    fn unlabelled_node(&self, _: IpAddr) -> Option<&str> {
        None
    }

    fn has_name(&self, _: IpAddr, _: &[DomainName]) -> Truth {
        Truth::Unknown(Fact::Backend)
    }

    fn hidden_behind(&self) -> Option<&Service> {
        Some(self)
    }
}

/// The answer that all have; where they differ, what is missing to choose between them.
pub(super) fn whatever<'a>(
    evaluations: impl Iterator<Item = Evaluation<'a>>,
    missing: impl Fn() -> String,
) -> Evaluation<'a> {
    let sides = evaluations.map(|Evaluation { egress, ingress }| (egress, ingress));
    let (egress, ingress): (Vec<_>, Vec<_>) = sides.unzip();
    Evaluation { egress: in_any_case(egress, &missing), ingress: in_any_case(ingress, &missing) }
}

/// Which endpoint is chosen is what an answer hangs on.
pub(super) fn not_chosen(service: &Service) -> String {
    format!("backend not chosen: the endpoints of service {}/{} differ", service.namespace, service.name)
}

fn in_any_case(sides: Vec<Side<'_>>, missing: impl Fn() -> String) -> Side<'_> {
    let differ = sides.windows(2).any(|pair| pair[0].verdict != pair[1].verdict);
    let mut endings = Endings::default();
    for side in sides {
        endings.or(endings_of(side));
    }
    if differ {
        endings.miss(Missing::Words(missing()));
    }
    endings.side()
}

/// The endings that make this answer.
fn endings_of(side: Side<'_>) -> Endings<'_> {
    let Side { verdict, hits, reason } = side;
    let mut endings = Endings::default();
    match verdict {
        SideVerdict::NotApplicable => endings.not_applicable(),
        SideVerdict::NotIsolated => endings.open(),
        SideVerdict::Admitted => endings.allow(hits),
        SideVerdict::Denied => endings.deny(hits),
        SideVerdict::Undecidable => {
            endings.open();
            endings.deny([]);
        }
    }
    if let Some(reason) = reason {
        endings.miss(Missing::Words(reason));
    }
    endings
}

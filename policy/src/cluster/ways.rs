//! What the policies say to each way in which an address may be dialled, put together.

use super::{
    Cluster,
    decide::{Asked, Parties},
    endpoints::{Behind, Way},
};
use crate::{
    Connection, SideVerdict,
    endings::{Endings, Missing},
    evaluation::{Evaluation, Side},
    network_policy::Direction,
    service::Service,
};

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
    pub(super) fn evaluate_ways<'a>(&'a self, ways: &[Way<'_>], parties: &Parties<'a>) -> Evaluation<'a> {
        match ways {
            [way] => self.evaluate_way(way, parties),
            ways => {
                let evaluations = ways.iter().map(|way| self.evaluate_way(way, parties));
                whatever(evaluations, || "the destination port is not known".to_owned())
            }
        }
    }

    /// Over one of them.
    pub(super) fn evaluate_way<'a>(&'a self, way: &Way<'_>, parties: &Parties<'a>) -> Evaluation<'a> {
        match &way.behind {
            Behind::Address => self.evaluate_direct(&way.connection, parties),
            Behind::Backends(backends) => self.evaluate_service(&way.connection, &parties.source, backends),
            Behind::Unknown(service) => self.evaluate_unknown(&way.connection, parties, service),
        }
    }

    /// Over a service of which nobody knows what stands behind it: anything, so any policy that
    /// speaks about a side may have the word.
    fn evaluate_unknown<'a>(
        &'a self,
        connection: &Connection,
        parties: &Parties<'a>,
        service: &Service,
    ) -> Evaluation<'a> {
        let mut egress = Endings::default();
        self.ask_side(Direction::Egress, connection, parties, false, &mut egress);
        if self.is_spoken_about(connection, parties) {
            leave_open(&mut egress, service);
        }
        let mut ingress = Endings::default();
        ingress.open();
        if self.has_policies() {
            leave_open(&mut ingress, service);
        }
        Evaluation { egress: egress.side(), ingress: ingress.side() }
    }

    /// Whether any policy speaks about what the source sends.
    fn is_spoken_about(&self, connection: &Connection, parties: &Parties<'_>) -> bool {
        let Some(subject) = parties.source.claimant else { return false };
        let (direction, peer) = (Direction::Egress, &parties.destination);
        let asked = Asked { cluster: self, direction, connection, peer, through_service: false };
        let side = asked.side_of(subject, None);
        !(side.admin.policies.is_empty()
            && side.network.policies().is_empty()
            && side.baseline.policies.is_empty())
    }

    fn has_policies(&self) -> bool {
        !self.tiers.policies.is_empty() || self.scopes.values().any(|scope| !scope.policies.is_empty())
    }
}

/// It may be allowed and it may be denied.
fn leave_open(endings: &mut Endings<'_>, service: &Service) {
    endings.open();
    endings.deny([]);
    endings.miss(Missing::Words(format!(
        "what stands behind service {0}/{1} is not known; add the EndpointSlice with the label \
         kubernetes.io/service-name={1} in namespace {0}",
        service.namespace, service.name
    )));
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

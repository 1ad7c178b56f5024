//! What the service that was dialled leads to: each endpoint with its own answer and, where no one
//! answer covers them all, with its own reasons.

use super::{
    Backend, Endpoint, SideExplanation, Translation, Why, endpoint,
    proposal::Asked,
    side::{self, Told},
};
use crate::{
    Cluster, Connection, Decision, Owner, Service, SideDecision, SideVerdict,
    cluster::{Inspection, Route},
    network_policy::Direction,
    shown::listed,
};
use std::collections::BTreeSet;

/// How many reasons are told in full; endpoints of one workload share theirs.
const MOST_TOLD: usize = 4;

/// The service and its endpoints, beside what is told of both sides.
pub(super) fn translation<'a>(
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    explained: usize,
    sides: [&SideExplanation; 2],
    asked: Asked<'_>,
) -> Option<Translation> {
    let service = inspection.service?;
    let mut endpoints: Vec<Backend> = inspection.routes.iter().map(|route| backend(cluster, route)).collect();
    let [egress, ingress] = sides;
    let wanted = [
        wanted(egress, inspection.routes.iter().map(|route| route.evaluation.egress.to_decision())),
        wanted(ingress, inspection.routes.iter().map(|route| route.evaluation.ingress.to_decision())),
    ];
    let untold = tell(&mut endpoints, cluster, inspection, wanted, asked);
    let (namespace, name) = (service.namespace.clone(), service.name.clone());
    let hint = hint(cluster, inspection, service);
    Some(Translation { namespace, name, endpoints, explained, hint, untold })
}

fn backend(cluster: &Cluster, route: &Route<'_>) -> Backend {
    let sides = [&route.evaluation.egress, &route.evaluation.ingress];
    let reasons: BTreeSet<&str> = sides.into_iter().filter_map(|side| side.reason.as_deref()).collect();
    Backend {
        endpoint: endpoint::of(cluster, route.connection.destination, &route.destination),
        port: route.connection.port,
        egress: route.evaluation.egress.verdict,
        ingress: route.evaluation.ingress.verdict,
        reason: (!reasons.is_empty()).then(|| Vec::from_iter(reasons).join("; ")),
        why: None,
        like: None,
    }
}

/// The slip of asking a headless service at the port that it would have with a ClusterIP.
fn hint(cluster: &Cluster, inspection: &Inspection<'_>, service: &Service) -> Option<String> {
    let Connection { port, protocol, destination, .. } = inspection.connection;
    let port = port.filter(|_| inspection.by_name && service.is_headless())?;
    let of_slices: Option<Vec<u16>> =
        cluster.slice_ports(service, protocol, destination).into_iter().collect();
    let of_slices = of_slices.filter(|ports| !ports.is_empty() && !ports.contains(&port))?;
    Some(format!("nothing translates {port}; its slice says {}", listed(of_slices.iter())))
}

/// Of which endpoints a side is told one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    None,
    Denied,
    All,
}

impl Wanted {
    fn has(self, verdict: SideVerdict) -> bool {
        self == Self::All || self == Self::Denied && verdict == SideVerdict::Denied
    }
}

/// Where what is told of a side as a whole leaves a denial without its reason or its mend, or is
/// allowed for one reason here and for another there.
fn wanted(side: &SideExplanation, mut of_endpoints: impl ExactSizeIterator<Item = SideDecision>) -> Wanted {
    match side.verdict {
        SideVerdict::Undecidable => Wanted::Denied,
        SideVerdict::Denied if side.proposal.is_none() && of_endpoints.len() > 1 => Wanted::Denied,
        SideVerdict::Denied => Wanted::None,
        _ => {
            let first = of_endpoints.next();
            if of_endpoints.all(|other| first.as_ref() == Some(&other)) { Wanted::None } else { Wanted::All }
        }
    }
}

/// Tells why endpoints have their answers on the sides where that is wanted; how many are left untold.
fn tell<'a>(
    endpoints: &mut [Backend],
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    wanted: [Wanted; 2],
    asked: Asked<'_>,
) -> usize {
    let mut untold = 0;
    let mut told: Vec<(usize, Decision)> = Vec::new();
    for (at, route) in inspection.routes.iter().enumerate() {
        let [egress, ingress] = wanted;
        let wanted =
            [egress.has(route.evaluation.egress.verdict), ingress.has(route.evaluation.ingress.verdict)];
        if !wanted.contains(&true) {
            continue;
        }
        let decision = route.evaluation.to_decision();
        let workload = |at: usize| endpoints[at].endpoint.workload.clone();
        let alike =
            |(other, same): &&(usize, Decision)| *same == decision && workload(*other) == workload(at);
        if let Some((other, _)) = told.iter().find(alike) {
            endpoints[at].like = Some(*other);
        } else if told.len() < MOST_TOLD {
            endpoints[at].why = Some(why(cluster, inspection, at, wanted, asked));
            told.push((at, decision));
        } else {
            untold += 1;
        }
    }
    untold
}

fn why<'a>(
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    at: usize,
    [egress, ingress]: [bool; 2],
    asked: Asked<'_>,
) -> Why {
    let route = &inspection.routes[at];
    let pod = match route.destination.pods.as_slice() {
        [pod] => Some(*pod),
        _ => None,
    };
    let asked = Asked { connection: &route.connection, destination: pod, by_name: None, ..asked };
    let told = Told { at, evaluation: &route.evaluation };
    let explain = |direction| side::explain(cluster, inspection, told, direction, asked);
    Why {
        egress: egress.then(|| explain(Direction::Egress)),
        ingress: ingress.then(|| explain(Direction::Ingress)),
    }
}

/// Why a service that was dialled leads to no endpoint.
pub(super) fn unserved(cluster: &Cluster, inspection: &Inspection<'_>) -> Option<String> {
    let (dialled, protocol) = (inspection.connection, inspection.connection.protocol);
    let Owner::Service(service) = cluster.owner(dialled.destination) else { return None };
    let is_served = inspection.by_name
        || inspection.routes.iter().any(|route| route.connection.destination != dialled.destination);
    if is_served || inspection.evaluation.admits().is_none() {
        return None;
    }
    let served = || {
        let asked = protocol.with_port(dialled.port);
        format!("no ready endpoint of service {}/{} is known for {asked}", service.namespace, service.name)
    };
    Some(service.lacks(dialled.port, protocol).unwrap_or_else(served))
}

impl Translation {
    /// The endpoint that the sides explain.
    pub(super) fn told(&self) -> Option<&Backend> {
        self.endpoints.get(self.explained)
    }

    /// The endpoints of which a side is told by itself, each with those that are like it.
    pub(super) fn one_by_one(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = (&Backend, &SideExplanation, Vec<&Endpoint>)> {
        self.endpoints.iter().enumerate().filter_map(move |(at, backend)| {
            let side = backend.why.as_ref()?.side(direction)?;
            let like = self.endpoints.iter().filter(|other| other.like == Some(at));
            Some((backend, side, like.map(|other| &other.endpoint).collect()))
        })
    }
}

impl Backend {
    /// What the policies say to this endpoint.
    pub(super) fn allowed(&self) -> Option<bool> {
        SideVerdict::admit([self.egress, self.ingress])
    }
}

impl Why {
    const fn side(&self, direction: Direction) -> Option<&SideExplanation> {
        match direction {
            Direction::Egress => self.egress.as_ref(),
            Direction::Ingress => self.ingress.as_ref(),
        }
    }
}

//! What the service that was dialled leads to: each endpoint with its own answer and, where no one
//! answer covers them all, with its own reasons.

use super::{
    Backend, Endpoint, SideExplanation, Translation, Why, endpoint,
    proposal::Asked,
    side::{self, Told},
};
use crate::{
    Cluster, Decision, Owner, Service, SideVerdict,
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
    let is_open = sides.map(|side| is_open(side, endpoints.len()));
    let untold = tell(&mut endpoints, cluster, inspection, is_open, asked);
    let (namespace, name) = (service.namespace.clone(), service.name.clone());
    Some(Translation { namespace, name, endpoints, explained, untold })
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

/// Whether what is told of a side as a whole leaves a denial without its reason or its mend.
fn is_open(side: &SideExplanation, endpoints: usize) -> bool {
    let is_unmended = side.verdict == SideVerdict::Denied && side.proposal.is_none();
    side.verdict == SideVerdict::Undecidable || (is_unmended && endpoints > 1)
}

/// Tells why endpoints are denied on the sides that are open; how many are left untold.
fn tell<'a>(
    endpoints: &mut [Backend],
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    [egress, ingress]: [bool; 2],
    asked: Asked<'_>,
) -> usize {
    let mut untold = 0;
    let mut told: Vec<(usize, Decision)> = Vec::new();
    for (at, route) in inspection.routes.iter().enumerate() {
        let is_denied = |is_open, verdict| is_open && verdict == SideVerdict::Denied;
        let wanted = [
            is_denied(egress, route.evaluation.egress.verdict),
            is_denied(ingress, route.evaluation.ingress.verdict),
        ];
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
    let asked = Asked { connection: &route.connection, destination: pod, headless: None, ..asked };
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
    let is_served = inspection.headless
        || inspection.routes.iter().any(|route| route.connection.destination != dialled.destination);
    if is_served || inspection.evaluation.admits().is_none() {
        return None;
    }
    let title = format!("service {}/{}", service.namespace, service.name);
    let asked = protocol.with_port(dialled.port);
    let has_port = match dialled.port {
        None => service.ports_of(protocol).next().is_some(),
        Some(port) => service.port(port, protocol).is_some(),
    };
    Some(match dialled.port {
        _ if has_port => format!("no ready endpoint of {title} is known for {asked}"),
        None if !protocol.has_ports() => format!("{asked} leads to no endpoint of {title}"),
        None => format!("{title} has no {asked} port{}", ports_of(service)),
        Some(_) => format!("{title} has no port {asked}{}", ports_of(service)),
    })
}

/// `, only 80/TCP, 443/TCP`.
fn ports_of(service: &Service) -> String {
    let ports = service.ports.iter().map(|port| port.protocol.with_port(Some(port.port)));
    if service.ports.is_empty() { String::new() } else { format!(", only {}", listed(ports)) }
}

impl Translation {
    /// The endpoint that the sides explain.
    pub(super) fn told(&self) -> Option<&Backend> {
        self.endpoints.get(self.explained)
    }

    /// The endpoints whose denial on a side is told by itself, each with those that are like it.
    pub(super) fn denials(
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

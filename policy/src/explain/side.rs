//! One side: the answer, what it rests on, and the tiers that led to it.

use super::{
    Cause, EndpointKind, Outcome, SideExplanation, TierExplanation,
    case::Case,
    network,
    proposal::{self, Asked},
    tier,
};
use crate::{
    Cluster, Owner, Service, SideVerdict, Tier, cluster::Inspection, evaluation::Side,
    network_policy::Direction, shown::listed,
};

/// Explains one side along the route that is told in full.
pub(super) fn explain<'a>(
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    explained: usize,
    direction: Direction,
    asked: Asked<'_>,
) -> SideExplanation {
    let side = match direction {
        Direction::Egress => &inspection.evaluation.egress,
        Direction::Ingress => &inspection.evaluation.ingress,
    };
    let decision = side.to_decision();
    let route = inspection.routes.get(explained);
    let case = route.and_then(|route| Case::new(cluster, inspection, route, direction));
    let case = case.filter(|_| side.verdict != SideVerdict::NotApplicable);
    let tiers = case.as_ref().map(tiers).unwrap_or_default();
    let mut explanation = SideExplanation {
        verdict: side.verdict,
        cause: certain(cause(inspection, explained, direction, side), &tiers),
        policies: decision.policies,
        reason: decision.reason,
        tiers,
        notes: case.as_ref().map(notes).unwrap_or_default(),
        proposal: None,
    };
    if let Some(case) = case.filter(|_| side.verdict == SideVerdict::Denied) {
        explanation.proposal = proposal::propose(&case, &explanation, asked);
        explanation
            .notes
            .extend(proposal::obstacle(&case, explanation.cause).filter(|_| explanation.proposal.is_none()));
    }
    explanation
}

/// The tiers until one decides.
fn tiers(case: &Case<'_, '_>) -> Vec<TierExplanation> {
    let side = &case.laid.side;
    let mut tiers = Vec::new();
    let order = [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline];
    for tier in order.into_iter().filter(|tier| *tier != Tier::Baseline || !is_kept_from_baseline(case)) {
        let told = match tier {
            Tier::Admin => tier::explain(case, tier, &side.admin.policies),
            Tier::NetworkPolicy => network::explain(case),
            Tier::Baseline => tier::explain(case, tier, &side.baseline.policies),
        };
        let is_over = matches!(told.outcome, Outcome::Allows | Outcome::Denies);
        tiers.push(told);
        if is_over {
            break;
        }
    }
    tiers
}

/// T3, in the reading that any direction counts.
fn is_kept_from_baseline(case: &Case<'_, '_>) -> bool {
    case.laid.side.elsewhere.iter().any(|isolating| isolating.unless.is_none())
}

/// Why policies see the address of a service.
fn untranslated(case: &Case<'_, '_>) -> Option<String> {
    let Owner::Service(service) = case.cluster.owner(case.peer.ip) else { return None };
    let protocol = case.connection.protocol;
    let title = format!("service {}/{}", service.namespace, service.name);
    let why = match case.connection.port {
        None => format!("{protocol} without a port leads to no endpoint of {title}"),
        Some(port) if service.port(port, protocol).is_some() => {
            format!("{title} has no ready endpoint for this port")
        }
        port => format!("{title} has no port {}{}", protocol.with_port(port), ports_of(service)),
    };
    Some(format!("{why}, so policies see the service's own address"))
}

/// `, but 80/TCP, 443/TCP`.
fn ports_of(service: &Service) -> String {
    let ports = service.ports.iter().map(|port| port.protocol.with_port(Some(port.port)));
    if service.ports.is_empty() { String::new() } else { format!(", but {}", listed(ports)) }
}

/// What else is worth knowing.
fn notes(case: &Case<'_, '_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(pod) = case.laid.side.hairpin {
        notes.push(format!("pod {} reaches itself through a service", pod.title()));
    }
    if let (EndpointKind::Contested, Some(first)) = (case.peer.kind, case.peer.pods.first()) {
        notes.push(format!("told as if {first} held the address"));
    }
    if case.direction == Direction::Egress && case.peer.kind == EndpointKind::Service {
        notes.extend(untranslated(case));
    }
    if is_kept_from_baseline(case) {
        notes.push(
            "a NetworkPolicy isolates the pod in the other direction, so Baseline is not asked".to_owned(),
        );
    }
    notes
}

fn cause(inspection: &Inspection<'_>, explained: usize, direction: Direction, side: &Side<'_>) -> Cause {
    let tiers: Vec<Tier> = side.hits.iter().map(|hit| hit.policy.tier).collect();
    let all = |tier| tiers.iter().all(|other| *other == tier);
    match side.verdict {
        SideVerdict::Undecidable => Cause::Undecidable,
        SideVerdict::NotIsolated => Cause::NotIsolated,
        SideVerdict::NotApplicable => outside(inspection, explained, direction),
        SideVerdict::Admitted if all(Tier::NetworkPolicy) => Cause::Admitted,
        SideVerdict::Admitted if all(Tier::Admin) => Cause::AdminAccepted,
        SideVerdict::Admitted if all(Tier::Baseline) => Cause::BaselineAccepted,
        SideVerdict::Admitted => Cause::AllowedInAnyCase,
        SideVerdict::Denied if all(Tier::NetworkPolicy) => Cause::DeniedByIsolation,
        SideVerdict::Denied if all(Tier::Admin) => Cause::AdminDenied,
        SideVerdict::Denied if all(Tier::Baseline) => Cause::BaselineDenied,
        SideVerdict::Denied => Cause::DeniedInAnyCase,
    }
}

/// The cause, unless its tier does not decide for certain: then other endings lead to the same answer.
fn certain(cause: Cause, tiers: &[TierExplanation]) -> Cause {
    let does = |tier: Tier, outcome: Outcome| {
        tiers.is_empty() || tiers.iter().any(|told| told.tier == tier && told.outcome == outcome)
    };
    match cause {
        Cause::AdminAccepted if !does(Tier::Admin, Outcome::Allows) => Cause::AllowedInAnyCase,
        Cause::Admitted if !does(Tier::NetworkPolicy, Outcome::Allows) => Cause::AllowedInAnyCase,
        Cause::BaselineAccepted if !does(Tier::Baseline, Outcome::Allows) => Cause::AllowedInAnyCase,
        Cause::AdminDenied if !does(Tier::Admin, Outcome::Denies) => Cause::DeniedInAnyCase,
        Cause::DeniedByIsolation if !does(Tier::NetworkPolicy, Outcome::Denies) => Cause::DeniedInAnyCase,
        Cause::BaselineDenied if !does(Tier::Baseline, Outcome::Denies) => Cause::DeniedInAnyCase,
        cause => cause,
    }
}

/// Why policies do not speak about a side.
fn outside(inspection: &Inspection<'_>, explained: usize, direction: Direction) -> Cause {
    let laid = inspection.routes.get(explained).and_then(|route| route.laid(direction));
    match laid {
        _ if inspection.connection.is_own_address() => Cause::OwnAddress,
        None => Cause::NoSubject,
        Some(laid) if laid.peer.is_some() => Cause::SamePod,
        Some(_) => Cause::OwnNode,
    }
}

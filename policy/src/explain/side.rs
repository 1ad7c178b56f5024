//! One side: the answer, what it rests on, and the tiers that led to it.

use super::{
    Cause, EndpointKind, Outcome, SideExplanation, TierExplanation,
    case::Case,
    network,
    proposal::{self, Asked},
    tier,
};
use crate::{
    Cluster, SideVerdict, Tier,
    cluster::Inspection,
    evaluation::{Evaluation, Side},
    network_policy::Direction,
};

/// What is told: a route, and the answer that it is told for.
#[derive(Clone, Copy)]
pub(super) struct Told<'e, 'a> {
    /// The index of the route.
    pub(super) at: usize,
    /// The answer of that route, or of all routes together.
    pub(super) evaluation: &'e Evaluation<'a>,
}

/// Explains one side along a route.
pub(super) fn explain<'a>(
    cluster: &'a Cluster,
    inspection: &Inspection<'a>,
    Told { at, evaluation }: Told<'_, 'a>,
    direction: Direction,
    asked: Asked<'_>,
) -> SideExplanation {
    let side = match direction {
        Direction::Egress => &evaluation.egress,
        Direction::Ingress => &evaluation.ingress,
    };
    let decision = side.to_decision();
    let route = inspection.routes.get(at);
    let case = route.and_then(|route| Case::new(cluster, inspection, route, direction));
    let case = case.filter(|_| side.verdict != SideVerdict::NotApplicable);
    let tiers = case.as_ref().map(tiers).unwrap_or_default();
    let mut explanation = SideExplanation {
        verdict: side.verdict,
        cause: certain(cause(inspection, at, direction, side), &tiers),
        policies: decision.policies,
        reason: decision.reason,
        tiers,
        notes: case.as_ref().map(notes).unwrap_or_default(),
        proposal: None,
    };
    if let Some(case) = case.filter(|_| side.verdict == SideVerdict::Denied) {
        explanation.proposal = proposal::propose(&case, &explanation, asked);
        explanation.notes.extend(
            proposal::obstacle(&case, &explanation, asked).filter(|_| explanation.proposal.is_none()),
        );
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
        notes.push("policies see the service's own address".to_owned());
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
        _ if inspection.own_address => Cause::OwnAddress,
        None => Cause::NoSubject,
        Some(laid) if laid.peer.is_some() => Cause::SamePod,
        Some(_) => Cause::OwnNode,
    }
}

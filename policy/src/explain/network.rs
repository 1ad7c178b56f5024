//! The NetworkPolicy tier in words: who isolates, which rules admit, and what came nearest.

use super::{
    Condition, Idle, NearMiss, Others, Outcome, PolicyExplanation, TierExplanation, Unmet,
    case::Case,
    rules::{self, Judged},
    selectors::{self, Bearer},
    written::{self, WrittenRule},
};
use crate::{Pod, Tier, labels::Labels, network_policy::NetworkPolicy, sides::Isolating, truth::Truth};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Explains the tier.
pub(super) fn explain(case: &Case<'_, '_>) -> TierExplanation {
    let policies: Vec<PolicyExplanation> =
        case.laid.side.network.policies().iter().map(|isolating| explain_policy(case, isolating)).collect();
    TierExplanation {
        tier: Tier::NetworkPolicy,
        outcome: outcome(case, &policies),
        policies,
        others: Some(others(case)),
    }
}

/// N26–N28 over what the policies did.
fn outcome(case: &Case<'_, '_>, policies: &[PolicyExplanation]) -> Outcome {
    let any = |outcome, perhaps| policies.iter().any(|p| p.outcome == outcome && p.perhaps == perhaps);
    let is_isolated = policies.iter().any(|policy| !policy.perhaps);
    if policies.is_empty() {
        Outcome::Silent
    } else if case.laid.side.hairpin.is_some() {
        Outcome::Unknown
    } else if any(Outcome::Allows, false) {
        Outcome::Allows
    } else if is_isolated && policies.iter().all(|policy| policy.outcome == Outcome::DoesNotAdmit) {
        Outcome::Denies
    } else {
        Outcome::Unknown
    }
}

fn explain_policy(case: &Case<'_, '_>, isolating: &Isolating) -> PolicyExplanation {
    let policy = isolating.policy.as_ref();
    let rules = written::of_network_policy(policy, case.direction);
    let judged: Vec<Judged> =
        rules.iter().enumerate().map(|(at, rule)| rules::judge(case, &policy.id, at, rule)).collect();
    let all = judged.len();
    let outcome = match Truth::any(judged.iter().map(|rule| rule.truth)) {
        Truth::Yes => Outcome::Allows,
        Truth::No => Outcome::DoesNotAdmit,
        Truth::Unknown(_) => Outcome::Unknown,
    };
    let nearest = judged.iter().enumerate().filter(|(_, rule)| rule.truth == Truth::No);
    let nearest =
        nearest.min_by_key(|(at, rule)| (rule.distance, *at)).map(|(_, rule)| rule.explanation.clone());
    let matching = judged.into_iter().filter(|rule| rule.truth != Truth::No).map(|rule| rule.explanation);
    PolicyExplanation {
        kind: policy.id.kind,
        namespace: policy.id.namespace.as_deref().map(str::to_owned),
        name: policy.id.name.as_ref().to_owned(),
        priority: None,
        selects_by: selectors::words(policy.spec.pod_selector.as_ref()),
        perhaps: isolating.unless.is_some(),
        outcome,
        rules: all,
        matching: matching.collect(),
        nearest: nearest.filter(|_| outcome == Outcome::DoesNotAdmit),
    }
}

/// The policies of the namespace that do not isolate the subject in this direction.
fn others(case: &Case<'_, '_>) -> Others {
    let subject = case.laid.subject;
    let mut others = Others::default();
    let pods = case.cluster.live_pods().map(|(pod, _)| pod);
    let pods: Vec<&Pod> = pods.filter(|pod| pod.namespace() == subject.namespace()).collect();
    for policy in case.cluster.network_policies(subject.namespace()) {
        if case.laid.side.network.policies().iter().any(|isolating| isolating.policy.id == policy.id) {
            continue;
        }
        if policy.selects(&subject.template) == Truth::No {
            others.not_selecting += 1;
            let selects_nobody = pods.iter().all(|pod| policy.selects(&pod.template) == Truth::No);
            let near = near(case, policy, selects_nobody);
            if near.is_none() && selects_nobody && policy.is_about(case.direction) == Truth::Yes {
                others.selecting_nobody.push(idle(policy));
            }
            others.near.extend(near);
        } else {
            let name = policy.id.name.as_ref().to_owned();
            if !policy.rules(case.direction).is_empty() {
                others.ignored_rules.push(name.clone());
            }
            others.other_direction.push(name);
        }
    }
    others
}

/// Whether a policy comes near to selecting the subject: one condition is wrong, and either hardly,
/// or it would have admitted the connection.
fn near(case: &Case<'_, '_>, policy: &NetworkPolicy, selects_nobody: bool) -> Option<NearMiss> {
    let selector = policy.spec.pod_selector.as_ref()?;
    let unmet = subject_unmet(case.laid.subject, selector);
    let [unmet] = <[Unmet; 1]>::try_from(unmet).ok()?;
    if policy.is_about(case.direction) != Truth::Yes {
        return None;
    }
    let admits = |rule: &WrittenRule<'_>| match rule.compiled.rule() {
        Some(rule) => rule.matches(&case.laid.question) == Truth::Yes,
        None => false,
    };
    let would_admit = written::of_network_policy(policy, case.direction).iter().any(admits);
    let near = unmet.close.is_some() || (would_admit && selectors::count(selector) > 1);
    near.then(|| NearMiss { policy: policy.id.reference(None), unmet, selects_nobody, would_admit })
}

fn subject_unmet(subject: &Pod, selector: &LabelSelector) -> Vec<Unmet> {
    let bearer = Bearer {
        condition: Condition::Pod,
        name: "pod",
        labels: Labels::Known(subject.template.labels.prints()),
        text: Some(subject.labels()),
        wanted_by: "podSelector",
        field: "spec.podSelector",
    };
    selectors::unmet(selector, &bearer)
}

/// A policy that selects no pod, with what it wants of one.
fn idle(policy: &NetworkPolicy) -> Idle {
    Idle {
        policy: policy.id.reference(None),
        wants: selectors::words(policy.spec.pod_selector.as_ref()).unwrap_or_default(),
    }
}

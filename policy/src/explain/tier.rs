//! A tier of cluster-wide policies in words: each policy in its order until one decides (C2–C5).

use super::{
    Outcome, PolicyExplanation, TierExplanation,
    case::Case,
    rules::{self, Judged},
    selectors,
    written::{self, WrittenRule},
};
use crate::{
    Tier, api,
    sides::Selecting,
    tier_policy::{Action, TierPolicy, Written},
    truth::Truth,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Explains a tier of cluster-wide policies.
pub(super) fn explain(case: &Case<'_, '_>, tier: Tier, selecting: &[Selecting]) -> TierExplanation {
    let mut policies = Vec::new();
    let mut possible = Vec::new();
    let mut falls_through = true;
    for level in selecting.chunk_by(|one, next| one.policy.id.priority == next.policy.id.priority) {
        for selecting in level {
            let asked = ask(case, selecting);
            falls_through &= !asked.is_certain;
            possible.extend(asked.possible);
            policies.push(asked.explanation);
        }
        if !falls_through {
            break;
        }
    }
    TierExplanation { tier, outcome: outcome(&possible, falls_through), policies, others: None }
}

/// What a tier does whose rules may do these things.
fn outcome(possible: &[Action], falls_through: bool) -> Outcome {
    match possible {
        [] => Outcome::Silent,
        [first, rest @ ..] if !falls_through && rest.iter().all(|other| other == first) => of(*first),
        _ => Outcome::Unknown,
    }
}

const fn of(action: Action) -> Outcome {
    match action {
        Action::Accept => Outcome::Allows,
        Action::Deny => Outcome::Denies,
        Action::Pass => Outcome::Passes,
    }
}

/// What became of asking one policy.
struct Asked {
    explanation: PolicyExplanation,
    /// What its rules may do, as far as they were asked.
    possible: Vec<Action>,
    /// Whether one of them matches for certain.
    is_certain: bool,
}

fn ask(case: &Case<'_, '_>, selecting: &Selecting) -> Asked {
    let policy = selecting.policy.as_ref();
    let rules = written::of_tier_policy(policy, case.direction);
    let mut judged: Vec<Judged> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        judged.push(rules::judge(case, &policy.id, at, rule));
        if judged.last().is_some_and(|rule| rule.truth == Truth::Yes) {
            break;
        }
    }
    let matching = |judged: &Judged| judged.truth != Truth::No;
    let action = |judged: &Judged| rules.get(judged.explanation.rule)?.action.map(|(action, _)| action);
    let possible: Vec<Action> = judged.iter().filter(|rule| matching(rule)).filter_map(action).collect();
    let matches = judged.last().is_some_and(|rule| rule.truth == Truth::Yes);
    let is_certain = matches && selecting.unless.is_none();
    let nearest = nearest(&judged, &rules);
    Asked {
        explanation: PolicyExplanation {
            kind: policy.id.kind,
            namespace: None,
            name: policy.id.name.as_ref().to_owned(),
            priority: policy.id.priority,
            selects_by: subject(policy),
            perhaps: selecting.unless.is_some(),
            outcome: outcome(&possible, !matches),
            rules: rules.len(),
            matching: judged.into_iter().filter(matching).map(|rule| rule.explanation).collect(),
            nearest,
        },
        possible,
        is_certain,
    }
}

/// The rule that would let through and came nearest.
fn nearest(judged: &[Judged], rules: &[WrittenRule<'_>]) -> Option<super::RuleExplanation> {
    let admits = |rule: &Judged| rules.get(rule.explanation.rule).is_some_and(WrittenRule::admits);
    let unmatched = judged.iter().filter(|rule| rule.truth == Truth::No && admits(rule));
    unmatched.min_by_key(|rule| (rule.distance, rule.explanation.rule)).map(|rule| rule.explanation.clone())
}

/// By what a policy selects its pods; `None` where it selects them all.
fn subject(policy: &TierPolicy) -> Option<String> {
    let subject = match &policy.written {
        Written::Cluster(spec) => &spec.subject,
        Written::Admin(spec) => &spec.subject,
    };
    let words = |selector: Option<&api::LabelSelector>| selectors::words(selector.map(known).as_ref());
    let (namespaces, pods) = match (&subject.namespaces, &subject.pods) {
        (Some(namespaces), None) => (words(Some(namespaces)), None),
        (None, Some(pods)) => (words(pods.namespace_selector.as_ref()), words(pods.pod_selector.as_ref())),
        _ => return Some("a subject that is not valid".to_owned()),
    };
    match (namespaces, pods) {
        (Some(namespaces), Some(pods)) => Some(format!("{pods} and namespace label {namespaces}")),
        (Some(namespaces), None) => Some(format!("namespace label {namespaces}")),
        (None, pods) => pods,
    }
}

fn known(selector: &api::LabelSelector) -> LabelSelector {
    selector.known()
}

//! What may admit a connection that a cluster-wide policy denies: only a rule that is asked before.

use super::{Candidate, Change, manifest, slip};
use crate::{
    PolicyKind, Tier,
    explain::{Outcome, PolicyExplanation, SideExplanation, case::Case},
};
use serde_json::{Value, json};

/// How many priorities before that of the denying policy are tried.
const REACH: i32 = 8;

/// The candidates: a slip in a rule that is asked before, a policy of a higher precedence, or a rule in
/// front of the one that denies.
pub(super) fn candidates(case: &Case<'_, '_>, side: &SideExplanation) -> Vec<Candidate> {
    let denying = side.tiers.iter().filter(|tier| tier.outcome == Outcome::Denies).find_map(|tier| {
        let policy = tier.policies.iter().find(|policy| policy.outcome == Outcome::Denies)?;
        Some((tier.tier, policy))
    });
    let Some((tier, policy)) = denying else { return Vec::new() };
    let asked_before = side.tiers.iter().filter(|told| told.tier == tier).flat_map(|tier| &tier.policies);
    let slips = slip::nearest(asked_before).into_iter().filter(|(_, _, unmet)| unmet.close.is_some());
    let slips = slips.filter_map(|(policy, rule, unmet)| slip::mend(case, policy, rule, unmet));
    let before = priorities(policy);
    let policies = before.filter_map(|priority| new_policy(case, tier, policy.kind, priority));
    slips.chain(policies).chain(new_rule(case, tier, policy)).collect()
}

/// The priorities before that of the denying policy, the nearest first; none where it has none.
fn priorities(policy: &PolicyExplanation) -> impl Iterator<Item = i32> + use<> {
    let priority = policy.priority.unwrap_or_default().clamp(0, 1001);
    (priority.saturating_sub(REACH).max(0)..priority).rev()
}

fn new_policy(case: &Case<'_, '_>, tier: Tier, kind: PolicyKind, priority: i32) -> Option<Candidate> {
    let is_taken = |name: &str| case.cluster.tier_policy(kind, name).is_some();
    let namespace = case.laid.subject.namespace();
    let base = format!("{namespace}-{}", manifest::name(case));
    let rules = (case.direction.field(), json!([manifest::tier_rule(case, kind)?]));
    let spec = [("priority", json!(priority)), ("subject", subject(case)?), rules];
    let tier_field = (kind == PolicyKind::ClusterNetworkPolicy).then(|| ("tier", json!(tier.as_str())));
    let spec = manifest::in_order(spec.into_iter().chain(tier_field));
    let name = manifest::free_name(&base, is_taken);
    let object = manifest::object(kind, None, &name, &spec);
    let text = format!(
        "add this {}: {}, so a rule of tier {} must be asked before it",
        kind.as_str(),
        undoing(tier),
        tier.as_str()
    );
    Some(Candidate { text, change: Change::Create(object.clone()), shown: Some(object) })
}

fn subject(case: &Case<'_, '_>) -> Option<Value> {
    let pod = case.laid.subject;
    Some(json!({"pods": {
        "namespaceSelector": manifest::namespace(pod.namespace()),
        "podSelector": manifest::pods(case.cluster, pod)?,
    }}))
}

/// What cannot help.
const fn undoing(tier: Tier) -> &'static str {
    match tier {
        Tier::Admin => "no NetworkPolicy can undo a Deny of tier Admin",
        Tier::NetworkPolicy | Tier::Baseline => "a NetworkPolicy would isolate the pod from all others",
    }
}

/// A rule in front of the one that denies, for all that the policy is about.
fn new_rule(case: &Case<'_, '_>, tier: Tier, policy: &PolicyExplanation) -> Option<Candidate> {
    let denying = policy.matching.last()?.rule;
    let direction = case.direction.field();
    let rule = manifest::tier_rule(case, policy.kind)?;
    let path = format!("/spec/{direction}/{denying}");
    let operations = json!([{"op": "add", "path": path, "value": rule}]);
    let change = Change::policy(policy.kind, None, &policy.name, operations)?;
    let text = format!(
        "insert this in front of {direction} rule {denying} of {} {}: {}",
        policy.kind.as_str(),
        policy.name,
        undoing(tier)
    );
    Some(Candidate { text, change, shown: Some(rule) })
}

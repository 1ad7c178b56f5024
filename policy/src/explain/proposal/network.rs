//! What may admit a connection that NetworkPolicies deny: a slip mended, a rule widened, a new policy.

use super::{Candidate, Change, labels, manifest, slip};
use crate::{
    Pod, PolicyKind,
    explain::{EndpointKind, NearMiss, PolicyExplanation, SideExplanation, Unmet, case::Case},
    shown::listed,
};
use serde_json::json;
use std::collections::BTreeMap;

/// The candidates, the smallest change first.
pub(super) fn candidates(case: &Case<'_, '_>, side: &SideExplanation) -> Vec<Candidate> {
    let others = side.tiers.iter().filter_map(|tier| tier.others.as_ref());
    let slips = others.flat_map(|others| &others.near).filter_map(|near| mend_subject(case, near));
    let policies = side.tiers.iter().flat_map(|tier| &tier.policies);
    // A cluster-wide policy that misses by a slip was meant to accept; by more, it was not.
    let is_meant =
        |policy: &PolicyExplanation, unmet: &Unmet| policy.priority.is_none() || unmet.close.is_some();
    let rules = slip::nearest(policies).into_iter().filter(|(policy, _, unmet)| is_meant(policy, unmet));
    let rules = rules.filter_map(|(policy, rule, unmet)| slip::mend(case, policy, rule, unmet));
    slips.chain(rules).chain(new_policy(case)).collect()
}

/// A policy that selects nobody because of a slip in its `podSelector`.
fn mend_subject(case: &Case<'_, '_>, near: &NearMiss) -> Option<Candidate> {
    if !(near.selects_nobody && near.would_admit) {
        return None;
    }
    let namespace = case.laid.subject.namespace();
    let policy = case.cluster.network_policy(namespace, &near.policy.name)?;
    let (operations, words) = slip::mend_selector(&json!({"spec": policy.spec}), &near.unmet)?;
    let name = &near.policy.name;
    let change = Change::policy(PolicyKind::NetworkPolicy, Some(namespace), name, operations)?;
    let text = format!("in spec.podSelector of NetworkPolicy {namespace}/{name}, {words}");
    Some(Candidate { text, change, shown: None })
}

/// A policy of its own for this connection.
fn new_policy(case: &Case<'_, '_>) -> Option<Candidate> {
    if case.peer.kind == EndpointKind::Service {
        return None;
    }
    let (subject, direction) = (case.laid.subject, case.direction.field());
    let namespace = subject.namespace();
    let is_taken = |name: &str| case.cluster.network_policy(namespace, name).is_some();
    let name = manifest::free_name(&manifest::name(case), is_taken);
    let labels = subject_labels(case)?;
    let spec = manifest::in_order([
        (direction, json!([manifest::network_policy_rule(case)?])),
        ("podSelector", json!({"matchLabels": labels})),
        ("policyTypes", json!([case.direction.policy_type()])),
    ]);
    let object = manifest::object(PolicyKind::NetworkPolicy, Some(namespace), &name, &spec);
    let text = format!("add this NetworkPolicy{}", remarks(case, &labels));
    Some(Candidate { text, change: Change::Create(object.clone()), shown: Some(object) })
}

/// The fewest labels that tell the subject's workload; all that last where those would isolate a pod
/// that is open now.
fn subject_labels<'a>(case: &Case<'_, 'a>) -> Option<BTreeMap<&'a str, &'a str>> {
    let fewest = labels::distinguishing(case.cluster, case.laid.subject)?.labels;
    let all = labels::all_lasting(case.laid.subject);
    let harms = |labels: &BTreeMap<&str, &str>| !newly_isolated(case, labels).is_empty();
    Some(if harms(&fewest) && !harms(&all) { all } else { fewest })
}

/// The pods that a policy for these labels would isolate and that no policy isolates now.
fn newly_isolated<'a>(case: &Case<'_, 'a>, labels: &BTreeMap<&str, &str>) -> Vec<&'a Pod> {
    let namespace = case.laid.subject.namespace();
    let is_open = |pod: &&Pod| {
        let isolating = case.cluster.isolating(pod, case.direction);
        !isolating.iter().any(|policy| policy.unless.is_none())
    };
    let pods = case.cluster.live_pods().map(|(pod, _)| pod);
    let selected = pods.filter(|pod| pod.namespace() == namespace && labels::has_all(pod, labels));
    selected.filter(is_open).collect()
}

/// What the new policy does beside admitting this connection.
fn remarks(case: &Case<'_, '_>, labels: &BTreeMap<&str, &str>) -> String {
    let pods = [Some(case.laid.subject), case.laid.peer].into_iter().flatten();
    let is_shared = |pod| labels::distinguishing(case.cluster, pod).is_some_and(|chosen| chosen.is_shared);
    let shared: Vec<String> = pods.filter(|pod| is_shared(*pod)).map(Pod::title).collect();
    let shared = (!shared.is_empty())
        .then(|| format!(", though pods of other workloads have the labels of {} too", shared.join(" and ")));
    let isolated: Vec<String> = newly_isolated(case, labels).into_iter().map(Pod::title).collect();
    let isolated = (!isolated.is_empty())
        .then(|| format!(", which isolates pods that are open now: {}", listed(isolated.iter())));
    let is_node = case.laid.peer.is_none() && case.peer.kind == EndpointKind::Node;
    let remarks = [
        (!case.connection.protocol.has_ports())
            .then_some(", which opens every port: NetworkPolicy has no word for ICMP alone"),
        is_node.then_some(", which holds as long as the node keeps its address"),
        shared.as_deref(),
        isolated.as_deref(),
    ];
    remarks.into_iter().flatten().collect()
}

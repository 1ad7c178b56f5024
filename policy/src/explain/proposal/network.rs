//! What may admit a connection that NetworkPolicies deny: a slip mended, a port added, a new policy.

use super::{Candidate, Change, labels, manifest};
use crate::{
    Pod, PolicyKind,
    explain::{
        Condition, EndpointKind, NearMiss, PolicyExplanation, RuleExplanation, SideExplanation, Unmet,
        case::Case, written::word,
    },
};
use serde_json::{Value, json};

/// The candidates, the smallest change first.
pub(super) fn candidates(case: &Case<'_, '_>, side: &SideExplanation) -> Vec<Candidate> {
    let others = side.tiers.iter().filter_map(|tier| tier.others.as_ref());
    let slips = others.flat_map(|others| &others.near).filter_map(|near| mend_subject(case, near));
    let policies = side.tiers.iter().flat_map(|tier| &tier.policies);
    let mut nearest: Vec<(&PolicyExplanation, &RuleExplanation, &Unmet)> = policies
        .filter(|policy| policy.kind == PolicyKind::NetworkPolicy)
        .filter_map(|policy| policy.nearest.as_ref().map(|rule| (policy, rule)))
        .filter_map(|(policy, rule)| match rule.unmet.as_slice() {
            [unmet] => Some((policy, rule, unmet)),
            _ => None,
        })
        .collect();
    nearest.sort_by_key(|(_, _, unmet)| unmet.close.is_none());
    let rules = nearest.into_iter().filter_map(|(policy, rule, unmet)| mend_rule(case, policy, rule, unmet));
    slips.chain(rules).chain(new_policy(case)).collect()
}

/// A policy that selects nobody because of a slip in its `podSelector`.
fn mend_subject(case: &Case<'_, '_>, near: &NearMiss) -> Option<Candidate> {
    if !(near.selects_nobody && near.would_admit) {
        return None;
    }
    let namespace = case.laid.subject.namespace();
    let policy = case.cluster.network_policy(namespace, &near.policy.name)?;
    let (operations, words) = mend_selector(&json!({"spec": policy.spec}), &near.unmet)?;
    let name = &near.policy.name;
    let change = Change::policy(PolicyKind::NetworkPolicy, Some(namespace), name, operations)?;
    let text = format!("in spec.podSelector of NetworkPolicy {namespace}/{name}, {words}");
    Some(Candidate { text, change, shown: None })
}

/// The one condition that a rule lacks.
fn mend_rule(
    case: &Case<'_, '_>,
    policy: &PolicyExplanation,
    rule: &RuleExplanation,
    unmet: &Unmet,
) -> Option<Candidate> {
    match unmet.condition {
        Condition::Port | Condition::Protocol => add_port(case, policy, rule),
        Condition::Pod | Condition::Namespace if unmet.close.is_some() => {
            mend_peer(case, policy, unmet).or_else(|| relabel(case, unmet))
        }
        _ => None,
    }
}

fn add_port(case: &Case<'_, '_>, policy: &PolicyExplanation, rule: &RuleExplanation) -> Option<Candidate> {
    let entry = manifest::network_policy_port(case)?;
    let (port, protocol) = (case.connection.port?, case.connection.protocol);
    let (direction, index, name) = (word(case.direction), rule.rule, &policy.name);
    let namespace = policy.namespace.as_deref()?;
    let path = format!("/spec/{direction}/{index}/ports/-");
    let operations = json!([{"op": "add", "path": path, "value": entry}]);
    let change = Change::policy(policy.kind, Some(namespace), name, operations)?;
    let text =
        format!("add port {port}/{protocol} to {direction} rule {index} of NetworkPolicy {namespace}/{name}");
    Some(Candidate { text, change, shown: None })
}

/// A peer that no pod of the cluster matches, because of a slip in the rule.
fn mend_peer(case: &Case<'_, '_>, policy: &PolicyExplanation, unmet: &Unmet) -> Option<Candidate> {
    if !unmet.matches_nobody {
        return None;
    }
    let namespace = policy.namespace.as_deref()?;
    let spec = &case.cluster.network_policy(namespace, &policy.name)?.spec;
    let (operations, words) = mend_selector(&json!({"spec": spec}), unmet)?;
    let change = Change::policy(policy.kind, Some(namespace), &policy.name, operations)?;
    let text = format!("in {} of NetworkPolicy {namespace}/{}, {words}", unmet.field, policy.name);
    Some(Candidate { text, change, shown: None })
}

/// Puts what the pod has in the place of what `matchLabels` wants.
fn mend_selector(written: &Value, unmet: &Unmet) -> Option<(Value, String)> {
    let (has, wants) = (unmet.has.as_deref()?, unmet.wants.as_deref()?);
    let ((key, value), (wanted, _)) = (has.split_once('=')?, wants.split_once('=')?);
    let labels = format!("{}/matchLabels", pointer(&unmet.field));
    written.pointer(&labels)?.get(wanted)?;
    let at = |key: &str| format!("{labels}/{}", key.replace('~', "~0").replace('/', "~1"));
    let operations = json!([
        {"op": "remove", "path": at(wanted)},
        {"op": "add", "path": at(key), "value": value},
    ]);
    Some((operations, format!("write {has} for {wants}")))
}

/// `/spec/ingress/0/from/1` for `spec.ingress[0].from[1]`.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace('[', ".").replace(']', "").replace('.', "/"))
}

/// A slip on the pod: the wanted label is on other pods.
fn relabel(case: &Case<'_, '_>, unmet: &Unmet) -> Option<Candidate> {
    let pod = case.laid.peer.filter(|_| unmet.condition == Condition::Pod)?;
    let wants = unmet.wants.as_deref()?;
    let (key, value) = wants.split_once('=')?;
    let path = format!("/metadata/labels/{}", key.replace('~', "~0").replace('/', "~1"));
    let operations = json!([{"op": "add", "path": path, "value": value}]);
    let change = Change::Patch {
        kind: "Pod",
        namespace: Some(pod.namespace().to_owned()),
        name: pod.name.as_ref().to_owned(),
        operations: serde_json::from_value(operations).ok()?,
    };
    let workload = case.cluster.workload(pod);
    let template = match workload.kind.as_str() {
        "Pod" => String::new(),
        kind => format!(", in the template of {kind} {}", workload.name),
    };
    let text = format!("give pod {} the label {wants}{template}", pod.title());
    Some(Candidate { text, change, shown: None })
}

/// A policy of its own for this connection.
fn new_policy(case: &Case<'_, '_>) -> Option<Candidate> {
    if case.peer.kind == EndpointKind::Service {
        return None;
    }
    let (subject, direction) = (case.laid.subject, word(case.direction));
    let namespace = subject.namespace();
    let is_taken = |name: &str| case.cluster.network_policy(namespace, name).is_some();
    let name = manifest::free_name(&manifest::name(case), is_taken);
    let types = match direction {
        "egress" => "Egress",
        _ => "Ingress",
    };
    let spec = manifest::in_order([
        (direction, json!([manifest::network_policy_rule(case)?])),
        ("podSelector", manifest::pods(case.cluster, subject)?),
        ("policyTypes", json!([types])),
    ]);
    let object = manifest::object(PolicyKind::NetworkPolicy, Some(namespace), &name, &spec);
    let text = format!("add this NetworkPolicy{}", remarks(case));
    Some(Candidate { text, change: Change::Create(object.clone()), shown: Some(object) })
}

/// What the new policy does beside admitting this connection.
fn remarks(case: &Case<'_, '_>) -> String {
    let pods = [Some(case.laid.subject), case.laid.peer].into_iter().flatten();
    let is_shared = |pod| labels::distinguishing(case.cluster, pod).is_some_and(|chosen| chosen.is_shared);
    let shared: Vec<String> = pods.filter(|pod| is_shared(*pod)).map(Pod::title).collect();
    let shared = (!shared.is_empty())
        .then(|| format!(", though pods of other workloads have the labels of {} too", shared.join(" and ")));
    let is_node = case.laid.peer.is_none() && case.peer.kind == EndpointKind::Node;
    let remarks = [
        (!case.connection.protocol.has_ports())
            .then_some(", which opens every port: NetworkPolicy has no word for ICMP alone"),
        is_node.then_some(", which holds as long as the node keeps its address"),
        shared.as_deref(),
    ];
    remarks.into_iter().flatten().collect()
}

//! A rule that lacks one thing only: a slip in a label mended, or a port added.

use super::{Candidate, Change, ports, written};
use crate::explain::{Condition, PolicyExplanation, RuleExplanation, Unmet, case::Case};
use serde_json::{Value, json};

/// A rule with the one condition that it lacks.
type Lacking<'e> = (&'e PolicyExplanation, &'e RuleExplanation, &'e Unmet);

/// The rules that lack one thing only, slips first.
pub(super) fn nearest<'e>(policies: impl Iterator<Item = &'e PolicyExplanation>) -> Vec<Lacking<'e>> {
    let rules = policies.filter_map(|policy| policy.nearest.as_ref().map(|rule| (policy, rule)));
    let mut lacking: Vec<Lacking<'e>> = rules
        .filter_map(|(policy, rule)| match rule.unmet.as_slice() {
            [unmet] => Some((policy, rule, unmet)),
            _ => None,
        })
        .collect();
    lacking.sort_by_key(|(_, _, unmet)| unmet.close.is_none());
    lacking
}

/// Gives a rule what it lacks.
pub(super) fn mend(
    case: &Case<'_, '_>,
    policy: &PolicyExplanation,
    rule: &RuleExplanation,
    unmet: &Unmet,
) -> Option<Candidate> {
    match unmet.condition {
        Condition::Port | Condition::Protocol => add_port(case, policy, rule, unmet),
        Condition::Pod | Condition::Namespace if unmet.close.is_some() => {
            mend_peer(case, policy, unmet).or_else(|| relabel(case, unmet))
        }
        _ => None,
    }
}

fn add_port(
    case: &Case<'_, '_>,
    policy: &PolicyExplanation,
    rule: &RuleExplanation,
    unmet: &Unmet,
) -> Option<Candidate> {
    let list = pointer(&unmet.field);
    let whose = format!("{} rule {} of {}", case.direction.field(), rule.rule, policy.title());
    let written = written_policy(case, policy)?;
    let (operation, text) = if let Some(dead) = ports::dead(case, &written, &list) {
        let (value, told) = ports::in_place(case, policy.kind, &dead)?;
        let text =
            format!("write port {told} for {} in {whose}: no container has a port of that name", dead.name);
        (json!({"op": "replace", "path": format!("{list}/{}", dead.index), "value": value}), text)
    } else {
        let (port, protocol) = (case.connection.port?, case.connection.protocol);
        let beside = ports::elsewhere(case, &written, &list);
        let beside =
            beside.map_or_else(String::new, |name| format!(", beside {name}, which other pods have"));
        let value = ports::entry(case, policy.kind, port)?;
        let text = format!("add port {port}/{protocol} to {whose}{beside}");
        (json!({"op": "add", "path": format!("{list}/-"), "value": value}), text)
    };
    Some(Candidate { text, change: change(policy, json!([operation]))?, shown: None })
}

fn written_policy(case: &Case<'_, '_>, policy: &PolicyExplanation) -> Option<Value> {
    written(case.cluster, policy.kind.as_str(), policy.namespace.as_deref(), &policy.name)
}

/// A peer that no pod of the cluster matches, because of a slip in the rule.
fn mend_peer(case: &Case<'_, '_>, policy: &PolicyExplanation, unmet: &Unmet) -> Option<Candidate> {
    if !unmet.matches_nobody {
        return None;
    }
    let written = written_policy(case, policy)?;
    let (operations, words) = mend_selector(&written, unmet)?;
    let text = format!("in {} of {}, {words}", unmet.field, policy.title());
    Some(Candidate { text, change: change(policy, operations)?, shown: None })
}

/// Puts what the pod has in the place of what `matchLabels` wants.
pub(super) fn mend_selector(written: &Value, unmet: &Unmet) -> Option<(Value, String)> {
    let (has, wants) = (unmet.has.as_deref()?, unmet.wants.as_deref()?);
    let ((key, value), (wanted, _)) = (has.split_once('=')?, wants.split_once('=')?);
    let labels = format!("{}/matchLabels", pointer(&unmet.field));
    written.pointer(&labels)?.get(wanted)?;
    let operations = json!([
        {"op": "remove", "path": format!("{labels}/{}", escaped(wanted))},
        {"op": "add", "path": format!("{labels}/{}", escaped(key)), "value": value},
    ]);
    Some((operations, format!("write {has} for {wants}")))
}

/// A slip on the pod: the wanted label is on other pods.
fn relabel(case: &Case<'_, '_>, unmet: &Unmet) -> Option<Candidate> {
    let pod = case.laid.peer.filter(|_| unmet.condition == Condition::Pod)?;
    let wants = unmet.wants.as_deref()?;
    let (key, value) = wants.split_once('=')?;
    let path = format!("/metadata/labels/{}", escaped(key));
    let change = Change::Patch {
        kind: "Pod",
        namespace: Some(pod.namespace().to_owned()),
        name: pod.name.as_ref().to_owned(),
        operations: serde_json::from_value(json!([{"op": "add", "path": path, "value": value}])).ok()?,
    };
    let workload = case.cluster.workload(pod);
    let template = match workload.kind.as_str() {
        "Pod" => String::new(),
        kind => format!(", in the template of {kind} {}", workload.name),
    };
    let text = format!("give pod {} the label {wants}{template}", pod.title());
    Some(Candidate { text, change, shown: None })
}

fn change(policy: &PolicyExplanation, operations: Value) -> Option<Change> {
    Change::policy(policy.kind, policy.namespace.as_deref(), &policy.name, operations)
}

/// `/spec/ingress/0/from/1` for `spec.ingress[0].from[1]`.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace('[', ".").replace(']', "").replace('.', "/"))
}

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

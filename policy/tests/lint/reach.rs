//! Rules that are called unreachable can be taken out without changing any decision.

use crate::{
    removal::{addresses, decisions, pods},
    world::{World, select},
};
use portolan_policy::{Code, Finding};
use proptest::{collection::vec, prelude::*, sample::select as one_of};
use serde_json::{Value, json};

const LABELS: [&str; 4] = ["", "app=a", "app=b", "app=a,tier=x"];
const TEAMS: [&str; 3] = ["", "team=a", "team=b"];

fn peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        one_of(TEAMS.as_slice()).prop_map(|team| json!({"namespaces": select(team)})),
        (one_of(TEAMS.as_slice()), one_of(LABELS.as_slice())).prop_map(|(team, labels)| {
            json!({"pods": {"namespaceSelector": select(team), "podSelector": select(labels)}})
        }),
        one_of(vec!["10.0.0.0/8", "10.0.0.0/29", "0.0.0.0/0"]).prop_map(|cidr| json!({"networks": [cidr]})),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let range = (1..6_i32, 1..4_i32)
        .prop_map(|(start, more)| json!({"range": {"start": start, "end": start + more}}));
    let protocol =
        (one_of(vec!["tcp", "udp"]), range).prop_map(|(word, port)| json!({word: {"destinationPort": port}}));
    let action = one_of(vec!["Accept", "Deny", "Pass"]);
    (action, vec(peer(), 1..3), vec(protocol, 0..2)).prop_map(|(action, peers, protocols)| {
        let protocols = if protocols.is_empty() { Value::Null } else { Value::from(protocols) };
        json!({"action": action, "to": peers, "protocols": protocols})
    })
}

fn policy() -> impl Strategy<Value = Value> {
    let subject = (one_of(TEAMS.as_slice()), one_of(LABELS.as_slice())).prop_map(
        |(team, labels)| json!({"pods": {"namespaceSelector": select(team), "podSelector": select(labels)}}),
    );
    let tier = one_of(vec!["Admin", "Admin", "Baseline"]);
    (tier, 0..3_i32, subject, vec(rule(), 1..5)).prop_map(|(tier, priority, subject, rules)| {
        json!({"tier": tier, "priority": priority, "subject": subject, "egress": rules})
    })
}

fn with(specs: &[Value]) -> World {
    let named = specs.iter().enumerate();
    named.fold(pods(), |world, (index, spec)| world.cluster_policy(&format!("c{index}"), spec.clone()))
}

/// The policies without the rules that the findings name.
fn removed(specs: &[Value], findings: &[Finding]) -> World {
    let mut specs = specs.to_vec();
    for (index, spec) in specs.iter_mut().enumerate() {
        let unreachable = |rule: usize| {
            findings.iter().any(|finding| {
                finding.code == Code::UnreachableRule
                    && finding.object.name == format!("c{index}")
                    && finding.field.as_deref() == Some(&format!("spec.egress[{rule}]"))
            })
        };
        let mut rule = 0..;
        spec["egress"].as_array_mut().unwrap().retain(|_| !unreachable(rule.next().unwrap()));
    }
    with(&specs)
}

#[test]
fn an_unreachable_rule_is_taken_out() {
    let to = json!([{"namespaces": {}}]);
    let rules = json!([{"action": "Deny", "to": to}, {"action": "Accept", "to": to}]);
    let specs = [json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": rules})];
    let findings = with(&specs).findings();
    assert_eq!(removed(&specs, &findings).says("unreachable-rule"), Vec::<String>::new());
    assert_eq!(with(&specs).says("unreachable-rule").len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taking_out_what_is_never_reached_changes_no_decision(specs in vec(policy(), 1..4)) {
        let objects = with(&specs).objects();
        let addresses = addresses(&objects);
        let less = removed(&specs, &with(&specs).findings());
        prop_assert_eq!(decisions(objects, &addresses), decisions(less.objects(), &addresses), "{}", with(&specs).all());
    }
}

//! Nothing makes it panic, and the order of the objects changes nothing.

use crate::world::{World, select, world};
use portolan_policy::{Finding, Object, lint};
use proptest::{collection::vec, option, prelude::*, sample::select as one_of, string::string_regex};
use serde_json::{Value, json};

fn word() -> impl Strategy<Value = String> {
    let known =
        vec!["", "app", "web", "a", "10.0.0.0/8", "10.0.0.1/33", "::/0", "In", "Exists", "TCP", "http", "80"];
    prop_oneof![
        12 => one_of(known).prop_map(str::to_owned),
        3 => string_regex("\\PC{0,8}").unwrap(),
        1 => (1..5000_usize).prop_map(|length| "é".repeat(length)),
    ]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![one_of(vec![-1, 0, 1, 53, 65_535, 65_536, i32::MIN, i32::MAX]), any::<i32>()]
}

fn selector() -> impl Strategy<Value = Value> {
    let expression = (word(), word(), option::of(vec(word(), 0..3)))
        .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}));
    let labels = vec((word(), word()), 0..2).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
    });
    (option::of(labels), option::of(vec(expression, 0..2)))
        .prop_map(|(labels, expressions)| json!({"matchLabels": labels, "matchExpressions": expressions}))
}

fn rule() -> impl Strategy<Value = Value> {
    let block =
        (word(), vec(word(), 0..2)).prop_map(|(cidr, except)| json!({"cidr": cidr, "except": except}));
    let peer = (option::of(selector()), option::of(selector()), option::of(block), vec(word(), 0..2))
        .prop_map(|(pods, namespaces, block, words)| {
            json!({"podSelector": pods, "namespaceSelector": namespaces, "ipBlock": block,
                "namespaces": namespaces, "networks": words, "domainNames": words})
        });
    let port = prop_oneof![number().prop_map(Value::from), word().prop_map(Value::from)];
    let port = (option::of(port), option::of(number()), option::of(word()))
        .prop_map(|(port, end, protocol)| json!({"port": port, "endPort": end, "protocol": protocol, "namedPort": protocol}));
    let action = one_of(vec!["Accept", "Allow", "Deny", "Pass", "x"]);
    (vec(peer, 0..3), vec(port, 0..3), action).prop_map(
        |(peers, ports, action)| json!({"from": peers, "to": peers, "ports": ports, "action": action}),
    )
}

fn spec() -> impl Strategy<Value = Value> {
    (selector(), vec(one_of(vec!["Ingress", "Egress", "x"]), 0..3), vec(rule(), 0..3), 0..3_i32).prop_map(
        |(selector, types, rules, priority)| {
            json!({"podSelector": selector, "policyTypes": types, "ingress": rules, "egress": rules,
                "tier": if priority == 0 { "Baseline" } else { "Admin" }, "priority": priority,
                "subject": {"namespaces": selector}})
        },
    )
}

/// A small cluster with the specs as policies of every kind.
fn cluster(specs: &[Value], labels: &[String], ports: &[i32]) -> World {
    let ports = Value::from(
        ports.iter().map(|port| json!({"containerPort": port, "name": "http"})).collect::<Vec<_>>(),
    );
    let mut world = world().namespace("shop", "team=a");
    for (index, value) in labels.iter().enumerate() {
        let name = format!("shop/p{index}");
        world = world.pod_with(&name, "app=web", json!({"hostNetwork": index % 3 == 2}), ports.clone());
        world = world.namespace(&format!("n{index}"), &format!("a={value}"));
    }
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("q{index}");
        world = world.policy(&format!("shop/{name}"), spec.clone()).cluster_policy(&name, spec.clone());
        world = world.admin_policy(&name, spec.clone()).baseline_policy(spec.clone());
    }
    world.policy("shop/web", json!({"podSelector": select("app=web"), "ingress": [{}]}))
}

/// A duplicate's place matters, so only objects of different names are turned round.
fn turned_round(objects: &[Object]) -> Vec<Finding> {
    let mut objects: Vec<_> = objects.to_vec();
    objects.reverse();
    lint(&objects)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_objects_make_it_panic(
        specs in vec(spec(), 0..4),
        labels in vec(word(), 0..4),
        ports in vec(number(), 0..3),
    ) {
        let objects = cluster(&specs, &labels, &ports).objects();
        let findings = lint(&objects);
        prop_assert_eq!(&findings, &lint(&objects));
        for finding in &findings {
            prop_assert!(!finding.to_string().contains('\n'), "{finding}");
            prop_assert!(finding.to_string().len() < 3000, "{finding}");
        }
        if specs.len() < 2 {
            prop_assert_eq!(&findings, &turned_round(&objects));
        }
    }
}

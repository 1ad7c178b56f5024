//! What is called redundant can be taken out, all at once, without changing any decision.

use crate::world::{World, select, world};
use portolan_policy::{Cluster, Code, Connection, Decision, Finding, Object, Protocol, lint};
use proptest::{collection::vec, prelude::*, sample::select as one_of};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};

const LABELS: [&str; 6] = ["", "app=a", "app=b", "tier=x", "app=a,tier=x", "app=b,tier=y"];

fn selector() -> impl Strategy<Value = Value> {
    let expression =
        (one_of(vec!["In", "NotIn", "Exists", "DoesNotExist"]), vec(one_of(vec!["a", "b"]), 1..3));
    let expression = expression.prop_map(|(operator, values)| {
        let values = if operator.ends_with("In") { json!(values) } else { json!([]) };
        json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]})
    });
    prop_oneof![3 => one_of(LABELS.as_slice()).prop_map(select), 1 => expression]
}

fn peer() -> impl Strategy<Value = Value> {
    let namespaces =
        one_of(vec!["", "team=a", "kubernetes.io/metadata.name=shop", "kubernetes.io/metadata.name=dev"]);
    let blocks = vec!["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/29", "0.0.0.0/0"];
    let holes = vec(one_of(vec!["10.0.0.4/30", "10.0.0.0/30", "10.0.0.2/31"]), 0..2);
    prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        (namespaces, selector()).prop_map(
            |(namespaces, pods)| json!({"namespaceSelector": select(namespaces), "podSelector": pods})
        ),
        (one_of(blocks), holes)
            .prop_map(|(cidr, except)| json!({"ipBlock": {"cidr": cidr, "except": except}})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    prop_oneof![
        (1..6_i32, 0..4_i32, one_of(vec!["TCP", "UDP"])).prop_map(
            |(first, more, protocol)| json!({"port": first, "endPort": first + more, "protocol": protocol})
        ),
        one_of(vec!["TCP", "UDP"]).prop_map(|protocol| json!({"protocol": protocol})),
        one_of(vec!["one", "two"]).prop_map(|name| json!({"port": name})),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    (vec(peer(), 0..3), vec(port(), 0..4))
        .prop_map(|(peers, ports)| json!({"from": peers, "to": peers, "ports": ports}))
}

fn policy() -> impl Strategy<Value = Value> {
    let types = one_of(vec![json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"]), json!([])]);
    (selector(), types, vec(rule(), 0..3), vec(rule(), 0..2)).prop_map(|(pods, types, ingress, egress)| {
        json!({"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress})
    })
}

/// Policies of which some say the same, or nearly so.
fn policies() -> impl Strategy<Value = Vec<Value>> {
    let again = vec((any::<prop::sample::Index>(), any::<bool>()), 0..3);
    (vec(policy(), 1..4), again).prop_map(|(mut specs, again)| {
        for (index, with_more) in again {
            let mut spec = specs[index.index(specs.len())].clone();
            if with_more {
                spec["podSelector"] = json!({});
                let rules = spec["ingress"].as_array_mut().unwrap();
                rules.extend(rules.clone());
            }
            specs.push(spec);
        }
        specs
    })
}

pub(crate) fn pods() -> World {
    let ports = json!([{"name": "one", "containerPort": 1}, {"name": "two", "containerPort": 2}]);
    let mut world = world().namespace("shop", "team=a").namespace("dev", "team=b");
    for (index, labels) in LABELS.into_iter().enumerate() {
        world = world.pod_with(&format!("shop/p{index}"), labels, json!({}), ports.clone());
    }
    world.pod("dev/p", "app=a")
}

pub(crate) fn addresses(objects: &[Object]) -> Vec<IpAddr> {
    let ips = objects.iter().filter_map(|object| match object {
        Object::Pod(pod) => pod.status.as_ref()?.pod_ips.as_ref()?.first()?.ip.parse().ok(),
        _ => None,
    });
    ips.chain(["10.0.0.0".parse().unwrap(), "192.0.2.1".parse().unwrap()]).collect()
}

/// Verdicts between all of them, without the names of policies.
pub(crate) fn decisions(objects: Vec<Object>, addresses: &[IpAddr]) -> Vec<Decision> {
    let mut cluster = Cluster::default();
    for object in objects {
        cluster.apply(object).unwrap();
    }
    let mut decisions = Vec::new();
    for (source, destination) in
        addresses.iter().flat_map(|one| addresses.iter().map(move |other| (*one, *other)))
    {
        for (port, protocol) in (1..10).flat_map(|port| [(port, Protocol::Tcp), (port, Protocol::Udp)]) {
            let connection = Connection { source, destination, port: Some(port), protocol };
            let mut decision = cluster.decide(&connection);
            for side in [&mut decision.egress, &mut decision.ingress].map(Arc::make_mut) {
                side.policies.clear();
            }
            decisions.push(decision);
        }
    }
    decisions
}

fn is_redundant(finding: &Finding) -> bool {
    matches!(
        finding.code,
        Code::RedundantPolicy | Code::RedundantRule | Code::RedundantPeer | Code::RedundantPort
    )
}

/// Takes what the findings name out of the policies.
fn removed(specs: &[Value], findings: &[&Finding]) -> World {
    let mut world = pods();
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("n{index}");
        let of_policy: Vec<_> = findings.iter().filter(|finding| finding.object.name == name).collect();
        if of_policy.iter().any(|finding| finding.code == Code::RedundantPolicy) {
            continue;
        }
        let mut spec = spec.clone();
        // Without it the policy would be about less.
        let has_egress = spec["egress"] != json!([]);
        if spec["policyTypes"] == json!([]) {
            spec["policyTypes"] = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        }
        for finding in of_policy {
            mark(&mut spec, finding.field.as_deref().unwrap());
        }
        sweep(&mut spec);
        world = world.policy(&format!("shop/{name}"), spec);
    }
    world
}

/// `spec.ingress[0].from[1]` becomes null.
fn mark(spec: &mut Value, field: &str) {
    let pointer = field.trim_start_matches("spec").replace(['.', '['], "/").replace(']', "");
    if let Some(value) = spec.pointer_mut(&pointer) {
        *value = Value::Null;
    }
}

/// Drops what is null.
fn sweep(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|entry| !entry.is_null());
            list.iter_mut().for_each(sweep);
        }
        Value::Object(map) => map.values_mut().for_each(sweep),
        _ => {}
    }
}

fn with(specs: &[Value]) -> World {
    let mut world = pods();
    for (index, spec) in specs.iter().enumerate() {
        world = world.policy(&format!("shop/n{index}"), spec.clone());
    }
    world
}

#[test]
fn what_is_removed_is_gone() {
    let specs = [json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [],
        "ingress": [{"from": [{"podSelector": {}}, {"podSelector": select("app=a")}]}]})];
    let findings = with(&specs).findings();
    let redundant: Vec<_> = findings.iter().filter(|finding| is_redundant(finding)).collect();
    let objects = removed(&specs, &redundant).objects();
    let Object::NetworkPolicy(policy) = objects.last().unwrap() else { panic!("the policy comes last") };
    let rule = &policy.spec.as_ref().unwrap().ingress.as_ref().unwrap()[0];
    assert_eq!(rule.from.as_ref().unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taking_out_what_is_redundant_changes_no_decision(specs in policies()) {
        let objects = with(&specs).objects();
        let findings = lint(&objects);
        let redundant: Vec<_> = findings.iter().filter(|finding| is_redundant(finding)).collect();
        let less = removed(&specs, &redundant);
        let addresses = addresses(&objects);
        prop_assert_eq!(decisions(objects, &addresses), decisions(less.objects(), &addresses), "{}", with(&specs).all());
    }
}

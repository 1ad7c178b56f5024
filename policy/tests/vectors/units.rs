//! Single pieces of NetworkPolicy, asked through a cluster of one policy and two pods.

use crate::{
    read,
    state::{Evaluators, object},
    units_of_tiers,
};
use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    networking::v1::NetworkPolicy,
};
use portolan_policy::{Connection, Object, Protocol, SideVerdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const SUBJECT: &str = "10.0.0.1";
pub(crate) const PEER: &str = "10.0.0.2";

/// A pod of the cluster.
pub(crate) fn pod(namespace: &str, name: &str, ip: &str, labels: &Value, ports: &Value) -> Object {
    let ports = ports.as_array().cloned().unwrap_or_default().into_iter();
    let ports = ports.map(
        |port| json!({"name": port["name"], "containerPort": port["port"], "protocol": port["protocol"]}),
    );
    object::<Pod>(json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "ports": ports.collect::<Vec<_>>()}]},
        "status": {"podIPs": [{"ip": ip}]},
    }))
}

/// The pod of a case under an address, and its namespace.
pub(crate) fn pod_of(case: &Value, ip: &str) -> [Object; 2] {
    let pod = &case["pod"];
    let namespace = pod["namespace"].as_str().unwrap();
    [
        object::<Namespace>(json!({"metadata": {"name": namespace, "labels": pod["namespace_labels"]}})),
        self::pod(namespace, pod["name"].as_str().unwrap(), ip, &pod["labels"], &Value::Null),
    ]
}

/// A subject, and a peer with the container ports of the case where it has any.
pub(crate) fn ends(case: &Value) -> Vec<Object> {
    let subject = pod("ns", "subject", SUBJECT, &Value::Null, &Value::Null);
    let has_pod = !case["pod_ports"].is_null();
    let peer = has_pod.then(|| pod("ns", "peer", PEER, &Value::Null, &case["pod_ports"]));
    [Some(subject), peer].into_iter().flatten().collect()
}

/// Whether the egress side of subject → destination has the verdict, as the case expects.
pub(crate) fn expect(case: &Value, objects: Vec<Object>, destination: &str, verdict: SideVerdict) {
    let protocol = case["protocol"].as_str().unwrap_or("TCP");
    let decision = Evaluators::of(objects).decide(&Connection {
        source: SUBJECT.parse().unwrap(),
        destination: destination.parse().unwrap(),
        port: case["port"].as_u64().map(|port| port as u16),
        protocol: protocol.parse::<Protocol>().unwrap(),
    });
    let expected = case["expect"].as_bool().unwrap();
    assert_eq!(decision.egress.verdict == verdict, expected, "{case}: {decision:?}");
}

fn with_policy(mut objects: Vec<Object>, namespace: &str, spec: &Value) -> Vec<Object> {
    objects.push(object::<NetworkPolicy>(
        json!({"metadata": {"namespace": namespace, "name": "unit"}, "spec": spec}),
    ));
    objects
}

/// A selector selects the pod iff a policy with it isolates the pod. No selector at all is no peer,
/// and so matches nobody.
fn check_label_selector(case: &Value) {
    if case["selector"].is_null() {
        let spec = json!({"policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": null}]}]});
        let objects = [SUBJECT, PEER].map(|ip| pod("ns", ip, ip, &case["labels"], &Value::Null));
        return expect(case, with_policy(objects.into(), "ns", &spec), PEER, SideVerdict::Admitted);
    }
    let spec = json!({"policyTypes": ["Egress"], "podSelector": case["selector"]});
    let subject = pod("ns", "subject", SUBJECT, &case["labels"], &Value::Null);
    expect(case, with_policy(vec![subject], "ns", &spec), PEER, SideVerdict::Denied);
}

fn check_ports(case: &Value) {
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"ports": case["ports"]}]});
    expect(case, with_policy(ends(case), "ns", &spec), PEER, SideVerdict::Admitted);
}

fn check_peer(case: &Value) {
    let namespace = case["policy_namespace"].as_str().unwrap();
    let subject = pod(namespace, "subject", SUBJECT, &Value::Null, &Value::Null);
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"to": [case["peer"]]}]});
    let objects = [vec![subject], pod_of(case, PEER).into()].concat();
    expect(case, with_policy(objects, namespace, &spec), PEER, SideVerdict::Admitted);
}

fn check_ip_block(case: &Value) {
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": case["ipBlock"]}]}]});
    let subject = pod("ns", "subject", SUBJECT, &Value::Null, &Value::Null);
    let ip = case["ip"].as_str().unwrap();
    expect(case, with_policy(vec![subject], "ns", &spec), ip, SideVerdict::Admitted);
}

#[test]
fn the_pieces_of_all_kinds_agree() {
    let Some(cases) = read::<Value>("kube-network-policies-units.json") else { return };
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        let kind = case["kind"].as_str().unwrap();
        match kind {
            "label-selector" => check_label_selector(case),
            "v1-ports" => check_ports(case),
            "v1-peer" => check_peer(case),
            "v1-ipblock" => check_ip_block(case),
            "cnp-protocols" => units_of_tiers::check_protocols(case),
            "cnp-port" => units_of_tiers::check_port(case),
            "anp-ports" => units_of_tiers::check_admin_ports(case),
            "anp-subject" => units_of_tiers::check_subject(case),
            other => panic!("a unit of kind {other}"),
        }
        *checked.entry(kind).or_default() += 1;
    }
    let expected = [
        ("anp-ports", 8),
        ("anp-subject", 9),
        ("cnp-port", 8),
        ("cnp-protocols", 17),
        ("label-selector", 23),
        ("v1-ipblock", 4),
        ("v1-peer", 10),
        ("v1-ports", 11),
    ];
    assert_eq!(checked.into_iter().collect::<Vec<_>>(), expected);
}

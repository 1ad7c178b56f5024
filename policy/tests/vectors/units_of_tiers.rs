//! Single pieces of the cluster-wide policies, asked through one policy of the Admin tier.

use crate::{
    state::object,
    units::{PEER, SUBJECT, ends, expect, pod_of},
};
use portolan_policy::{
    Object, SideVerdict,
    api::{v1alpha1::AdminNetworkPolicy, v1alpha2::ClusterNetworkPolicy},
};
use serde_json::{Value, json};

/// Anybody, pod or not.
fn anybody() -> Value {
    json!([{"namespaces": {}}, {"networks": ["0.0.0.0/0"]}])
}

fn cluster_policy(protocols: &Value) -> Object {
    object::<ClusterNetworkPolicy>(json!({
        "metadata": {"name": "unit"},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {}},
            "egress": [{"action": "Accept", "to": anybody(), "protocols": protocols}],
        },
    }))
}

fn admin_policy(subject: &Value, rule: &Value) -> Object {
    object::<AdminNetworkPolicy>(json!({
        "metadata": {"name": "unit"},
        "spec": {"priority": 1, "subject": subject, "egress": [rule]},
    }))
}

pub(crate) fn check_protocols(case: &Value) {
    let objects = [ends(case), vec![cluster_policy(&case["protocols"])]].concat();
    expect(case, objects, PEER, SideVerdict::Admitted);
}

pub(crate) fn check_port(case: &Value) {
    let protocols = json!([{"tcp": {"destinationPort": case["destinationPort"]}}]);
    let objects = [ends(case), vec![cluster_policy(&protocols)]].concat();
    expect(case, objects, PEER, SideVerdict::Admitted);
}

pub(crate) fn check_admin_ports(case: &Value) {
    let rule = json!({"action": "Allow", "to": anybody(), "ports": case["ports"]});
    let objects = [ends(case), vec![admin_policy(&json!({"namespaces": {}}), &rule)]].concat();
    expect(case, objects, PEER, SideVerdict::Admitted);
}

/// A policy is about the pod iff it denies its connections.
pub(crate) fn check_subject(case: &Value) {
    let rule = json!({"action": "Deny", "to": anybody()});
    let objects = [pod_of(case, SUBJECT).to_vec(), vec![admin_policy(&case["subject"], &rule)]].concat();
    expect(case, objects, PEER, SideVerdict::Denied);
}

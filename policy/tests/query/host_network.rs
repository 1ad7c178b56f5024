//! Host-network pods that are asked about by name.

use crate::cluster_of;
use portolan_policy::{Explanation, Protocol, Query, SideVerdict};

/// Two nodes that report one address, host-network pods on both, and a pod on the first that nobody
/// is admitted to.
const TWO_NODES_OF_ONE_ADDRESS: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: sys, name: agent}
spec: {nodeName: n1, hostNetwork: true, containers: []}
status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: sys, name: twin}
spec: {nodeName: n2, hostNetwork: true, containers: []}
status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: sys, name: homeless}
spec: {hostNetwork: true, containers: []}
status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db}
spec: {nodeName: n1, containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: deny}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

fn explain(manifests: &str, from: &str, to: &str) -> Explanation {
    let query = Query {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        port: Some(5432),
        protocol: Protocol::Tcp,
        family: None,
    };
    let cluster = cluster_of(manifests);
    let explanation = query.explain(&cluster).unwrap();
    let answer = query.answer(&cluster).unwrap();
    assert_eq!(answer.ingress.verdict, explanation.ingress.verdict, "{from} -> {to}");
    assert_eq!(answer.egress.verdict, explanation.egress.verdict, "{from} -> {to}");
    explanation
}

#[test]
fn a_host_network_pod_that_is_named_is_on_its_own_node_whichever_node_claims_its_address() {
    let ingress = |from| explain(TWO_NODES_OF_ONE_ADDRESS, from, "shop/db").ingress;
    assert_eq!(ingress("sys/agent").verdict, SideVerdict::NotApplicable);
    assert_eq!(ingress("sys/twin").verdict, SideVerdict::Denied);
    for nobody_knows in ["192.0.2.1", "sys/homeless"] {
        assert_eq!(
            ingress(nobody_knows).reason.as_deref(),
            Some("several nodes claim the address 192.0.2.1"),
            "{nobody_knows}"
        );
    }
}

#[test]
fn a_host_network_pod_that_is_named_is_told_by_its_name() {
    let told = |from, to| explain(TWO_NODES_OF_ONE_ADDRESS, from, to).answer;
    assert_eq!(
        told("sys/agent", "shop/db"),
        "sys/agent (host network of node n1, 192.0.2.1) -> shop/db, 5432/TCP: allowed"
    );
    assert_eq!(
        told("shop/db", "sys/twin"),
        "shop/db -> sys/twin (host network of node n2, 192.0.2.1), 5432/TCP: denied at egress"
    );
}

#[test]
fn of_several_host_network_pods_of_a_node_the_one_that_is_named_is_told() {
    let one_node = TWO_NODES_OF_ONE_ADDRESS.replace("n2", "n1");
    assert_eq!(
        explain(&one_node, "sys/twin", "shop/db").answer,
        "sys/twin (host network of node n1, 192.0.2.1) -> shop/db, 5432/TCP: allowed"
    );
    assert_eq!(
        explain(&one_node, "192.0.2.1", "shop/db").answer,
        "node n1 (192.0.2.1) -> shop/db, 5432/TCP: allowed"
    );
}

#[test]
fn two_host_network_pods_of_one_address_are_no_matter_for_policies() {
    let told = explain(TWO_NODES_OF_ONE_ADDRESS, "sys/agent", "sys/twin");
    assert_eq!(told.allowed, Some(true));
    assert_eq!(told.egress.verdict, SideVerdict::NotApplicable);
    assert!(told.to_string().contains("the pod shares the network of its node"), "{told}");
}

//! Nodes and host-network pods (N24, N32–N35).

use crate::world::{World, pod, say, world};
use portolan_policy::{Connection, Protocol, explain_between};
use serde_json::json;

/// Web on n1, isolated both ways; two nodes, host-network pods on both.
fn nodes() -> World {
    world()
        .namespace("shop", "")
        .namespace("kube-system", "")
        .node("n1", &["192.0.2.1", "2001:db8::1"])
        .node("n2", &["192.0.2.2"])
        .pod(pod("shop/web").ip("10.0.1.1").ip("fd00::1").on("n1").label("app=web"))
        .pod(pod("kube-system/proxy-1").ip("192.0.2.1").on("n1").host_network().label("app=proxy"))
        .pod(pod("kube-system/proxy-2").ip("192.0.2.2").on("n2").host_network().label("app=proxy"))
        .policy("shop/deny", json!({"policyTypes": ["Ingress", "Egress"]}))
}

#[test]
fn ingress_from_the_pods_own_node_is_exempt_in_both_families() {
    for question in ["192.0.2.1 -> shop/web on 80/tcp", "2001:db8::1 -> fd00::1 on 80/tcp"] {
        assert_eq!(nodes().ingress(question), "not-applicable", "{question}");
        assert_eq!(nodes().decide(question).admits(), Some(true), "{question}");
    }
}

#[test]
fn ingress_from_another_node_is_not_exempt() {
    assert_eq!(nodes().ingress("192.0.2.2 -> shop/web on 80/tcp"), "denied by shop/deny");
}

#[test]
fn the_kubelet_may_come_from_an_address_that_only_the_agent_knows() {
    let from_bridge = "10.0.1.254 -> shop/web on 80/tcp";
    assert_eq!(nodes().ingress(from_bridge), "denied by shop/deny");
    let told = nodes().node_also_has("n1", &["10.0.1.254"]);
    assert_eq!(told.ingress(from_bridge), "not-applicable");
    let told_of_the_other = nodes().node_also_has("n2", &["10.0.1.254"]);
    assert_eq!(told_of_the_other.ingress(from_bridge), "denied by shop/deny");
}

#[test]
fn a_gateway_that_every_node_has_is_local_to_each() {
    let world = nodes().node_also_has("n1", &["169.254.1.1"]).node_also_has("n2", &["169.254.1.1"]);
    assert_eq!(world.ingress("169.254.1.1 -> shop/web on 80/tcp"), "not-applicable");
}

#[test]
fn egress_to_the_own_node_is_not_exempt() {
    assert_eq!(nodes().egress("shop/web -> 192.0.2.1 on 10250/tcp"), "denied by shop/deny");
    assert_eq!(nodes().ingress("shop/web -> 192.0.2.1 on 10250/tcp"), "not-applicable");
}

#[test]
fn a_host_network_pod_on_the_own_node_is_the_own_node() {
    assert_eq!(nodes().ingress("kube-system/proxy-1 -> shop/web on 80/tcp"), "not-applicable");
    assert_eq!(nodes().ingress("kube-system/proxy-2 -> shop/web on 80/tcp"), "denied by shop/deny");
}

#[test]
fn a_host_network_pod_makes_its_address_the_nodes_even_without_the_node_object() {
    let world = world()
        .pod(pod("shop/web").ip("10.0.1.1").on("n1"))
        .pod(pod("kube-system/proxy").ip("192.0.2.1").on("n1").host_network())
        .policy("shop/deny", json!({}));
    assert_eq!(world.ingress("192.0.2.1 -> shop/web on 80/tcp"), "not-applicable");
}

#[test]
fn a_host_network_pod_is_never_a_subject() {
    let world = nodes().policy("kube-system/deny", json!({"policyTypes": ["Ingress", "Egress"]}));
    let question = "kube-system/proxy-2 -> shop/web on 80/tcp";
    assert_eq!(world.egress(question), "not-applicable");
    assert_eq!(world.ingress("198.51.100.1 -> kube-system/proxy-2 on 80/tcp"), "not-applicable");
}

#[test]
fn no_selector_matches_a_host_network_pod_but_a_block_does() {
    let from = |peer| json!({"ingress": [{"from": [peer]}]});
    let question = "kube-system/proxy-2 -> shop/web on 80/tcp";
    let all_pods = nodes().policy("shop/allow", from(json!({"namespaceSelector": {}})));
    assert_eq!(all_pods.ingress(question), "denied by shop/allow, shop/deny");
    let both = nodes().policy("shop/allow", from(json!({"namespaceSelector": {}, "podSelector": {}})));
    assert_eq!(both.ingress(question), "denied by shop/allow, shop/deny");
    let block = nodes().policy("shop/allow", from(json!({"ipBlock": {"cidr": "192.0.2.0/24"}})));
    assert_eq!(block.ingress(question), "admitted by shop/allow[0]");
}

#[test]
fn a_host_network_pod_has_no_named_ports() {
    let proxy =
        pod("kube-system/api").ip("192.0.2.2").on("n2").host_network().named_port("https", 6443, None);
    let world = nodes()
        .pod(proxy)
        .policy("shop/out", json!({"policyTypes": ["Egress"], "egress": [{"ports": [{"port": "https"}]}]}));
    assert_eq!(world.egress("shop/web -> 192.0.2.2 on 6443/tcp"), "denied by shop/deny, shop/out");
}

#[test]
fn a_masqueraded_client_counts_as_the_node_it_comes_from() {
    // What a NodePort hides behind the node's address is seen as the node, exempt only on its own.
    assert_eq!(nodes().ingress("192.0.2.1 -> shop/web on 8080/tcp"), "not-applicable");
    assert_eq!(nodes().ingress("192.0.2.2 -> shop/web on 8080/tcp"), "denied by shop/deny");
}

#[test]
fn a_node_whose_labels_are_not_known_is_named() {
    let world = world()
        .namespace("shop", "")
        .pod(pod("shop/web").ip("10.0.1.1"))
        .pod(pod("kube-system/proxy").ip("192.0.2.9").on("n9").host_network())
        .cluster_policy(
            "edge",
            json!({
                "tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
                "egress": [{"action": "Deny", "to": [{"nodes": {"matchLabels": {"zone": "edge"}}}]}],
            }),
        );
    assert_eq!(
        world.egress("shop/web -> 192.0.2.9 on 80/tcp"),
        "undecidable: the labels of node n9 are not known; add its Node object"
    );
}

/// What stands on the ingress side of `shop/web` from a host-network pod that is asked for by name,
/// and how the question is told.
fn from_named(world: &World, namespace: &str, name: &str) -> (String, String) {
    let source = world.cluster.pod(namespace, name).unwrap();
    let connection = Connection {
        source: source.ips[0],
        destination: "10.0.1.1".parse().unwrap(),
        port: Some(80),
        protocol: Protocol::Tcp,
    };
    let decision = world.cluster.decide_between(&connection, Some(source), None);
    let told = explain_between(&world.cluster, &connection, Some(source), None);
    assert_eq!(told.ingress.verdict, decision.ingress.verdict);
    (say(&decision.ingress), told.source.to_string())
}

#[test]
fn a_named_host_network_pod_whose_node_is_not_known_may_be_on_any() {
    let homeless = || pod("kube-system/lost").ip("192.0.2.9").host_network();
    let (side, told) = from_named(&nodes().pod(homeless()), "kube-system", "lost");
    assert_eq!(side, "undecidable: the node of pod kube-system/lost is not known");
    assert_eq!(told, "kube-system/lost (host network of a node that is not known, 192.0.2.9)");

    // It does not matter where the pod is not isolated, or admits it from wherever it comes.
    let open = nodes().policy("shop/deny", json!({"policyTypes": ["Egress"]}));
    assert_eq!(from_named(&open.pod(homeless()), "kube-system", "lost").0, "not-isolated");
    let admitting = nodes().pod(homeless()).policy("shop/any", json!({"ingress": [{}]}));
    assert_eq!(from_named(&admitting, "kube-system", "lost").0, "admitted by shop/any[0]");
}

#[test]
fn the_node_that_holds_its_address_is_its_node() {
    let at = |ip| nodes().pod(pod("kube-system/lost").ip(ip).host_network());
    let (side, told) = from_named(&at("2001:db8::1"), "kube-system", "lost");
    assert_eq!(told, "kube-system/lost (host network of node n1, 2001:db8::1)");
    assert_eq!(side, "not-applicable");
    assert_eq!(from_named(&at("192.0.2.2"), "kube-system", "lost").0, "denied by shop/deny");
}

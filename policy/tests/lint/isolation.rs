//! Default deny, and DNS.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("kube-system", "")
        .pod("shop/web", "app=web")
        .pod("shop/db", "app=db")
        .pod("kube-system/coredns", "k8s-app=kube-dns")
}

#[test]
fn a_namespace_with_pods_that_nothing_isolates() {
    let world = shop().policy("shop/db", json!({"podSelector": select("app=db")}));
    let world = world.has(
        "no-default-deny-ingress",
        "Namespace shop: no policy isolates 1 of its 2 pods in ingress, such as shop/web; add a NetworkPolicy with \
         `podSelector: {}` and `policyTypes: [Ingress]`",
    );
    world.has("no-default-deny-egress", "Namespace shop: no policy isolates its pods in egress");
}

#[test]
fn a_default_deny_or_policies_for_all_pods_are_enough() {
    let both = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    shop().policy("shop/deny", both).has_no("no-default-deny-ingress").has_no("no-default-deny-egress");
    let world = shop().policy("shop/a", json!({"podSelector": select("app=db")}));
    world.policy("shop/b", json!({"podSelector": select("app=web")})).has_no("no-default-deny-ingress");
}

#[test]
fn a_cluster_wide_deny_is_a_default_deny_too() {
    let deny = |tier: &str| {
        json!({"tier": tier, "priority": 1, "subject": {"namespaces": {}},
            "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]})
    };
    shop().cluster_policy("deny", deny("Baseline")).has_no("no-default-deny-ingress");
    shop().cluster_policy("deny", deny("Admin")).has_no("no-default-deny-ingress");
    shop()
        .baseline_policy(json!({"subject": {"namespaces": select("a=b")},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]}))
        .has("no-default-deny-ingress", "Namespace shop");
}

#[test]
fn a_namespace_without_pods_of_the_pod_network_needs_none() {
    world().namespace("empty", "").has_no("no-default-deny-ingress");
    world().host_pod("shop/agent", "").has_no("no-default-deny-ingress");
}

fn egress(rules: Value) -> World {
    shop().policy(
        "shop/web",
        json!({"podSelector": select("app=web"), "policyTypes": ["Egress"], "egress": rules}),
    )
}

fn to_db() -> Value {
    json!({"to": [{"podSelector": select("app=db")}], "ports": [{"port": 5432}]})
}

#[test]
fn pods_that_may_reach_others_but_not_ask_for_their_names() {
    egress(json!([to_db()])).has(
        "dns-forgotten",
        "NetworkPolicy shop/web: isolates 1 pods in egress, and no rule admits 53/UDP to the cluster's DNS; \
         pods such as shop/web may fail to look names up; admit 53/UDP and 53/TCP",
    );
}

#[test]
fn dns_to_the_wrong_pods_or_over_tcp_only_is_not_enough() {
    let wrong = json!({"to": [{"podSelector": {}}], "ports": [{"port": 53, "protocol": "UDP"}]});
    egress(json!([to_db(), wrong])).has("dns-forgotten", "NetworkPolicy shop/web");
    let tcp = json!({"ports": [{"port": 53}]});
    egress(json!([to_db(), tcp])).has("dns-forgotten", "NetworkPolicy shop/web");
}

#[test]
fn whoever_may_be_the_dns_is_enough() {
    let udp = json!([{"port": 53, "protocol": "UDP"}]);
    for rule in [
        json!({}),
        json!({"ports": udp}),
        json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": udp}),
        json!({"to": [{"namespaceSelector": {}, "podSelector": select("k8s-app=kube-dns")}], "ports": udp}),
        json!({"to": [{"namespaceSelector": select("kubernetes.io/metadata.name=kube-system")}]}),
        json!({"to": [{"namespaceSelector": {}}], "ports": [{"port": "dns", "protocol": "UDP"}]}),
    ] {
        egress(json!([to_db(), rule])).has_no("dns-forgotten");
    }
    // Another policy may admit it.
    let deny = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": udp}]});
    egress(json!([to_db()])).policy("shop/dns", deny).has_no("dns-forgotten");
    // So may an Admin policy.
    let admin = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "egress": [{"action": "Accept", "to": [{"namespaces": {}}]}]});
    egress(json!([to_db()])).cluster_policy("dns", admin).has_no("dns-forgotten");
}

#[test]
fn pods_that_may_reach_nobody_or_blocks_only_need_no_names() {
    egress(json!([])).has_no("dns-forgotten");
    egress(json!([{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]))
        .has_no("dns-forgotten");
}

#[test]
fn a_dns_that_listens_elsewhere_is_asked_there() {
    let world =
        world().namespace("shop", "").namespace("kube-system", "").pod("shop/web", "app=web").pod_with(
            "kube-system/dns",
            "k8s-app=kube-dns",
            json!({}),
            json!([{"containerPort": 1053, "protocol": "UDP"}]),
        );
    let to = json!([{"namespaceSelector": {}, "podSelector": select("k8s-app=kube-dns")}]);
    let rule = |port: u16| json!([{"to": to, "ports": [{"port": port, "protocol": "UDP"}]}]);
    let spec = |port: u16| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rule(port)});
    world.clone().policy("shop/p", spec(1053)).has_no("dns-forgotten");
    world.policy("shop/p", spec(1054)).has("dns-forgotten", "NetworkPolicy shop/p");
}

#[test]
fn where_the_dns_is_not_known_any_port_53_is_enough() {
    let world = world().namespace("shop", "").pod("shop/web", "app=web").pod("shop/db", "app=db");
    let rule = json!({"to": [{"podSelector": select("app=db")}], "ports": [{"port": 53, "protocol": "UDP"}]});
    let spec = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]});
    world.policy("shop/p", spec).has_no("dns-forgotten");
}

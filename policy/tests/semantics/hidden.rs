//! Services of which nobody knows what stands behind them: what holds whoever that is (U2, N36).

use crate::world::{World, labelled, object, pod, world};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

const DIAL: &str = "dev/curl -> 10.96.0.3 on 80/tcp";
const MISSING: &str = "undecidable: what stands behind service shop/bare is not known; add the EndpointSlice \
                       with the label kubernetes.io/service-name=bare in namespace shop";
const MISSING_IPV6: &str = "undecidable: what stands behind service shop/bare is not known; add the \
                            EndpointSlice of addressType IPv6 with the label \
                            kubernetes.io/service-name=bare in namespace shop";

/// A service of both families without any slice, on a NodePort too.
fn bare() -> World {
    let spec = json!({"clusterIPs": ["10.96.0.3", "fd96::3"], "selector": {"app": "web"},
        "ports": [{"port": 80, "nodePort": 30083}]});
    world()
        .namespace("shop", "")
        .namespace("dev", "team=dev")
        .node("n1", &["192.0.2.1"])
        .pod(pod("shop/web").ip("10.0.0.1").ip("fd00::1").label("app=web"))
        .pod(pod("dev/curl").ip("10.0.1.1").ip("fd00::2"))
        .service("shop/bare", spec)
}

/// The egress side of a pod with these egress rules.
fn egress(rules: Value) -> String {
    bare().policy("dev/p", json!({"policyTypes": ["Egress"], "egress": rules})).egress(DIAL)
}

/// One rule of a ClusterNetworkPolicy about the pods of dev.
fn wide(tier: &str, direction: &str, rule: Value) -> World {
    let subject = json!({"namespaces": labelled("team=dev")});
    let mut spec = json!({"tier": tier, "priority": 1, "subject": subject});
    spec[direction] = json!([rule]);
    bare().cluster_policy("wide", spec)
}

#[test]
fn a_service_without_any_slice_is_a_missing_fact_at_each_of_its_addresses() {
    let rules = json!([{"to": [{"podSelector": {}}]}]);
    let world = bare()
        .policy("dev/p", json!({"policyTypes": ["Egress"], "egress": rules}))
        .policy("shop/deny", json!({}));
    let none = || world.clone().endpoints("shop/bare", 8080, &[]);
    for dial in [DIAL, "dev/curl -> 10.96.0.3 on tcp", "dev/curl -> 192.0.2.1 on 30083/tcp"] {
        assert_eq!(world.egress(dial), MISSING, "{dial}");
        assert_eq!(world.ingress(dial), MISSING, "{dial}");
        // An empty slice is no missing fact.
        assert_eq!(none().egress(dial), "denied by dev/p", "{dial}");
        assert_eq!(none().ingress(dial), "not-applicable", "{dial}");
    }
    assert_eq!(world.egress("198.51.100.1 -> 10.96.0.3 on 80/tcp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.3 on 81/tcp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 192.0.2.1 on 80/tcp"), "not-applicable");
}

#[test]
fn egress_that_admits_nobody_or_everybody_is_certain() {
    assert_eq!(bare().egress(DIAL), "not-isolated");
    assert_eq!(bare().policy("shop/deny", json!({"policyTypes": ["Egress"]})).egress(DIAL), "not-isolated");
    assert_eq!(egress(json!([])), "denied by dev/p");
    assert_eq!(egress(json!([{}])), "admitted by dev/p[0]");
    assert_eq!(egress(json!([{"to": []}])), "admitted by dev/p[0]");
    assert_eq!(egress(json!([{"to": [{"podSelector": {}}]}, {}])), "admitted by dev/p[1]");
    assert_eq!(bare().policy("dev/p", json!({"policyTypes": ["Egress"]})).decide(DIAL).admits(), Some(false));
}

#[test]
fn of_the_port_behind_only_the_protocol_is_known() {
    let on = |ports: Value| egress(json!([{"ports": [ports]}]));
    assert_eq!(on(json!({"protocol": "TCP"})), "admitted by dev/p[0]");
    assert_eq!(on(json!({"port": 1, "endPort": 65535})), "admitted by dev/p[0]");
    assert_eq!(on(json!({"protocol": "UDP"})), "denied by dev/p");
    assert_eq!(on(json!({"protocol": "UDP", "port": 80})), "denied by dev/p");
    assert_eq!(on(json!({"protocol": "UDP", "port": "http"})), "denied by dev/p");
    for unknown in [json!({"port": 80}), json!({"port": 2, "endPort": 65535}), json!({"port": "http"})] {
        assert_eq!(on(unknown.clone()), MISSING, "{unknown}");
    }
}

#[test]
fn of_the_peer_behind_only_the_family_is_known() {
    let to = |peer: Value| egress(json!([{"to": [peer]}]));
    assert_eq!(to(json!({"ipBlock": {"cidr": "0.0.0.0/0"}})), "admitted by dev/p[0]");
    assert_eq!(to(json!({"ipBlock": {"cidr": "::/0"}})), "denied by dev/p");
    assert_eq!(to(json!({"ipBlock": {"cidr": "fd00::/8"}})), "denied by dev/p");
    // What the API would reject is nobody.
    assert_eq!(to(json!({})), "denied by dev/p");
    let invalid = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": []}]});
    assert_eq!(to(json!({"podSelector": invalid})), "denied by dev/p");
    for unknown in [
        json!({"podSelector": {}}),
        json!({"namespaceSelector": {}}),
        json!({"namespaceSelector": {}, "podSelector": labelled("app=none")}),
        json!({"ipBlock": {"cidr": "10.0.0.0/8"}}),
        json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}),
    ] {
        assert_eq!(to(unknown.clone()), MISSING, "{unknown}");
    }
}

#[test]
fn rules_of_cluster_wide_policies_are_certain_or_unknown_likewise() {
    let to =
        |action: &str, to: Value| wide("Admin", "egress", json!({"action": action, "to": to})).egress(DIAL);
    assert_eq!(to("Deny", json!([{"networks": ["0.0.0.0/0"]}])), "denied by wide");
    assert_eq!(to("Accept", json!([{"networks": ["0.0.0.0/0"]}])), "admitted by wide[0]");
    assert_eq!(to("Deny", json!([{"networks": ["::/0"]}])), "not-isolated");
    assert_eq!(to("Deny", json!([])), "not-isolated");
    // An Accept that may not match leads to the same, since nothing denies.
    assert_eq!(to("Accept", json!([{"namespaces": {}}])), "admitted by wide[0]");
    // Of no known form: it fails closed (C17).
    assert_eq!(to("Deny", json!([{"anybody": {}}])), "denied by wide");
    for unknown in [json!({"namespaces": {}}), json!({"nodes": {}}), json!({"networks": ["10.0.0.0/8"]})] {
        assert_eq!(to("Deny", json!([unknown.clone()])), MISSING, "{unknown}");
    }
    let baseline = json!({"action": "Deny", "to": [{"namespaces": {}}]});
    assert_eq!(wide("Baseline", "egress", baseline).egress(DIAL), MISSING);
}

#[test]
fn ingress_is_open_only_where_a_policy_selects_a_live_pod() {
    let in_shop = |selector: &str| bare().policy("shop/p", json!({"podSelector": labelled(selector)}));
    assert_eq!(bare().ingress(DIAL), "not-applicable");
    assert_eq!(in_shop("app=web").ingress(DIAL), MISSING);
    assert_eq!(in_shop("app=none").ingress(DIAL), "not-applicable");
    assert_eq!(bare().policy("shop/p", json!({"policyTypes": ["Egress"]})).ingress(DIAL), "not-applicable");
    let done = pod("shop/done").ip("10.0.0.9").label("app=none").phase("Succeeded");
    assert_eq!(in_shop("app=none").pod(done).ingress(DIAL), "not-applicable");
    let host = pod("shop/host").ip("192.0.2.1").on("n1").label("app=none").host_network();
    assert_eq!(in_shop("app=none").pod(host).ingress(DIAL), "not-applicable");
    let starting = pod("shop/starting").label("app=none");
    assert_eq!(in_shop("app=none").pod(starting).ingress(DIAL), MISSING);
    let from = json!({"action": "Deny", "from": [{"namespaces": {}}]});
    for tier in ["Admin", "Baseline"] {
        assert_eq!(wide(tier, "ingress", from.clone()).ingress(DIAL), MISSING, "{tier}");
    }
    assert_eq!(wide("Admin", "egress", json!({"action": "Deny", "to": []})).ingress(DIAL), "not-applicable");
}

#[test]
fn a_slice_of_one_family_says_nothing_about_the_other() {
    const IPV6: &str = "fd00::2 -> fd96::3 on 80/tcp";
    let slice = |family: &str, ips: &[&str]| {
        object::<EndpointSlice>(json!({
            "metadata": {
                "namespace": "shop",
                "name": format!("bare-{family}"),
                "labels": {"kubernetes.io/service-name": "bare"},
            },
            "addressType": family,
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": ips}],
        }))
    };
    let world = bare().policy("shop/deny", json!({})).with(slice("IPv4", &["10.0.0.1"]));
    assert_eq!(world.ingress(DIAL), "denied by shop/deny");
    assert_eq!(world.ingress(IPV6), MISSING_IPV6);
    let both = world.clone().with(slice("IPv6", &["fd00::1"]));
    assert_eq!(both.ingress(IPV6), "denied by shop/deny");
    // A slice that holds nobody does say so.
    assert_eq!(world.with(slice("IPv6", &[])).ingress(IPV6), "not-applicable");
    // A service of one family has no endpoints of the other, whichever node address is dialled.
    let spec = json!({"clusterIP": "10.96.0.4", "ports": [{"port": 80, "nodePort": 30084}]});
    let single =
        bare().policy("shop/deny", json!({})).service("shop/single", spec).node("n2", &["2001:db8::2"]);
    assert_eq!(single.ingress("fd00::2 -> 2001:db8::2 on 30084/tcp"), "not-applicable");
    assert_eq!(single.ingress("fd00::2 -> 2001:db8::2 on 30083/tcp"), MISSING_IPV6);

    let only_ipv6 = bare().policy("shop/deny", json!({})).with(slice("IPv6", &["fd00::1"]));
    assert_eq!(only_ipv6.ingress(DIAL), MISSING);
}

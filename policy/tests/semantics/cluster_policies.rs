//! ClusterNetworkPolicy: subjects, peers and ports (C6–C10, C12, C13, C16).

use crate::world::{World, labelled, object, pod, world};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// Web and callers of all sorts, with host-network pods and nodes beside them.
fn cluster() -> World {
    world()
        .namespace("shop", "team=shop")
        .namespace("dev", "team=dev")
        .labelled_node("n1", "zone=a", &["192.0.2.1", "2001:db8::1"])
        .labelled_node("n2", "zone=b", &["192.0.2.2"])
        .pod(
            pod("shop/web")
                .ip("10.0.0.1")
                .ip("fd00::1")
                .on("n1")
                .label("app=web")
                .named_port("http", 8080, None),
        )
        .pod(pod("shop/api").ip("10.0.0.2").on("n2").label("app=api").named_port("dns", 53, Some("UDP")))
        .pod(pod("dev/curl").ip("10.0.1.1").ip("fd00::2").on("n2"))
        .pod(
            pod("shop/host")
                .ip("192.0.2.2")
                .on("n2")
                .host_network()
                .label("app=web")
                .named_port("http", 80, None),
        )
}

fn spec(subject: Value, direction: &str, rules: Value) -> Value {
    json!({"tier": "Admin", "priority": 1, "subject": subject, direction: rules})
}

/// A cluster that denies whatever the peers of one rule match.
fn denies(subject: Value, direction: &str, peer: Value) -> World {
    let peers = if direction == "ingress" { "from" } else { "to" };
    cluster().cluster_policy("p", spec(subject, direction, json!([{"action": "Deny", peers: [peer]}])))
}

fn everyone() -> Value {
    json!({"namespaces": {}})
}

/// Those of the destinations that web may not reach.
fn denied_from_web(peer: Value) -> Vec<&'static str> {
    let world = denies(everyone(), "egress", peer);
    let all = ["shop/api", "dev/curl", "192.0.2.1", "192.0.2.2", "198.51.100.7"];
    all.into_iter()
        .filter(|to| world.egress(&format!("shop/web -> {to} on 80/tcp")) == "denied by p")
        .collect()
}

#[test]
fn a_subject_is_the_pods_of_namespaces_or_pods_within_them() {
    let denied = |subject: Value| {
        let world = denies(subject, "egress", json!({"networks": ["0.0.0.0/0"]}));
        let all = ["shop/web", "shop/api", "dev/curl", "shop/host"];
        let denied =
            |from: &&str| world.egress(&format!("{from} -> 198.51.100.7 on 80/tcp")) == "denied by p";
        all.into_iter().filter(denied).collect::<Vec<_>>()
    };
    assert_eq!(denied(everyone()), ["shop/web", "shop/api", "dev/curl"]);
    assert_eq!(denied(json!({"namespaces": labelled("team=dev")})), ["dev/curl"]);
    assert_eq!(denied(json!({"pods": {"podSelector": labelled("app=web")}})), ["shop/web"]);
    let both = json!({"pods": {"namespaceSelector": labelled("team=shop"), "podSelector": {}}});
    assert_eq!(denied(both), ["shop/web", "shop/api"]);
    assert_eq!(denied(json!({"pods": {}})), ["shop/web", "shop/api", "dev/curl"]);
}

#[test]
fn all_namespaces_are_all_pods_and_nobody_else() {
    assert_eq!(denied_from_web(everyone()), ["shop/api", "dev/curl"]);
    let ingress = denies(everyone(), "ingress", everyone());
    assert_eq!(ingress.ingress("dev/curl -> shop/web on 80/tcp"), "denied by p");
    for stranger in ["198.51.100.7", "192.0.2.2", "shop/host"] {
        assert_eq!(
            ingress.ingress(&format!("{stranger} -> shop/web on 80/tcp")),
            "not-isolated",
            "{stranger}"
        );
    }
}

#[test]
fn pods_without_a_namespace_selector_are_those_of_all_namespaces() {
    assert_eq!(denied_from_web(json!({"pods": {"podSelector": labelled("app=api")}})), ["shop/api"]);
    assert_eq!(denied_from_web(json!({"pods": {"podSelector": {}}})), ["shop/api", "dev/curl"]);
    let elsewhere =
        json!({"pods": {"namespaceSelector": labelled("team=dev"), "podSelector": labelled("app=api")}});
    assert_eq!(denied_from_web(elsewhere).len(), 0);
}

#[test]
fn an_absent_label_is_in_no_list_and_not_in_every_list() {
    let by = |operator: &str| json!({"namespaces": {"matchExpressions": [{"key": "gone", "operator": operator, "values": ["x"]}]}});
    assert_eq!(denied_from_web(by("NotIn")), ["shop/api", "dev/curl"]);
    assert_eq!(denied_from_web(by("In")).len(), 0);
}

#[test]
fn nodes_are_their_addresses_and_never_the_pods_on_them() {
    assert_eq!(denied_from_web(json!({"nodes": {}})), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(denied_from_web(json!({"nodes": labelled("zone=b")})), ["192.0.2.2"]);
    let world = denies(everyone(), "egress", json!({"nodes": labelled("zone=a")}));
    assert_eq!(world.egress("fd00::1 -> 2001:db8::1 on 80/tcp"), "denied by p");
    assert_eq!(world.egress("shop/web -> shop/host on 80/tcp"), "not-isolated");
}

#[test]
fn a_relabelled_node_changes_the_answer() {
    let world = denies(everyone(), "egress", json!({"nodes": labelled("zone=a")}));
    let out = "dev/curl -> 192.0.2.1 on 80/tcp";
    assert_eq!(world.egress(out), "denied by p");
    assert_eq!(world.labelled_node("n1", "zone=c", &["192.0.2.1"]).egress(out), "not-isolated");
}

#[test]
fn an_address_told_beside_the_node_object_is_no_node_peer() {
    let world = denies(everyone(), "egress", json!({"nodes": {}})).node_also_has("n1", &["10.0.0.254"]);
    assert_eq!(world.egress("shop/web -> 10.0.0.254 on 80/tcp"), "not-isolated");
}

#[test]
fn a_host_network_pod_is_a_node_peer_whose_labels_may_be_missing() {
    let host = || pod("kube-system/host").ip("192.0.2.9").on("n9").host_network();
    let out = "shop/web -> 192.0.2.9 on 80/tcp";
    let all = denies(everyone(), "egress", json!({"nodes": {}})).pod(host());
    assert_eq!(all.egress(out), "denied by p");
    let some = denies(everyone(), "egress", json!({"nodes": labelled("zone=a")})).pod(host());
    let side = some.egress(out);
    assert!(side.starts_with("undecidable: ") && side.contains("Node object"), "{side}");
    assert_eq!(some.labelled_node("n9", "zone=b", &[]).egress(out), "not-isolated");
}

#[test]
fn egress_to_the_own_node_is_subject() {
    let world = denies(everyone(), "egress", json!({"nodes": labelled("zone=a")}));
    assert_eq!(world.egress("shop/web -> 192.0.2.1 on 10250/tcp"), "denied by p");
}

#[test]
fn networks_match_pods_nodes_and_strangers_by_family() {
    let all = ["shop/api", "dev/curl", "192.0.2.1", "192.0.2.2", "198.51.100.7"];
    assert_eq!(denied_from_web(json!({"networks": ["0.0.0.0/0"]})), all);
    assert_eq!(denied_from_web(json!({"networks": ["::/0"]})).len(), 0);
    assert_eq!(
        denied_from_web(json!({"networks": ["10.0.1.0/24", "198.51.100.0/24"]})),
        ["dev/curl", "198.51.100.7"]
    );
    assert_eq!(denied_from_web(json!({"networks": ["10.0.1.99/24"]})), ["dev/curl"]);
    assert_eq!(denied_from_web(json!({"networks": ["::ffff:10.0.1.0/120"]})), ["dev/curl"]);
    let v6 = denies(everyone(), "egress", json!({"networks": ["fd00::/64"]}));
    assert_eq!(v6.egress("fd00::1 -> fd00::2 on 80/tcp"), "denied by p");
    assert_eq!(v6.egress("shop/web -> dev/curl on 80/tcp"), "not-isolated");
}

#[test]
fn icmp_of_both_families_is_matched_where_ports_are_not_restricted() {
    let world = denies(everyone(), "egress", json!({"networks": ["0.0.0.0/0", "::/0"]}));
    assert_eq!(world.egress("shop/web -> 198.51.100.7 on icmp"), "denied by p");
    assert_eq!(world.egress("fd00::1 -> fd00::2 on icmpv6"), "denied by p");
    assert_eq!(denied_on(json!([{"tcp": {}}, {"udp": {}}, {"sctp": {}}]), &["icmp", "icmpv6"]).len(), 0);
    assert_eq!(denied_on(json!([]), &["icmp"]), ["icmp"]);
}

/// Those of the ports at which dev may not reach web.
fn denied_on<'a>(protocols: Value, ports: &[&'a str]) -> Vec<&'a str> {
    let rule = json!({"action": "Deny", "from": [everyone()], "protocols": protocols});
    let world = cluster().cluster_policy("p", spec(everyone(), "ingress", json!([rule])));
    let denied = |port: &&&str| world.ingress(&format!("dev/curl -> shop/web on {port}")) == "denied by p";
    ports.iter().filter(denied).copied().collect()
}

const PORTS: [&str; 8] =
    ["79/tcp", "80/tcp", "81/tcp", "8080/tcp", "65535/tcp", "80/udp", "80/sctp", "8080/udp"];

#[test]
fn protocols_are_ored_and_absent_ones_restrict_nothing() {
    assert_eq!(denied_on(Value::Null, &PORTS), PORTS);
    let some =
        json!([{"tcp": {"destinationPort": {"number": 80}}}, {"sctp": {"destinationPort": {"number": 80}}}]);
    assert_eq!(denied_on(some, &PORTS), ["80/tcp", "80/sctp"]);
    assert_eq!(denied_on(json!([{"udp": {}}]), &PORTS), ["80/udp", "8080/udp"]);
}

#[test]
fn a_range_includes_both_ends() {
    let range =
        |start: u32, end: u32| json!([{"tcp": {"destinationPort": {"range": {"start": start, "end": end}}}}]);
    assert_eq!(denied_on(range(79, 80), &PORTS), ["79/tcp", "80/tcp"]);
    assert_eq!(denied_on(range(8080, 70_000), &PORTS), ["8080/tcp", "65535/tcp"]);
}

#[test]
fn a_port_name_brings_the_number_and_the_protocol_of_the_destination() {
    assert_eq!(denied_on(json!([{"destinationNamedPort": "http"}]), &PORTS), ["8080/tcp"]);
    assert_eq!(denied_on(json!([{"destinationNamedPort": "gone"}]), &PORTS).len(), 0);
    let rule = json!({"action": "Deny", "to": [everyone()], "protocols": [{"destinationNamedPort": "dns"}]});
    let world = cluster().cluster_policy("p", spec(everyone(), "egress", json!([rule])));
    assert_eq!(world.egress("shop/web -> shop/api on 53/udp"), "denied by p");
    assert_eq!(world.egress("shop/web -> shop/api on 53/tcp"), "not-isolated");
}

#[test]
fn neither_hosts_nor_strangers_have_named_ports() {
    let rule = json!({"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}], "protocols": [{"destinationNamedPort": "http"}]});
    let world = cluster().cluster_policy("p", spec(everyone(), "egress", json!([rule])));
    assert_eq!(world.egress("dev/curl -> shop/host on 80/tcp"), "not-isolated");
    assert_eq!(world.egress("dev/curl -> 198.51.100.7 on 80/tcp"), "not-isolated");
    assert_eq!(world.egress("dev/curl -> shop/web on 8080/tcp"), "denied by p");
}

#[test]
fn an_unknown_port_is_a_missing_fact_only_where_the_name_or_number_may_fit() {
    let ask = |protocols: Value| {
        let rule = json!({"action": "Deny", "from": [everyone()], "protocols": protocols});
        let world = cluster().cluster_policy("p", spec(everyone(), "ingress", json!([rule])));
        world.ingress("dev/curl -> shop/web on tcp")
    };
    let unknown = "undecidable: the destination port is not known";
    assert_eq!(ask(json!([{"tcp": {"destinationPort": {"number": 80}}}])), unknown);
    assert_eq!(ask(json!([{"destinationNamedPort": "http"}])), unknown);
    assert_eq!(ask(json!([{"udp": {"destinationPort": {"number": 80}}}])), "not-isolated");
    assert_eq!(ask(json!([{"destinationNamedPort": "gone"}])), "not-isolated");
    assert_eq!(ask(json!([{"tcp": {}}])), "denied by p");
}

#[test]
fn finished_pods_are_neither_subject_nor_peer() {
    let done = object::<Pod>(json!({"metadata": {"namespace": "dev", "name": "done"},
        "status": {"phase": "Succeeded", "podIPs": [{"ip": "10.0.1.9"}]}}));
    let world = denies(everyone(), "ingress", everyone()).with(done);
    assert_eq!(world.ingress("10.0.1.9 -> shop/web on 80/tcp"), "not-isolated");
    assert_eq!(world.ingress("shop/web -> 10.0.1.9 on 80/tcp"), "not-applicable");
}

#[test]
fn a_pod_that_is_deleted_or_relabelled_is_judged_anew() {
    let subject = json!({"pods": {"podSelector": labelled("app=api")}});
    let world = denies(subject, "egress", json!({"networks": ["0.0.0.0/0"]}));
    assert_eq!(world.egress("shop/api -> 198.51.100.7 on 80/tcp"), "denied by p");
    let world = world.pod(pod("shop/api").ip("10.0.0.2").label("app=other"));
    assert_eq!(world.egress("shop/api -> 198.51.100.7 on 80/tcp"), "not-isolated");
    let gone = world.clone().pod(pod("shop/api").ip("10.0.0.2").label("app=api").phase("Failed"));
    assert_eq!(gone.egress("10.0.0.2 -> 198.51.100.7 on 80/tcp"), "not-applicable");
}

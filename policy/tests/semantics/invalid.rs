//! Parts that the API would reject (§8): they match nothing, and cost nothing else.

use crate::world::{World, object, pod, policy, world};
use k8s_openapi::api::{
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use portolan_policy::{ObjectKey, ObjectKind};
use serde_json::{Value, json};

fn shop(rule: Value) -> World {
    world()
        .namespace("shop", "")
        .pod(pod("shop/web").ip("10.0.0.1").named_port("http", 80, None))
        .pod(pod("shop/api").ip("10.0.0.2"))
        .policy("shop/p", json!({"ingress": [rule]}))
}

/// Whether anything at all gets through the rule.
fn admits_anything(rule: Value) -> bool {
    let world = shop(rule);
    let sources = ["shop/api", "198.51.100.1", "0.0.0.0"];
    let ports = ["1/tcp", "80/tcp", "65535/tcp", "80/udp", "80/sctp", "0/tcp", "icmp"];
    sources.iter().any(|source| {
        ports.iter().any(|port| {
            let side = world.ingress(&format!("{source} -> shop/web on {port}"));
            assert!(side == "denied by shop/p" || side == "admitted by shop/p[0]", "{side}");
            side.starts_with("admitted")
        })
    })
}

#[test]
fn invalid_peers_match_nothing() {
    let block = json!({"cidr": "0.0.0.0/0"});
    for peer in [
        json!({}),
        json!({"ipBlock": block, "podSelector": {}}),
        json!({"ipBlock": block, "namespaceSelector": {}}),
        json!({"ipBlock": block, "namespaceSelector": {}, "podSelector": {}}),
        json!({"ipBlock": {"cidr": "everywhere"}}),
        json!({"ipBlock": {"cidr": ""}}),
        json!({"ipBlock": {}}),
        json!({"ipBlock": {"cidr": "0.0.0.0/33"}}),
        json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["nowhere"]}}),
        json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["0.0.0.0/0"]}}),
        json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}}),
        json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "NotIn"}]}}),
    ] {
        assert!(!admits_anything(json!({"from": [peer]})), "{peer}");
    }
}

#[test]
fn an_exception_outside_its_block_has_no_effect() {
    let block = json!({"cidr": "198.51.100.0/24", "except": ["192.0.2.0/24", "2001:db8::/32"]});
    assert!(admits_anything(json!({"from": [{"ipBlock": block}]})));
}

#[test]
fn invalid_ports_match_nothing() {
    for port in [
        json!({"port": 80, "endPort": 79}),
        json!({"port": 80, "endPort": -1}),
        json!({"endPort": 90}),
        json!({"port": "http", "endPort": 90}),
        json!({"port": 0}),
        json!({"port": -80}),
        json!({"port": 65616}),
        json!({"port": ""}),
        json!({"port": 80, "protocol": "tcp"}),
        json!({"port": 80, "protocol": "ICMP"}),
        json!({"protocol": "QUIC"}),
        json!({"protocol": ""}),
    ] {
        assert!(!admits_anything(json!({"ports": [port]})), "{port}");
    }
}

#[test]
fn an_end_beyond_the_last_port_is_clamped() {
    let world = shop(json!({"ports": [{"port": 80, "endPort": 65537}]}));
    assert_eq!(world.ingress("shop/api -> shop/web on 65535/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("shop/api -> shop/web on 79/tcp"), "denied by shop/p");
}

#[test]
fn an_invalid_part_leaves_the_valid_ones_alone() {
    let from = json!([{}, {"ipBlock": {"cidr": "bad"}}, {"podSelector": {}}]);
    let world = shop(json!({"from": from, "ports": [{"endPort": 1}, {"port": 80}]}));
    assert_eq!(world.ingress("shop/api -> shop/web on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("198.51.100.1 -> shop/web on 80/tcp"), "denied by shop/p");
}

#[test]
fn an_object_without_a_name_is_refused() {
    let mut world = world();
    let error = world.try_with(policy("shop/", json!({}))).unwrap_err();
    assert_eq!(error.key, ObjectKey::namespaced(ObjectKind::NetworkPolicy, "shop", ""));
    assert_eq!(error.problem, "metadata.name is missing; give the object a name");
}

#[test]
fn an_address_that_is_none_is_refused_by_name_and_changes_nothing() {
    let mut world = shop(json!({}));
    let bad_pod = object::<Pod>(json!({"metadata": {"namespace": "shop", "name": "web"},
        "status": {"podIPs": [{"ip": "10.0.0.300"}]}}));
    let error = world.try_with(bad_pod).unwrap_err().to_string();
    assert_eq!(
        error,
        "Pod shop/web: status.podIPs: `10.0.0.300` is no IP address; write one such as 10.0.0.1 or fd00::1"
    );
    assert_eq!(world.ingress("shop/api -> shop/web on 80/tcp"), "admitted by shop/p[0]");

    let bad_node = object::<Node>(json!({"metadata": {"name": "n1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "node-1"}]}}));
    assert!(
        world.try_with(bad_node).unwrap_err().to_string().starts_with("Node n1: status.addresses: `node-1`")
    );

    let bad_service = object::<Service>(json!({"metadata": {"namespace": "shop", "name": "web"},
        "spec": {"clusterIP": "none"}}));
    let error = world.try_with(bad_service).unwrap_err().to_string();
    assert!(error.starts_with("Service shop/web: spec.clusterIPs: `none`"), "{error}");

    let bad_slice = object::<EndpointSlice>(json!({"addressType": "IPv4",
        "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["web"]}]}));
    let error = world.try_with(bad_slice).unwrap_err().to_string();
    assert!(error.starts_with("EndpointSlice shop/web-1: endpoints[].addresses: `web`"), "{error}");
}

#[test]
fn slices_of_names_and_of_no_service_are_taken_and_tell_nothing() {
    let names = object::<EndpointSlice>(json!({"addressType": "FQDN",
        "metadata": {"namespace": "shop", "name": "a", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["web.example"]}]}));
    let orphan = object::<EndpointSlice>(json!({"addressType": "IPv4",
        "metadata": {"namespace": "shop", "name": "b"}, "endpoints": [{"addresses": ["10.0.0.1"]}]}));
    let world = shop(json!({}))
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}))
        .with(names)
        .with(orphan);
    let side = world.ingress("shop/api -> 10.96.0.1 on 80/tcp");
    assert!(side.starts_with("undecidable: what stands behind service shop/web is not known"), "{side}");
}

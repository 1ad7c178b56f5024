//! Names of ports, and protocols.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn shop() -> World {
    let dns = json!([{"containerPort": 53, "protocol": "UDP", "name": "dns"}]);
    let web = json!([{"containerPort": 80, "name": "http"}, {"containerPort": 443}]);
    let both = json!([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]);
    world()
        .namespace("shop", "")
        .pod_with("shop/web", "app=web", json!({}), web)
        .pod_with("shop/dns", "app=dns", json!({}), dns)
        .pod_with("shop/both", "app=both", json!({}), both)
}

fn ingress(selector: &str, port: Value) -> World {
    shop().policy("shop/p", json!({"podSelector": select(selector), "ingress": [{"ports": [port]}]}))
}

fn egress(peer: Value, port: Value) -> World {
    let rule = json!({"to": [peer], "ports": [port]});
    shop().policy("shop/p", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}))
}

#[test]
fn a_name_that_no_selected_pod_has() {
    ingress("app=web", json!({"port": "htpt"})).has(
        "unknown-port-name",
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: no container of the pods has a port `htpt`; \
         they are pods such as shop/web; name the container port so",
    );
    ingress("app=dns", json!({"port": "dns"})).has(
        "unknown-port-name",
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: no container of the pods has a port `dns` of TCP",
    );
    ingress("app=web", json!({"port": "http"})).has_no("unknown-port-name");
    ingress("app=dns", json!({"port": "dns", "protocol": "UDP"})).has_no("unknown-port-name");
    ingress("", json!({"port": "http"})).has_no("unknown-port-name");
    ingress("app=nobody", json!({"port": "http"})).has_no("unknown-port-name");
}

#[test]
fn on_egress_the_names_are_those_of_the_peers() {
    let peer = json!({"podSelector": select("app=dns")});
    egress(peer.clone(), json!({"port": "http"}))
        .has("unknown-port-name", "NetworkPolicy shop/p: spec.egress[0]");
    egress(json!({"podSelector": select("app=web")}), json!({"port": "http"})).has_no("unknown-port-name");
    egress(json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), json!({"port": "nowhere"}))
        .has_no("unknown-port-name");
}

#[test]
fn ports_of_init_containers_are_not_denied() {
    let init = json!({"initContainers": [{"name": "side", "restartPolicy": "Always", "ports": [{"containerPort": 15090, "name": "stats"}]}]});
    let world = world().namespace("shop", "").pod_with("shop/web", "app=web", init, json!([]));
    let spec = json!({"podSelector": {}, "ingress": [{"ports": [{"port": "stats"}]}]});
    world.policy("shop/p", spec).has_no("unknown-port-name");
}

#[test]
fn a_number_that_only_udp_containers_have() {
    ingress("app=dns", json!({"port": 53})).has(
        "protocol-forgotten",
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: without a protocol this is 53/TCP, and the pods have \
         53/UDP only; add `protocol: UDP` if that was meant",
    );
    egress(json!({"podSelector": select("app=dns")}), json!({"port": 53}))
        .has("protocol-forgotten", "NetworkPolicy shop/p: spec.egress[0].ports[0].port");
    ingress("app=dns", json!({"port": 53, "protocol": "TCP"})).has_no("protocol-forgotten");
    ingress("app=dns", json!({"port": 53, "endPort": 60})).has_no("protocol-forgotten");
    ingress("app=both", json!({"port": 53})).has_no("protocol-forgotten");
    ingress("", json!({"port": 53})).has_no("protocol-forgotten");
    ingress("app=web", json!({"port": 53})).has_no("protocol-forgotten");
}

#[test]
fn what_is_no_name_of_a_port_is_told_once() {
    for port in ["80", "HTTP_PORT", ""] {
        let world = world().pod("shop/web", "app=web");
        let world =
            world.policy("shop/p", json!({"podSelector": {}, "ingress": [{"ports": [{"port": port}]}]}));
        world
            .has("invalid-field", "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: ")
            .has_no("unknown-port-name");
    }
}

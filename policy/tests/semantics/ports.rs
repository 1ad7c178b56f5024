//! Ports: which ones a rule admits (N1, N15–N20).

use crate::world::{World, pod, world};
use serde_json::{Value, json};

fn shop(ports: Value) -> World {
    let web = pod("shop/web")
        .ip("10.0.0.1")
        .named_port("http", 8080, None)
        .named_port("dns", 5353, Some("UDP"))
        .named_port("multi", 7000, None)
        .sidecar_port("multi", 7001);
    world()
        .pod(web)
        .pod(pod("dev/curl").ip("10.0.0.2").named_port("http", 9090, None))
        .policy("shop/p", json!({"ingress": [{"ports": ports}]}))
}

/// Those of the questions that are admitted.
fn admitted(ports: Value) -> Vec<&'static str> {
    let world = shop(ports);
    let asked = [
        "79/tcp",
        "80/tcp",
        "81/tcp",
        "82/tcp",
        "80/udp",
        "80/sctp",
        "8080/tcp",
        "8080/udp",
        "5353/udp",
        "7000/tcp",
        "7001/tcp",
        "65535/tcp",
        "icmp",
        "icmpv6",
    ];
    let admits = |port: &&str| {
        let side = world.ingress(&format!("dev/curl -> shop/web on {port}"));
        assert!(side == "admitted by shop/p[0]" || side == "denied by shop/p", "{side}");
        side.starts_with("admitted")
    };
    asked.into_iter().filter(admits).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn absent_and_empty_ports_are_every_port_of_every_protocol() {
    for ports in [Value::Null, json!([])] {
        assert_eq!(admitted(ports).len(), 14);
    }
}

#[test]
fn an_absent_protocol_is_tcp() {
    assert_eq!(admitted(json!([{"port": 80}])), ["80/tcp"]);
    assert_eq!(admitted(json!([{"port": 80, "protocol": "UDP"}])), ["80/udp"]);
    assert_eq!(admitted(json!([{"port": 80, "protocol": "SCTP"}])), ["80/sctp"]);
}

#[test]
fn an_entry_without_a_port_is_every_port_of_its_protocol_only() {
    assert_eq!(admitted(json!([{"protocol": "UDP"}])), ["80/udp", "8080/udp", "5353/udp"]);
    let tcp = ["79/tcp", "80/tcp", "81/tcp", "82/tcp", "8080/tcp", "7000/tcp", "7001/tcp", "65535/tcp"];
    assert_eq!(admitted(json!([{}])), tcp);
}

#[test]
fn a_range_includes_both_ends() {
    assert_eq!(admitted(json!([{"port": 80, "endPort": 81}])), ["80/tcp", "81/tcp"]);
    assert_eq!(admitted(json!([{"port": 80, "endPort": 80}])), ["80/tcp"]);
    assert_eq!(admitted(json!([{"port": 8080, "endPort": 65535}])), ["8080/tcp", "65535/tcp"]);
}

#[test]
fn entries_are_ored() {
    assert_eq!(admitted(json!([{"port": 79}, {"port": 80, "protocol": "UDP"}])), ["79/tcp", "80/udp"]);
}

#[test]
fn a_name_needs_the_number_and_the_protocol_of_the_destinations_port() {
    assert_eq!(admitted(json!([{"port": "http"}])), ["8080/tcp"]);
    assert_eq!(admitted(json!([{"port": "http", "protocol": "UDP"}])), NONE);
    assert_eq!(admitted(json!([{"port": "dns"}])), NONE);
    assert_eq!(admitted(json!([{"port": "dns", "protocol": "UDP"}])), ["5353/udp"]);
    assert_eq!(admitted(json!([{"port": "gone"}])), NONE);
}

#[test]
fn a_name_in_two_containers_is_any_of_them() {
    assert_eq!(admitted(json!([{"port": "multi"}])), ["7000/tcp", "7001/tcp"]);
}

#[test]
fn a_string_of_digits_is_a_name_and_never_a_number() {
    assert_eq!(admitted(json!([{"port": "80"}])), NONE);
}

#[test]
fn icmp_is_admitted_only_where_ports_are_not_restricted() {
    let world = shop(json!([{"protocol": "TCP"}]));
    assert_eq!(world.ingress("dev/curl -> shop/web on icmp"), "denied by shop/p");
    let open = shop(json!([]));
    assert_eq!(open.ingress("dev/curl -> shop/web on icmp"), "admitted by shop/p[0]");
    assert_eq!(open.ingress("dev/curl -> shop/web on icmpv6"), "admitted by shop/p[0]");
}

#[test]
fn the_port_is_the_destinations_in_both_directions() {
    let out =
        |to: Value| json!({"policyTypes": ["Egress"], "egress": [{"to": to, "ports": [{"port": "http"}]}]});
    let world = shop(json!([])).policy("dev/out", out(Value::Null));
    // The name is looked up on web, the destination, not on curl, which has another http.
    assert_eq!(world.egress("dev/curl -> shop/web on 8080/tcp"), "admitted by dev/out[0]");
    assert_eq!(world.egress("dev/curl -> shop/web on 9090/tcp"), "denied by dev/out");
    assert_eq!(world.egress("dev/curl -> 198.51.100.7 on 8080/tcp"), "denied by dev/out");

    let by_block = world.policy("dev/out", out(json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}])));
    assert_eq!(by_block.egress("dev/curl -> shop/web on 8080/tcp"), "admitted by dev/out[0]");
    assert_eq!(by_block.egress("dev/curl -> 10.9.9.9 on 8080/tcp"), "denied by dev/out");
}

#[test]
fn one_name_can_be_two_numbers_on_two_pods() {
    let world = world()
        .pod(pod("shop/old").ip("10.0.0.1").named_port("http", 80, None))
        .pod(pod("shop/new").ip("10.0.0.2").named_port("http", 8080, None))
        .policy("shop/p", json!({"ingress": [{"ports": [{"port": "http"}]}]}));
    assert_eq!(world.ingress("10.9.0.1 -> shop/old on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("10.9.0.1 -> shop/old on 8080/tcp"), "denied by shop/p");
    assert_eq!(world.ingress("10.9.0.1 -> shop/new on 8080/tcp"), "admitted by shop/p[0]");
}

#[test]
fn peer_and_port_must_match_in_one_rule() {
    let world = world().pod(pod("shop/web").ip("10.0.0.1")).policy(
        "shop/p",
        json!({"ingress": [
            {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 80}]},
            {"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 81}]},
        ]}),
    );
    assert_eq!(world.ingress("192.0.2.1 -> shop/web on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("192.0.2.1 -> shop/web on 81/tcp"), "denied by shop/p");
    assert_eq!(world.ingress("198.51.100.1 -> shop/web on 81/tcp"), "admitted by shop/p[1]");
}
